import protobuf from "protobufjs/minimal.js";
import { crc32c, maskedCrc32c } from "../../../src/formats/tf-checkpoint/crc32c.js";
import type { TensorSlice } from "../../../src/formats/tf-checkpoint/messages.js";
import { sliceKey } from "../../../src/formats/tf-checkpoint/ordered-code.js";
import { type KeyValue, type TableOptions, tableBytes, varint } from "./write-table.js";

/** One tensor to write; `dataType` is TensorFlow's number (1: float32). */
export interface TensorToWrite {
  readonly name: string;
  readonly dataType: number;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
  readonly shard?: number;
  /** Instead of `bytes`: the values of each slice. */
  readonly slices?: readonly { readonly slice: TensorSlice; readonly bytes: Uint8Array }[];
  /** Strings have a checksum of their own. */
  readonly crc?: number;
}

/** An index and its data files. */
export interface BundleFiles {
  readonly index: Uint8Array;
  readonly data: readonly Uint8Array[];
}

/** The entries of an index, in the order of their keys, and the data files they speak of. */
export interface BundleEntries {
  readonly entries: readonly KeyValue[];
  readonly data: readonly Uint8Array[];
}

/** A checkpoint of the second format. */
export function bundleFiles(
  tensors: readonly TensorToWrite[],
  options: TableOptions & { shards?: number; bigEndian?: boolean } = {},
): BundleFiles {
  const { shards = 1, bigEndian = false, ...table } = options;
  const { entries, data } = bundleEntries(tensors, shards, bigEndian);
  return { index: tableBytes(entries, table), data };
}

/** What {@link bundleFiles} puts into the index. */
export function bundleEntries(
  tensors: readonly TensorToWrite[],
  shards: number,
  bigEndian = false,
): BundleEntries {
  const data: Buffer[] = Array.from({ length: shards }, () => Buffer.alloc(0));
  const entries: KeyValue[] = [[new Uint8Array(0), header(shards, bigEndian)]];
  const store = (bytes: Uint8Array, shard: number) => {
    const offset = data[shard]?.length ?? 0;
    data[shard] = Buffer.concat([data[shard] ?? Buffer.alloc(0), bytes]);
    return { shard, offset, size: bytes.length, crc: maskedCrc32c(crc32c(bytes)) };
  };
  for (const tensor of tensors) {
    const { name, dataType, shape, bytes, shard = 0, slices = [], crc } = tensor;
    const place = slices.length > 0 ? undefined : store(bytes, shard);
    const stored = place === undefined ? undefined : { ...place, crc: crc ?? place.crc };
    const list = slices.map(({ slice }) => slice);
    entries.push([Buffer.from(name), bundleEntry(dataType, shape, stored, list)]);
    for (const { slice, bytes: part } of slices) {
      const lengths = slice.map(({ length }, axis) => length ?? shape[axis] ?? 0);
      const value = bundleEntry(dataType, lengths, store(part, shard), []);
      entries.push([sliceKey(name, slice), value]);
    }
  }
  return { entries: entries.sort(([a], [b]) => Buffer.compare(a, b)), data };
}

function header(shards: number, bigEndian: boolean): Uint8Array {
  const writer = protobuf.Writer.create().uint32(8).int32(shards);
  if (bigEndian) writer.uint32(16).int32(1);
  return writer.uint32(26).bytes(Uint8Array.of(8, 1)).finish();
}

interface Place {
  readonly shard: number;
  readonly offset: number;
  readonly size: number;
  readonly crc: number;
}

function bundleEntry(
  dataType: number,
  shape: readonly number[],
  place: Place | undefined,
  slices: readonly TensorSlice[],
): Uint8Array {
  const writer = protobuf.Writer.create().uint32(8).int32(dataType);
  writer.uint32(18).bytes(shapeMessage(shape));
  if (place !== undefined) {
    writer.uint32(24).int32(place.shard).uint32(32).int64(place.offset);
    writer.uint32(40).int64(place.size).uint32(53).fixed32(place.crc);
  }
  for (const slice of slices) writer.uint32(58).bytes(sliceMessage(slice));
  return writer.finish();
}

function shapeMessage(shape: readonly number[]): Uint8Array {
  const writer = protobuf.Writer.create();
  for (const size of shape) {
    writer.uint32(18).bytes(protobuf.Writer.create().uint32(8).int64(size).finish());
  }
  return writer.finish();
}

