import { InputError } from "../errors.js";
import type { PortVariable } from "../port/port.js";
import {
  axesBetween,
  transpose,
  usualLayout,
  WEIGHT_LAYOUTS,
  type WeightLayout,
} from "../tensor/layout.js";
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
      return { ...base, ...compareVariable(variable, store.read(spec.name), spec.layout) };
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

function compareVariable(
  variable: PortVariable,
  stored: Tensor,
  storedLayout: WeightLayout | undefined = usualLayout(stored.shape.length),
): Pick<WeightRecord, "state" | "evidence"> {
  const own = valuesOf(variable.value, "variables()");
  const { layout } = variable;
  if (layout !== undefined && !WEIGHT_LAYOUTS.includes(layout)) {
    throw new InputError(
      "port",
      `variables(): unknown layout "${layout}", known: ${WEIGHT_LAYOUTS.join(", ")}`,
    );
  }
  const unfit =
    layout !== undefined &&
    (layout.length !== own.shape.length || storedLayout?.length !== layout.length);
  const axes =
    layout === undefined || storedLayout === undefined
      ? undefined
      : axesBetween(layout, storedLayout);
  if (unfit || axes?.includes(-1)) {
    return {
      state: "shape",
      evidence: `layout ${layout} does not suit the variable's shape [${own.shape}]`,
    };
  }
  const value =
    axes === undefined ? tensor(own.shape, own.data) : transpose(tensor(own.shape, own.data), axes);
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
