import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { recordGolden } from "../../src/checks/record-golden.js";
import { writeGolden } from "../../src/record/golden-writer.js";
import { openGolden } from "../../src/references/golden/open-golden.js";
import { formatResult } from "../../src/report/terminal.js";
import { type Tensor, tensor } from "../../src/tensor/tensor.js";
import { configOf, places, runPlanted } from "../faults/run-planted.js";
import { whenInstalled } from "../references/installed.js";
import { holdReferences } from "./hold-references.js";

/** Layers of the network that the tests run on, in the middle of it. */
const ORIGINAL = "residual";
const LAYER = "conv_2";

let root = "";
let right = "";
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "difftest-quorum-"));
  right = join(root, "right");
  await recordGolden({ original: configOf(ORIGINAL), darknet: "pjreddie", out: right });
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

let count = 0;

/** A golden that says it was recorded as the right one was, with one layer's values changed. */
function changed(change: (value: Tensor, id: string) => Float32Array): string {
  const out = join(root, `changed-${count++}`);
  rewrite(out, change, () => true);
  return `golden:${out}`;
}

/** The right golden with some of its taps, as a library gives it. */
function withoutSteps(out: string, taps: ReadonlySet<string>): void {
  rewrite(
    out,
    ({ data }) => data,
    (id) => taps.has(id),
  );
}

function rewrite(
  out: string,
  change: (value: Tensor, id: string) => Float32Array,
  keeps: (id: string) => boolean,
): void {
  const { manifest, inputs, read } = openGolden(right);
  const { recorder, reference, original, weights, layout, outputs } = manifest;
  writeGolden(out, {
    recorder,
    reference: { ...reference, name: "another library" },
    original,
    weights,
    layout,
    outputs,
    inputs: manifest.inputs.map(({ name, source }) => ({
      name,
      source,
      value: inputs.get(name) as Tensor,
    })),
    taps: manifest.taps
      .filter(({ id }) => keeps(id))
      .map(({ id, layer, kind }) => {
        const value = read(id) as Tensor;
        return { id, layer, kind, value: tensor(value.shape, change(value, id)) };
      }),
  });
}

const only = (id: string, change: (one: number, at: number) => number) =>
  changed((value, tap) => (tap === id ? value.data.map(change) : value.data));
const twice = () => only(LAYER, (one) => 1.01 * one);
const run = (reference: string, options: Parameters<typeof runPlanted>[2] = {}) =>
  runPlanted(ORIGINAL, { plants: [] }, { darknet: "pjreddie", reference, ...options });

describe("one reference beside the embedded one", () => {
  it("is accused at the layer in which it was changed, and at no layer that reads it", async () => {
    const reference = twice();
    const result = await run(reference);
    expect(result.faults).toMatchObject([
      { component: "reference", reference, place: LAYER, cause: null },
    ]);
    expect(result.faults[0]?.evidence).toContain(`the float64 definition contradicts ${reference}`);
    expect(result.reference.name).toBe("onnxruntime");
    expect(result.verdict).toBe("differs");
    expect(result.references).toMatchObject([
      { name: "onnxruntime", faults: 0 },
      { name: reference, library: "another library", faults: 1 },
    ]);
  });

  it.each([
    ["one value of many is off", () => only(LAYER, (one, at) => (at === 7 ? one + 0.01 : one))],
    ["its slope is 0.1001", () => only(LAYER, (one) => (one < 0 ? 1.001 * one : one))],
    ["one value is NaN", () => only(LAYER, (one, at) => (at === 7 ? Number.NaN : one))],
    [
      "a map is shifted",
      () => changed((value, id) => (id === LAYER ? shifted(value) : value.data)),
    ],
  ])("is accused where %s", async (_, make) => {
    const { faults } = await holdReferences({
      original: configOf(ORIGINAL),
      darknet: "pjreddie",
      reference: make(),
    });
    expect(faults.map(({ place }) => place)).toEqual([LAYER]);
  });

  it("takes nothing away from a fault of the port", async () => {
    const plants = [{ op: "conv_5", attributes: { parameters: { slope: 0.2 } } }];
    const result = await runPlanted(
      ORIGINAL,
      { plants },
      { darknet: "pjreddie", reference: twice() },
    );
    const found = result.faults.map(({ component, place }) => `${component} ${place}`);
    expect(found).toEqual([`reference ${LAYER}`, "model conv_5"]);
  });

  it("is not held against a port in cumulative mode either", async () => {
    const { faults, taps } = await run(twice(), { mode: "cumulative" });
    expect(faults.map(({ component }) => component)).toEqual(["reference"]);
    expect(taps.every(({ verdict }) => verdict === "same")).toBe(true);
  });

  it("is what the port is compared with as long as it is right", async () => {
    const result = await run(`golden:${right}`);
    expect(result).toMatchObject({ verdict: "same", faults: [], warnings: [] });
    expect(result.reference.name).toBe(`golden:${right}`);
  });

  it("shows a slope of 0.1001 in the port as the embedded one does", async () => {
    const plants = [{ op: "conv_5", attributes: { parameters: { slope: 0.1001 } } }];
    const reference = `golden:${right}`;
    const result = await runPlanted(ORIGINAL, { plants }, { darknet: "pjreddie", reference });
    expect(result.faults).toMatchObject([{ component: "model", place: "conv_5" }]);
    expect(result.reference.name).toBe(reference);
  });

  it("need not have the steps inside a layer that the port taps", async () => {
    const layers = join(root, "layers");
    const original = configOf(ORIGINAL);
    const taps = openGolden(right).taps.filter((id) => !id.includes("/"));
    // A pattern names the steps inside a layer as well: the manifest is written without them.
    withoutSteps(layers, new Set(taps));
    const planted = { plants: [], subTaps: true };
    const options = { original, darknet: "pjreddie", reference: `golden:${layers}` } as const;
    const result = await runPlanted(ORIGINAL, planted, options);
    expect(result).toMatchObject({ verdict: "same", faults: [] });
    expect(result.taps.some(({ id }) => id === `${LAYER}/conv`)).toBe(true);
    const wrong = { ...planted, plants: [{ op: `${LAYER}/norm`, attributes: { epsilon: 1e-3 } }] };
    const { faults } = await runPlanted(ORIGINAL, wrong, options);
    expect(faults.map(({ component, place }) => `${component} ${place}`)).toEqual([
      `model ${LAYER}/norm`,
    ]);
  });

  it("is told of in the table, the fault and the last line", async () => {
    const reference = twice();
    const text = formatResult(await run(reference), { colour: false, quiet: false });
    expect(text).toMatch(/^reference +version +taps held +faults$/m);
    expect(text).toContain(`fault at ${LAYER} (reference ${reference}, layer 2)`);
    expect(text).toMatch(/differs: 1 fault of a reference, none of the port, at conv_2/);
  });
});

