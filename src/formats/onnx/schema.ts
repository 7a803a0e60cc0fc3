import protobuf from "protobufjs/minimal.js";
import { type ModelProto, onnx, type TensorProto } from "./generated/onnx.js";

export type {
  AttributeProto,
  GraphProto,
  ModelProto,
  NodeProto,
  TensorProto,
  TypeProto,
  ValueInfoProto,
} from "./generated/onnx.js";

/** `TensorProto.data_type`. */
export const ONNX_TYPE = {
  float: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  double: 11,
  uint32: 12,
  uint64: 13,
  bfloat16: 16,
} as const;

/** `AttributeProto.type`. */
export const ONNX_ATTRIBUTE = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
  tensors: 9,
  graphs: 10,
} as const;

/** `TensorProto.data_location`: the values lie in another file. */
export const ONNX_EXTERNAL = 1;

/**
 * A model's messages. Whole numbers are `number` up to 2^53 (beyond it the `Long` of protobufjs, so
 * that an end of 2^63 - 1 survives a round trip; `toString` gives its digits), what the file does not say is
 * `undefined`, fields unknown to our schema survive {@link encodeModel}, and `raw_data` is a view of
 * `bytes`, not a copy (so it may not be aligned).
 *
 * @throws {Error} when the bytes are not a protocol buffer; an empty buffer is an empty model
 */
export function decodeModel(bytes: Uint8Array): ModelProto {
  return onnx.ModelProto.decode(readerOf(bytes));
}

/**
 * One tensor, as the files of ONNX' own test cases hold it; as {@link decodeModel}.
 *
 * @throws {Error} when the bytes are not a protocol buffer
 */
export function decodeTensor(bytes: Uint8Array): TensorProto {
  return onnx.TensorProto.decode(readerOf(bytes));
}

function readerOf(bytes: Uint8Array): protobuf.Reader {
  const reader = protobuf.Reader.create(bytes);
  // Set on this reader alone: the library's own switches would change other users of protobufjs.
  const { int64, uint64 } = protobuf.Reader.prototype;
  Object.assign(reader, {
    discardUnknown: false,
    int64: () => wholeNumber(int64.call(reader)),
    uint64: () => wholeNumber(uint64.call(reader)),
  });
  return reader;
}

function wholeNumber<T>(value: T): T | number {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** The bytes of a model. */
export function encodeModel(model: ModelProto): Uint8Array {
  // A plain array, not Node's Buffer, which protobufjs would return.
  const { buffer, byteOffset, byteLength } = onnx.ModelProto.encode(model).finish();
  return new Uint8Array(buffer, byteOffset, byteLength);
}
