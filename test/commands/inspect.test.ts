import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeNpy } from "../../src/formats/npy/npy-writer.js";
import { writeNpz } from "../../src/formats/npy/npz.js";
import { tensor } from "../../src/tensor/tensor.js";
import { runMain } from "../cli/run-main.js";

const config = "examples/small.cfg";
let folder: string;
const write = (name: string, content: string | Uint8Array) => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};
const inspect = async (path: string, ...options: string[]) => {
  const run = await runMain(["inspect", path, ...options]);
  return { ...run, out: run.out.replaceAll(folder, "."), err: run.err.replaceAll(folder, ".") };
};

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "difftest-inspect-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("difftest inspect on a .cfg", () => {
  it("tells layers, shapes, parameters and how large its weights file is", async () => {
    const { status, out } = await inspect(config);
    expect(status).toBe(0);
    expect(out).toMatchInlineSnapshot(`
      "file          examples/small.cfg
      format        Darknet configuration
      bytes         365
      input         1x3x32x32
      layers        4
      outputs       conv_3
      parameters    1,634
      weights file  6,556 bytes (6,552 with the old header)

      layer      kind           output      parameters
      conv_0     convolutional  1x8x32x32          248
      maxpool_1  maxpool        1x8x16x16            0
      conv_2     convolutional  1x16x16x16       1,216
      conv_3     convolutional  1x10x16x16         170
      "
    `);
  });

  it("with --taps lists what a port may tap and take", async () => {
    const { out } = await inspect(config, "--taps");
    expect(out).toMatch(/conv_0\/norm +batch-norm +1x8x32x32 +conv_0\/bias, conv_0\/scale/);
    expect(out).toMatch(/conv_2\/kernel +16x8x3x3\n/);
  });

  it("knows it without the ending, and warns of what the library would swallow", async () => {
    const text = readFileSync(config, "utf8").replace("filters=8", "filters=8\nfilter=9");
    const { status, out } = await inspect(write("backbone.txt", text));
    expect(status).toBe(0);
    expect(out).toMatch(/warning .*filter/);
  });

  it("as JSON is the same as plain data", async () => {
    const { out } = await inspect(config, "--json", "-");
    expect(JSON.parse(out)).toMatchObject({
      schema: "difftest/inspect/1",
      format: "Darknet configuration",
      facts: { input: [1, 3, 32, 32], layers: 4, parameters: 1634 },
      sections: [{ name: "layers", rows: [{ layer: "conv_0", parameters: 248 }, {}, {}, {}] }],
      warnings: [],
    });
  });

  it("writes JSON into a file and the text besides", async () => {
    const file = join(folder, "small.json");
    const { out } = await inspect(config, "--json", file);
    expect(JSON.parse(readFileSync(file, "utf8"))).toMatchObject({ file: config });
    expect(out).toContain("Darknet configuration");
  });

  it("refuses an unknown dialect", async () => {
    expect(await inspect(config, "--darknet", "pjredie")).toEqual({
      status: 2,
      out: "",
      err: 'difftest: --darknet: "pjredie", expected one of alexeyab, pjreddie; did you mean pjreddie?\n',
    });
  });
});

describe("difftest inspect on .npy and .npz", () => {
  it("tells shape, type, range and counts what is no number", async () => {
    const values = Float32Array.of(1, -2, Number.NaN, Number.POSITIVE_INFINITY, 0.5, 0);
    const { out } = await inspect(write("x.npy", writeNpy(tensor([2, 3], values))));
    expect(out).toMatchInlineSnapshot(`
      "file      ./x.npy
      format    NumPy array
      bytes     88
      stored    f4, little endian, C (last axis fastest)
      shape     2x3
      dtype     float32
      min       -2
      max       1
      mean      -0.125
      nan       1
      infinite  1

      warning  ./x.npy: 1 of 6 values are NaN
      warning  ./x.npy: 1 of 6 values are infinite
      "
    `);
  });

  it("tells every array of an archive", async () => {
    const archive = writeNpz([
      ["a", tensor([2], Float32Array.of(1, 2))],
      ["scalar", tensor([], Float32Array.of(7))],
    ]);
    const { out } = await inspect(write("x.npz", archive));
    expect(out).toMatchInlineSnapshot(`
      "file    ./x.npz
      format  NumPy archive
      bytes   389
      arrays  2

      name    shape   dtype    min  max  mean  nan  infinite
      a       2       float32    1    2   1.5    0         0
      scalar  scalar  float32    7    7     7    0         0
      "
    `);
  });

  it("refuses a cut file in one line", async () => {
    const bytes = writeNpy(tensor([4], new Float32Array(4)));
    const { status, err } = await inspect(write("cut.npy", bytes.subarray(0, -1)));
    expect(status).toBe(2);
    expect(err).toMatch(/^difftest: .\/cut.npy: data of shape \(4\) .*needs 16 bytes, 15 left\n$/);
  });
});

describe("difftest inspect on anything else", () => {
  it("says that there is no such file", async () => {
    expect((await inspect("no-such.cfg")).err).toBe("difftest: no-such.cfg: no such file\n");
  });

  it("says that a folder is one", async () => {
    expect((await inspect(folder)).err).toBe("difftest: .: is a folder, expected a file\n");
  });
});
