import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeGolden } from "../../src/record/golden-writer.js";
import { openGolden } from "../../src/references/golden/open-golden.js";
import type { Tensor } from "../../src/tensor/tensor.js";
import { runMain } from "../cli/run-main.js";

const ORIGINAL = ["--original", "examples/small.cfg"];
const RUN = ["layer-by-layer", "--model", "examples/plain-port.mjs", ...ORIGINAL];

let root = "";
let golden = "";
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "difftest-goldens-"));
  golden = join(root, "small");
  const { status, out } = await runMain(["record", ...ORIGINAL, "--out", golden]);
  expect(out).toMatch(/small: 8 taps, [\d,]+ values of small\.cfg by onnxruntime /);
  expect(status).toBe(0);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** A copy whose files were tampered with. */
function copy(name: string, change: (folder: string) => void): string {
  const folder = join(root, name);
  cpSync(golden, folder, { recursive: true });
  change(folder);
  return folder;
}

/** A golden in order whose library has computed one layer wrongly. */
function wrongLibrary(name: string, layer: string): string {
  const out = join(root, name);
  const { manifest: content, inputs, read } = openGolden(golden);
  const { note: _note, training: _training, ...manifest } = content;
  const values = new Map(manifest.taps.map(({ id }) => [id, read(id) as Tensor]));
  values.get(layer)?.data.forEach((value, at, data) => {
    data[at] = 1.01 * value;
  });
  writeGolden(out, {
    ...manifest,
    inputs: manifest.inputs.map((one) => ({ ...one, value: inputs.get(one.name) as Tensor })),
    taps: manifest.taps.map((one) => ({ ...one, value: values.get(one.id) as Tensor })),
  });
  return out;
}

describe("difftest goldens verify", () => {
  it("says of each golden in a folder who recorded it from what", async () => {
    const { status, out } = await runMain(["goldens", "verify", "goldens/darknet"]);
    expect(status).toBe(0);
    expect(out.trim().split("\n")).toHaveLength(3);
    expect(out).toMatch(
      /yolov3-tiny: 24 taps of yolov3-tiny\.cfg with synthetic:1,gain=.+ on random:1, by darknet /,
    );
  });

  it.each([
    ["changed", (folder: string) => flip(join(folder, "trace.npz")), "trace.npz: was changed"],
    [
      "cut short",
      (folder: string) => truncateSync(join(folder, "inputs.npz"), 40),
      "was truncated",
    ],
    [
      "without its manifest",
      (folder: string) => rmSync(join(folder, "manifest.json")),
      "is no golden",
    ],
  ])("refuses one that was %s, by name", async (what, change, words) => {
    const folder = copy(what, change);
    const verified = await runMain(["goldens", "verify", folder]);
    expect(verified.status).toBe(2);
    expect(verified.err).toContain(folder);
    expect(verified.err).toContain(words);
    const played = await runMain([...RUN, "--reference", `golden:${folder}`]);
    expect(played.status).toBe(2);
    expect(played.err).toContain(words);
  });

  it.each([
    [["goldens", "check", "x"], "verify"],
    [["goldens", "verify", "no-such-folder"], "no-such-folder: there is no such folder"],
    [["goldens", "verify", "docs"], "is no golden and holds none"],
    [["record", ...ORIGINAL], "--out: missing"],
    [["record", ...ORIGINAL, "--out", "docs"], "docs: holds other files"],
  ])("%j is a wrong call", async (argv, words) => {
    const { status, err } = await runMain(argv);
    expect(status).toBe(2);
    expect(err).toContain(words);
  });
});

describe("difftest layer-by-layer --reference golden:DIR", () => {
  it("ends with 0 where the golden is right", async () => {
    const { status, out } = await runMain([...RUN, "--reference", `golden:${golden}`]);
    expect(status).toBe(0);
    expect(out).toContain(`on golden:${golden} onnxruntime`);
  });

  it("ends with 1, and accuses the golden alone, where its library was wrong", async () => {
    const reference = `golden:${wrongLibrary("wrong", "conv_2")}`;
    const { status, out } = await runMain([...RUN, "--reference", reference, "--json", "-"]);
    expect(status).toBe(1);
    const { verdict, faults, references } = JSON.parse(out);
    expect(verdict).toBe("differs");
    expect(faults).toMatchObject([{ component: "reference", reference, place: "conv_2" }]);
    expect(references).toMatchObject([{ faults: 0 }, { name: reference, faults: 1 }]);
  });
});

function flip(path: string): void {
  const bytes = readFileSync(path);
  const middle = Math.floor(bytes.length / 2);
  bytes[middle] = (bytes[middle] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}
