import type { WeightSpec } from "../../architecture/architecture.js";
import type { WeightLayout } from "../../tensor/layout.js";
import { capturedBy } from "./captured.js";
import type { OnnxModel } from "./model-reader.js";
import type { NodeProto } from "./schema.js";

/**
 * The model's weights: stored numbers that its nodes compute with, by the names of their initializers.
 * Settings (sizes, axes, limits) and single numbers, which exporters write for constants of the code, are none.
 */
export function weightsFromOnnx(model: OnnxModel): WeightSpec[] {
  const uses = usesOf(model);
  return model.weights.tensors.flatMap(({ name, shape, dtype }): WeightSpec[] => {
    const use = uses.get(name);
    if (use === undefined || shape.length === 0) return [];
    if (!FLOATS.has(dtype) && !QUANTIZED.has(use.operator)) return [];
    const { role, layer, layout } = use;
    return [{ name, shape, role, layer, ...(layout === undefined ? {} : { layout }) }];
  });
}

const FLOATS: ReadonlySet<string> = new Set(["float32", "float64", "float16", "bfloat16"]);
/** Operators whose whole numbers are weights. */
const QUANTIZED: ReadonlySet<string> = new Set([
  "ConvInteger",
  "DequantizeLinear",
  "MatMulInteger",
  "QLinearConv",
  "QLinearMatMul",
]);
/** Inputs that say how, not with what: position from which on. */
const SETTINGS: Readonly<Record<string, number>> = {
  Clip: 1,
  OneHot: 1,
  Pad: 1,
  Range: 0,
  Resize: 1,
  Upsample: 1,
};
const ROLES: Readonly<Record<string, readonly string[]>> = {
  BatchNormalization: ["input", "scale", "bias", "mean", "variance"],
  Conv: ["input", "kernel", "bias"],
  ConvTranspose: ["input", "kernel", "bias"],
  Gemm: ["input", "kernel", "bias"],
  GroupNormalization: ["input", "scale", "bias"],
  InstanceNormalization: ["input", "scale", "bias"],
  LayerNormalization: ["input", "scale", "bias"],
  MatMul: ["input", "kernel"],
};

interface Use {
  readonly role: string;
  readonly operator: string;
  readonly layer: number;
  readonly layout?: WeightLayout;
}

/** The first node that reads each stored tensor, nodes inside bodies included. */
function usesOf(model: OnnxModel): ReadonlyMap<string, Use> {
  const uses = new Map<string, Use>();
  const note = (name: string, use: Use | undefined) => {
    if (name !== "" && use !== undefined && !uses.has(name)) uses.set(name, use);
  };
  for (const [layer, node] of (model.proto.graph?.node ?? []).entries()) {
    (node.input ?? []).forEach((name, position) => {
      note(name, useOf(node, name, position, layer));
    });
    for (const name of capturedBy(node)) note(name, { role: lastWord(name), operator: "", layer });
  }
  return uses;
}

function useOf(node: NodeProto, name: string, position: number, layer: number): Use | undefined {
  const operator = node.op_type ?? "";
  if (position >= (SETTINGS[operator] ?? Number.POSITIVE_INFINITY)) return undefined;
  const role = ROLES[operator]?.[position] ?? lastWord(name);
  const isMatrix = operator === "MatMul" || (operator === "Gemm" && !isTransposed(node));
  const layout = isMatrix && role === "kernel" ? ({ layout: "io" } as const) : {};
  return { role, operator, layer, ...layout };
}

function isTransposed({ attribute }: NodeProto): boolean {
  return (attribute ?? []).some(({ name, i }) => name === "transB" && Number(i) === 1);
}

function lastWord(name: string): string {
  return name.split(/[/.]/).at(-1) ?? name;
}