function sliceMessage(slice: TensorSlice): Uint8Array {
  const writer = protobuf.Writer.create();
  for (const { start, length } of slice) {
    const extent = protobuf.Writer.create();
    if (length !== null) extent.uint32(8).int64(start).uint32(16).int64(length);
    writer.uint32(10).bytes(extent.finish());
  }
  return writer.finish();
}

/** The bytes of a tensor of strings, and the checksum of its entry. */
export function stringBytes(
  strings: readonly (string | Uint8Array)[],
  bigEndian = false,
): { bytes: Uint8Array; crc: number } {
  const texts = strings.map((text) => Buffer.from(text as Uint8Array));
  const lengths = Buffer.from(Uint32Array.from(texts, ({ length }) => length).buffer);
  const checksum = Buffer.alloc(4);
  if (bigEndian) lengths.swap32();
  checksum.writeUInt32LE(maskedCrc32c(crc32c(lengths)));
  if (bigEndian) checksum.swap32();
  const tail = Buffer.concat([checksum, ...texts]);
  const crc = maskedCrc32c(crc32c(tail, crc32c(lengths)));
  return { bytes: Buffer.concat([...texts.map(({ length }) => varint(length)), tail]), crc };
}

/** A tensor of the first format; `proto` is a whole `TensorProto`, one for each slice (by default the whole tensor). */
export interface V1Tensor {
  readonly name: string;
  readonly dataType: number;
  readonly shape: readonly number[];
  readonly values: readonly { readonly slice?: TensorSlice; readonly proto: Uint8Array }[];
}

/** A checkpoint of the first format. */
export function v1Bytes(tensors: readonly V1Tensor[], table: TableOptions = {}): Uint8Array {
  return tableBytes(v1Entries(tensors), table);
}

/** What {@link v1Bytes} puts into the table. */
export function v1Entries(tensors: readonly V1Tensor[]): KeyValue[] {
  const meta = protobuf.Writer.create();
  const entries: KeyValue[] = [];
  for (const { name, dataType, shape, values } of tensors) {
    const one = protobuf.Writer.create().uint32(10).string(name);
    one.uint32(18).bytes(shapeMessage(shape)).uint32(24).int32(dataType);
    for (const { slice = shape.map(() => ({ start: 0, length: null })), proto } of values) {
      one.uint32(34).bytes(sliceMessage(slice));
      const saved = protobuf.Writer.create().uint32(10).string(name);
      saved.uint32(18).bytes(sliceMessage(slice)).uint32(26).bytes(proto);
      entries.push([
        sliceKey(name, slice),
        protobuf.Writer.create().uint32(18).bytes(saved.finish()).finish(),
      ]);
    }
    meta.uint32(10).bytes(one.finish());
  }
  const list = protobuf.Writer.create().uint32(10).bytes(meta.finish()).finish();
  entries.push([new Uint8Array(0), list]);
  return entries.sort(([a], [b]) => Buffer.compare(a, b));
}

/** One node of an object graph to write; numbers are positions in the list. */
export interface NodeToWrite {
  readonly children?: Readonly<Record<string, number>>;
  readonly variable?: { readonly fullName: string; readonly key: string };
  readonly slots?: readonly { original: number; slot: string; node: number }[];
}

/** A `TrackableObjectGraph`. */
export function objectGraphBytes(nodes: readonly NodeToWrite[]): Uint8Array {
  const graph = protobuf.Writer.create();
  for (const { children = {}, variable, slots = [] } of nodes) {
    const node = protobuf.Writer.create();
    for (const [name, id] of Object.entries(children)) {
      const child = protobuf.Writer.create().uint32(8).int32(id).uint32(18).string(name);
      node.uint32(10).bytes(child.finish());
    }
    if (variable !== undefined) {
      const attribute = protobuf.Writer.create().uint32(10).string("VARIABLE_VALUE");
      attribute.uint32(18).string(variable.fullName).uint32(26).string(variable.key);
      node.uint32(18).bytes(attribute.finish());
    }
    for (const { original, slot, node: id } of slots) {
      const message = protobuf.Writer.create().uint32(8).int32(original).uint32(18).string(slot);
      node.uint32(26).bytes(message.uint32(24).int32(id).finish());
    }
    graph.uint32(10).bytes(node.finish());
  }
  return graph.finish();
}
