import type { Architecture, WeightSpec } from "../architecture/architecture.js";
import { InputError } from "../errors.js";
import { readTensor, type StoredTensor } from "../formats/tensor-file.js";
import { nearest } from "../suggest.js";
import { sizeOf } from "../tensor/tensor.js";
import type { NamedTensors } from "./named-tensors.js";
import type { WeightEntry, WeightStoreDescription } from "./weight-store.js";

/** Named tensors as a weight store, and what of the file is no weight. */
export interface BoundTensors {
  readonly description: WeightStoreDescription;
  readonly warnings: readonly string[];
}

/**
 * Finds each weight of an architecture in a file of named tensors: by its name, as the file writes it or
 * with `/` for `.` and without the endings that TensorFlow adds. Every weight must be there, and every
 * weight of the file must be used.
 *
 * @throws {InputError} naming what is missing, what is left over, or what has another shape or type
 */
export function bindNamedTensors(named: NamedTensors, architecture: Architecture): BoundTensors {
  const { file } = named;
  const tensors = weightsOf(named);
  const byName = new Map<string, StoredTensor>();
  for (const tensor of tensors) {
    for (const name of namesOf(named, tensor.name)) {
      if (!byName.has(name)) byName.set(name, tensor);
    }
  }
  const used = new Set<StoredTensor>();
  const missing: string[] = [];
  const pairs = architecture.weights.flatMap((spec) => {
    const tensor = byName.get(spec.name);
    if (tensor === undefined) {
      missing.push(spec.name);
      return [];
    }
    if (`${tensor.shape}` !== `${spec.shape}`) {
      throw new InputError(
        "shape",
        `${file.name}: "${tensor.name}" has shape [${tensor.shape}], expected [${spec.shape}] for ${spec.name}`,
      );
    }
    used.add(tensor);
    return [{ spec, tensor }];
  });
  const left = tensors.filter((tensor) => !used.has(tensor)).map(({ name }) => name);
  if (missing.length > 0 || left.length > 0) throw unmatched(file.name, missing, left);
  return { description: copiedTensors(pairs, file.name), warnings: foreignWarnings(named) };
}

function weightsOf({ file, roleOf: kind }: NamedTensors): StoredTensor[] {
  return file.tensors.filter(
    ({ name, dtype }) => kind(name).kind === "weight" && dtype !== "string",
  );
}

const VALUE_SUFFIX = /\/\.ATTRIBUTES\/VARIABLE_VALUE$/;

function namesOf(named: NamedTensors, name: string): string[] {
  const plain = [name, ...named.aliases(name)].map((one) =>
    one.replace(VALUE_SUFFIX, "").replace(/:0$/, ""),
  );
  return [...new Set([name, ...plain, ...plain.map((one) => one.replaceAll(".", "/"))])];
}

function unmatched(file: string, missing: readonly string[], left: readonly string[]): InputError {
  const some = (names: readonly string[]) =>
    `${names.slice(0, 5).join(", ")}${names.length > 5 ? ` and ${names.length - 5} more` : ""}`;
  const [first] = missing;
  const near = first === undefined ? undefined : nearest(first, left);
  const parts = [
    ...(missing.length > 0 ? [`has no tensor for ${some(missing)}`] : []),
    ...(left.length > 0 ? [`holds ${some(left)}, which the model has no weight for`] : []),
    ...(near === undefined ? [] : [`did you mean ${near} for ${first}?`]),
  ];
  return new InputError("name", `${file}: ${parts.join("; ")}`);
}

function foreignWarnings({ file, roleOf: kind }: NamedTensors): string[] {
  const averages = file.tensors.filter(({ name }) => kind(name).kind === "average").length;
  if (averages === 0) return [];
  return [
    `${file.name}: holds ${averages} moving averages beside the weights; the weights themselves are compared`,
  ];
}

/** Tensors as weights: values one after the other in shared memory, widened to float32. */
export function copiedTensors(
  pairs: readonly { readonly spec: WeightSpec; readonly tensor: StoredTensor }[],
  source: string,
): WeightStoreDescription {
  let offset = 0;
  const entries = pairs.map(({ spec }): WeightEntry => {
    const entry: WeightEntry = { ...spec, offset, storage: "plain" };
    offset += 4 * sizeOf(spec.shape);
    return entry;
  });
  const bytes = new SharedArrayBuffer(offset);
  for (const [k, { tensor }] of pairs.entries()) {
    const at = entries[k]?.offset ?? 0;
    if (tensor.dtype === "float32" && tensor.readInto !== undefined) {
      tensor.readInto(new Uint8Array(bytes, at, tensor.byteLength));
      continue;
    }
    const value = readTensor(tensor, source);
    const target = new Float32Array(bytes, at, value.data.length);
    if (value.dtype === "int64") target.set(Float32Array.from(value.data, Number));
    else target.set(value.data);
  }
  return { source: { kind: "memory", bytes }, entries };
}
