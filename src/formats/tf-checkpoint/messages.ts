import { InputError } from "../../errors.js";
import type { StoredDType } from "../stored-dtype.js";
import { bytesField, type Field, int32Field, readMessage, sizeField } from "./protobuf.js";

/**
 * A box of a tensor, one extent an axis; `length` is null where it spans the whole axis.
 *
 * @see tensorflow/core/framework/tensor_slice.proto
 */
export type TensorSlice = readonly { readonly start: number; readonly length: number | null }[];

/** `DataType` of tensorflow/core/framework/types.proto, those whose values can be read. */
const DTYPES: Readonly<Record<number, StoredDType>> = {
  1: "float32",
  2: "float64",
  3: "int32",
  4: "uint8",
  5: "int16",
  6: "int8",
  7: "string",
  8: "complex64",
  9: "int64",
  10: "bool",
  11: "int8", // qint8
  12: "uint8", // quint8
  13: "int32", // qint32
  14: "bfloat16",
  15: "int16", // qint16
  16: "uint16", // quint16
  17: "uint16",
  18: "complex128",
  19: "float16",
  22: "uint32",
  23: "uint64",
  24: "float8e5m2",
  25: "float8e4m3",
};

/** The stored type of a TensorFlow `DataType`, undefined for those that hold no numbers or text (variant, resource). */
export function dtypeFromTensorflow(dtype: number): StoredDType | undefined {
  return DTYPES[dtype];
}

/** `BundleHeaderProto`: the entry with the empty key. */
export interface BundleHeader {
  readonly shards: number;
  readonly endianness: "little" | "big";
}

/**
 * `BundleEntryProto`: where the values of one tensor, or of one slice of it, lie.
 *
 * @see tensorflow/core/protobuf/tensor_bundle.proto
 */
export interface BundleEntry {
  /** `DataType`, see {@link dtypeFromTensorflow}. */
  readonly dtype: number;
  readonly shape: readonly number[];
  readonly shard: number;
  readonly offset: number;
  readonly size: number;
  /** Masked CRC-32C of the values. */
  readonly crc32c: number;
  /** Not empty: the values lie under the keys of these slices, not here. */
  readonly slices: readonly TensorSlice[];
}

export function bundleHeader(bytes: Uint8Array, where: string): BundleHeader {
  const fields = { shards: int32Field(1), endianness: int32Field(2) };
  const { shards, endianness } = readMessage(bytes, where, fields);
  return {
    shards: shards.at(-1) ?? 0,
    endianness: (endianness.at(-1) ?? 0) === 0 ? "little" : "big",
  };
}

export function bundleEntry(bytes: Uint8Array, where: string): BundleEntry {
  const entry = readMessage(bytes, where, {
    dtype: int32Field(1),
    shape: bytesField(2),
    shard: int32Field(3),
    offset: sizeField(4),
    size: sizeField(5),
    crc32c: { number: 6, wire: "fixed32", read: (reader) => reader.fixed32() },
    slices: bytesField(7),
  } satisfies Record<string, Field<unknown>>);
  return {
    dtype: entry.dtype.at(-1) ?? 0,
    shape: tensorShape(entry.shape.at(-1), where),
    shard: entry.shard.at(-1) ?? 0,
    offset: entry.offset.at(-1) ?? 0,
    size: entry.size.at(-1) ?? 0,
    crc32c: entry.crc32c.at(-1) ?? 0,
    slices: entry.slices.map((slice) => tensorSlice(slice, where)),
  };
}

/** `TensorShapeProto`; an unknown size or rank cannot be that of stored values. */
export function tensorShape(bytes: Uint8Array | undefined, where: string): readonly number[] {
  if (bytes === undefined) return [];
  const shape = readMessage(bytes, where, { dims: bytesField(2), unknownRank: int32Field(3) });
  if (shape.unknownRank.at(-1) === 1) {
    throw new InputError("corrupt", `${where}: stored values have a shape of unknown rank`);
  }
  return shape.dims.map((dim) => readMessage(dim, where, { size: sizeField(1) }).size.at(-1) ?? 0);
}

/** `TensorSliceProto`. */
export function tensorSlice(bytes: Uint8Array, where: string): TensorSlice {
  return readMessage(bytes, where, { extents: bytesField(1) }).extents.map((extent) => {
    const fields = { start: sizeField(1), length: sizeField(2) };
    const { start, length } = readMessage(extent, where, fields);
    return { start: start.at(-1) ?? 0, length: length.at(-1) ?? null };
  });
}
