import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CASE_FILES, dialectOf, goldenFromCase } from "../../scripts/goldens/recorded-case.js";
import { type DarknetManifest, readManifest } from "../../src/conformance/darknet/manifest.js";
import { places, runPlanted } from "../faults/run-planted.js";
import { holdReferences } from "./hold-references.js";

const COMMITTED = fileURLToPath(new URL("../../goldens/darknet-conformance", import.meta.url));
/** The whole suite, where DIFFTEST_SHARED says where it lies. */
const SHARED = process.env["DIFFTEST_SHARED"];
/** Every so many right recordings are held: each takes a process of its own. */
const STEP = 4;

/** What one build of Darknet computed in one case. */
interface Recording {
  readonly name: string;
  readonly folder: string;
  readonly oracle: string;
}

/** Cases of layers and heads, by their manifests: areas A and B. */
function forwardCases(suite: string): { folder: string; manifest: DarknetManifest }[] {
  return readdirSync(join(suite, "cases"))
    .map((id) => join(suite, "cases", id))
    .filter((folder) => Object.values(CASE_FILES).every((file) => existsSync(join(folder, file))))
    .map((folder) => ({ folder, manifest: readManifest(folder) }))
    .filter(({ manifest: { area, layers } }) => /^[AB]$/.test(area) && layers.length > 0);
}

/** Recordings that are wrong as their manifest says: of the oracle itself, or of another build of a library that we follow. */
function wrongRecordings(suite: string): Recording[] {
  return forwardCases(suite).flatMap(({ folder, manifest }) => {
    const { id, referenceBug, oracle, disagrees } = manifest;
    const builds = disagrees
      .filter(({ layers, ...one }) => layers !== undefined && dialectOf(one.oracle) !== one.oracle)
      .map((one) => one.oracle);
    const wrong = [...(referenceBug === undefined ? [] : [oracle.name]), ...builds];
    return wrong.map((build) => ({ name: id, folder, oracle: build }));
  });
}

/** Recordings of both libraries in which nothing is known to be wrong. */
function rightRecordings(suite: string): Recording[] {
  return forwardCases(suite).flatMap(({ folder, manifest }) => {
    const { id, referenceBug, oracle, disagrees } = manifest;
    const others = disagrees
      .filter(({ layers, ...one }) => layers !== undefined && dialectOf(one.oracle) === one.oracle)
      .map((one) => one.oracle);
    const right = [...(referenceBug === undefined ? [oracle.name] : []), ...others];
    return right.map((build) => ({ name: id, folder, oracle: build }));
  });
}

let root = "";
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "difftest-faulty-"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

function playedBack({ name, folder, oracle }: Recording): {
  readonly golden: string;
  readonly files: { readonly original: string; readonly weights: string; readonly input: string };
} {
  const golden = join(root, `${name}-${oracle}`);
  goldenFromCase(folder, oracle, golden);
  const [original, weights, input] = [
    CASE_FILES.original,
    CASE_FILES.weights,
    CASE_FILES.input,
  ].map((file) => join(folder, file)) as [string, string, string];
  return { golden: `golden:${golden}`, files: { original, weights, input } };
}

async function accusesOnlyTheReference(recording: Recording): Promise<void> {
  const { golden, files } = playedBack(recording);
  const { input, ...rest } = files;
  const result = await runPlanted(
    "csp",
    { plants: [] },
    { ...rest, inputs: [input], reference: golden, darknet: dialectOf(recording.oracle) },
  );
  expect(result.faults.length).toBeGreaterThan(0);
  for (const fault of result.faults) {
    expect(fault).toMatchObject({ component: "reference", reference: golden });
  }
  expect(result.verdict).toBe("differs");
  // The port is held against what is right, and is right.
  expect(result.reference.name).toBe("onnxruntime");
  expect(result.taps.map(({ verdict }) => verdict)).not.toContain("differs");
  expect(result.warnings.join()).toContain("so the port was compared with onnxruntime");
}

describe("a recording that is known to be wrong, played back to a right port", () => {
  const recordings = wrongRecordings(COMMITTED);
  const known = new Set(recordings.map(({ name }) => name));
  if (SHARED !== undefined) {
    const whole = wrongRecordings(join(SHARED, "darknet-conformance"));
    recordings.push(...whole.filter(({ name }) => !known.has(name)));
  }

  it("is among the committed cases: of the oracles themselves, and of the build for AVX", () => {
    expect(recordings.length).toBeGreaterThan(10);
    expect(new Set(recordings.map(({ oracle }) => oracle))).toContain("alexeyab-avx");
  });

  it.each(recordings)("$name by $oracle: the reference is accused, and the port is not", (one) =>
    accusesOnlyTheReference(one),
  );

  it("does not hide a fault that the port has at the same place", async () => {
    const wrong = recordings.find(
      ({ name, oracle }) => name === "block-spp" && oracle === "alexeyab-avx",
    );
    const { golden, files } = playedBack(wrong as Recording);
    const result = await runPlanted(
      "csp",
      {
        plants: [
          {
            op: "maxpool_3",
            attributes: { kernel: [7, 7], pads: { top: 3, bottom: 3, left: 3, right: 3 } },
          },
        ],
      },
      {
        original: files.original,
        weights: files.weights,
        inputs: [files.input],
        reference: golden,
      },
    );
    const accused = result.faults.map(({ component, place }) => `${component} ${place}`);
    expect(accused).toContain("reference maxpool_3");
    expect(accused).toContain("model maxpool_3");
    expect(places(result).filter((place) => !place.startsWith("maxpool"))).toEqual([]);
  });
});

describe("a recording in which nothing is wrong", () => {
  it("is not accused, in every fourth committed case, by the rules of its own library", async () => {
    const accused: string[] = [];
    for (const recording of rightRecordings(COMMITTED).filter((_, at) => at % STEP === 0)) {
      const { golden, files } = playedBack(recording);
      const darknet = dialectOf(recording.oracle);
      const { faults } = await holdReferences({ ...files, darknet, reference: golden });
      for (const { place, evidence } of faults)
        accused.push(`${recording.name} ${recording.oracle} ${place}: ${evidence}`);
    }
    expect(accused).toEqual([]);
  }, 180_000);
});
