import ort from "onnxruntime-node";
import type { OperationOf } from "../../src/architecture/architecture.js";
import type { OperationKind } from "../../src/architecture/attributes.js";
import { serializeGraph } from "../../src/lower/serialize-graph.js";
import type { BoundContext, OperatorFamily } from "../../src/operators/family.js";
import { GraphBuilder } from "../../src/operators/graph.js";
import { indexOf, sizeOf, stridesOf, type Tensor, tensor } from "../../src/tensor/tensor.js";

/** One operation of a family with the values it works on. */
export interface FamilyCase<K extends OperationKind> {
  readonly family: OperatorFamily<K>;
  readonly attributes: OperationOf<K>["attributes"];
  readonly inputs: readonly Tensor[];
  /** Role → values. */
  readonly weights?: Readonly<Record<string, Tensor>>;
}

/** Error of transcendentals that the tests assume: ONNX Runtime's own, with room. */
const FUNCTION_ERROR: BoundContext["functionError"] = () => ({ ulp: 4, absolute: 2 ** -125 });

function operationOf<K extends OperationKind>(given: FamilyCase<K>): OperationOf<K> {
  const shapes = given.inputs.map(({ shape }) => shape);
  const roles = Object.keys(given.weights ?? {});
  return {
    id: "output",
    kind: given.family.kind,
    layer: 0,
    inputs: shapes.map((_, k) => `input${k}`),
    attributes: given.attributes,
    weights: Object.fromEntries(roles.map((role) => [role, `output/${role}`])),
    shape: given.family.shape(given.attributes, shapes),
  };
}

/** What the ONNX nodes of an operation give in ONNX Runtime, optimizations disabled. */
export async function runFamily<K extends OperationKind>(given: FamilyCase<K>): Promise<Tensor> {
  const [result] = await runGraph(given, null);
  if (result === undefined) throw new Error("the graph has no output");
  return result;
}

/**
 * The bound of an operation's output, `null` where the family says it is exact.
 *
 * @param bounds - bound of each input; `null` where it is exact. Default: all exact.
 */
export async function boundOf<K extends OperationKind>(
  given: FamilyCase<K>,
  mode: BoundContext["mode"],
  bounds: readonly (Tensor | null)[] = given.inputs.map(() => null),
): Promise<Tensor | null> {
  const [, bound] = await runGraph(given, { mode, bounds });
  return bound ?? null;
}

/** Every element by the family's definition, in float64. */
export function judge<K extends OperationKind>(given: FamilyCase<K>): Float64Array {
  const operation = operationOf(given);
  const strides = given.inputs.map(({ shape }) => stridesOf(shape));
  return Float64Array.from({ length: sizeOf(operation.shape) }, (_, position) =>
    given.family.element(operation, indexOf(position, operation.shape), {
      inputShapes: given.inputs.map(({ shape }) => shape),
      read: (input, index) => readAt(given.inputs[input], strides[input] ?? [], index),
      weight: (role) => weightOf(given, role).data,
    }),
  );
}

/** Reads like the judge of the product would, but says when an index lies outside. */
function readAt(
  source: Tensor | undefined,
  strides: readonly number[],
  index: readonly number[],
): number {
  const { shape = [], data } = source ?? {};
  if (index.length !== shape.length || index.some((k, axis) => !(k >= 0 && k < (shape[axis] ?? 0))))
    throw new RangeError(`index [${index}] outside [${shape}]`);
  return data?.[index.reduce((at, k, axis) => at + k * (strides[axis] ?? 0), 0)] as number;
}

function weightOf<K extends OperationKind>({ weights }: FamilyCase<K>, role: string): Tensor {
  const value = weights?.[role];
  if (value === undefined) throw new RangeError(`no weight ${role}`);
  return value;
}

async function runGraph<K extends OperationKind>(
  given: FamilyCase<K>,
  bounding: {
    readonly mode: BoundContext["mode"];
    readonly bounds: readonly (Tensor | null)[];
  } | null,
): Promise<(Tensor | undefined)[]> {
  const operation = operationOf(given);
  const graph = new GraphBuilder();
  const feeds = new Map<string, Tensor>();
  for (const [k, input] of given.inputs.entries()) feeds.set(`input${k}`, input);
  const weight = (role: string) => {
    feeds.set(`weight:${role}`, weightOf(given, role));
    return `weight:${role}`;
  };
  const inputShapes = given.inputs.map(({ shape }) => shape);
  const common = { graph, inputs: operation.inputs, inputShapes, weight, output: "output" };
  given.family.lower(operation, common);
  const outputs = [{ name: "output", shape: operation.shape }];
  if (bounding !== null) {
    const bounds = bounding.bounds.map((bound, k) => {
      if (bound !== null) feeds.set(`bound${k}`, bound);
      return bound && `bound${k}`;
    });
    const context = { ...common, bounds, mode: bounding.mode, functionError: FUNCTION_ERROR };
    const name = given.family.bound(operation, context);
    if (name !== null) {
      graph.node("Identity", [name], {}, "bound");
      outputs.push({ name: "bound", shape: operation.shape });
    }
  }
  return runModel(graph, feeds, outputs);
}

async function runModel(
  graph: GraphBuilder,
  feeds: ReadonlyMap<string, Tensor>,
  outputs: readonly { readonly name: string; readonly shape: readonly number[] }[],
): Promise<Tensor[]> {
  const inputs = [...feeds].map(([name, { shape }]) => ({ name, shape }));
  const session = await ort.InferenceSession.create(serializeGraph(graph, inputs, outputs, []), {
    graphOptimizationLevel: "disabled",
    logSeverityLevel: 3,
  });
  const given = [...feeds].map(
    ([name, { data, shape }]) => [name, new ort.Tensor("float32", data, [...shape])] as const,
  );
  const results = await session.run(Object.fromEntries(given));
  await session.release();
  return outputs.map(({ name, shape }) => {
    const { data, dims } = results[name] as ort.Tensor;
    if (`${dims}` !== `${shape}`) throw new Error(`${name}: [${dims}], declared [${shape}]`);
    return tensor(shape, data as Float32Array);
  });
}
