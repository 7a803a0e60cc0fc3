import type { AnyTensor, DType } from "../../tensor/tensor.js";

/** Version of `references/PROTOCOL.md` that this client speaks. */
export const PROTOCOL_VERSION = 1;
/** Longest JSON line of a message, in bytes. */
export const MAX_LINE_BYTES: number = 16 << 20;
/** All tensors of one message together, in bytes. */
export const MAX_TENSOR_BYTES: number = 4 * 2 ** 30;
/** What stands after the tensors of every message. */
export const TRAILER = "end\n";

/** Bytes of one element. */
export const ELEMENT_BYTES: Readonly<Record<DType, number>> = {
  float32: 4,
  float64: 8,
  int32: 4,
  int64: 8,
  uint8: 1,
  bool: 1,
};

/** Tensors by name, in the order of the message. */
export type NamedTensors = ReadonlyMap<string, AnyTensor>;

/** A message in either direction: its JSON fields, and its tensors. */
export interface Message {
  readonly fields: Readonly<Record<string, unknown>>;
  readonly tensors: NamedTensors;
}

/** A runner did not keep to the protocol; the text says what was found and what was expected. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}
