import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileHash } from "../../src/checks/cached-reference.js";
import {
  type DarknetManifest,
  type ManifestLayer,
  readManifest,
} from "../../src/conformance/darknet/manifest.js";
import { trainingOf } from "../../src/conformance/darknet/recorded-training.js";
import { InputError } from "../../src/errors.js";
import {
  architectureFromDarknet,
  type DarknetArchitecture,
} from "../../src/formats/darknet/architecture.js";
import { readDarknetConfig } from "../../src/formats/darknet/config.js";
import type { DarknetDialect } from "../../src/formats/darknet/dialect.js";
import { readNpy } from "../../src/formats/npy/npy-reader.js";
import { weightsHash, writeGolden } from "../../src/record/golden-writer.js";
import type { GoldenContent, GoldenManifest } from "../../src/references/golden/manifest.js";
import { sizeOf, type Tensor, tensor } from "../../src/tensor/tensor.js";
import { openDarknetWeights } from "../../src/weights/darknet-weights.js";

/** The files of a case that a run is given. */
export const CASE_FILES = {
  original: "net.cfg",
  weights: "net.weights",
  input: "input.npy",
} as const;

/**
 * Turns what one build of Darknet computed in a case of the conformance suite into a golden, gradients included: of builds that cannot be
 * installed everywhere there is no other way to play their values back.
 *
 * @param folder - a case that holds its network, weights and input
 * @param oracle - `alexeyab`, `alexeyab-avx`, `pjreddie`, …: whose values
 * @param out - folder to write
 * @throws {InputError} when the case is damaged, or has no values of that build
 */
export function goldenFromCase(folder: string, oracle: string, out: string): GoldenManifest {
  const manifest = readManifest(folder);
  const layers = layersOf(manifest, oracle);
  if (layers === undefined) {
    const known = [manifest.oracle.name, ...manifest.disagrees.map((one) => one.oracle)];
    throw new InputError(
      "option",
      `${folder}: has no layers of "${oracle}", it has those of ${known.join(", ")}`,
    );
  }
  const input = floatsIn(folder, CASE_FILES.input);
  const dialect = dialectOf(oracle);
  const architecture = architectureFromDarknet(readDarknetConfig(join(folder, "net.cfg")), {
    dialect,
    batch: input.shape[0] ?? 1,
  });
  const { store } = openDarknetWeights(join(folder, CASE_FILES.weights), architecture);
  const training = trainingOf(folder, manifest, oracle, architecture);
  // What a case of training steps lists as layers are parameters.
  const values = training?.steps === undefined ? layers : [];
  try {
    return writeGolden(out, {
      recorder: { name: "darknet-conformance", version: manifest.id },
      reference: referenceOf(manifest, oracle, dialect),
      original: {
        file: CASE_FILES.original,
        sha256: fileHash(join(folder, CASE_FILES.original)),
      },
      weights: { source: CASE_FILES.weights, sha256: weightsHash(store) },
      inputs: [
        {
          name: architecture.inputs[0]?.name ?? "input",
          source: CASE_FILES.input,
          value: input,
        },
      ],
      layout: "nchw",
      taps: values.map((layer) => tapOf(folder, architecture, layer)),
      outputs: architecture.outputs,
      ...(training === undefined ? {} : { training }),
      note: noteOf(manifest, oracle),
    });
  } finally {
    store.close();
  }
}

function layersOf(manifest: DarknetManifest, oracle: string): readonly ManifestLayer[] | undefined {
  if (oracle === manifest.oracle.name) return manifest.layers;
  return manifest.disagrees.find((one) => one.oracle === oracle)?.layers;
}

/** Whose rules a build follows. */
export function dialectOf(oracle: string): DarknetDialect {
  return oracle.startsWith("pjreddie") ? "pjreddie" : "alexeyab";
}

function referenceOf(
  { oracle: own }: DarknetManifest,
  oracle: string,
  dialect: DarknetDialect,
): GoldenContent["reference"] {
  const { commit, build } = own;
  return {
    name: "darknet",
    version: oracle,
    // Builds of one commit share their first name: alexeyab, alexeyab-avx.
    ...(typeof commit === "string" && dialect === dialectOf(own.name) ? { commit } : {}),
    ...(typeof build === "string" && oracle === own.name ? { build } : {}),
    options: { darknet: dialect },
  };
}

function tapOf(
  folder: string,
  architecture: DarknetArchitecture,
  { index, file }: ManifestLayer,
): { id: string; layer: number; kind: string; value: Tensor } {
  const id = architecture.layers[index]?.id ?? "";
  const operation = architecture.operations.find((one) => one.id === id);
  if (operation === undefined || file === undefined)
    throw new InputError(
      "format",
      `${folder}: layer ${index} is not in its network, or has no file`,
    );
  const { data } = floatsIn(folder, file);
  if (data.length !== sizeOf(operation.shape))
    throw new InputError(
      "shape",
      `${join(folder, file)}: ${data.length} values, expected [${operation.shape}]`,
    );
  return { id, layer: index, kind: operation.kind, value: tensor(operation.shape, data) };
}

function floatsIn(folder: string, file: string): Tensor {
  const path = join(folder, file);
  const value = readNpy(readFileSync(path), path);
  if (value.dtype !== "float32")
    throw new InputError("shape", `${path}: is ${value.dtype}, expected float32`);
  return value;
}

function noteOf(manifest: DarknetManifest, oracle: string): string {
  const { title, referenceBug, disagrees } = manifest;
  const cause = disagrees.find((one) => one.oracle === oracle)?.cause;
  const bug = oracle === manifest.oracle.name ? referenceBug : cause;
  return [title, ...(bug === undefined ? [] : [bug])].join("; ");
}
