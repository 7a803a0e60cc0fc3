import type { NodeOperation, NodeReader, NodeView } from "./node-view.js";
import { type Windows, windowsOf } from "./windows.js";

/** Operators that sum products with a kernel. */
export const PRODUCTS: Readonly<Record<string, NodeReader>> = {
  Conv: convolution,
  ConvTranspose: transposedConvolution,
  Gemm: gemm,
  MatMul: matMul,
};

/** Stored weights by role; `null` where one is there and no stored tensor. */
function storedWeights(
  view: NodeView,
  roles: readonly (readonly [role: string, position: number])[],
): Record<string, string> | null {
  const weights: Record<string, string> = {};
  for (const [role, position] of roles) {
    if (!view.has(position)) continue;
    if (view.weight(position) === undefined) return null;
    weights[role] = view.name(position);
  }
  return weights;
}

function convolution(view: NodeView): readonly NodeOperation[] | null {
  const kernel = view.weight(1);
  const operand = view.operand(0);
  const weights = storedWeights(view, [
    ["kernel", 1],
    ["bias", 2],
  ]);
  const windows = windowsOf(view, operand?.shape ?? [], kernel?.slice(2) ?? []);
  if (kernel?.length !== 4 || operand === undefined || weights === null || windows === null) {
    return null;
  }
  const attributes = {
    ...convAttributes(windows),
    filters: kernel[0] ?? 1,
    groups: view.int("group", 1),
    sampling: "grid",
  } as const;
  const { shape } = view.output;
  return [...operand.parts, { kind: "conv", inputs: [operand.name], attributes, weights, shape }];
}

function convAttributes({ kernel, strides, dilations, before, after }: Windows) {
  return {
    kernel: kernel as readonly [number, number],
    strides: strides as readonly [number, number],
    dilations: dilations as readonly [number, number],
    pads: {
      top: before[0] ?? 0,
      left: before[1] ?? 0,
      bottom: after[0] ?? 0,
      right: after[1] ?? 0,
    },
  };
}

function transposedConvolution(view: NodeView): readonly NodeOperation[] | null {
  const kernel = view.weight(1);
  const operand = view.operand(0);
  const weights = storedWeights(view, [
    ["kernel", 1],
    ["bias", 2],
  ]);
  const told =
    view.text("auto_pad", "NOTSET") === "NOTSET" && view.ints("output_shape") === undefined;
  if (kernel?.length !== 4 || operand === undefined || weights === null || !told) return null;
  const groups = view.int("group", 1);
  const pads = view.ints("pads") ?? [0, 0, 0, 0];
  const attributes = {
    ...convAttributes({
      kernel: kernel.slice(2),
      strides: view.ints("strides") ?? [1, 1],
      dilations: view.ints("dilations") ?? [1, 1],
      before: pads.slice(0, 2),
      after: pads.slice(2),
    }),
    filters: (kernel[1] ?? 1) * groups,
    groups,
    sampling: "grid",
    outputPadding: (view.ints("output_padding") ?? [0, 0]) as readonly [number, number],
  } as const;
  const { shape } = view.output;
  return [
    ...operand.parts,
    { kind: "conv-transpose", inputs: [operand.name], attributes, weights, shape },
  ];
}

/** A·B + C. With B stored as [out, in] it is a dense layer. */
function gemm(view: NodeView): readonly NodeOperation[] | null {
  const [operand, kernel] = [view.operand(0), view.weight(1)];
  const plain = view.float("alpha", 1) === 1 && view.float("beta", 1) === 1;
  if (!plain || view.int("transA", 0) !== 0 || kernel?.length !== 2) return null;
  if (operand?.shape.length !== 2) return null;
  const { shape } = view.output;
  const units = shape[1] ?? 1;
  const weights = storedWeights(view, [
    ["kernel", 1],
    ["bias", 2],
  ]);
  if (view.int("transB", 0) === 1) {
    const vector = !view.has(2) || `${view.weight(2)}` === `${[units]}`;
    if (weights === null || !vector) return null;
    const attributes = { units };
    return [
      ...operand.parts,
      { kind: "dense", inputs: [operand.name], attributes, weights, shape },
    ];
  }
  const product: NodeOperation<"contract"> = {
    kind: "contract",
    inputs: [operand.name],
    attributes: { equation: "ab,bc->ac", kernel },
    weights: { kernel: view.name(1) },
    shape,
  };
  if (!view.has(2)) return [...operand.parts, product];
  const bias = view.operand(2);
  if (bias === undefined) return null;
  return [
    ...operand.parts,
    ...bias.parts,
    { ...product, part: "product" },
    { kind: "binary", inputs: ["./product", bias.name], attributes: { function: "add" }, shape },
  ];
}

/** Matrices stacked along the axes in front, which must be the same on both sides or on one alone. */
function matMul(view: NodeView): readonly NodeOperation[] | null {
  const a = view.operand(0);
  const kernel = view.weight(1);
  const { shape } = view.output;
  if (a === undefined || a.shape.length < 2) return null;
  const rank = a.shape.length;
  const left = letters(0, rank);
  const inner = left.at(-1) ?? "";
  const rows = left.slice(0, -1);
  if (kernel?.length === 2) {
    const attributes = { equation: `${left},${inner}z->${rows}z`, kernel };
    const weights = { kernel: view.name(1) };
    return [...a.parts, { kind: "contract", inputs: [a.name], attributes, weights, shape }];
  }
  const b = view.operand(1);
  const stacks = (of: readonly number[]) => `${of.slice(0, -2)}`;
  if (b?.shape.length !== rank || stacks(a.shape) !== stacks(b.shape)) return null;
  const equation = `${left},${left.slice(0, -2)}${inner}z->${rows}z`;
  return [
    ...a.parts,
    ...b.parts,
    { kind: "contract", inputs: [a.name, b.name], attributes: { equation, kernel: null }, shape },
  ];
}

function letters(from: number, count: number): string {
  return "abcdefgh".slice(from, from + count);
}
