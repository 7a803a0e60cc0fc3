import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { InputError } from "../errors.js";
import { writeFileAtomic } from "../formats/atomic-file.js";
import { writeNpz } from "../formats/npy/npz.js";
import {
  GRADIENTS_FILE,
  INPUTS_FILE,
  MANIFEST_FILE,
  TRACE_FILE,
} from "../references/golden/files.js";
import {
  bytesOf,
  digestOf,
  GOLDEN_SCHEMA,
  type GoldenContent,
  type GoldenManifest,
  type GoldenTraining,
  GRADIENT_CONVENTION,
  hashOf,
} from "../references/golden/manifest.js";
import type { Tensor } from "../tensor/tensor.js";
import type { WeightStore } from "../weights/weight-store.js";

/** What a golden is made of. */
export interface GoldenParts {
  readonly recorder: GoldenContent["recorder"];
  readonly reference: GoldenContent["reference"];
  readonly original: GoldenContent["original"];
  readonly weights: GoldenContent["weights"];
  readonly inputs: readonly {
    readonly name: string;
    readonly source: string;
    readonly value: Tensor;
  }[];
  readonly layout: GoldenContent["layout"];
  readonly taps: readonly {
    readonly id: string;
    readonly layer: number;
    readonly kind: string;
    readonly value: Tensor;
  }[];
  readonly outputs: readonly string[];
  readonly training?: TrainingParts;
  readonly note?: string;
}

/** What a golden of a training pass is made of beside its taps. */
export interface TrainingParts extends Pick<GoldenTraining, "seen" | "truth" | "costs" | "steps"> {
  /** `truth`, `delta:<layer>`, `update:<weight>`, `step:<n>`: see {@link GoldenTraining}. */
  readonly values: readonly (readonly [name: string, value: Tensor])[];
}

/**
 * Writes a golden: the same parts give the same bytes. The folder is whole or not there: it is made beside its
 * place and then renamed. One that is there already is replaced; any other folder with files in it is left alone.
 *
 * @throws {InputError} when the folder is something else, or cannot be written
 */
export function writeGolden(directory: string, parts: GoldenParts): GoldenManifest {
  const target = resolve(directory);
  checkGoldenFolder(directory);
  const temporary = join(
    dirname(target),
    `.${basename(target)}.${randomBytes(6).toString("hex")}.tmp`,
  );
  try {
    mkdirSync(temporary, { recursive: true });
    const manifest = writeInto(temporary, parts);
    replace(target, temporary);
    return manifest;
  } catch (cause) {
    rmSync(temporary, { recursive: true, force: true });
    if (cause instanceof InputError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    // biome-ignore lint/style/useErrorCause: the cause is the third argument
    throw new InputError("option", `${directory}: cannot be written: ${reason}`, { cause });
  }
}

/**
 * Checks that a golden may be written there, before the work whose result it shall hold.
 *
 * @throws {InputError} when the folder holds something else
 */
export function checkGoldenFolder(directory: string): void {
  if (!existsSync(directory)) return;
  let entries: readonly string[];
  try {
    entries = readdirSync(directory);
  } catch (cause) {
    // biome-ignore lint/style/useErrorCause: the cause is the third argument
    throw new InputError("option", `${directory}: is no folder`, { cause });
  }
  if (entries.length === 0 || entries.includes(MANIFEST_FILE)) return;
  throw new InputError(
    "option",
    `${directory}: holds other files (${entries[0]}), expected a new or empty folder, or a golden to replace`,
  );
}

function writeInto(directory: string, parts: GoldenParts): GoldenManifest {
  const trace = writeNpz(parts.taps.map(({ id, value }) => [id, value] as const));
  const inputs = writeNpz(parts.inputs.map(({ name, value }) => [name, value] as const));
  writeFileAtomic(join(directory, TRACE_FILE), trace);
  writeFileAtomic(join(directory, INPUTS_FILE), inputs);
  const gradients = parts.training === undefined ? null : writeNpz(parts.training.values);
  if (gradients !== null) writeFileAtomic(join(directory, GRADIENTS_FILE), gradients);
  const content: GoldenContent = {
    schema: GOLDEN_SCHEMA,
    recorder: parts.recorder,
    reference: parts.reference,
    original: parts.original,
    weights: parts.weights,
    inputs: parts.inputs.map(({ name, source, value }) => ({
      name,
      source,
      shape: [...value.shape],
      sha256: hashOf(bytesOf(value.data)),
    })),
    layout: parts.layout,
    taps: parts.taps.map(({ id, layer, kind, value }) => ({
      id,
      layer,
      kind,
      shape: [...value.shape],
      sha256: hashOf(bytesOf(value.data)),
    })),
    outputs: [...parts.outputs],
    ...(parts.training === undefined ? {} : { training: trainingContent(parts.training) }),
    files: {
      ...(gradients === null ? {} : { [GRADIENTS_FILE]: fileContent(gradients) }),
      [INPUTS_FILE]: fileContent(inputs),
      [TRACE_FILE]: fileContent(trace),
    },
    ...(parts.note === undefined ? {} : { note: parts.note }),
  };
  const manifest: GoldenManifest = { ...content, digest: digestOf(content) };
  const text = `${JSON.stringify(manifest, null, 1)}\n`;
  writeFileAtomic(join(directory, MANIFEST_FILE), new TextEncoder().encode(text));
  return manifest;
}

function fileContent(bytes: Uint8Array): { bytes: number; sha256: string } {
  return { bytes: bytes.length, sha256: hashOf(bytes) };
}

function trainingContent({ seen, truth, costs, steps, values }: TrainingParts): GoldenTraining {
  return {
    convention: GRADIENT_CONVENTION,
    seen,
    truth,
    costs,
    values: values.map(([name, { shape, data }]) => ({
      name,
      shape: [...shape],
      sha256: hashOf(bytesOf(data)),
    })),
    ...(steps === undefined ? {} : { steps: steps.map(({ rate, cost }) => ({ rate, cost })) }),
  };
}

function replace(target: string, temporary: string): void {
  if (!existsSync(target)) {
    renameSync(temporary, target);
    return;
  }
  const old = `${temporary}.old`;
  renameSync(target, old);
  renameSync(temporary, target);
  rmSync(old, { recursive: true, force: true });
}

/** Hash of all weights: every name, shape and value, in the original's order. Whatever file they came from. */
export function weightsHash(store: WeightStore): string {
  const hash = createHash("sha256");
  for (const { name, shape } of store.specs) {
    hash.update(`${name}[${shape}]\n`);
    hash.update(bytesOf(store.read(name).data));
  }
  return hash.digest("hex");
}
