// How a fake runner reads calls and writes answers: a JSON line, raw tensors, "end".
import { writeSync } from "node:fs";

/**
 * Calls `answer` with each call and the numbers that come with it, in the order in which they come.
 *
 * @param {(call: any, values: Float32Array) => void} answer
 * @param {(chunk: Buffer) => void} onChunk - sees what arrives, before it is read
 */
export function readCalls(answer, onChunk = () => undefined) {
  let buffer = Buffer.alloc(0);
  process.stdin.on("data", (chunk) => {
    onChunk(chunk);
    buffer = Buffer.concat([buffer, chunk]);
    for (;;) {
      const end = buffer.indexOf(10);
      if (end < 0) return;
      const call = JSON.parse(buffer.subarray(0, end).toString());
      const sizes = (call.tensors ?? []).map(({ shape }) => 4 * shape.reduce((a, b) => a * b, 1));
      const total = sizes.reduce((a, b) => a + b, 0);
      if (buffer.length < end + 1 + total + 4) return;
      const body = Buffer.from(buffer.subarray(end + 1, end + 1 + total));
      buffer = buffer.subarray(end + 1 + total + 4);
      answer(call, new Float32Array(body.buffer, body.byteOffset, total / 4));
    }
  });
}

/** Writes all of it before anything else happens: some fakes exit right after. */
export function writeAll(bytes) {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(1, bytes, at);
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
    }
  }
}
