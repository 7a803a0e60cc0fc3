import { InputError } from "../../errors.js";
import { byteLengthOf, type StoredDType } from "../stored-dtype.js";
import { checkedElements, noStrings, type StoredTensor } from "../tensor-file.js";
import { dtypeFromOnnx } from "./element-type.js";
import { type ExternalRange, externalRange, readExternal } from "./external-data.js";
import { ONNX_EXTERNAL, type TensorProto } from "./schema.js";

/** A weight whose element type cannot be read, by its number in the specification. */
export interface UnreadableWeight {
  readonly name: string;
  readonly dataType: number;
}

/**
 * One initializer as a tensor whose values are taken from the message, or from a file beside the
 * model, when asked for. Its size is checked at once.
 *
 * @param folder the model's folder, null when it has none: then external data is refused
 * @throws {InputError} `shape`, `unsupported`, `unsafe`, `not-found`, `truncated`
 */
export function storedInitializer(
  proto: TensorProto,
  folder: string | null,
  source: string,
): StoredTensor | UnreadableWeight {
  const name = proto.name ?? "";
  const where = `${source}: initializer "${name}"`;
  const dtype = dtypeFromOnnx(proto.data_type);
  if (dtype === undefined) return { name, dataType: proto.data_type ?? 0 };
  if (proto.segment !== undefined && proto.segment !== null) {
    throw new InputError("unsupported", `${where}: is a segment of a tensor, expected a whole one`);
  }
  const shape = proto.dims ?? [];
  const count = checkedElements(shape, where);
  if (dtype === "string") return textInitializer(name, shape, proto, count, where);
  const byteLength = packedBytes(dtype, count);
  const base = { name, shape, dtype, byteLength, strings: noStrings(where) };
  if (proto.data_location !== ONNX_EXTERNAL)
    return { ...base, bytes: inMessage(proto, dtype, byteLength, shape, where) };
  return { ...base, ...external(externalRange(proto, byteLength, folder, where), where) };
}

/** Elements of 4 bits are packed two by two; the last byte of an odd number of them is half used. */
function packedBytes(dtype: StoredDType, count: number): number {
  return byteLengthOf(dtype, count) ?? byteLengthOf(dtype, count + 1) ?? count;
}

function external(
  range: ExternalRange,
  where: string,
): Required<Pick<StoredTensor, "bytes" | "readInto">> {
  const readInto = (target: Uint8Array) => readExternal(range, target, where);
  const bytes = () => {
    const values = new Uint8Array(range.length);
    readInto(values);
    return values;
  };
  return { bytes, readInto };
}

function inMessage(
  proto: TensorProto,
  dtype: StoredDType,
  byteLength: number,
  shape: readonly number[],
  where: string,
): () => Uint8Array {
  const raw = proto.raw_data;
  const found = raw === undefined ? typedBytes(proto, dtype) : raw.byteLength;
  if (found !== byteLength) {
    throw new InputError(
      "shape",
      `${where}: ${dtype} [${shape.join(", ")}] takes ${byteLength} bytes, the file has ${found}`,
    );
  }
  return () => (raw === undefined ? bytesFromTyped(proto, dtype) : Uint8Array.from(raw));
}

/** Bytes that the values of the type's own field take, without making them. */
function typedBytes(proto: TensorProto, dtype: StoredDType): number {
  const { values, width } = typedField(proto, dtype);
  return values.length * width;
}

/**
 * Which field holds the values of a type where there is no `raw_data`, and how many bytes each of its
 * numbers becomes (specification: `TensorProto`). A complex number is two numbers; types of less than
 * 32 bits stand one by one, and 4-bit ones two by two, in `int32_data`.
 */
function typedField(
  proto: TensorProto,
  dtype: StoredDType,
): { readonly values: readonly number[]; readonly width: number } {
  switch (dtype) {
    case "float32":
    case "complex64":
      return { values: proto.float_data ?? [], width: 4 };
    case "float64":
    case "complex128":
      return { values: proto.double_data ?? [], width: 8 };
    case "int64":
      return { values: proto.int64_data ?? [], width: 8 };
    case "uint32":
    case "uint64":
      return { values: proto.uint64_data ?? [], width: byteLengthOf(dtype, 1) ?? 8 };
    default:
      return { values: proto.int32_data ?? [], width: byteLengthOf(dtype, 1) ?? 1 };
  }
}

function bytesFromTyped(proto: TensorProto, dtype: StoredDType): Uint8Array {
  const { values, width } = typedField(proto, dtype);
  if (dtype === "float32" || dtype === "complex64") {
    return new Uint8Array(Float32Array.from(values).buffer);
  }
  if (dtype === "float64" || dtype === "complex128") {
    return new Uint8Array(Float64Array.from(values).buffer);
  }
  if (width === 8) {
    // Through text: beyond 2^53 the values are protobufjs' Long.
    return new Uint8Array(BigInt64Array.from(values, (value) => BigInt(value.toString())).buffer);
  }
  const bytes = new Uint8Array(values.length * width);
  for (const [k, value] of values.entries()) {
    for (let byte = 0; byte < width; byte++) bytes[k * width + byte] = value >> (8 * byte);
  }
  return bytes;
}

function textInitializer(
  name: string,
  shape: readonly number[],
  proto: TensorProto,
  count: number,
  where: string,
): StoredTensor {
  const strings = proto.string_data ?? [];
  if (strings.length !== count) {
    throw new InputError(
      "shape",
      `${where}: shape [${shape.join(", ")}] needs ${count} strings, the file has ${strings.length}`,
    );
  }
  return {
    name,
    shape,
    dtype: "string",
    byteLength: strings.reduce((sum, text) => sum + text.byteLength, 0),
    bytes: () => {
      throw new InputError("unsupported", `${where}: holds strings, expected numbers`);
    },
    strings: () => strings.map((text) => Uint8Array.from(text)),
  };
}
