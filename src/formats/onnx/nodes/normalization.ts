import type { NodeOperation, NodeReader, NodeView, Operand } from "./node-view.js";

/** Operators that bring values to a mean and a deviation. */
export const NORMALIZATION: Readonly<Record<string, NodeReader>> = {
  BatchNormalization: batchNormalization,
  InstanceNormalization: instanceNormalization,
  LayerNormalization: layerNormalization,
};

/** With stored statistics; a model in training computes its own. */
function batchNormalization(view: NodeView): readonly NodeOperation[] | null {
  const operand = view.operand(0);
  const stored = [1, 2, 3, 4].every((position) => view.weight(position) !== undefined);
  if (operand === undefined || !stored || view.which !== 0) return null;
  if (view.int("training_mode", 0) === 1) return null;
  const attributes = {
    axis: 1,
    epsilon: view.float("epsilon", 1e-5),
    epsilonPlace: "inside",
  } as const;
  const weights = {
    scale: view.name(1),
    bias: view.name(2),
    mean: view.name(3),
    variance: view.name(4),
  };
  const { shape } = view.output;
  return [
    ...operand.parts,
    { kind: "batch-norm", inputs: [operand.name], attributes, weights, shape },
  ];
}

/** Over all axes from one on, in the value's own order. */
function layerNormalization(view: NodeView): readonly NodeOperation[] | null {
  const [operand, scale] = [view.operand(0), view.operand(1)];
  const bias = view.has(2) ? view.operand(2) : null;
  if (operand === undefined || scale === undefined || bias === undefined || view.which !== 0) {
    return null;
  }
  const rank = operand.shape.length;
  const first = view.axis("axis", -1, rank);
  const axes = operand.shape.map((_, axis) => axis).slice(first);
  return normalized(view, operand, axes, scale, bias);
}

/** Over the space of each channel; scale and bias are a number a channel. */
function instanceNormalization(view: NodeView): readonly NodeOperation[] | null {
  const [operand, scale, bias] = [view.operand(0), view.operand(1), view.operand(2)];
  if (operand === undefined || scale === undefined || bias === undefined) return null;
  const axes = operand.shape.map((_, axis) => axis).slice(2);
  const column = (part: string, { name, shape, parts }: Operand): Operand => {
    const along = [...shape, ...axes.map(() => 1)];
    const view: NodeOperation<"view"> = {
      kind: "view",
      part,
      inputs: [name],
      attributes: { shape: along },
      shape: along,
    };
    return { name: `./${part}`, shape: along, parts: [...parts, view] };
  };
  return normalized(view, operand, axes, column("scale", scale), column("bias", bias));
}

/** (x − mean) ÷ √(variance + ε) · scale + bias, step by step. */
function normalized(
  view: NodeView,
  x: Operand,
  axes: readonly number[],
  scale: Operand,
  bias: Operand | null,
): readonly NodeOperation[] {
  const { shape } = view.output;
  const row = shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
  const mean = { function: "mean", axes, keepAxes: true } as const;
  const shifted = { scale: 1, offset: view.float("epsilon", 1e-5) };
  const last: NodeOperation<"binary"> = {
    kind: "binary",
    inputs: ["./normed", scale.name],
    attributes: { function: "multiply" },
    shape,
  };
  const add = { function: "add" } as const;
  return [
    ...x.parts,
    ...scale.parts,
    ...(bias?.parts ?? []),
    { kind: "reduce", part: "mean", inputs: [x.name], attributes: mean, shape: row },
    {
      kind: "binary",
      part: "centred",
      inputs: [x.name, "./mean"],
      attributes: { function: "subtract" },
      shape,
    },
    {
      kind: "activation",
      part: "squares",
      inputs: ["./centred"],
      attributes: { function: "square", parameters: {} },
      shape,
    },
    { kind: "reduce", part: "variance", inputs: ["./squares"], attributes: mean, shape: row },
    {
      kind: "elementwise",
      part: "shifted",
      inputs: ["./variance"],
      attributes: { function: "affine", parameters: shifted },
      shape: row,
    },
    {
      kind: "elementwise",
      part: "deviation",
      inputs: ["./shifted"],
      attributes: { function: "sqrt", parameters: {} },
      shape: row,
    },
    {
      kind: "binary",
      part: "normed",
      inputs: ["./centred", "./deviation"],
      attributes: { function: "divide" },
      shape,
    },
    ...(bias === null
      ? [last]
      : [
          { ...last, part: "scaled" },
          { kind: "binary", inputs: ["./scaled", bias.name], attributes: add, shape } as const,
        ]),
  ];
}
