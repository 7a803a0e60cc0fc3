import { MOVES } from "./moves.js";
import type { NodeOperation, NodeReader, NodeView } from "./node-view.js";
import { NORMALIZATION } from "./normalization.js";
import { POINTWISE } from "./pointwise.js";
import { POOLING } from "./pooling.js";
import { PRODUCTS } from "./products.js";
import { QUANTIZATION } from "./quantization.js";
import { RECURRENT } from "./recurrent.js";
import { REDUCTIONS } from "./reductions.js";
import { RESIZING } from "./resizing.js";

/** Operators whose arithmetic is known, of the standard domain. */
const READERS: Readonly<Record<string, NodeReader>> = {
  ...NORMALIZATION,
  ...POINTWISE,
  ...POOLING,
  ...PRODUCTS,
  ...RECURRENT,
  ...REDUCTIONS,
  ...RESIZING,
};

/** Types whose arithmetic is that of the known kinds. */
const COMPUTED: ReadonlySet<string> = new Set(["float32", "bool"]);

/**
 * What one output of a node computes, as operations of known kinds; `null` where only a run of the
 * node itself can tell.
 */
export function nodeOperations(view: NodeView): readonly NodeOperation[] | null {
  const { op_type: operator = "" } = view.node;
  if (!isStandard(view)) return null;
  const move = MOVES[operator];
  if (move !== undefined) return move(view);
  if (operator === "Cast") return cast(view);
  if (QUANTIZED.has(view.output.type) || isQuantizing(view)) {
    return QUANTIZATION[operator]?.(view) ?? null;
  }
  if (!COMPUTED.has(view.output.type)) return null;
  return READERS[operator]?.(view) ?? null;
}

/** Types of quantized values, and of sums of them. */
const QUANTIZED: ReadonlySet<string> = new Set(["int8", "uint8"]);

/** Whether a node is made to take or give quantized values. */
export function isQuantizing(view: NodeView): boolean {
  return isStandard(view) && (view.node.op_type ?? "") in QUANTIZATION;
}

/**
 * Floats of other widths and truncations to whole numbers are left to the runtime: it rounds exactly one way. Stored weights of
 * half precision are widened as they are read.
 */
function cast(view: NodeView): readonly NodeOperation[] | null {
  const operand = view.wholeOperand(0);
  const from = view.value(0)?.type;
  const widened = from === undefined || from === view.output.type || !from.startsWith("float");
  if (operand === undefined || view.output.type !== "float32" || !widened) return null;
  const { shape } = view.output;
  return [...operand.parts, { kind: "identity", inputs: [operand.name], attributes: {}, shape }];
}

/** Operators that choose, count, compare or move, and round nothing: given the same, they give the same. */
const EXACT: ReadonlySet<string> = new Set([
  "Abs",
  "And",
  "ArgMax",
  "ArgMin",
  "Cast",
  "CastLike",
  "Ceil",
  "Clip",
  "Compress",
  "Concat",
  "ConstantOfShape",
  "DepthToSpace",
  "Dropout",
  "Equal",
  "Expand",
  "EyeLike",
  "Flatten",
  "Floor",
  "Gather",
  "GatherElements",
  "GatherND",
  "GlobalMaxPool",
  "Greater",
  "GreaterOrEqual",
  "Hardmax",
  "Identity",
  "IsInf",
  "IsNaN",
  "Less",
  "LessOrEqual",
  "Max",
  "MaxPool",
  "Min",
  "Neg",
  "NonMaxSuppression",
  "NonZero",
  "Not",
  "OneHot",
  "Or",
  "Pad",
  "ReduceMax",
  "ReduceMin",
  "Relu",
  "Reshape",
  "ReverseSequence",
  "Round",
  "Shape",
  "Sign",
  "Size",
  "Slice",
  "SpaceToDepth",
  "Split",
  "Squeeze",
  "Tile",
  "TopK",
  "Transpose",
  "Trilu",
  "Unique",
  "Unsqueeze",
  "Where",
  "Xor",
]);

/** Whether a node rounds nothing. A cast to half precision does: a port in float32 has more digits. */
export function isExact(view: NodeView): boolean {
  const { op_type: operator = "" } = view.node;
  if (operator.startsWith("Cast") && /^b?float16$/.test(view.output.type)) return false;
  return isStandard(view) && EXACT.has(operator);
}

function isStandard({ node: { domain = "" } }: NodeView): boolean {
  return domain === "" || domain === "ai.onnx";
}
