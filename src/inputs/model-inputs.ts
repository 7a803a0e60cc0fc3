import type { ArchitectureInput } from "../architecture/architecture.js";
import { InputError } from "../errors.js";
import type { RgbImage } from "../port/port.js";
import { nearest } from "../suggest.js";
import type { Tensor } from "../tensor/tensor.js";
import { type InputSource, type ReadOptions, readInputs } from "./read-inputs.js";

/** A source, and the input it is for: `null` for the model's only one. */
export interface NamedSource {
  readonly input: string | null;
  readonly source: InputSource;
}

/** What a model is run on. */
export interface ModelInputs {
  /** By name, in the original's order and layout. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** The decoded pictures, where the first input is made of such alone. */
  readonly images: readonly RgbImage[] | null;
  readonly warnings: readonly string[];
}

/**
 * Reads every input of a model. An input that is not named gets `random:1` (the k-th one `random:k`).
 *
 * @param sources - in the order given
 * @param optionsOf - how the sources of an input are read
 * @throws {InputError} when a source names no input of the model, or as {@link readInputs}
 */
export async function readModelInputs(
  sources: readonly NamedSource[],
  inputs: readonly ArchitectureInput[],
  optionsOf: (input: ArchitectureInput) => ReadOptions,
): Promise<ModelInputs> {
  const names = inputs.map(({ name }) => name);
  for (const { input } of sources) refuseUnknown(input, names);
  const tensors = new Map<string, Tensor>();
  const warnings: string[] = [];
  let images: readonly RgbImage[] | null = null;
  for (const [k, input] of inputs.entries()) {
    const own = sources.filter(
      (one) => one.input === input.name || (one.input === null && k === 0),
    );
    const given = own.length > 0 ? own : [standIn(k)];
    const read = await readInputs(
      given.map(({ source }) => source),
      input.shape,
      { ...optionsOf(input), name: names.length > 1 ? input.name : null },
    );
    tensors.set(input.name, read.tensor);
    warnings.push(...read.warnings);
    if (k === 0) images = read.images;
  }
  return { tensors, images, warnings };
}

function standIn(position: number): NamedSource {
  return { input: null, source: { kind: "random", seed: 1 + position } };
}

function refuseUnknown(name: string | null, names: readonly string[]): void {
  if (name !== null && names.includes(name)) return;
  if (name === null && names.length === 1) return;
  const list = names.join(", ");
  if (name === null) {
    throw new InputError(
      "option",
      `--input: the original has ${names.length} inputs, ${list}; say which one: --input ${names[0]}=FILE`,
    );
  }
  const near = nearest(name, names);
  throw new InputError(
    "option",
    `--input ${name}=…: the original has no input "${name}", expected ${names.length === 1 ? "" : "one of "}${list}${near === undefined ? "" : `; did you mean ${near}?`}`,
  );
}
