import protobuf from "protobufjs/minimal.js";
import { InputError } from "../../errors.js";

type Reader = protobuf.Reader;

/** How a field is stored; any other wire type means that the message is another one, or damaged. */
const WIRE_TYPE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 };

/** One field of a message: its number, how it is stored and what one value of it is. */
export interface Field<T> {
  readonly number: number;
  readonly wire: keyof typeof WIRE_TYPE;
  readonly read: (reader: Reader) => T;
}

/** The values of each field in the order of the message: none when it is not there, several when it repeats. */
export type Values<F> = { [K in keyof F]: F[K] extends Field<infer T> ? T[] : never };

/**
 * Reads a message; fields that are not asked for are skipped, as the format demands. Numbers may come
 * packed or one by one.
 *
 * @throws {InputError} `corrupt`, whatever protobufjs finds wrong
 */
export function readMessage<F extends Readonly<Record<string, Field<unknown>>>>(
  bytes: Uint8Array,
  where: string,
  fields: F,
): Values<F> {
  const values: Record<string, unknown[]> = {};
  for (const name of Object.keys(fields)) values[name] = [];
  const byNumber = new Map(Object.entries(fields).map((entry) => [entry[1].number, entry]));
  try {
    const reader = protobuf.Reader.create(bytes);
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      const [name = "", field] = byNumber.get(tag >>> 3) ?? [];
      if (field === undefined) reader.skipType(tag & 7);
      else readField(reader, tag, field, values[name] ?? []);
    }
  } catch (cause) {
    throw asInputError(cause, where);
  }
  return values as Values<F>;
}

function readField(reader: Reader, tag: number, field: Field<unknown>, values: unknown[]): void {
  const wire = tag & 7;
  if (wire === WIRE_TYPE[field.wire]) {
    values.push(field.read(reader));
  } else if (wire === WIRE_TYPE.bytes) {
    const end = reader.uint32() + reader.pos;
    if (end > reader.len) throw new RangeError("a packed field ends beyond its message");
    while (reader.pos < end) values.push(field.read(reader));
  } else {
    throw new RangeError(`field ${tag >>> 3} has wire type ${wire}, expected ${field.wire}`);
  }
}

function asInputError(cause: unknown, where: string): InputError {
  if (cause instanceof InputError) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new InputError("corrupt", `${where}: not the expected message: ${reason}`, { cause });
}

/** An int64 whatever protobufjs makes of it (a number, or a Long where that package is there). */
export function bigIntOf(value: number | { toString(): string }): bigint {
  return BigInt(value.toString());
}

/** A field of whole numbers of at most 32 bits. */
export function int32Field(number: number): Field<number> {
  return { number, wire: "varint", read: (reader) => reader.int32() };
}

/** A field of sizes or offsets, see {@link sizeFrom}. */
export function sizeField(number: number): Field<number> {
  return { number, wire: "varint", read: sizeFrom };
}

/** A field of text. */
export function stringField(number: number): Field<string> {
  return { number, wire: "bytes", read: (reader) => reader.string() };
}

/** A field of bytes, or of messages not read yet: a view. */
export function bytesField(number: number): Field<Uint8Array> {
  return { number, wire: "bytes", read: (reader) => reader.bytes() };
}

/**
 * An int64 that is a size or an offset.
 *
 * @throws {RangeError} when negative or beyond 2^53
 */
function sizeFrom(reader: Reader): number {
  const value = Number(reader.int64());
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`a size is ${value}`);
  return value;
}
