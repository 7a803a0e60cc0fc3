import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CASE_FILES, dialectOf, goldenFromCase } from "../../scripts/goldens/recorded-case.js";
import {
  type GoldenJudgement,
  type JudgedGradient,
  judgeGolden,
} from "../../src/checks/gradient/judge-golden.js";
import { type DarknetManifest, readManifest } from "../../src/conformance/darknet/manifest.js";
import { openGolden } from "../../src/references/golden/open-golden.js";
import { runPlanted } from "../faults/run-planted.js";

const COMMITTED = fileURLToPath(new URL("../../goldens/darknet-conformance", import.meta.url));
/** The whole suite, where DIFFTEST_SHARED says where it lies. */
const SHARED = process.env["DIFFTEST_SHARED"];

/** Every so many recordings of heads are judged. */
const STEP = 5;

/** What one library computed in a training pass, or in some steps of training. */
interface Recording {
  readonly name: string;
  readonly folder: string;
  readonly oracle: string;
  readonly manifest: DarknetManifest;
}

/** The suite's own numerical check of one library's gradients. */
interface FiniteDifference {
  readonly results: Readonly<
    Record<string, { readonly ok: boolean; readonly blobs: Readonly<Record<string, Blob>> }>
  >;
}

interface Blob {
  readonly ok: boolean;
  readonly numeric: readonly number[];
}

/** Every recording of gradients in a suite, of the oracle and of the libraries that disagree with it. */
function recordingsIn(suite: string): Recording[] {
  return readdirSync(join(suite, "cases"))
    .map((id) => join(suite, "cases", id))
    .filter((folder) => Object.values(CASE_FILES).every((file) => existsSync(join(folder, file))))
    .map((folder) => ({ folder, manifest: readManifest(folder) }))
    .filter(({ manifest }) => "gradients" in manifest || "steps" in manifest)
    .flatMap(({ folder, manifest }) => {
      const { id: name, oracle, disagrees } = manifest;
      const others = disagrees.filter(({ layers }) => layers !== undefined);
      return [oracle.name, ...others.map((one) => one.oracle)].map((each) => ({
        name,
        folder,
        oracle: each,
        manifest,
      }));
    });
}

function hasKnownLoss({ folder }: Recording): boolean {
  return /\[(cost|softmax|logistic)\]/.test(
    readFileSync(join(folder, CASE_FILES.original), "utf8"),
  );
}

const recordings = recordingsIn(COMMITTED);
const committed = new Set(recordings.map(({ name }) => name));
if (SHARED !== undefined) {
  const whole = recordingsIn(join(SHARED, "darknet-conformance"));
  const others = whole.filter(({ name }) => !committed.has(name));
  // Of losses that only their deltas tell, which take seconds each, some.
  recordings.push(...others.filter((one, at) => hasKnownLoss(one) || at % STEP === 0));
}

/** What the suite's numerical check says of a recording; `undefined` where it made none. */
function checked({ manifest, oracle }: Recording): FiniteDifference["results"][string] | undefined {
  const found = (manifest as { finiteDifference?: FiniteDifference }).finiteDifference;
  return found?.results[oracle] ?? found?.results[dialectOf(oracle)];
}

function isCalledWrong(recording: Recording): boolean {
  const { referenceBug, oracle } = recording.manifest;
  if (oracle.name === recording.oracle) return referenceBug !== undefined;
  return checked(recording)?.ok === false;
}

let root = "";
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "difftest-gradients-"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** The golden of a recording, judged. */
function judged({ name, folder, oracle }: Recording): Promise<GoldenJudgement> {
  const golden = join(root, `${name}-${oracle}`);
  goldenFromCase(folder, oracle, golden);
  const [original, weights] = [join(folder, CASE_FILES.original), join(folder, CASE_FILES.weights)];
  return judgeGolden({ golden, original, weights });
}

/** The suite's name of a gradient, `000.bias_updates`, as a place. */
function placeOf(blob: string, gradients: readonly JudgedGradient[]): string {
  if (blob === "input_delta") return "input";
  const [index = "", role = ""] = blob.split(".");
  const roles = { bias_updates: ["bias"], scale_updates: ["scale"] }[role];
  const names = roles ?? ["kernel", "weights", "value"];
  const own = gradients.filter(({ layer }) => layer === Number(index));
  return own.find(({ place }) => names.includes(place.split("/").at(-1) ?? ""))?.place ?? blob;
}

