import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type RecordOptions, recordGolden } from "../../src/checks/record-golden.js";
import { InputError } from "../../src/errors.js";
import {
  openGolden,
  requireSameUse,
  verifyGolden,
} from "../../src/references/golden/open-golden.js";
import { tensor } from "../../src/tensor/tensor.js";
import { whenInstalled } from "../references/installed.js";

const CFG = `[net]
width=8
height=6
channels=3
[convolutional]
batch_normalize=1
filters=4
size=3
pad=1
activation=leaky
[maxpool]
size=2
stride=2
`;

let root = "";
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "difftest-golden-"));
  writeFileSync(join(root, "net.cfg"), CFG);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

let count = 0;
const fresh = () => join(root, `golden-${count++}`);

async function record(options: Partial<RecordOptions> = {}): Promise<string> {
  const out = options.out ?? fresh();
  await recordGolden({ original: join(root, "net.cfg"), ...options, out });
  return out;
}

const bytesOf = (folder: string) =>
  readdirSync(folder)
    .sort()
    .map(
      (file) =>
        `${file} ${createHash("sha256")
          .update(readFileSync(join(folder, file)))
          .digest("hex")}`,
    );

function messageOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    expect((error as Error).message).not.toContain("\n");
    return (error as Error).message;
  }
  throw new Error("nothing was thrown");
}

describe("a recorded golden", () => {
  it("has the same bytes the second time, wherever it is recorded", async () => {
    const [first, second] = [await record(), await record()];
    expect(bytesOf(first)).toEqual(bytesOf(second));
    const elsewhere = join(root, "deeper", "down");
    mkdirSync(elsewhere, { recursive: true });
    writeFileSync(join(elsewhere, "net.cfg"), CFG);
    const third = await record({ original: join(elsewhere, "net.cfg") });
    expect(bytesOf(third)).toEqual(bytesOf(first));
  });

  it("holds every operation with its shape, and says from what", async () => {
    const golden = verifyGolden(await record({ note: "an example" }));
    expect(golden.taps).toEqual(["conv_0/conv", "conv_0/norm", "conv_0", "maxpool_1"]);
    expect(golden.read("maxpool_1")?.shape).toEqual([1, 4, 3, 4]);
    expect(golden.read("nothing")).toBeUndefined();
    expect(golden.inputs.get("input")?.shape).toEqual([1, 3, 6, 8]);
    expect(golden.manifest).toMatchObject({
      schema: "difftest/golden/1",
      reference: { name: "onnxruntime", options: { darknet: "alexeyab" } },
      original: { file: "net.cfg" },
      weights: { source: "synthetic:1,gain=1" },
      inputs: [{ source: "random:1" }],
      outputs: ["maxpool_1"],
      note: "an example",
    });
    expect(JSON.stringify(golden.manifest)).not.toContain(root);
  });

  it("replaces a golden, and nothing else", async () => {
    const out = await record();
    await record({ out, inputs: ["random:7"] });
    expect(openGolden(out).manifest.inputs[0]?.source).toBe("random:7");
    const other = join(root, "other");
    mkdirSync(other);
    writeFileSync(join(other, "thesis.txt"), "years of work");
    await expect(record({ out: other })).rejects.toThrow("holds other files (thesis.txt)");
    expect(readFileSync(join(other, "thesis.txt"), "utf8")).toBe("years of work");
    expect(readdirSync(root).filter((name) => name.includes(".tmp"))).toEqual([]);
  });

  it("is not made at all when the run fails", async () => {
    const out = fresh();
    await expect(record({ out, original: join(root, "missing.cfg") })).rejects.toThrow();
    await expect(record({ out, reference: "golden:x" })).rejects.toThrow("is a recording already");
    expect(existsSync(out)).toBe(false);
  });
});

describe("a golden that is not what it was", () => {
  let folder = "";
  beforeEach(async () => {
    folder = await record();
  });

  it("is refused when a value was changed, by the name of the file", () => {
    const path = join(folder, "trace.npz");
    const bytes = readFileSync(path);
    bytes[Math.floor(bytes.length / 2)] = (bytes[Math.floor(bytes.length / 2)] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    expect(messageOf(() => openGolden(folder))).toContain(
      `${path}: was changed after it was recorded`,
    );
  });

  it("is refused when it was cut short", () => {
    const path = join(folder, "trace.npz");
    truncateSync(path, readFileSync(path).length - 9);
    expect(messageOf(() => openGolden(folder))).toContain(`${path}: was truncated`);
  });

  it.each(["trace.npz", "inputs.npz", "manifest.json"])("is refused when %s is missing", (file) => {
    rmSync(join(folder, file));
    expect(messageOf(() => openGolden(folder))).toContain(file);
  });

  it("is refused when its manifest was edited", () => {
    const path = join(folder, "manifest.json");
    writeFileSync(path, readFileSync(path, "utf8").replace("net.cfg", "nets.cfg"));
    expect(messageOf(() => openGolden(folder))).toContain("its digest does not fit");
  });

  it.each([
    ["no JSON", "{", "is no JSON"],
    ["another thing", "{}", "manifest.json: schema"],
  ])("is refused when its manifest is %s", (_, text, words) => {
    writeFileSync(join(folder, "manifest.json"), text);
    expect(messageOf(() => openGolden(folder))).toContain(words);
  });

  it("is refused where another model, other weights or another input run", () => {
    const golden = openGolden(folder);
    const { original, weights } = golden.manifest;
    const use = { original: original.sha256, weights: weights.sha256, inputs: golden.inputs };
    expect(() => requireSameUse(golden, use)).not.toThrow();
    const other = "0".repeat(64);
    expect(messageOf(() => requireSameUse(golden, { ...use, original: other }))).toContain(
      "another original, net.cfg",
    );
    expect(messageOf(() => requireSameUse(golden, { ...use, weights: other }))).toContain(
      "other weights, synthetic:1,gain=1",
    );
    const inputs = new Map([["input", tensor([1, 3, 6, 8], new Float32Array(144))]]);
    expect(messageOf(() => requireSameUse(golden, { ...use, inputs }))).toContain(
      "another input input, random:1",
    );
  });
});

describe.skipIf(!whenInstalled("darknet"))(
  "a golden of the Darknet library (needs references/darknet/build.sh)",
  () => {
    it("has the same bytes the second time, and says which library", async () => {
      const options = { reference: "darknet", darknet: "pjreddie" } as const;
      const [first, second] = [await record(options), await record(options)];
      expect(bytesOf(first)).toEqual(bytesOf(second));
      const { manifest, taps } = verifyGolden(first);
      expect(taps).toEqual(["conv_0", "maxpool_1"]);
      expect(manifest.reference).toMatchObject({
        name: "darknet",
        options: { darknet: "pjreddie" },
      });
      expect(manifest.reference.version).toMatch(/\d/);
    });

    it("refuses to give one library's values as the other's", async () => {
      await expect(record({ reference: "darknet" })).rejects.toThrow("add --darknet pjreddie");
    });
  },
);
