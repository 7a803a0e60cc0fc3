import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { runSuite } from "../../../src/conformance/run-suite.js";
import { writeNpy } from "../../../src/formats/npy/npy-writer.js";
import { tensor } from "../../../src/tensor/tensor.js";

const root = mkdtempSync(join(tmpdir(), "difftest-darknet-suite-"));
afterAll(() => rmSync(root, { recursive: true }));

const CFG =
  "[net]\nwidth=1\nheight=1\nchannels=2\n[connected]\noutput=2\nactivation=linear\n[dropout]\n";
/** y = (3·x0 + 1, 3·x1 + 2) */
const FLOATS = [1, 2, 3, 0, 0, 3];
const OUTPUT = [3.5 * 3 + 1, -1 * 3 + 2];

function npy(shape: readonly number[], values: readonly number[]): Uint8Array {
  return writeNpy(tensor(shape, Float32Array.from(values)));
}

/** Writes a case whose dropout after a dense layer is recorded with a shape. */
function writeCase(id: string, shape: readonly number[], output = OUTPUT): void {
  const weights = Buffer.alloc(20 + 4 * FLOATS.length);
  weights.writeInt32LE(2, 4);
  FLOATS.forEach((value, k) => {
    weights.writeFloatLE(value, 20 + 4 * k);
  });
  const files: Record<string, Uint8Array> = {
    "net.cfg": Buffer.from(CFG),
    "net.weights": weights,
    "input.npy": npy([1, 2, 1, 1], [3.5, -1]),
    "dense.npy": npy([1, 2], OUTPUT),
    "dropout.npy": npy(shape, output),
  };
  const folder = join(root, "cases", id);
  mkdirSync(folder, { recursive: true });
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);
  const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
  const manifest = {
    id,
    area: "A",
    title: id,
    oracle: { name: "alexeyab" },
    alsoAgrees: [],
    disagrees: [],
    notSupportedBy: {},
    layers: [
      { index: 0, type: "connected", shape: [1, 2], file: "dense.npy" },
      { index: 1, type: "dropout", shape, file: "dropout.npy" },
    ],
    weights: { file: "net.weights" },
    files: Object.fromEntries(
      Object.entries(files).map(([name, bytes]) => [name, sha256(bytes)] as const),
    ),
  };
  writeFileSync(join(folder, "manifest.json"), JSON.stringify(manifest));
}

describe("a row of values that Darknet counts as maps of 1×1", () => {
  it("agrees with both forms of its shape, and with no other", async () => {
    writeCase("as-maps", [1, 2, 1, 1]);
    writeCase("as-row", [1, 2]);
    writeCase("other-shape", [1, 1, 2, 1]);
    writeCase("other-values", [1, 2, 1, 1], [11.5, -1.01]);
    const suite = runSuite(root, {});
    if ("known" in suite) throw new Error("the folder is not taken for a suite");
    const results: Record<string, string> = {};
    for await (const { id, status } of suite) results[id] = status;
    expect(results).toEqual({
      "as-maps": "passed",
      "as-row": "passed",
      "other-shape": "failed",
      "other-values": "failed",
    });
  });
});
