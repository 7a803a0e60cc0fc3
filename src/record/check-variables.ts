import { InputError } from "../errors.js";
import type { PortVariable } from "../port/port.js";
import { transpose } from "../tensor/layout.js";
import { sizeOf, type Tensor, tensor } from "../tensor/tensor.js";
import type { WeightStore } from "../weights/weight-store.js";
import type { WeightRecord } from "./port-messages.js";
import { valuesOf } from "./tensor-kinds.js";

/**
 * Holds a port's variables against the file, bit for bit, one record for each weight of the original.
 *
 * @param taken - how often the port asked for each weight
 * @param variables - the port's own, by the original's names; without them only "asked for" is known
 */
export function checkVariables(
  store: WeightStore,
  taken: ReadonlyMap<string, number>,
  variables: Readonly<Record<string, PortVariable>> | undefined,
): WeightRecord[] {
  const known = new Set(store.specs.map(({ name }) => name));
  const records = store.specs.map((spec): WeightRecord => {
    const elements = sizeOf(spec.shape);
    const base = { name: spec.name, elements, evidence: "" };
    const variable = variables?.[spec.name];
    if (variable !== undefined)
      return { ...base, ...compareVariable(variable, store.read(spec.name)) };
    if (!taken.has(spec.name)) {
      return {
        ...base,
        state: "never-asked",
        evidence: `${spec.name}: the port never asked for it (${elements} values)`,
      };
    }
    if (variables === undefined) return { ...base, state: "asked" };
    return {
      ...base,
      state: "never-asked",
      evidence: `${spec.name}: taken, but variables() does not show it`,
    };
  });
  const unknown = Object.keys(variables ?? {}).filter((name) => !known.has(name));
  return [
    ...records,
    ...unknown.map(
      (name): WeightRecord => ({
        name,
        state: "unknown-name",
        elements: 0,
        evidence: `variables(): the original has no tensor "${name}"`,
      }),
    ),
  ];
}

/** Axes of a value in the layout named, put back in the stored order. */
const TO_STORED: Readonly<Record<string, readonly number[]>> = {
  oihw: [0, 1, 2, 3],
  hwio: [3, 2, 0, 1],
  ohwi: [0, 3, 1, 2],
  hwoi: [2, 3, 0, 1],
  oi: [0, 1],
  io: [1, 0],
};

function compareVariable(
  variable: PortVariable,
  stored: Tensor,
): Pick<WeightRecord, "state" | "evidence"> {
  const own = valuesOf(variable.value, "variables()");
  const permutation = variable.layout === undefined ? undefined : TO_STORED[variable.layout];
  if (variable.layout !== undefined && permutation === undefined) {
    throw new InputError(
      "port",
      `variables(): unknown layout "${variable.layout}", known: ${Object.keys(TO_STORED).join(", ")}`,
    );
  }
  if (permutation !== undefined && permutation.length !== own.shape.length) {
    return {
      state: "shape",
      evidence: `layout ${variable.layout} does not suit the variable's shape [${own.shape}]`,
    };
  }
  const value =
    permutation === undefined
      ? tensor(own.shape, own.data)
      : transpose(tensor(own.shape, own.data), permutation);
  if (`${value.shape}` !== `${stored.shape}`) {
    return {
      state: "shape",
      evidence: `the port's variable has shape [${value.shape}], the file's tensor [${stored.shape}]`,
    };
  }
  const [actual, expected] = [bits(value.data), bits(stored.data)];
  let different = 0;
  let first = -1;
  for (let i = 0; i < expected.length; i++) {
    if (actual[i] === expected[i]) continue;
    different += 1;
    if (first < 0) first = i;
  }
  if (different === 0) return { state: "equal", evidence: "" };
  return {
    state: "differs",
    evidence:
      `${different} of ${expected.length} values differ from the file; first at ${first}: ` +
      `${value.data[first]}, expected ${stored.data[first]}`,
  };
}

const bits = (data: Float32Array): Int32Array =>
  new Int32Array(data.buffer, data.byteOffset, data.length);
