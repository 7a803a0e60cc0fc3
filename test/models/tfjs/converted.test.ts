import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { layerByLayer } from "../../../src/checks/layer-by-layer.js";
import { tappedNodes } from "../../../src/models/tfjs/graph-port.js";
import { numbers, writeKeras2 } from "../../formats/keras/write-model.js";
import { keras2 } from "./keras-models.js";

const folder = mkdtempSync(join(tmpdir(), "difftest-converted-"));
afterAll(() => rmSync(folder, { recursive: true }));

const MODEL = keras2(
  [null, 3],
  [
    { name: "first", kind: "Dense", config: { units: 4, activation: "relu" }, calls: [["input"]] },
    { name: "last", kind: "Dense", config: { units: 2 }, calls: [["first"]] },
  ],
);
const WEIGHTS = [
  { name: "first/kernel", shape: [3, 4], values: numbers(12, -5).map((x) => x / 7) },
  { name: "first/bias", shape: [4], values: [0.5, -0.25, 0, 1] },
  { name: "last/kernel", shape: [4, 2], values: numbers(8, -3).map((x) => x / 5) },
  { name: "last/bias", shape: [2], values: [0.125, 2] },
];

let original: string;
beforeAll(async () => {
  const stored = WEIGHTS.map((weight) => ({ ...weight, name: `${weight.name}:0` }));
  original = await writeKeras2(MODEL, [
    { name: "first", weights: stored.slice(0, 2) },
    { name: "last", weights: stored.slice(2) },
  ]);
});

let written = 0;

/** A folder as TensorFlow.js' converter writes it, its weights in two shards. */
function converted(json: object, weights: typeof WEIGHTS = WEIGHTS, path = "shard.bin"): string {
  written += 1;
  const directory = join(folder, `converted-${written}`);
  mkdirSync(directory);
  const values = Float32Array.from(weights.flatMap((weight) => weight.values));
  writeFileSync(join(directory, "shard.bin"), Buffer.from(values.buffer).subarray(0, 20));
  writeFileSync(join(directory, "rest.bin"), Buffer.from(values.buffer).subarray(20));
  const entries = weights.map(({ name, shape }) => ({ name, shape, dtype: "float32" }));
  const weightsManifest = [{ paths: [path, "rest.bin"], weights: entries }];
  writeFileSync(join(directory, "model.json"), JSON.stringify({ ...json, weightsManifest }));
  return directory;
}

const LAYERS = { format: "layers-model", modelTopology: { model_config: MODEL } };
const run = (directory: string) =>
  layerByLayer({ model: `tfjs:${directory}`, original, mode: "isolated" });

