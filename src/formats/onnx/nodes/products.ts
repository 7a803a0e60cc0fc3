import type { NodeOperation, NodeReader, NodeView, Operand } from "./node-view.js";
import { type Step, Steps } from "./steps.js";
import { overMap, type Windows, windowsOf } from "./windows.js";

/** Operators that sum products. */
export const PRODUCTS: Readonly<Record<string, NodeReader>> = {
  Conv: convolution,
  ConvTranspose: transposedConvolution,
  Einsum: einsum,
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

/** Kernel and optional bias, stored. */
function kernelAndBias(view: NodeView): Record<string, string> | null {
  return storedWeights(view, [
    ["kernel", 1],
    ["bias", 2],
  ]);
}

/** Over a map with a stored kernel it is a layer; over other ranks, or with a computed kernel, the same sum. */
function convolution(view: NodeView): readonly NodeOperation[] | null {
  const [operand, kernel] = [view.operand(0), view.operand(1)];
  if (operand === undefined || kernel === undefined) return null;
  const windows = windowsOf(view, operand.shape, kernel.shape.slice(2));
  if (windows === null) return null;
  const weights = kernelAndBias(view);
  if (operand.shape.length !== 4 || weights === null) {
    return convolutionOfAnyRank(view, operand, kernel);
  }
  const attributes = {
    ...convAttributes(windows),
    filters: kernel.shape[0] ?? 1,
    groups: view.int("group", 1),
    sampling: "grid",
  } as const;
  const { shape } = view.output;
  return [...operand.parts, { kind: "conv", inputs: [operand.name], attributes, weights, shape }];
}

function convolutionOfAnyRank(
  view: NodeView,
  operand: Operand,
  kernel: Operand,
): readonly NodeOperation[] | null {
  const steps = new Steps();
  const product = convolved(view, steps, steps.use(operand), steps.use(kernel));
  return product && endWithBias(view, steps, product);
}

/** The convolution of a node with this kernel [out, in, *size], without a bias; `null` where its windows are not clear. */
export function convolved(view: NodeView, steps: Steps, x: Step, kernel: Step): Step | null {
  const windows = windowsOf(view, x.shape, kernel.shape.slice(2));
  if (windows === null) return null;
  const { kernel: size, strides, dilations, before, after } = windows;
  const attributes = {
    filters: kernel.shape[0] ?? 1,
    kernel: size,
    strides,
    padsBefore: before,
    padsAfter: after,
    dilations,
    groups: view.int("group", 1),
    channelAxis: 1,
    kernelOrder: "in-out",
  } as const;
  const inputs = [x, kernelLast(steps, kernel)];
  return steps.emit("product", "conv-nd", inputs, attributes, view.output.shape);
}

/** A kernel [out, in, *size] as [*size, in, out]; the first two are exchanged likewise in a transposed convolution's. */
function kernelLast(steps: Steps, kernel: Step): Step {
  const space = kernel.shape.map((_, axis) => axis).slice(2);
  return steps.transpose("kernel", kernel, [...space, 1, 0]);
}

/** Adds a bias that is a number a channel, if there is one. */
function endWithBias(view: NodeView, steps: Steps, product: Step): readonly NodeOperation[] | null {
  if (!view.has(2)) return steps.end(product);
  const bias = view.operand(2);
  if (bias === undefined) return null;
  const ones = product.shape.slice(2).map(() => 1);
  const column = steps.view("bias", steps.use(bias), [...bias.shape, ...ones]);
  return steps.end(steps.binary("biased", "add", product, column));
}

function convAttributes(windows: Windows) {
  return { ...overMap(windows), dilations: windows.dilations as readonly [number, number] };
}

function transposedConvolution(view: NodeView): readonly NodeOperation[] | null {
  const [operand, kernel] = [view.operand(0), view.operand(1)];
  if (operand === undefined || kernel === undefined) return null;
  const weights = kernelAndBias(view);
  const told =
    view.text("auto_pad", "NOTSET") === "NOTSET" && view.ints("output_shape") === undefined;
  if (operand.shape.length !== 4 || weights === null || !told) {
    return transposedOfAnyRank(view, operand, kernel);
  }
  const groups = view.int("group", 1);
  const pads = view.ints("pads") ?? [0, 0, 0, 0];
  const attributes = {
    ...convAttributes({
      kernel: kernel.shape.slice(2),
      strides: view.ints("strides") ?? [1, 1],
      dilations: view.ints("dilations") ?? [1, 1],
      before: pads.slice(0, 2),
      after: pads.slice(2),
    }),
    filters: (kernel.shape[1] ?? 1) * groups,
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

/** What the full result is cut to follows from the shape that came out. Groups are left to the runtime. */
function transposedOfAnyRank(
  view: NodeView,
  operand: Operand,
  kernel: Operand,
): readonly NodeOperation[] | null {
  if (view.int("group", 1) !== 1) return null;
  const size = kernel.shape.slice(2);
  const outputSize = view.output.shape.slice(2);
  const ones = size.map(() => 1);
  const strides = view.ints("strides") ?? ones;
  const dilations = view.ints("dilations") ?? ones;
  const extra = view.ints("output_padding") ?? [];
  const auto = view.text("auto_pad", "NOTSET");
  const told = auto === "NOTSET" && view.ints("output_shape") === undefined;
  const cropBefore = size.map((length, axis) => {
    if (told) return view.ints("pads")?.[axis] ?? 0;
    const full =
      ((operand.shape[axis + 2] ?? 1) - 1) * (strides[axis] ?? 1) +
      (length - 1) * (dilations[axis] ?? 1) +
      1 +
      (extra[axis] ?? 0);
    const cut = Math.max(0, full - (outputSize[axis] ?? 1));
    return auto === "SAME_LOWER" ? Math.ceil(cut / 2) : Math.floor(cut / 2);
  });
  const steps = new Steps();
  const attributes = {
    filters: kernel.shape[1] ?? 1,
    kernel: size,
    strides,
    cropBefore,
    outputSize,
    dilations,
    channelAxis: 1,
  };
  const x = steps.use(operand);
  const factors = kernelLast(steps, steps.use(kernel));
  const product = steps.emit(
    "product",
    "conv-transpose-nd",
    [x, factors],
    attributes,
    view.output.shape,
  );
  return endWithBias(view, steps, product);
}

/** alpha·A·B + beta·C. With B stored as [out, in], and nothing else to it, it is a dense layer. */
function gemm(view: NodeView): readonly NodeOperation[] | null {
  const [operand, other] = [view.operand(0), view.operand(1)];
  if (operand === undefined || other === undefined) return null;
  const [alpha, beta] = [view.float("alpha", 1), view.float("beta", 1)];
  const [fromColumns, toRows] = [view.int("transA", 0) !== 0, view.int("transB", 0) !== 0];
  const plain = alpha === 1 && beta === 1 && !fromColumns;
  if (plain && toRows) {
    const dense = denseLayer(view, operand);
    if (dense !== null) return dense;
  }
  const equation = `${fromColumns ? "ba" : "ab"},${toRows ? "cb" : "bc"}->ac`;
  const steps = new Steps();
  const product = productOf(view, steps, equation, operand, other);
  const gained = alpha === 1 ? product : steps.affine("gained", product, alpha, 0);
  if (!view.has(2) || beta === 0) return steps.end(gained);
  const bias = view.operand(2);
  if (bias === undefined) return null;
  const offset = steps.use(bias);
  const added = beta === 1 ? offset : steps.affine("offset", offset, beta, 0);
  return steps.end(steps.binary("biased", "add", gained, added));
}

/** A·Bᵀ + c with both stored. */
function denseLayer(view: NodeView, operand: Operand): readonly NodeOperation[] | null {
  const { shape } = view.output;
  const units = shape[1] ?? 1;
  const weights = kernelAndBias(view);
  const vector = !view.has(2) || `${view.weight(2)}` === `${[units]}`;
  if (weights === null || !vector) return null;
  const attributes = { units };
  return [...operand.parts, { kind: "dense", inputs: [operand.name], attributes, weights, shape }];
}

/** A product of two factors; a second one that is stored is the layer's kernel. */
function productOf(view: NodeView, steps: Steps, equation: string, a: Operand, b: Operand): Step {
  const kernel = view.weight(1);
  if (kernel === undefined) {
    return steps.contract("product", equation, [steps.use(a), steps.use(b)]);
  }
  const inputs = [steps.use(a)];
  const [left = "", result = ""] = equation.split("->");
  const letters = left.replace(",", "");
  const sizes = [...a.shape, ...kernel];
  const shape = [...result].map((letter) => sizes[letters.indexOf(letter)] ?? 1);
  const weights = { kernel: view.name(1) };
  return steps.emit("product", "contract", inputs, { equation, kernel }, shape, weights);
}

/** Matrices stacked along the axes in front, broadcast as numpy does; vectors count as matrices of one row or column. */
function matMul(view: NodeView): readonly NodeOperation[] | null {
  const [a, b] = [view.operand(0), view.operand(1)];
  if (a === undefined || b === undefined) return null;
  const [rankA, rankB] = [a.shape.length, b.shape.length];
  const stack = Math.max(rankA, rankB, 2) - 2;
  if (rankA < 1 || rankB < 1 || stack > STACK.length) return null;
  const steps = new Steps();
  const left = stackedFactor(a.shape, b.shape, stack, rankA === 1 ? "y" : "xy");
  const right = stackedFactor(b.shape, a.shape, stack, rankB === 1 ? "y" : "yz");
  const rows = `${rankA === 1 ? "" : "x"}${rankB === 1 ? "" : "z"}`;
  const stacks = [...STACK.slice(0, stack)].filter(
    (letter) => left.letters.includes(letter) || right.letters.includes(letter),
  );
  const equation = `${left.letters},${right.letters}->${stacks.join("")}${rows}`;
  if (isWhole(left, a) && isWhole(right, b)) {
    return endShaped(view, steps, productOf(view, steps, equation, a, b));
  }
  const factor = (part: string, operand: Operand, { shape }: StackedFactor) =>
    steps.view(part, steps.use(operand), shape);
  const factors = [factor("left", a, left), factor("right", b, right)];
  return endShaped(view, steps, steps.contract("product", equation, factors));
}

/** Letters of the axes in front of matrices. */
const STACK = "abcdefgh";

interface StackedFactor {
  readonly letters: string;
  /** Without the axes along which it is repeated. */
  readonly shape: readonly number[];
}

/** @param own - letters of the matrix' own axes */
function stackedFactor(
  shape: readonly number[],
  other: readonly number[],
  stack: number,
  own: string,
): StackedFactor {
  const stacks = shape.slice(0, shape.length - own.length);
  const skipped = stack - stacks.length;
  const kept = stacks
    .map((size, axis) => ({ size, letter: STACK[axis + skipped] ?? "", place: axis + skipped }))
    .filter(({ size, place }) => {
      const otherAxis = place - stack + Math.max(other.length, 2) - 2;
      return size !== 1 || !((other[otherAxis] ?? 1) > 1 && otherAxis >= 0 && other.length > 2);
    });
  return {
    letters: kept.map(({ letter }) => letter).join("") + own,
    shape: [...kept.map(({ size }) => size), ...shape.slice(shape.length - own.length)],
  };
}

function isWhole({ shape }: StackedFactor, operand: Operand): boolean {
  return `${shape}` === `${operand.shape}`;
}

/** The step under the shape that came out. */
function endShaped(view: NodeView, steps: Steps, step: Step): readonly NodeOperation[] {
  const { shape } = view.output;
  return steps.end(`${step.shape}` === `${shape}` ? step : steps.view("shaped", step, shape));
}

/** A sum of products over the letters that the result lacks; diagonals and dots for any axes are left to the runtime. */
function einsum(view: NodeView): readonly NodeOperation[] | null {
  const operands = view.operands(view.arity);
  const equation = explicitEquation(view.text("equation", ""));
  if (operands === undefined || equation === null) return null;
  const factors = equation.split("->")[0]?.split(",") ?? [];
  const fits = operands.every(({ shape }, k) => shape.length === factors[k]?.length);
  if (!fits || factors.length !== operands.length) return null;
  const steps = new Steps();
  const second = operands[1];
  if (operands.length === 2 && second !== undefined && view.weight(1) !== undefined) {
    return steps.end(productOf(view, steps, equation, operands[0] as Operand, second));
  }
  const inputs = operands.map((operand) => steps.use(operand));
  return steps.end(steps.contract("product", equation, inputs));
}

/** With the result's letters: those that stand once, in alphabetical order, where the equation does not say. */
function explicitEquation(told: string): string | null {
  const equation = told.replaceAll(" ", "");
  const [left = "", right] = equation.split("->");
  const letters = [...left.replaceAll(",", "")];
  const once = letters.filter((letter) => letters.indexOf(letter) === letters.lastIndexOf(letter));
  const result = right ?? once.sort().join("");
  const factors = left.split(",");
  const plain = [...factors, result].every(
    (factor) => /^[a-zA-Z]*$/.test(factor) && new Set(factor).size === factor.length,
  );
  return plain ? `${factors.join(",")}->${result}` : null;
}
