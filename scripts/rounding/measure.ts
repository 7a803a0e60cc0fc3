import { JUDGE_LIMIT, judgeOf } from "../../src/operators/evaluate.js";
import type { FunctionError } from "../../src/operators/family.js";
import { EmbeddedReference } from "../../src/references/onnxruntime/embedded-reference.js";
import type { OnnxRuntimeProcess } from "../../src/references/onnxruntime/onnxruntime-process.js";
import { indexOf, type Tensor } from "../../src/tensor/tensor.js";
import type { Probe } from "./probe.js";
import { rmsError } from "./statistics.js";

/** Elements of a tap whose value is worked out in float64. */
const EXACT = 400;

/** What the reference says of one tap; NCHW. */
export interface Expected {
  readonly values: Tensor;
  /** Bounds of the error; `null` where nothing rounds. */
  readonly trigger: Float32Array | null;
  readonly hard: Float32Array | null;
  /** Some elements and their values in float64. */
  readonly positions: readonly number[];
  readonly exact: Float64Array;
}

/** The reference's values, bounds and definitions of all taps of a probe. */
export async function expectedOf(
  process: OnnxRuntimeProcess,
  probe: Probe,
  functionError: (name: string) => FunctionError,
): Promise<ReadonlyMap<string, Expected>> {
  const { architecture, inputs, weights, taps } = probe;
  const reference = new EmbeddedReference(process, architecture);
  const run = (mode: "trigger" | "hard") =>
    reference.compute(
      {
        outputs: taps.map((tap) => ({ tap, name: `value:${tap}` })),
        bounds: {
          mode,
          cut: new Set(inputs.keys()),
          functionError,
          outputs: taps.map((tap) => ({ tap, name: `bound:${tap}` })),
        },
      },
      inputs,
      { overrides: weights },
    );
  const [trigger, hard] = [await run("trigger"), await run("hard")];
  const exactly = judgeOf({
    architecture,
    known: (id) => inputs.get(id),
    weights: (name) => weights[name] as Float32Array,
    limit: 10 * JUDGE_LIMIT,
  });
  return new Map(
    taps.map((tap) => {
      const values = trigger.values.get(`value:${tap}`) as Tensor;
      const step = Math.max(1, Math.floor(values.data.length / EXACT) | 1);
      const count = Math.ceil(values.data.length / step);
      const positions = Array.from({ length: count }, (_, k) => k * step);
      const exact = positions.map((at) => exactly(tap, indexOf(at, values.shape)) ?? Number.NaN);
      const expected: Expected = {
        values,
        trigger: trigger.values.get(`bound:${tap}`)?.data ?? null,
        hard: hard.values.get(`bound:${tap}`)?.data ?? null,
        positions,
        exact: Float64Array.from(exact),
      };
      return [tap, expected];
    }),
  );
}

/** Root mean square error against float64: the port's ÷ the reference's. */
export function exactness(actual: Float32Array, { values, positions, exact }: Expected): number {
  const at = (data: Float32Array) => positions.map((position) => data[position] as number);
  return rmsError(at(actual), exact) / rmsError(at(values.data), exact);
}
