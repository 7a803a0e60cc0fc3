import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { pictureOf } from "../../scripts/demo/data-set.js";
import { recordGolden } from "../../src/checks/record-golden.js";
import { PICTURE } from "../../src/commands/demo.js";
import { decodeImage } from "../../src/inputs/image-file.js";
import { PLANTED } from "../../src/models/demo/planted.js";
import { openGolden } from "../../src/references/golden/open-golden.js";
import { type DemoRuns, surprises } from "../../src/report/demo-story.js";
import { runMain } from "../cli/run-main.js";
import { sampleResult } from "../report/sample-result.js";

const folder = "goldens/demo";
/** Every whole run starts threads and processes, on machines that may do other things too. */
const PATIENCE_MS = 180_000;

describe("difftest demo", { timeout: PATIENCE_MS }, () => {
  it("tells its story, finds both mistakes with their causes, and gives lines that repeat them", async () => {
    const { status, out, err } = await runMain(["demo"]);
    expect(err).toBe("");
    expect(status).toBe(0);
    expect(out).toMatch(/\nsame: 46 taps agree \(/);
    expect(out).toMatch(/fault at conv_4\/norm \(model, layer 4\)\n/);
    expect(out).toContain("  cause     epsilon is 0.001, expected 0.00001\n");
    expect(out).toMatch(/fault at conv_8 \(model, layer 8\)\n/);
    expect(out).toContain("  cause     negative slope is 0.2, expected 0.1\n");
    expect(out).toMatch(/\ndiffers: 2 faults at conv_4\/norm, conv_8 \(/);
    const [again = ""] = out.match(/(?<=again +difftest ).*conv_4\/norm$/m) ?? [];
    const repeated = await runMain([...again.split(" "), "--quiet"]);
    expect(repeated.status).toBe(1);
    expect(repeated.out).toMatch(/\ndiffers: 1 fault at conv_4\/norm \(/);
  });

  it("is done in 20 seconds of this machine's time", async () => {
    const before = process.cpuUsage();
    await runMain(["demo"]);
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1e6).toBeLessThan(20);
  });
});

describe("surprises", () => {
  const fault = (place: string, cause: string | null) => ({
    component: "model" as const,
    layer: 4,
    place,
    evidence: "max abs 1",
    cause,
    reproduce: "difftest",
  });
  const found = [
    fault("conv_4/norm", "epsilon is 0.001, expected 0.00001"),
    fault("conv_8", "negative slope is 0.2, expected 0.1"),
  ];
  const runs = (changes: Partial<DemoRuns> = {}): DemoRuns => ({
    right: sampleResult(),
    faulty: sampleResult({ verdict: "differs", faults: found }),
    planted: PLANTED,
    ...changes,
  });
  const faulty = (faults: typeof found) => ({
    faulty: sampleResult({ verdict: "differs", faults }),
  });

  it("has nothing to say of the story as it is told", () => {
    expect(surprises(runs())).toEqual([]);
  });

  it.each<[string, Partial<DemoRuns>, string]>([
    [
      "a right port that differs",
      { right: sampleResult({ verdict: "differs" }) },
      "the port without mistakes differs from the original",
    ],
    ["a mistake not found", faulty(found.slice(0, 1)), "the mistake at conv_8 was not found"],
    [
      "a fault without its cause",
      faulty([...found.slice(0, 1), fault("conv_8", null)]),
      "the cause of the fault at conv_8 was not found",
    ],
    [
      "a layer accused that is right",
      faulty([...found, fault("conv_2", null)]),
      "conv_2 is accused, where no mistake is",
    ],
  ])("tells %s", (_, changes, sentence) => {
    expect(surprises(runs(changes))).toEqual([sentence]);
  });
});

describe(folder, () => {
  it("is small: weights up to 1.5 MB, all of it up to 3 MB", () => {
    expect(statSync(join(folder, "shapes.weights")).size).toBeLessThan(1.5e6);
    const files = readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => statSync(join(entry.parentPath, entry.name)).size);
    expect(files.reduce((sum, size) => sum + size, 0)).toBeLessThan(3e6);
  });

  it("has ten pictures that no training saw, pixel for pixel as scripts/train-demo.ts draws them", async () => {
    const names = readdirSync(join(folder, "images"));
    expect(names).toHaveLength(10);
    for (const [k, name] of names.toSorted().entries()) {
      const { data } = await decodeImage(join(folder, "images", name));
      expect(Buffer.from(data).equals(pictureOf(1700 + k).pixels)).toBe(true);
    }
  });

  it("goes into the package", () => {
    const { files } = JSON.parse(readFileSync("package.json", "utf8")) as { files: string[] };
    expect(files).toContain("goldens/demo");
  });
});

describe("goldens/demo/darknet", () => {
  const taken = readdirSync(join(folder, "darknet")).map((name) => join(folder, "darknet", name));

  it("has a recording of every picture, each as it was written", async () => {
    expect(taken).toHaveLength(10);
    for (const golden of taken)
      expect((await runMain(["goldens", "verify", golden])).status).toBe(0);
  });

  it("agrees with the embedded reference in every layer of the demo's picture", async () => {
    const out = mkdtempSync(join(tmpdir(), "difftest-demo-"));
    const picture = PICTURE.replace(".png", "");
    try {
      await recordGolden({
        original: `${folder}/shapes.cfg`,
        weights: `${folder}/shapes.weights`,
        inputs: [`${folder}/images/${PICTURE}`],
        darknet: "pjreddie",
        out,
      });
      const [embedded, darknet] = [openGolden(out), openGolden(`${folder}/darknet/${picture}`)];
      const ids = darknet.manifest.taps.map(({ id }) => id);
      expect(ids).toHaveLength(24);
      for (const id of ids) {
        const actual = embedded.read(id)?.data ?? new Float32Array();
        const expected = darknet.read(id)?.data ?? new Float32Array();
        const largest = expected.reduce((a, b) => Math.max(a, Math.abs(b)), 1);
        const off = expected.reduce((a, b, k) => Math.max(a, Math.abs(b - (actual[k] ?? NaN))), 0);
        // Sums in two orders through a dozen layers; a wrong rule misses by orders of magnitude.
        expect(off / largest, id).toBeLessThan(2e-5);
      }
    } finally {
      rmSync(out, { recursive: true });
    }
  });
});
