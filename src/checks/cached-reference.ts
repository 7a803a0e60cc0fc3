import { createHash } from "node:crypto";
import { readdirSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { openSource } from "../formats/byte-source.js";
import { type GoldenParts, weightsHash } from "../record/golden-writer.js";
import { bytesOf, GOLDEN_SCHEMA, hashOf } from "../references/golden/manifest.js";
import { REFERENCES_FOLDER, runnerCommand } from "../references/runner/installed.js";
import type { RunnerFacts } from "../references/runner/runner-client.js";
import type { ReferenceTrace } from "../references/trace.js";
import { ownVersion } from "../runtime/own-version.js";
import type { Tensor } from "../tensor/tensor.js";
import type { TraceRequest } from "./reference-traces.js";

const PIECE_BYTES = 1 << 26;

/** References whose program comes with this package: only of them we know what their values depend on. */
const OWN_PROGRAMS = ["darknet", "keras", "pytorch"];

/**
 * A key of everything that a runner's values depend on, or `null` where that is not known: a program of the user's, code
 * inside the model, a model that is no single file, a library that may give other values the next time.
 */
export function cacheKeyOf(
  reference: string,
  facts: RunnerFacts,
  request: TraceRequest,
): string | null {
  const { original, originalPath, resolved, weights, inputs, trust } = request;
  if (!OWN_PROGRAMS.includes(reference) || !facts.deterministic || trust === true) return null;
  if (!isFile(originalPath)) return null;
  const { architecture, network } = original;
  const given = resolved.weights?.kind === "file" ? resolved.weights.path : undefined;
  if (given !== undefined && !isFile(given)) return null;
  const content = {
    schema: GOLDEN_SCHEMA,
    difftest: ownVersion(),
    reference,
    facts: facts.fields,
    programs: programsOf(reference, facts).map((path) => [basename(path), fileHash(path)]),
    original: fileHash(originalPath),
    weights: [given === undefined ? null : fileHash(given), weightsHash(weights.store)],
    inputs: [...inputs].map(([name, { shape, data }]) => [name, shape, hashOf(bytesOf(data))]),
    network,
    dialect: resolved.darknet,
    layout: architecture.layout ?? "nchw",
    taps: architecture.operations.map(({ id, shape }) => [id, shape]),
  };
  return hashOf(JSON.stringify(content));
}

/** A recording as a golden, with what is said of it for people who find it. */
export function cachedParts(
  facts: RunnerFacts,
  { original, originalPath, weights, inputs, resolved }: TraceRequest,
  trace: ReferenceTrace,
): GoldenParts {
  const { architecture } = original;
  return {
    recorder: { name: "difftest", version: ownVersion() },
    reference: {
      name: facts.name,
      version: facts.version,
      options: { darknet: resolved.darknet },
    },
    original: { file: basename(originalPath), sha256: fileHash(originalPath) },
    weights: { source: weights.name, sha256: weightsHash(weights.store) },
    inputs: [...inputs].map(([name, value]) => ({ name, source: "of a run", value })),
    layout: architecture.layout ?? "nchw",
    taps: architecture.operations.flatMap(({ id, layer, kind }) => {
      const value: Tensor | undefined = trace.read(id);
      return value === undefined ? [] : [{ id, layer, kind, value }];
    }),
    outputs: architecture.outputs,
    note: "kept by difftest, to be used again as long as only the port changes",
  };
}

/** sha256 of a file, read in pieces. */
export function fileHash(path: string): string {
  const source = openSource(path);
  const hash = createHash("sha256");
  try {
    for (let at = 0; at < source.byteLength; at += PIECE_BYTES) {
      const length = Math.min(PIECE_BYTES, source.byteLength - at);
      hash.update(source.read(at, length, "its bytes"));
    }
    return hash.digest("hex");
  } finally {
    source.close();
  }
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

/** The files of the runner itself, and those of its library that it names. */
function programsOf(reference: string, { fields }: RunnerFacts): readonly string[] {
  const { file, args } = runnerCommand(reference);
  const named = Array.isArray(fields["files"]) ? fields["files"].map(String) : [];
  const folders = args
    .filter((arg) => arg.startsWith(REFERENCES_FOLDER))
    .flatMap((arg) => [dirname(arg), join(REFERENCES_FOLDER, "python")]);
  const sources = folders.flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => name.endsWith(".py"))
      .sort()
      .map((name) => join(folder, name)),
  );
  return [file, ...named, ...sources].filter(isFile);
}
