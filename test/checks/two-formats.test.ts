import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { layerByLayer } from "../../src/checks/layer-by-layer.js";
import { architectureFromDarknet } from "../../src/formats/darknet/architecture.js";
import { readDarknetConfig } from "../../src/formats/darknet/config.js";
import { writeDarknetWeights } from "../../src/formats/darknet/weights-writer.js";
import { synthesizeWeights } from "../../src/weights/synthetic.js";
import { writeKeras2 } from "../formats/keras/write-model.js";
import { keras2 } from "../models/tfjs/keras-models.js";

const model = "test/checks/ports/two-formats.ts";
const folder = mkdtempSync(join(tmpdir(), "difftest-two-formats-"));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => {
  delete process.env["DIFFTEST_TEST_MISTAKE"];
});

const CFG = `[net]
width=7
height=6
channels=3
[convolutional]
filters=4
size=3
pad=1
activation=relu
[avgpool]
[connected]
output=5
activation=linear
`;

/** The same model for Keras. */
const KERAS = keras2(
  [null, 6, 7, 3],
  [
    {
      name: "features",
      kind: "Conv2D",
      config: { filters: 4, kernel_size: [3, 3], padding: "same", activation: "relu" },
      calls: [["input"]],
    },
    { name: "pool", kind: "GlobalAveragePooling2D", calls: [["features"]] },
    { name: "scores", kind: "Dense", config: { units: 5 }, calls: [["pool"]] },
  ],
);

const darknet = { original: join(folder, "net.cfg"), weights: join(folder, "net.weights") };
let keras: { original: string };

/** Written with the first axis last: `[out, in]` to `[in, out]`, `[out, in, h, w]` to `[h, w, in, out]`. */
function reordered(data: Float32Array, shape: readonly number[]) {
  const [out = 1, ...inner] = shape;
  const size = inner.reduce((a, b) => a * b, 1);
  const [channels = 1, ...area] = inner;
  const pixels = size / channels;
  const values = Array.from({ length: data.length }, (_, at) => {
    const [o, i] = [at % out, Math.floor(at / out)];
    const [channel, pixel] = [i % channels, Math.floor(i / channels)];
    return data[o * size + channel * pixels + pixel] as number;
  });
  return { shape: [...area, channels, out], values };
}

beforeAll(async () => {
  writeFileSync(darknet.original, CFG);
  const architecture = architectureFromDarknet(readDarknetConfig(darknet.original));
  const store = synthesizeWeights(architecture, { seed: 1, gain: 1 });
  writeDarknetWeights(darknet.weights, architecture, (id) => store.read(id).data);
  const weight = (from: string, name: string) => {
    const { data, shape } = store.read(from);
    const stored = shape.length > 1 ? reordered(data, shape) : { shape, values: [...data] };
    return { name: `${name}:0`, ...stored };
  };
  const layer = (name: string, from: string) => ({
    name,
    weights: ["kernel", "bias"].map((role) => weight(`${from}/${role}`, `${name}/${role}`)),
  });
  keras = {
    original: await writeKeras2(KERAS, [
      layer("features", "conv_0"),
      layer("scores", "connected_2"),
    ]),
  };
});

describe("one port, and its weights from a Darknet or from a Keras file", () => {
  it.each(["Darknet", "Keras"])("%s: the same layers, every weight bit for bit", async (format) => {
    const files = format === "Keras" ? keras : darknet;
    const result = await layerByLayer({ model, ...files, mode: "both" });
    expect(result.faults).toEqual([]);
    expect(result.verdict).toBe("same");
    expect(result.coverage.weights).toEqual({ compared: 4, total: 4 });
    expect(result.taps.filter(({ mode }) => mode === "isolated")).toHaveLength(2);
  });

  it.each([
    ["Darknet", "connected_2/kernel"],
    ["Keras", "scores/kernel"],
  ])("%s: a changed weight is named as the file names it", async (format, name) => {
    process.env["DIFFTEST_TEST_MISTAKE"] = name;
    const files = format === "Keras" ? keras : darknet;
    const { faults } = await layerByLayer({ model, ...files, mode: "isolated" });
    expect(faults[0]).toMatchObject({ component: "weights", place: name });
  });
});