describe("a golden of Darknet", () => {
  const run = (options: { darknet?: "alexeyab" }) =>
    runPlanted(
      ORIGINAL,
      { plants: [] },
      { reference: `golden:${right}`, mode: "isolated", ...options },
    );

  it("says whose rules hold, unless the caller does", async () => {
    const { reference } = await run({});
    expect(reference.options).toEqual({ darknet: "pjreddie" });
  });

  it("is refused by other rules than its own", async () => {
    await expect(run({ darknet: "alexeyab" })).rejects.toThrow(
      `golden:${right}: was recorded by pjreddie's rules`,
    );
  });
});

describe("several references", () => {
  it("name the odd one out", async () => {
    const reference = twice();
    const result = await run(`onnxruntime,golden:${right},${reference}`);
    expect(result.faults).toMatchObject([{ component: "reference", reference, place: LAYER }]);
    expect(result.faults[0]?.evidence).toContain(
      `onnxruntime and golden:${right} agree with each other`,
    );
  });

  it("outvote the embedded one, and the port is then compared with one of them", async () => {
    const [one, other] = [twice(), twice()];
    const { faults, trusted } = await holdReferences({
      original: configOf(ORIGINAL),
      darknet: "pjreddie",
      reference: `onnxruntime,${one},${other}`,
    });
    expect(faults.map(({ place }) => place)).toContain(LAYER);
    expect(faults[0]).toMatchObject({ component: "reference", reference: "onnxruntime" });
    expect(trusted).toBe(one);
  });

  it("that disagree with each other as well are judged one by one", async () => {
    const [one, other] = [twice(), only(LAYER, (value) => value + 0.5)];
    const { faults } = await holdReferences({
      original: configOf(ORIGINAL),
      darknet: "pjreddie",
      reference: `onnxruntime,${one},${other}`,
    });
    expect(faults.map(({ reference }) => reference)).toEqual([one, other]);
  });
});

describe.skipIf(!whenInstalled("darknet"))(
  "the live Darknet library (needs references/darknet/build.sh)",
  () => {
    it("agrees with the embedded reference, and with it names a recording that was changed", async () => {
      const reference = twice();
      const result = await run(`darknet,${reference}`);
      expect(result.faults).toMatchObject([{ component: "reference", reference, place: LAYER }]);
      expect(result.faults[0]?.evidence).toContain("onnxruntime and darknet agree");
      expect(result.reference.name).toBe("darknet");
      expect(places(result)).toEqual([LAYER]);
    });
  },
);

/** Every row moved by one value. */
function shifted({ data }: Tensor): Float32Array {
  return data.map((_, at) => data[(at + 1) % data.length] as number);
}
