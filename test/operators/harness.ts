import ort from "onnxruntime-node";
import type { Architecture, Operation } from "../../src/architecture/architecture.js";
import { type LowerBounds, type LowerOutput, lower } from "../../src/lower/lower.js";
import { familyOf } from "../../src/operators/families.js";
import { sizeOf, type Tensor, tensor } from "../../src/tensor/tensor.js";

/** An operation without what follows from the others: its shape, and weights given as values. */
export type OperationDraft = {
  readonly [K in Operation["kind"]]: Pick<
    Extract<Operation, { kind: K }>,
    "id" | "kind" | "attributes"
  > & {
    readonly inputs?: readonly string[];
    /** Role → values. */
    readonly weights?: Readonly<Record<string, Tensor>>;
  };
}[Operation["kind"]];

/** A small model and its weights, ready to run. */
export interface Model {
  readonly architecture: Architecture;
  readonly weights: ReadonlyMap<string, Tensor>;
}

/**
 * A model of operations in order. An operation without `inputs` reads the one before (the first
 * reads `input`); shapes follow from the families.
 */
export function modelOf(
  inputs: Readonly<Record<string, readonly number[]>>,
  drafts: readonly OperationDraft[],
): Model {
  const weights = new Map<string, Tensor>();
  const shapes = new Map<string, readonly number[]>(Object.entries(inputs));
  let previous = Object.keys(inputs)[0] as string;
  const operations = drafts.map((draft, layer) => {
    const from = draft.inputs ?? [previous];
    const roles = Object.entries(draft.weights ?? {});
    for (const [role, value] of roles) weights.set(`${draft.id}/${role}`, value);
    const shape = familyOf(draft.kind).shape(
      draft.attributes,
      from.map((id) => shapes.get(id) as readonly number[]),
    );
    shapes.set(draft.id, shape);
    previous = draft.id;
    const names = Object.fromEntries(roles.map(([role]) => [role, `${draft.id}/${role}`]));
    return { ...draft, layer, inputs: from, weights: names, shape } as Operation;
  });
  const architecture: Architecture = {
    name: "test",
    inputs: Object.entries(inputs).map(([name, shape]) => ({ name, shape })),
    layers: operations.map(({ id, kind, layer }) => ({ id, index: layer, kind, operations: [id] })),
    operations,
    outputs: [previous],
    weights: [...weights].map(([name, { shape }]) => ({
      name,
      shape,
      role: name.split("/").at(-1) as string,
      layer: 0,
    })),
  };
  return { architecture, weights };
}

/** Lowers a model and runs it in ONNX Runtime; feeds that are not given are zero. */
export async function run(
  { architecture, weights }: Model,
  feeds: Readonly<Record<string, Tensor>>,
  outputs: readonly LowerOutput[],
  options: { readonly bounds?: LowerBounds; readonly operations?: readonly string[] } = {},
): Promise<Record<string, Tensor>> {
  const lowered = lower(architecture, { outputs, ...options });
  const externalData = lowered.initializers.map(({ location, weight }) => {
    const { data } = weights.get(weight) as Tensor;
    return { path: location, data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
  });
  const session = await ort.InferenceSession.create(lowered.model, {
    graphOptimizationLevel: "disabled",
    logSeverityLevel: 3,
    ...(externalData.length > 0 ? { externalData } : {}),
  });
  const given = lowered.feeds.map(({ name, shape }) => {
    const data = feeds[name]?.data ?? new Float32Array(sizeOf(shape));
    return [name, new ort.Tensor("float32", data, [...shape])] as const;
  });
  const names = lowered.outputs.map(({ name }) => name);
  const results = await session.run(Object.fromEntries(given), names);
  await session.release();
  return Object.fromEntries(
    lowered.outputs.map(({ name, shape }) => {
      const { data, dims } = results[name] as ort.Tensor;
      if (`${dims}` !== `${shape}`) throw new Error(`${name}: [${dims}], declared [${shape}]`);
      return [name, tensor(shape, data as Float32Array)];
    }),
  );
}

/** Reproducible values: normally distributed by default. */
export function noise(shape: readonly number[], seed: number, scale = 1, shift = 0): Tensor {
  let state = seed >>> 0 || 1;
  const uniform = () => {
    // xorshift32
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return ((state >>> 0) + 0.5) / 2 ** 32;
  };
  for (let k = 0; k < 8; k++) uniform();
  const data = Float32Array.from({ length: sizeOf(shape) }, () => {
    const radius = Math.sqrt(-2 * Math.log(uniform()));
    return shift + scale * radius * Math.cos(2 * Math.PI * uniform());
  });
  return tensor(shape, data);
}
