import { InputError } from "../errors.js";

/**
 * Reads values in order from bytes already in memory; every failure names the source, the field, its
 * offset, what it needs and what is left. All numbers are little endian.
 *
 * Offsets in messages are those of the file: `base` is where the bytes begin in it.
 */
export class ByteCursor {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #source: string;
  readonly #base: number;
  #offset = 0;

  constructor(bytes: Uint8Array, source: string, base = 0) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#source = source;
    this.#base = base;
  }

  /** Position in the file of the next byte. */
  get offset(): number {
    return this.#base + this.#offset;
  }

  /** Bytes not read yet. */
  get left(): number {
    return this.#view.byteLength - this.#offset;
  }

  u8(field: string): number {
    return this.#view.getUint8(this.#take(1, field));
  }

  u32(field: string): number {
    return this.#view.getUint32(this.#take(4, field), true);
  }

  i32(field: string): number {
    return this.#view.getInt32(this.#take(4, field), true);
  }

  u64(field: string): bigint {
    return this.#view.getBigUint64(this.#take(8, field), true);
  }

  f32(field: string): number {
    return this.#view.getFloat32(this.#take(4, field), true);
  }

  /** A view of the next `length` bytes, not a copy. */
  bytes(length: number, field: string): Uint8Array {
    const start = this.#take(length, field);
    return this.#bytes.subarray(start, start + length);
  }

  /** An unsigned LEB128 number of at most 64 bits (protobuf, LevelDB). */
  varint64(field: string): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.u8(field);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) {
        if (value > 0xffff_ffff_ffff_ffffn) break;
        return value;
      }
    }
    throw this.#corrupt(field, "a number of more than 64 bits");
  }

  /** An unsigned LEB128 number that a JavaScript number holds exactly (up to 2^53 - 1): sizes and offsets. */
  varint(field: string): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 10; count++, scale *= 128) {
      const byte = this.u8(field);
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (Number.isSafeInteger(value)) return value;
        break;
      }
    }
    throw this.#corrupt(field, "a number of more than 53 bits");
  }

  /** Call after the last field: bytes left over mean that the file was read wrongly. */
  end(what: string): void {
    if (this.left > 0) {
      throw new InputError(
        "trailing-bytes",
        `${this.#source}: ${this.left} bytes left at offset ${this.offset} after ${what}, expected none`,
      );
    }
  }

  #corrupt(field: string, found: string): InputError {
    return new InputError(
      "corrupt",
      `${this.#source}: ${field} before offset ${this.offset} is ${found}; the file is damaged`,
    );
  }

  #take(length: number, field: string): number {
    const start = this.#offset;
    if (length > this.left) {
      throw new InputError(
        "truncated",
        `${this.#source}: ${field} at offset ${this.offset} needs ${length} bytes, ${this.left} left`,
      );
    }
    this.#offset += length;
    return start;
  }
}
