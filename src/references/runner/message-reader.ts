import { type AnyTensor, type DType, sizeOf } from "../../tensor/tensor.js";
import {
  ELEMENT_BYTES,
  MAX_LINE_BYTES,
  MAX_TENSOR_BYTES,
  type Message,
  PROTOCOL_VERSION,
  ProtocolError,
  TRAILER,
} from "./protocol.js";

/** A tensor that was announced and is being filled. */
interface Announced {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly bytes: number;
}

/** How much of a stray line is quoted. */
const QUOTED_CHARACTERS = 60;

/**
 * Cuts a stream of bytes into messages of the runner protocol. Trusts nothing: sizes are checked
 * before memory is reserved, and what does not fit is an error that quotes it.
 */
export class MessageReader {
  readonly #onMessage: (message: Message) => void;
  #line: Buffer[] = [];
  #lineBytes = 0;
  #fields: Readonly<Record<string, unknown>> | undefined;
  #announced: readonly Announced[] = [];
  #body: Buffer = Buffer.alloc(0);
  #filled = 0;

  /** @param onMessage - called for each complete message, within {@link push} */
  constructor(onMessage: (message: Message) => void) {
    this.#onMessage = onMessage;
  }

  /**
   * Takes the next bytes.
   *
   * @throws {ProtocolError} when they cannot belong to a message
   */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      at += this.#fields === undefined ? this.#takeLine(chunk, at) : this.#takeBody(chunk, at);
    }
  }

  /** How far a message has come that is not complete, or `null` between messages. */
  get unfinished(): string | null {
    if (this.#fields !== undefined) {
      const wanted = this.#body.length - TRAILER.length;
      return `${Math.min(this.#filled, wanted)} of ${wanted} bytes of tensors had come`;
    }
    return this.#lineBytes > 0 ? `${this.#lineBytes} bytes of a line had come` : null;
  }

  #takeLine(chunk: Buffer, start: number): number {
    const end = chunk.indexOf(10, start);
    const piece = chunk.subarray(start, end < 0 ? undefined : end);
    this.#line.push(piece);
    this.#lineBytes += piece.length;
    if (this.#lineBytes > MAX_LINE_BYTES) {
      throw new ProtocolError(
        `sent a line of more than ${MAX_LINE_BYTES} bytes, the limit; it begins ${quote(this.#lineStart())}`,
      );
    }
    // A stray print need not end with a line feed: wrong from its first byte, it is told at once.
    if (this.#line[0]?.[0] !== undefined && this.#line[0][0] !== 0x7b) this.#strayUnlessMore(end);
    if (end < 0) return piece.length;
    const text = Buffer.concat(this.#line).toString("utf8");
    this.#line = [];
    this.#lineBytes = 0;
    this.#begin(text);
    return piece.length + 1;
  }

  #strayUnlessMore(end: number): void {
    if (end >= 0 || this.#lineBytes >= QUOTED_CHARACTERS) throw stray(this.#lineStart());
  }

  #lineStart(): string {
    return Buffer.concat(this.#line).subarray(0, 400).toString("utf8");
  }

  #begin(text: string): void {
    const fields = parseLine(text);
    this.#announced = announcedIn(fields);
    const bytes = this.#announced.reduce((sum, one) => sum + one.bytes, 0);
    if (bytes > MAX_TENSOR_BYTES) {
      throw new ProtocolError(
        `announced ${bytes} bytes of tensors, the limit is ${MAX_TENSOR_BYTES}`,
      );
    }
    this.#fields = fields;
    this.#body = Buffer.from(new ArrayBuffer(bytes + TRAILER.length));
    this.#filled = 0;
  }

  #takeBody(chunk: Buffer, start: number): number {
    const count = Math.min(chunk.length - start, this.#body.length - this.#filled);
    chunk.copy(this.#body, this.#filled, start, start + count);
    this.#filled += count;
    if (this.#filled === this.#body.length) this.#finish();
    return count;
  }

  #finish(): void {
    const bytes = this.#body.length - TRAILER.length;
    const trailer = this.#body.toString("latin1", bytes);
    if (trailer !== TRAILER) {
      throw new ProtocolError(
        `"end" is missing after the tensors (${bytes} bytes), ${quote(trailer)} stands there; something else was printed to standard output, or more numbers than announced`,
      );
    }
    const tensors = new Map<string, AnyTensor>();
    let offset = 0;
    for (const one of this.#announced) {
      tensors.set(one.name, view(one, this.#body, offset));
      offset += one.bytes;
    }
    const fields = this.#fields as Readonly<Record<string, unknown>>;
    this.#fields = undefined;
    this.#onMessage({ fields, tensors });
  }
}

function parseLine(text: string): Readonly<Record<string, unknown>> {
  const parsed = jsonOf(text);
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) throw stray(text);
  const fields = parsed as Readonly<Record<string, unknown>>;
  if (!("difftest" in fields)) throw stray(text);
  if (fields["difftest"] !== PROTOCOL_VERSION) {
    throw new ProtocolError(
      `speaks version ${JSON.stringify(fields["difftest"])} of the protocol, expected ${PROTOCOL_VERSION}`,
    );
  }
  return fields;
}

/** The value, or `undefined` where the text is no JSON. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function announcedIn(fields: Readonly<Record<string, unknown>>): Announced[] {
  const list = fields["tensors"] ?? [];
  if (!Array.isArray(list)) throw new ProtocolError(`"tensors" is no list`);
  const names = new Set<string>();
  return list.map((entry: unknown, at) => {
    const { name, dtype, shape } = (entry ?? {}) as Readonly<Record<string, unknown>>;
    if (typeof name !== "string" || name === "")
      throw new ProtocolError(`tensor ${at} has no name`);
    if (names.has(name)) throw new ProtocolError(`two tensors are named ${quote(name)}`);
    names.add(name);
    if (typeof dtype !== "string" || !Object.hasOwn(ELEMENT_BYTES, dtype)) {
      throw new ProtocolError(
        `tensor ${quote(name)} has dtype ${JSON.stringify(dtype)}, expected one of ${Object.keys(ELEMENT_BYTES).join(", ")}`,
      );
    }
    if (!isShape(shape)) {
      throw new ProtocolError(
        `tensor ${quote(name)} has shape ${JSON.stringify(shape)}, expected a list of whole numbers from 0`,
      );
    }
    const bytes = sizeOf(shape) * ELEMENT_BYTES[dtype as DType];
    return { name, dtype: dtype as DType, shape, bytes };
  });
}

function isShape(shape: unknown): shape is number[] {
  return Array.isArray(shape) && shape.every((size) => Number.isSafeInteger(size) && size >= 0);
}

const ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const;

/** The tensor's values over the message's bytes where their place allows it, else over a copy. */
function view({ dtype, shape, bytes }: Announced, body: Buffer, offset: number): AnyTensor {
  const start = body.byteOffset + offset;
  const aligned = start % ELEMENT_BYTES[dtype] === 0;
  const buffer = aligned ? body.buffer : body.buffer.slice(start, start + bytes);
  const data = new ARRAYS[dtype](
    buffer as ArrayBuffer,
    aligned ? start : 0,
    bytes / ELEMENT_BYTES[dtype],
  );
  return { dtype, shape, data } as AnyTensor;
}

function stray(text: string): ProtocolError {
  return new ProtocolError(
    `printed ${quote(text)} to standard output, which carries the protocol; print to standard error instead`,
  );
}

/** Text in quotes on one line, shortened. */
export function quote(text: string): string {
  const short = text.length > QUOTED_CHARACTERS ? `${text.slice(0, QUOTED_CHARACTERS)}…` : text;
  return JSON.stringify(short);
}
