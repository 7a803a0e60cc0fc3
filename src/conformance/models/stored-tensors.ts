import { InputError } from "../../errors.js";
import { readTensor, type StoredTensor } from "../../formats/tensor-file.js";
import { firstDifference } from "./judge.js";
import type { Recorded } from "./recorded.js";

/**
 * Compares one stored tensor with the recorded values, bit for bit. bfloat16 is recorded as float32;
 * everything else in its own type, so also types that no tensor holds are compared.
 *
 * @param dtype the type that the file should have, where the manifest tells
 * @returns what differs, null when nothing does
 */
export function storedDifference(
  stored: StoredTensor,
  expected: { shape: readonly number[]; key: string; dtype?: string | undefined },
  recorded: Recorded,
  source: string,
): string | null {
  const array = recorded.array(expected.key);
  if (`${stored.shape}` !== `${expected.shape}`) {
    return `shape [${stored.shape.join(", ")}], expected [${expected.shape.join(", ")}]`;
  }
  if (expected.dtype !== undefined && stored.dtype !== expected.dtype) {
    return `${stored.dtype}, expected ${expected.dtype}`;
  }
  const widened = stored.dtype === "bfloat16" || stored.dtype.startsWith("float8");
  if (!widened) return firstDifference(stored.bytes(), array.bytes);
  const { data } = readTensor(stored, source);
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return firstDifference(bytes, array.bytes);
}

/** The words of an {@link InputError}; anything else is a fault of ours and is thrown on. */
function refusal(error: unknown): string {
  if (error instanceof InputError) return error.message;
  throw error;
}

/** What came of reading: a value, or the words of the refusal. */
export type Attempt<T> = { readonly value: T } | { readonly refused: string };

/** Runs a reader; an {@link InputError} is an answer, anything else is thrown on. */
export function attempt<T>(read: () => T): Attempt<T> {
  try {
    return { value: read() };
  } catch (error) {
    return { refused: refusal(error) };
  }
}

/** As {@link attempt}, for a reader that answers later. */
export async function attemptLater<T>(read: () => Promise<T>): Promise<Attempt<T>> {
  try {
    return { value: await read() };
  } catch (error) {
    return { refused: refusal(error) };
  }
}
