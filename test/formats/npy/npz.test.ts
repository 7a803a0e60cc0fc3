import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { listNpz, openNpz, readNpz, writeNpz } from "../../../src/formats/npy/npz.js";
import { writeZip } from "../../../src/formats/zip/zip-writer.js";
import { type AnyTensor, tensor } from "../../../src/tensor/tensor.js";

const tensors = new Map<string, AnyTensor>([
  ["conv_0", tensor([1, 2], Float32Array.of(1, 2))],
  ["conv_0/norm", tensor([], Float32Array.of(3))],
  ["ids", { shape: [2], dtype: "int64", data: BigInt64Array.of(-1n, 2n) }],
]);

describe("npz", () => {
  it.each([false, true])(
    "reads back what it writes in the same order (compress: %s)",
    (compress) => {
      const bytes = writeNpz(tensors, { compress });
      expect(writeNpz(tensors, { compress })).toEqual(bytes);
      expect([...readNpz(bytes, "t.npz")]).toEqual([...tensors]);
    },
  );

  it("gives stored arrays without copying them", () => {
    const bytes = writeNpz(tensors);
    expect(openNpz(bytes, "t.npz").read("conv_0").data.buffer).toBe(bytes.buffer);
  });

  it("lists types and shapes, also of types that it cannot read", () => {
    expect(listNpz(writeNpz(tensors), "t.npz")).toEqual([
      { name: "conv_0", type: "f4", shape: [1, 2], byteLength: 72 },
      { name: "conv_0/norm", type: "f4", shape: [], byteLength: 68 },
      { name: "ids", type: "i8", shape: [2], byteLength: 80 },
    ]);
  });

  it("names archive, entry and what there is", () => {
    const npz = openNpz(writeNpz(tensors), "t.npz");
    expect(() => npz.read("conv_1")).toThrow(
      "t.npz: no array 'conv_1', expected one of conv_0, conv_0/norm, ids",
    );
    const foreign = writeZip([{ name: "readme.txt", bytes: new Uint8Array(1) }]);
    expect(() => readNpz(foreign, "t.npz")).toThrow(
      "t.npz: entry 'readme.txt', expected .npy files only",
    );
    const broken = writeZip([{ name: "x.npy", bytes: new Uint8Array(12) }]);
    expect(() => readNpz(broken, "t.npz")).toThrow("t.npz/x.npy: begins with 00 00");
  });
});

const hasNumpy = spawnSync("python3", ["-c", "import numpy"]).status === 0;

describe.skipIf(!hasNumpy)("npz against NumPy (skipped where python3 has none)", () => {
  it("agrees with savez, savez_compressed and load", () => {
    const folder = mkdtempSync(join(tmpdir(), "difftest-npz-"));
    try {
      writeFileSync(join(folder, "ours.npz"), writeNpz(tensors));
      writeFileSync(join(folder, "packed.npz"), writeNpz(tensors, { compress: true }));
      const script = `
import numpy as np, sys
for name in ("ours", "packed"):
    z = np.load(sys.argv[1] + "/" + name + ".npz")
    assert z.files == ["conv_0", "conv_0/norm", "ids"], z.files
    assert z["conv_0"].tolist() == [[1, 2]] and z["conv_0/norm"].tolist() == 3 and z["ids"].tolist() == [-1, 2]
x = np.arange(6, dtype="f4").reshape(2, 3)
np.savez(sys.argv[1] + "/theirs.npz", x=x, y=x.T)
np.savez_compressed(sys.argv[1] + "/theirs-packed.npz", x=x, y=x.T)`;
      execFileSync("python3", ["-c", script, folder]);
      for (const name of ["theirs.npz", "theirs-packed.npz"]) {
        const read = readNpz(readFileSync(join(folder, name)), name);
        expect(read.get("x")).toEqual(tensor([2, 3], Float32Array.of(0, 1, 2, 3, 4, 5)));
        expect(read.get("y")).toEqual(tensor([3, 2], Float32Array.of(0, 3, 1, 4, 2, 5)));
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

const shared = process.env["DIFFTEST_SHARED"];

describe.skipIf(shared === undefined)(
  "npz of the conformance suites (needs DIFFTEST_SHARED)",
  () => {
    it("opens every archive and reads every array of a known type", () => {
      let arrays = 0;
      for (const suite of ["darknet-conformance", "keras-conformance", "models-conformance"]) {
        const cases = join(shared ?? "", suite, "cases");
        if (!existsSync(cases)) continue;
        const files = readdirSync(cases, { recursive: true, encoding: "utf8" });
        for (const file of files.filter((name) => name.endsWith(".npz"))) {
          const bytes = readFileSync(join(cases, file));
          const npz = openNpz(bytes, file);
          for (const item of listNpz(bytes, file)) {
            if (item.type.startsWith("c")) continue;
            expect(npz.read(item.name).shape).toEqual(item.shape);
            arrays += 1;
          }
        }
      }
      expect(arrays).toBeGreaterThan(10_000);
    });
  },
);
