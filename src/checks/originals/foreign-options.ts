import { InputError } from "../../errors.js";
import type { ResolvedOptions } from "../options.js";

/** Options that only some formats know, and what asks for them on the command line. */
const FLAGS = {
  shape: "--shape",
  preprocess: "--preprocess",
  byName: "--by-name",
  partial: "--partial",
  lenient: "--lenient",
  letterbox: "--letterbox",
  size: "--size",
} as const satisfies Partial<Record<keyof ResolvedOptions, string>>;

/**
 * Refuses options that mean nothing for a format: a user who gives one expects it to do something.
 *
 * @param what - the format, for the message: `a Darknet configuration`
 * @throws {InputError} `option`
 */
export function refuseOptions(
  options: ResolvedOptions,
  names: readonly (keyof typeof FLAGS)[],
  what: string,
): void {
  for (const name of names) {
    if (!isGiven(options[name])) continue;
    throw new InputError("option", `${FLAGS[name]}: means nothing for ${what}; leave it out`);
  }
}

function isGiven(value: unknown): boolean {
  if (value instanceof Map) return [...value.keys()].some((key) => key !== "batch");
  return value !== false && value !== null;
}
