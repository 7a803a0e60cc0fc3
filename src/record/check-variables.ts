import { InputError } from "../errors.js";
import type { PortVariable } from "../port/port.js";
import { axesBetween, usualLayout, WEIGHT_LAYOUTS, type WeightLayout } from "../tensor/layout.js";
import { Room } from "../tensor/room.js";
import { sizeOf, type Tensor, tensor } from "../tensor/tensor.js";
import { differencesReordered, transpose } from "../tensor/transpose.js";
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
  const room = new Room();
  const known = new Set(store.specs.map(({ name }) => name));
  const records = store.specs.map((spec): WeightRecord => {
    const elements = sizeOf(spec.shape);
    const base = { name: spec.name, elements, evidence: "" };
    const variable = variables?.[spec.name];
    if (variable !== undefined)
      return { ...base, ...compareVariable(variable, store.read(spec.name, room), spec.layout) };
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
  const kept = axes ?? own.shape.map((_, axis) => axis);
  const shape = kept.map((axis) => own.shape[axis] ?? 1);
  if (`${shape}` !== `${stored.shape}`) {
    return {
      state: "shape",
      evidence: `the port's variable has shape [${shape}], the file's tensor [${stored.shape}]`,
    };
  }
  const value = tensor(own.shape, own.data);
  const { different, first } = differencesReordered(value, kept, stored.data);
  if (different === 0) return { state: "equal", evidence: "" };
  return {
    state: "differs",
    evidence:
      `${different} of ${stored.data.length} values differ from the file; first at ${first}: ` +
      `${transpose(value, kept).data[first]}, expected ${stored.data[first]}`,
  };
}
