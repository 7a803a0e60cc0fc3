import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runMain } from "../cli/run-main.js";

const config = "examples/small.cfg";
let folder: string;
let weights: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "difftest-weights-"));
  weights = join(folder, "small.weights");
  const argv = ["synthesize", "--original", config, "--seed", "7", "--out", weights];
  expect(await runMain(argv)).toEqual({
    status: 0,
    out: `${weights}: 1,634 weights of small.cfg, synthetic:7,gain=1\n`,
    err: "",
  });
});
afterAll(() => rmSync(folder, { recursive: true }));

const inspect = async (path: string, ...options: string[]) => {
  const run = await runMain(["inspect", path, ...options]);
  return { ...run, out: run.out.replaceAll(folder, "."), err: run.err.replaceAll(folder, ".") };
};
/** A copy of the weights with one float replaced, counted from the header's end. */
function damaged(name: string, index: number, value: number): string {
  const bytes = readFileSync(weights);
  bytes.writeFloatLE(value, 20 + 4 * index);
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

describe("difftest synthesize", () => {
  it("writes what --weights synthetic:SEED stands for", async () => {
    const run = async (source: string) => {
      const argv = ["--model", "examples/plain-port.mjs", "--original", config, "--json", "-"];
      const { out } = await runMain(["layer-by-layer", ...argv, "--weights", source]);
      return (JSON.parse(out) as { taps: readonly unknown[] }).taps;
    };
    expect(await run(weights)).toEqual(await run("synthetic:7"));
  });

  it("writes the same bytes again, and others for another seed or gain", async () => {
    const bytesOf = async (...options: string[]) => {
      const out = join(folder, "again.weights");
      await runMain(["synthesize", "--original", config, "--out", out, ...options]);
      return readFileSync(out);
    };
    const bytes = readFileSync(weights);
    expect((await bytesOf("--seed", "7")).equals(bytes)).toBe(true);
    expect((await bytesOf("--seed", "8")).equals(bytes)).toBe(false);
    expect((await bytesOf("--seed", "7", "--gain", "2")).equals(bytes)).toBe(false);
  });

  it.each<[string, string[], string]>([
    ["no file to write", ["--model", "yolov4-tiny"], "--out: missing, expected a file to write"],
    [
      "nothing to make weights for",
      ["--out", "x.weights"],
      "--model: missing, expected a built-in model (difftest models lists them), or --original with a config",
    ],
    [
      "a seed that is none",
      ["--original", config, "--out", "x.weights", "--seed", "1.5"],
      '--seed: "1.5", expected a whole number from 0 to 4294967295',
    ],
    [
      "a gain that is none",
      ["--original", config, "--out", "x.weights", "--gain", "0"],
      '--gain: "0", expected a number above 0 such as 0.95',
    ],
    [
      "a folder that does not exist",
      ["--original", config, "--out", "no-such-folder/x.weights"],
      "--out no-such-folder/x.weights: no folder no-such-folder; make it first",
    ],
  ])("refuses %s", async (_, argv, message) => {
    expect(await runMain(["synthesize", ...argv])).toEqual({
      status: 2,
      out: "",
      err: `difftest: ${message}\n`,
    });
  });
});

describe("difftest inspect on a .weights file", () => {
  it("without its config tells header and statistics", async () => {
    const { status, out } = await inspect(weights);
    expect(status).toBe(0);
    expect(out).toMatchInlineSnapshot(`
      "file        ./small.weights
      format      Darknet weights
      bytes       6,556
      header      0.2.5, seen 0 (20 bytes)
      floats      1,634
      as many as  -
      min         -0.599
      max         1.49
      mean        0.025
      std         0.268
      zeros       0
      nan         0
      infinite    0
      "
    `);
  });

  it("says which built-in model has as many weights", async () => {
    const path = join(folder, "tiny.weights");
    await runMain(["synthesize", "--model", "yolov4-tiny", "--out", path]);
    expect((await inspect(path)).out).toMatch(/as many as +yolov4-tiny\n/);
  });

  it("with its config tells every tensor by name", async () => {
    const { out } = await inspect(weights, "--original", config);
    expect(out).toMatch(/conv_0\/kernel +8x3x3x3 /);
    expect(out).not.toContain("warning");
  });

  it("knows it by its header when the name says nothing", async () => {
    const path = join(folder, "download");
    writeFileSync(path, readFileSync(weights));
    expect((await inspect(path)).out).toContain("Darknet weights");
  });

  it("warns of NaN, and with the config of a negative variance by name", async () => {
    const alone = (await inspect(damaged("nan.weights", 3, Number.NaN))).out;
    expect(alone).toMatch(/nan +1\n/);
    expect(alone).toMatch(/warning +1 values are not a number/);
    // Floats 24 to 31 of the file are the variances of the first layer.
    const { out } = await inspect(damaged("negative.weights", 25, -1), "--original", config);
    expect(out.replaceAll(/\s+/g, " ")).toContain(
      "layer 0 conv_0/variance[1] at offset 120 is -1, expected a variance of at least 0",
    );
  });

  it("warns of a file that is cut off, and names the layers without weights", async () => {
    const path = join(folder, "cut.weights");
    writeFileSync(path, readFileSync(weights).subarray(0, 20 + 4 * 300));
    const { out } = await inspect(path, "--original", config);
    const text = out.replaceAll(/\s+/g, " ");
    expect(text).toContain("needs 6556 bytes, the file has 1220");
    expect(text).toContain("warning no weights, or not all, for conv_2, conv_3");
  });

  it("refuses an HTML page that was saved under the name", async () => {
    const path = join(folder, "page.weights");
    writeFileSync(path, "<!DOCTYPE html><html><body>Sign in</body></html>");
    const { status, err } = await inspect(path);
    expect(status).toBe(2);
    expect(err).toBe(
      "difftest: ./page.weights: is an HTML page, expected a Darknet weights file; download the file itself, not the page that shows it\n",
    );
  });
});
