import type { NodeOperation, NodeReader, NodeView } from "./node-view.js";
import { type Step, Steps } from "./steps.js";

/** Operators that bring values to a mean, a deviation or a norm. */
export const NORMALIZATION: Readonly<Record<string, NodeReader>> = {
  BatchNormalization: batchNormalization,
  GroupNormalization: groupNormalization,
  InstanceNormalization: instanceNormalization,
  LayerNormalization: layerNormalization,
  LpNormalization: lpNormalization,
  LRN: localResponse,
  RMSNormalization: rootMeanSquare,
  SimplifiedLayerNormalization: rootMeanSquare,
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

/** Over all axes from one on, in the value's own order; the mean and 1/√(variance + ε) are results of their own. */
function layerNormalization(view: NodeView): readonly NodeOperation[] | null {
  const [operand, scale] = [view.operand(0), view.operand(1)];
  const bias = view.has(2) ? view.operand(2) : null;
  if (operand === undefined || scale === undefined || bias === undefined) return null;
  const steps = new Steps();
  const x = steps.use(operand);
  const axes = axesFrom(view, x);
  if (view.which === 1) return steps.end(steps.reduce("mean", "mean", x, axes));
  const { normed, deviation } = normalized(steps, x, axes, view.float("epsilon", 1e-5));
  if (view.which === 2) {
    return steps.end(steps.elementwise("inverse", "reciprocal", deviation));
  }
  const offset = bias === null ? null : steps.use(bias);
  return steps.end(scaled(steps, normed, steps.use(scale), offset));
}

function axesFrom(view: NodeView, { shape }: Step): number[] {
  const first = view.axis("axis", -1, shape.length);
  return shape.map((_, axis) => axis).slice(first);
}

/** Over the space of each channel; scale and bias are a number a channel. */
function instanceNormalization(view: NodeView): readonly NodeOperation[] | null {
  const operands = view.operands(3);
  if (operands === undefined) return null;
  const steps = new Steps();
  const [x, scale, bias] = operands.map((one) => steps.use(one)) as [Step, Step, Step];
  const axes = x.shape.map((_, axis) => axis).slice(2);
  const column = (part: string, vector: Step) =>
    steps.view(part, vector, [...vector.shape, ...axes.map(() => 1)]);
  const { normed } = normalized(steps, x, axes, view.float("epsilon", 1e-5));
  return steps.end(scaled(steps, normed, column("scale", scale), column("bias", bias)));
}

/** Over groups of channels; scale and bias are a number a group (operator set 18) or a channel (since 21). */
function groupNormalization(view: NodeView): readonly NodeOperation[] | null {
  const operands = view.operands(3);
  const groups = view.int("num_groups", 0);
  if (operands === undefined || groups < 1) return null;
  const steps = new Steps();
  const [x, scale, bias] = operands.map((one) => steps.use(one)) as [Step, Step, Step];
  const [batch = 1, channels = 1, ...space] = x.shape;
  const inGroups = [batch, groups, channels / groups, ...space];
  const perGroup = view.opset < 21;
  const column = (part: string, vector: Step) => {
    const ones = space.map(() => 1);
    return steps.view(part, vector, perGroup ? [groups, 1, ...ones] : [channels, ...ones]);
  };
  const grouped = steps.view("grouped", x, inGroups);
  const axes = inGroups.map((_, axis) => axis).slice(2);
  const { normed } = normalized(steps, grouped, axes, view.float("epsilon", 1e-5));
  const back = (value: Step) => steps.view("joined", value, x.shape);
  const [scales, biases] = [column("scale", scale), column("bias", bias)];
  return perGroup
    ? steps.end(back(scaled(steps, normed, scales, biases)))
    : steps.end(scaled(steps, back(normed), scales, biases));
}

/** (x − mean) ÷ √(variance + ε), step by step. */
function normalized(
  steps: Steps,
  x: Step,
  axes: readonly number[],
  epsilon: number,
): { readonly normed: Step; readonly deviation: Step } {
  const mean = steps.reduce("mean", "mean", x, axes);
  const centred = steps.binary("centred", "subtract", x, mean);
  const squares = steps.activation("squares", "square", centred);
  const variance = steps.reduce("variance", "mean", squares, axes);
  const deviation = steps.elementwise(
    "deviation",
    "sqrt",
    steps.affine("shifted", variance, 1, epsilon),
  );
  return { normed: steps.binary("normed", "divide", centred, deviation), deviation };
}

/** · scale + bias. */
function scaled(steps: Steps, normed: Step, scale: Step, bias: Step | null): Step {
  const product = steps.binary("scaled", "multiply", normed, scale);
  return bias === null ? product : steps.binary("biased", "add", product, bias);
}

/** x ÷ √(mean of squares + ε) · scale, over all axes from one on. */
function rootMeanSquare(view: NodeView): readonly NodeOperation[] | null {
  const operands = view.operands(2);
  if (operands === undefined || view.which !== 0) return null;
  const steps = new Steps();
  const [x, scale] = operands.map((one) => steps.use(one)) as [Step, Step];
  const squares = steps.activation("squares", "square", x);
  const mean = steps.reduce("mean_square", "mean", squares, axesFrom(view, x));
  const shifted = steps.affine("shifted", mean, 1, view.float("epsilon", 1e-5));
  const root = steps.elementwise("deviation", "sqrt", shifted);
  return steps.end(scaled(steps, steps.binary("normed", "divide", x, root), scale, null));
}

/** x ÷ Σ|x| or x ÷ √Σx² along one axis. */
function lpNormalization(view: NodeView): readonly NodeOperation[] | null {
  const operand = view.operand(0);
  if (operand === undefined) return null;
  const steps = new Steps();
  const x = steps.use(operand);
  const axes = [view.axis("axis", -1, x.shape.length)];
  return steps.end(steps.binary("normed", "divide", x, norm(steps, x, view.int("p", 2), axes)));
}

/** Σ|x| or √Σx² along some axes, which stay. */
export function norm(steps: Steps, x: Step, power: number, axes: readonly number[]): Step {
  if (power === 1) {
    return steps.reduce("norm", "sum", steps.elementwise("sizes", "abs", x), axes);
  }
  const squares = steps.reduce("sum", "sum", steps.activation("squares", "square", x), axes);
  return steps.elementwise("norm", "sqrt", squares);
}

/** x · (bias + alpha/size · Σ x²)^−beta over neighbouring channels of a map. */
function localResponse(view: NodeView): readonly NodeOperation[] | null {
  const operand = view.operand(0);
  const size = view.int("size", 0);
  if (operand?.shape.length !== 4 || size < 1) return null;
  const attributes = {
    size,
    alpha: view.float("alpha", 1e-4) / size,
    beta: view.float("beta", 0.75),
    kappa: view.float("bias", 1),
    rule: "exact",
  } as const;
  const steps = new Steps();
  return steps.end(steps.emit("lrn", "lrn", [steps.use(operand)], attributes, operand.shape));
}