describe("a converted layers model", () => {
  it("runs with the weights of its folder, which are held against the file", async () => {
    const result = await run(converted(LAYERS));
    expect(result.verdict).toBe("same");
    expect(result.coverage.taps).toEqual({ compared: 2, total: 2 });
    expect(result.coverage.weights).toEqual({ compared: 4, total: 4 });
  });

  it("is at fault where a weight was changed on the way", async () => {
    const changed = WEIGHTS.map((weight) =>
      weight.name === "last/bias" ? { ...weight, values: [0.125, 2.0000002] } : weight,
    );
    const { faults } = await run(converted(LAYERS, changed));
    // One unit in the last place: no value of the model shows it.
    expect(faults.map(({ component, place }) => `${component} ${place}`)).toEqual([
      "weights last/bias",
    ]);
  });

  it("is refused where a shard lies elsewhere, is cut short, or is none", async () => {
    await expect(run(converted(LAYERS, WEIGHTS, "../secret.bin"))).rejects.toThrow(/secret.bin/);
    const linked = converted(LAYERS, WEIGHTS, "link.bin");
    writeFileSync(join(folder, "outside.bin"), "x");
    symlinkSync(join(folder, "outside.bin"), join(linked, "link.bin"));
    await expect(run(linked)).rejects.toThrow(/no link out of the model's folder/);
    const short = converted(LAYERS);
    writeFileSync(join(short, "rest.bin"), "");
    await expect(run(short)).rejects.toThrow(/its weights cannot be read/);
    await expect(run(folder)).rejects.toThrow(/has no model.json/);
    await expect(run(converted({ modelTopology: 3 }))).rejects.toThrow(/modelTopology/);
  });
});

/** The same two layers as a graph, whose nodes carry the layers' names. */
function graph(slope: "Relu" | "Relu6"): object {
  const types = { T: { type: "DT_FLOAT" } };
  const node = (name: string, op: string, input: string[] = [], attr: object = types) => ({
    name,
    op,
    input,
    attr,
  });
  const constant = (name: string) => node(name, "Const", [], { dtype: { type: "DT_FLOAT" } });
  const shape = { dim: [{ size: "-1" }, { size: "3" }] };
  return {
    format: "graph-model",
    modelTopology: {
      node: [
        ...WEIGHTS.map(({ name }) => constant(`model/${name}`)),
        node("input", "Placeholder", [], { dtype: { type: "DT_FLOAT" }, shape: { shape } }),
        node("model/first/MatMul", "MatMul", ["input", "model/first/kernel"]),
        node("model/first/BiasAdd", "BiasAdd", ["model/first/MatMul", "model/first/bias"]),
        node(`model/first/${slope}`, slope, ["model/first/BiasAdd"]),
        node("model/last/MatMul", "MatMul", [`model/first/${slope}`, "model/last/kernel"]),
        node("model/last/BiasAdd", "BiasAdd", ["model/last/MatMul", "model/last/bias"]),
        node("Identity", "Identity", ["model/last/BiasAdd"]),
      ],
      versions: {},
    },
  };
}

/** The graph with its activation inside a condition that holds, or a loop that is run once. */
function controlled(op: "StatelessIf" | "StatelessWhile", activation: "Relu" | "Neg"): object {
  const model = graph("Relu") as { modelTopology: { node: { name: string }[] } };
  const float = { T: { type: "DT_FLOAT" } };
  const argument = (name: string) => ({ name, type: "DT_FLOAT" });
  const step = (name: string, kind: string, input: string[]) => ({
    name,
    op: kind,
    input,
    attr: float,
  });
  const definition = (
    name: string,
    inputs: string[],
    outputs: string[],
    nodes: object[],
    ret: object,
  ) => ({
    signature: { name, inputArg: inputs.map(argument), outputArg: outputs.map(argument) },
    nodeDef: nodes,
    ret,
  });
  const active = step("active", activation, ["x"]);
  const func = (name: string) => ({ func: { name, attr: {} } });
  const isIf = op === "StatelessIf";
  const functions = isIf
    ? [
        definition("then", ["x"], ["y"], [active], { y: "active:y:0" }),
        definition("else", ["x"], ["y"], [step("same", "Identity", ["x"])], { y: "same:output:0" }),
      ]
    : [
        definition("cond", ["x", "k", "n"], ["go"], [step("less", "Less", ["k", "n"])], {
          go: "less:z:0",
        }),
        definition(
          "body",
          ["x", "k", "n"],
          ["y", "next", "last"],
          [active, step("more", "AddV2", ["k", "n"]), step("limit", "Identity", ["n"])],
          { y: "active:y:0", next: "more:z:0", last: "limit:output:0" },
        ),
      ];
  const attr = isIf
    ? { then_branch: func("then"), else_branch: func("else") }
    : { cond: func("cond"), body: func("body") };
  const inputs = ["model/first/BiasAdd", ...(isIf ? [] : ["zero", "one"])];
  const nodes = model.modelTopology.node.flatMap((node) =>
    node.name === "model/first/Relu"
      ? [
          ...["zero", "one"].map((name) => ({
            ...step(name, "Const", []),
            attr: { dtype: { type: "DT_FLOAT" } },
          })),
          ...(isIf ? [step("go", "Less", ["zero", "one"])] : []),
          { name: "model/first/Relu", op, input: isIf ? ["go", ...inputs] : inputs, attr },
        ]
      : [node],
  );
  return {
    ...model,
    modelTopology: { ...model.modelTopology, node: nodes, library: { function: functions } },
  };
}

describe("a converted graph model", () => {
  const named = WEIGHTS.map((weight) => ({ ...weight, name: `model/${weight.name}` }));

  it("is tapped at the last node of each layer; its constants are no weights", async () => {
    const result = await run(converted(graph("Relu"), named));
    expect(result.faults).toEqual([]);
    expect(result.verdict).toBe("same");
    expect(result.taps.map(({ id }) => id)).toEqual(["first", "last"]);
    expect(result.coverage.weights).toEqual({ compared: 0, total: 4 });
  });

  it.each(["StatelessIf", "StatelessWhile"] as const)(
    "runs through control flow, whose functions stand behind the graph: %s",
    async (op) => {
      const constants = [
        ...named,
        { name: "zero", shape: [], values: [0] },
        { name: "one", shape: [], values: [1] },
      ];
      const right = await run(converted(controlled(op, "Relu"), constants));
      expect(right.faults).toEqual([]);
      expect(right.taps.map(({ id }) => id)).toEqual(["first", "last"]);
      const wrong = await run(converted(controlled(op, "Neg"), constants));
      expect(wrong.faults.map(({ place }) => place)).toEqual(["first"]);
    },
  );

  it("is at fault in the layer that computes something else", async () => {
    const big = named.map((weight) =>
      weight.name === "model/first/bias" ? { ...weight, values: [50, 50, 50, 50] } : weight,
    );
    const { faults } = await run(converted(graph("Relu6"), big));
    expect(faults.map(({ place }) => place)).toEqual(["first"]);
  });

  it("is refused where TensorFlow.js does not run it", async () => {
    const unknown = JSON.parse(
      JSON.stringify(graph("Relu")).replaceAll('"BiasAdd"', '"Frobnicate"'),
    );
    await expect(run(converted(unknown, named))).rejects.toThrow(/TensorFlow.js does not run it/);
  });
});

describe("the nodes of a graph that are taps", () => {
  const node = (name: string, op: string, inputs: readonly unknown[] = []) =>
    ({ name, op, inputs }) as unknown as Parameters<typeof tappedNodes>[0][number];

  it("are the last of each layer in the order of computing, constants left out", () => {
    const kernel = node("m/conv/kernel", "Const");
    const conv = node("m/conv/Conv2D", "Conv2D", [kernel]);
    const relu = node("m/conv/Relu", "Relu", [conv]);
    const other = node("m/conv_1/Conv2D", "Conv2D", [relu]);
    expect(tappedNodes([other, relu, conv, kernel], ["conv", "conv_1", "gone"])).toEqual([
      { id: "conv", node: "m/conv/Relu" },
      { id: "conv_1", node: "m/conv_1/Conv2D" },
    ]);
  });
});
