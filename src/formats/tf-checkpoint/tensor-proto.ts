import { InputError } from "../../errors.js";
import { byteLengthOf, type StoredDType } from "../stored-dtype.js";
import { bigIntOf, bytesField, type Field, readMessage } from "./protobuf.js";

/** How a `TensorProto` writes the values of a type: the number of its field, and each number's form there. */
interface TypedField {
  readonly number: number;
  readonly form: "float" | "double" | "int";
}

/** Fields of `TensorProto` by stored type (tensorflow/core/framework/tensor.proto). */
const TYPED_FIELDS: Readonly<Partial<Record<StoredDType, TypedField>>> = {
  float32: { number: 5, form: "float" },
  float64: { number: 6, form: "double" },
  int32: { number: 7, form: "int" },
  int16: { number: 7, form: "int" },
  int8: { number: 7, form: "int" },
  uint16: { number: 7, form: "int" },
  uint8: { number: 7, form: "int" },
  complex64: { number: 9, form: "float" },
  int64: { number: 10, form: "int" },
  bool: { number: 11, form: "int" },
  complex128: { number: 12, form: "double" },
  float16: { number: 13, form: "int" },
  bfloat16: { number: 13, form: "int" },
  uint32: { number: 16, form: "int" },
  uint64: { number: 17, form: "int" },
};

/**
 * The values of a `TensorProto` as little-endian bytes: from `tensor_content`, or from the field of
 * its type.
 *
 * @throws {InputError} `shape` when there are not `count` values, `unsupported` for other types, `corrupt`
 */
export function tensorProtoBytes(
  message: Uint8Array,
  dtype: StoredDType,
  count: number,
  where: string,
): Uint8Array {
  const typed = TYPED_FIELDS[dtype];
  if (typed === undefined) {
    throw new InputError("unsupported", `${where}: values of type ${dtype} are not read from here`);
  }
  const { content, numbers } = readMessage(message, where, {
    content: bytesField(4),
    numbers: numbersField(typed),
  });
  const need = byteLengthOf(dtype, count);
  const bytes = content.at(-1) ?? bytesOf(numbers, dtype, typed);
  if (bytes.byteLength !== need) {
    throw new InputError(
      "shape",
      `${where}: has ${bytes.byteLength} bytes of values, needs ${need}`,
    );
  }
  return Uint8Array.from(bytes);
}

/** The strings of a `TensorProto`. */
export function tensorProtoStrings(
  message: Uint8Array,
  count: number,
  where: string,
): Uint8Array[] {
  const { strings } = readMessage(message, where, { strings: bytesField(8) });
  if (strings.length !== count) {
    throw new InputError("shape", `${where}: has ${strings.length} strings, needs ${count}`);
  }
  return strings.map((text) => Uint8Array.from(text));
}

function numbersField({ number, form }: TypedField): Field<number | bigint> {
  if (form === "float") return { number, wire: "fixed32", read: (reader) => reader.float() };
  if (form === "double") return { number, wire: "fixed64", read: (reader) => reader.double() };
  return { number, wire: "varint", read: (reader) => bigIntOf(reader.uint64()) };
}

/** Integers are kept modulo their size, which is two's complement for those below zero. */
function bytesOf(
  numbers: readonly (number | bigint)[],
  dtype: StoredDType,
  { form }: TypedField,
): Uint8Array {
  if (form === "float") return new Uint8Array(Float32Array.from(numbers as number[]).buffer);
  if (form === "double") return new Uint8Array(Float64Array.from(numbers as number[]).buffer);
  const wide = new Uint8Array(BigUint64Array.from(numbers as bigint[]).buffer);
  const size = byteLengthOf(dtype, 1) ?? 8;
  return wide.filter((_, k) => k % 8 < size);
}
