import { InputError } from "../../errors.js";
import type { ByteSource } from "../byte-source.js";
import { byteLengthOf, type StoredDType } from "../stored-dtype.js";
import { checkedElements, noStrings, type StoredTensor } from "../tensor-file.js";
import type { Bundle, UnreadableTensor } from "./bundle.js";
import { dtypeFromTensorflow, type TensorSlice, tensorShape, tensorSlice } from "./messages.js";
import { sliceKey } from "./ordered-code.js";
import { bytesField, int32Field, readMessage, stringField } from "./protobuf.js";
import { type Box, boxesOf, copyBox } from "./slices.js";
import { openTable, type Table } from "./table.js";
import { tensorProtoBytes, tensorProtoStrings } from "./tensor-proto.js";

/** `SavedSliceMeta`: one tensor and the slices of it that a file holds. */
interface SliceMeta {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dataType: number;
  readonly slices: readonly TensorSlice[];
}

/** One slice of a tensor and the table that holds it. */
interface Part {
  readonly slice: TensorSlice;
  readonly table: Table;
}

/** A tensor as all files together describe it. */
interface Tensor extends SliceMeta {
  readonly parts: Part[];
}

/**
 * Reads a checkpoint of TensorFlow's first format: one table a file, each with its own list of tensors
 * (under the empty key) and one `SavedTensorSlices` message a slice.
 *
 * @param sources the file, or all shards of it
 * @see tensorflow/core/util/saved_tensor_slice.proto
 * @throws {InputError} `corrupt`, `shape`, `format`, `truncated`
 */
export function readV1(sources: readonly ByteSource[]): Bundle {
  const tensors = new Map<string, Tensor>();
  for (const source of sources) {
    const table = openTable(source);
    for (const meta of metaOf(table, source.name)) {
      const known = tensors.get(meta.name) ?? { ...meta, parts: [] };
      checkSame(known, meta, source.name);
      for (const slice of meta.slices) known.parts.push({ slice, table });
      tensors.set(meta.name, known);
    }
  }
  const name = sources[0]?.name ?? "";
  const unreadable: UnreadableTensor[] = [];
  const stored: StoredTensor[] = [];
  for (const tensor of tensors.values()) {
    const dtype = dtypeFromTensorflow(tensor.dataType);
    if (dtype === undefined) unreadable.push({ name: tensor.name, dataType: tensor.dataType });
    else stored.push(storedTensor(tensor, dtype, `${name}: "${tensor.name}"`));
  }
  return { tensors: stored, unreadable, shards: sources.length };
}

function metaOf(table: Table, name: string): SliceMeta[] {
  const where = `${name}: list of tensors`;
  const value = table.get(new Uint8Array(0));
  if (value === undefined) {
    throw new InputError("format", `${where}: is not there; it is no TensorFlow checkpoint`);
  }
  const { meta } = readMessage(value, where, { meta: bytesField(1) });
  const { tensors } = readMessage(meta.at(-1) ?? new Uint8Array(0), where, {
    tensors: bytesField(1),
  });
  return tensors.map((bytes) => {
    const fields = {
      name: stringField(1),
      shape: bytesField(2),
      type: int32Field(3),
      slices: bytesField(4),
    };
    const tensor = readMessage(bytes, where, fields);
    return {
      name: tensor.name.at(-1) ?? "",
      shape: tensorShape(tensor.shape.at(-1), where),
      dataType: tensor.type.at(-1) ?? 0,
      slices: tensor.slices.map((slice) => tensorSlice(slice, where)),
    };
  });
}

function checkSame(known: SliceMeta, meta: SliceMeta, name: string): void {
  if (`${known.shape}` !== `${meta.shape}` || known.dataType !== meta.dataType) {
    throw new InputError(
      "shape",
      `${name}: "${meta.name}" has shape [${meta.shape.join(", ")}] and type ${meta.dataType}, in another shard [${known.shape.join(", ")}] and ${known.dataType}`,
    );
  }
}

function storedTensor(tensor: Tensor, dtype: StoredDType, where: string): StoredTensor {
  const { name, shape, parts } = tensor;
  const count = checkedElements(shape, where);
  const boxes = boxesOf(
    shape,
    parts.map(({ slice }) => slice),
    where,
  );
  const messages = () =>
    parts.map(({ slice, table }, k) => sliceMessage(name, slice, table, `${where}: slice ${k}`));
  if (dtype === "string") {
    const strings = () => oneMessage(messages(), count, where);
    return { name, shape, dtype, byteLength: 0, bytes: refuseBytes(where), strings };
  }
  const size = byteLengthOf(dtype, 1) ?? 0;
  return {
    name,
    shape,
    dtype,
    byteLength: size * count,
    bytes: () => assemble(messages(), boxes, shape, dtype, where),
    strings: noStrings(where),
  };
}

/** Every slice is decoded, so its size known to be true, before memory for the whole is taken. */
function assemble(
  messages: readonly Uint8Array[],
  boxes: readonly Box[],
  shape: readonly number[],
  dtype: StoredDType,
  where: string,
): Uint8Array {
  const parts = messages.map((message, k) =>
    tensorProtoBytes(message, dtype, (boxes[k] as Box).elements, `${where}: slice ${k}`),
  );
  if (parts.length === 1 && parts[0] !== undefined) return parts[0];
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  const size = byteLengthOf(dtype, 1) ?? 0;
  for (const [k, part] of parts.entries()) copyBox(whole, shape, part, boxes[k] as Box, size);
  return whole;
}

function oneMessage(messages: readonly Uint8Array[], count: number, where: string): Uint8Array[] {
  const [message] = messages;
  if (messages.length !== 1 || message === undefined) {
    throw new InputError("unsupported", `${where}: is a partitioned tensor of strings`);
  }
  return tensorProtoStrings(message, count, where);
}

function refuseBytes(where: string): () => Uint8Array {
  return () => {
    throw new InputError("unsupported", `${where}: holds strings, expected numbers`);
  };
}

/** The `TensorProto` of a slice, from its `SavedSlice` in a `SavedTensorSlices`. */
function sliceMessage(name: string, slice: TensorSlice, table: Table, where: string): Uint8Array {
  const value = table.get(sliceKey(name, slice));
  if (value === undefined) throw new InputError("corrupt", `${where}: is not in the file`);
  const { data } = readMessage(value, where, { data: bytesField(2) });
  const saved = readMessage(data.at(-1) ?? new Uint8Array(0), where, {
    name: stringField(1),
    values: bytesField(3),
  });
  if (saved.name.at(-1) !== name) {
    throw new InputError("corrupt", `${where}: holds values of "${saved.name.at(-1)}"`);
  }
  return saved.values.at(-1) ?? new Uint8Array(0);
}
