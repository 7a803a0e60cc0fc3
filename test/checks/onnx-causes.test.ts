import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { layerByLayer } from "../../src/checks/layer-by-layer.js";
import { floats, node, onnxBytes, value } from "../formats/onnx/write-model.js";

const folder = mkdtempSync(join(tmpdir(), "difftest-causes-"));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => {
  delete process.env["DIFFTEST_TEST_MISTAKE"];
});

const path = join(folder, "attention.onnx");
const recurrent = (name: string, gates: number) => [
  floats(`${name}.w`, [1, gates * 3, 8], { seed: 21 }),
  floats(`${name}.r`, [1, gates * 3, 3], { seed: 22 }),
  floats(`${name}.bias`, [1, gates * 6], { seed: 23 }),
];
writeFileSync(
  path,
  onnxBytes({
    input: [value("x", [2, 4, 8])],
    output: [value("difference", [2, 4, 8]), { name: "lstm" }, { name: "gru" }],
    initializer: [
      floats("q.w", [8, 8], { seed: 1 }),
      floats("q.b", [8], { seed: 2 }),
      floats("k.w", [8, 8], { seed: 3 }),
      floats("k.b", [8], { seed: 4 }),
      floats("root", [], [Math.sqrt(8)]),
      floats("norm.w", [8], { seed: 5, from: 0.5 }),
      floats("norm.b", [8], { seed: 6 }),
      floats("root2", [], [Math.SQRT2]),
      floats("one", [], [1]),
      floats("half", [], [0.5]),
      ...recurrent("lstm", 4),
      ...recurrent("gru", 3),
    ],
    node: [
      node("MatMul", ["x", "q.w"], "q/product"),
      node("Add", ["q/product", "q.b"], "q"),
      node("MatMul", ["x", "k.w"], "k/product"),
      node("Add", ["k.b", "k/product"], "k"),
      node("Transpose", ["k"], "keys", { perm: [0, 2, 1] }),
      node("MatMul", ["q", "keys"], "scores"),
      node("Div", ["scores", "root"], "scaled"),
      node("Softmax", ["scaled"], "attention"),
      node("MatMul", ["attention", "x"], "context"),
      node("Add", ["context", "x"], "residual"),
      node("LayerNormalization", ["residual", "norm.w", "norm.b"], "norm"),
      node("Div", ["norm", "root2"], "gelu/z"),
      node("Erf", ["gelu/z"], "gelu/erf"),
      node("Add", ["gelu/erf", "one"], "gelu/shifted"),
      node("Mul", ["norm", "gelu/shifted"], "gelu/product"),
      node("Mul", ["gelu/product", "half"], "gelu"),
      node("Sub", ["gelu", "x"], "difference"),
      node("Transpose", ["x"], "time", { perm: [1, 0, 2] }),
      node("LSTM", ["time", "lstm.w", "lstm.r", "lstm.bias"], "lstm", { hidden_size: 3 }),
      node("GRU", ["time", "gru.w", "gru.r", "gru.bias"], "gru", {
        hidden_size: 3,
        linear_before_reset: 1,
      }),
    ],
  }),
);

/** Mistakes made together: each shows in a tap of its own. */
const planted: readonly (readonly [mistakes: string, causes: Readonly<Record<string, string>>])[] =
  [
    ["", {}],
    [
      "transposed,lost,unscaled,residual,gelu,order,gates,reset",
      {
        q: "q/product: kernel is read as [out, in], it is stored as [in, out]",
        k: "bias k.b is 0 everywhere: it was not loaded",
        attention: "scaled: is not divided by 2.828",
        residual: "x is not added: the value is context alone",
        gelu: "gelu/erf: gelu is the tanh form, expected that of erf",
        difference: "subtract takes x and gelu, expected gelu and x",
        lstm: "gates are in the order input, forget, candidate, output (that of Keras and PyTorch), expected input, output, forget, candidate",
        gru: "the reset gate is applied before the recurrent product, expected behind it (linear_before_reset)",
      },
    ],
    [
      "twice,unrooted,sample,half-bias",
      {
        k: "bias k.b is added twice",
        attention: "scaled: is divided by 8, expected its root 2.828",
        norm: "divides by n − 1 = 7, expected n = 8",
        lstm: "the recurrent half of the bias is not added",
        gru: "the recurrent half of the bias is not added",
      },
    ],
    [
      "queries,unscaled-norm",
      {
        attention: "softmax is over axis 1, expected axis 2",
        norm: "scale norm.w is 1 everywhere: it was not loaded",
      },
    ],
  ];

describe("a fault in a port of an ONNX model", () => {
  it.each(planted)(
    "has the cause that was planted, and nothing else is accused: %s",
    async (mistakes, causes) => {
      process.env["DIFFTEST_TEST_MISTAKE"] = mistakes;
      const { faults } = await layerByLayer({
        model: "test/checks/ports/onnx-attention.ts",
        original: path,
        mode: "isolated",
      });
      expect(Object.fromEntries(faults.map(({ place, cause }) => [place, cause]))).toEqual(causes);
    },
  );
});
