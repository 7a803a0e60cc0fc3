import type { StoredDType } from "../stored-dtype.js";
import { dtypeFromOnnx } from "./element-type.js";
import type { AttributeProto, GraphProto, NodeProto } from "./schema.js";

/** Types that ONNX Runtime computes with but does not let into or out of a model (1.30: "Unsupported data type"). */
const NARROW: ReadonlySet<StoredDType | undefined> = new Set<StoredDType | undefined>([
  "bfloat16",
  "float8e4m3",
  "float8e4m3fnuz",
  "float8e5m2",
  "float8e5m2fnuz",
  "float8e8m0",
  "float4e2m1",
  "int4",
  "uint4",
]);

/** Operators whose outputs have a type of their own, whatever goes in. */
const OWN_TYPE: ReadonlySet<string> = new Set([
  "And",
  "ArgMax",
  "ArgMin",
  "Equal",
  "Greater",
  "GreaterOrEqual",
  "IsInf",
  "IsNaN",
  "Less",
  "LessOrEqual",
  "NonMaxSuppression",
  "NonZero",
  "Not",
  "Or",
  "Shape",
  "Size",
  "Xor",
]);

/** Operators whose outputs after the first hold indices, counts or a mask. */
const FIRST_ONLY: ReadonlySet<string> = new Set(["Dropout", "MaxPool", "TopK", "Unique"]);

/** Operators that say the type of their output in an attribute. */
const TYPE_ATTRIBUTE: Readonly<Record<string, string>> = {
  Bernoulli: "dtype",
  Cast: "to",
  EyeLike: "dtype",
  QuantizeLinear: "output_dtype",
  RandomNormal: "dtype",
  RandomNormalLike: "dtype",
  RandomUniform: "dtype",
  RandomUniformLike: "dtype",
};

/** Operators whose output has the type of this input. */
const TYPE_INPUT: Readonly<Record<string, number>> = {
  CastLike: 1,
  DequantizeLinear: 1,
  QuantizeLinear: 2,
};

/**
 * Names of the values of a graph that are, or may be, of a type that cannot leave ONNX Runtime as it
 * is. What the file declares is taken; for the rest the types are followed from the inputs on, and in
 * doubt a value counts as narrow (a cast of a float32 value to float32 changes nothing).
 */
export function narrowValues(graph: GraphProto): ReadonlySet<string> {
  const declared = new Map<string, StoredDType | undefined>();
  for (const { name, type } of [
    ...(graph.input ?? []),
    ...(graph.value_info ?? []),
    ...(graph.output ?? []),
  ]) {
    const elementType = type?.tensor_type?.elem_type;
    if (name !== undefined && elementType) declared.set(name, dtypeFromOnnx(elementType));
  }
  const narrow = new Set<string>();
  const mark = (name: string, isNarrow: boolean) => {
    const known = declared.get(name);
    if (known === undefined ? isNarrow : NARROW.has(known)) narrow.add(name);
  };
  for (const name of declared.keys()) mark(name, false);
  for (const { name, data_type: type } of graph.initializer ?? []) {
    mark(name ?? "", NARROW.has(dtypeFromOnnx(type)));
  }
  for (const node of graph.node ?? []) {
    (node.output ?? []).forEach((name, k) => {
      if (name !== "") mark(name, narrowOutput(node, k, narrow));
    });
  }
  return narrow;
}

function narrowOutput(node: NodeProto, output: number, narrow: ReadonlySet<string>): boolean {
  const type = node.op_type ?? "";
  const inputs = node.input ?? [];
  if (OWN_TYPE.has(type) || (output > 0 && FIRST_ONLY.has(type))) return false;
  const attributes = node.attribute ?? [];
  const stated = attributes.find(({ name }) => name === TYPE_ATTRIBUTE[type]);
  if (stated?.i) return NARROW.has(dtypeFromOnnx(stated.i));
  const input = TYPE_INPUT[type];
  if (input !== undefined) return narrow.has(inputs[input] ?? "");
  return attributes.some(holdsNarrow) || inputs.some((name) => narrow.has(name));
}

/** The values of `Constant` and `ConstantOfShape`. */
function holdsNarrow({ t }: AttributeProto): boolean {
  return t !== undefined && NARROW.has(dtypeFromOnnx(t.data_type));
}