/** Gradients that the suite's check calls wrong, but for those in which it saw nothing but its own noise. */
function placesCalledWrong(recording: Recording, result: GoldenJudgement): string[] {
  const found = checked(recording);
  const largest = Math.max(
    ...Object.values(found?.blobs ?? {}).flatMap(({ numeric = [] }) => numeric.map(Math.abs)),
  );
  return Object.entries(found?.blobs ?? {})
    .filter(([, { ok, numeric }]) => !ok && numeric.some((one) => Math.abs(one) > NOISE * largest))
    .map(([blob]) => placeOf(blob, result.gradients));
}

/** The suite's differences are of float32 costs: they see no gradient below this share of the case's largest. */
const NOISE = 1e-3;

describe("gradients that a manifest calls wrong, played back as a golden", () => {
  const wrong = recordings.filter(isCalledWrong);

  it("are among the committed cases, of both libraries", () => {
    expect(wrong.filter(({ name }) => committed.has(name)).length).toBeGreaterThanOrEqual(14);
    expect(new Set(wrong.map(({ oracle }) => dialectOf(oracle)))).toEqual(
      new Set(["alexeyab", "pjreddie"]),
    );
  });

  it.each(wrong)(
    "$name by $oracle: the reference is at fault, at the gradients listed",
    async (one) => {
      const result = await judged(one);
      expect(result.verdict).toBe("differs");
      for (const { component, reference } of result.faults) {
        expect(component).toBe("reference");
        expect(reference).toContain(one.name);
      }
      const places = result.faults.map(({ place }) => place);
      expect(places).toEqual(expect.arrayContaining(placesCalledWrong(one, result)));
    },
  );
});

describe("a golden of a training pass as the reference of a port", () => {
  it("is accused where its gradients are wrong, and the port, which is right, is not", async () => {
    const { name, folder, oracle } = recordings.find(isCalledWrong) as Recording;
    const golden = join(root, `played-${name}`);
    goldenFromCase(folder, oracle, golden);
    const result = await runPlanted(
      "csp",
      { plants: [] },
      {
        original: join(folder, CASE_FILES.original),
        weights: join(folder, CASE_FILES.weights),
        inputs: [join(folder, CASE_FILES.input)],
        reference: `golden:${golden}`,
        darknet: dialectOf(oracle),
      },
    );
    expect(result.verdict).toBe("differs");
    expect(result.faults.length).toBeGreaterThan(0);
    for (const fault of result.faults) {
      expect(fault).toMatchObject({ component: "reference", reference: `golden:${golden}` });
    }
    expect(result.reference.name).toBe("onnxruntime");
    expect(result.taps.map(({ verdict }) => verdict)).not.toContain("differs");
    expect(result.warnings.join()).toContain("is a training pass: its gradients were judged");
  });
});

/** A recording whose forward pass is not what the definitions give: an area A case shows the same activation. */
function wrongForward(result: GoldenJudgement): boolean {
  return result.faults.length === 1 && !/\/|^input$/.test(result.faults[0]?.place ?? "/");
}

/** A library without a backward pass for the head: every gradient is 0 below a delta that is not. */
function nothingPropagated({ folder, oracle, name }: Recording): boolean {
  const { gradients } = openGolden(join(root, `${name}-${oracle}`));
  expect(folder).toContain(name);
  return [...gradients].every(
    ([key, { data }]) => !key.startsWith("update:") || data.every((value) => value === 0),
  );
}

/** A network in which a map is used twice, one of the users a convolution: AlexeyAB's overwrites what arrived before. */
function hasFork({ folder }: Recording): boolean {
  return /\[(route|shortcut)\]/.test(readFileSync(join(folder, CASE_FILES.original), "utf8"));
}

describe("gradients that no manifest calls wrong", () => {
  const right = recordings.filter((one) => !isCalledWrong(one));

  it.each(right)("$name by $oracle: are accused of nothing that is not true", async (one) => {
    const result = await judged(one);
    if (checked(one)?.ok === true && !wrongForward(result)) expect(result.faults).toEqual([]);
    if (result.verdict === "same") return;
    const untrained = dialectOf(one.oracle) === "alexeyab" && /pile up/.test(causeOf(one));
    // What is accused all the same is known, and is a fault of the library: docs/references.md lists it.
    expect([
      wrongForward(result),
      nothingPropagated(one),
      dialectOf(one.oracle) === "alexeyab" && hasFork(one),
      untrained,
    ]).toContain(true);
  });
});

function causeOf({ manifest, oracle }: Recording): string {
  return manifest.disagrees.find((one) => one.oracle === oracle)?.cause ?? "";
}
