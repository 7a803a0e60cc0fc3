import type { Writable } from "node:stream";
import { type NamedTensors, PROTOCOL_VERSION, TRAILER } from "./protocol.js";

/** The bytes of a message, in pieces: its line, its tensors (not copied), its trailer. */
export function encodeMessage(
  id: number,
  fields: Readonly<Record<string, unknown>>,
  tensors: NamedTensors = new Map(),
): Uint8Array[] {
  const listed = [...tensors].map(([name, { dtype, shape }]) => ({ name, dtype, shape }));
  const line = {
    difftest: PROTOCOL_VERSION,
    id,
    ...fields,
    ...(listed.length > 0 ? { tensors: listed } : {}),
  };
  return [
    new TextEncoder().encode(`${JSON.stringify(line)}\n`),
    ...[...tensors.values()].map(
      ({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    ),
    new TextEncoder().encode(TRAILER),
  ];
}

/** Writes a message; what the stream cannot take is its own `error` event. */
export function writeMessage(
  to: Writable,
  id: number,
  fields: Readonly<Record<string, unknown>>,
  tensors?: NamedTensors,
): void {
  to.cork();
  for (const piece of encodeMessage(id, fields, tensors)) to.write(piece);
  to.uncork();
}
