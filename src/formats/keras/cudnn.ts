import type { Hdf5Weight } from "./hdf5-protocol.js";
import type { Variable } from "./layer.js";

/**
 * Weights of CuDNNLSTM and CuDNNGRU in the form of LSTM and GRU, as Keras 2 converts them on loading.
 * They are known by their bias: 8·units or 6·units values in one row. Values are changed in place.
 *
 * Source: tf_keras `hdf5_format._convert_rnn_weights`.
 */
export function convertCudnn(
  weights: readonly Hdf5Weight[],
  variables: readonly Variable[],
  values: SharedArrayBuffer,
): readonly Hdf5Weight[] {
  if (weights.length !== variables.length) return weights;
  const result = [...weights];
  for (let k = 0; k + 2 < weights.length; k++) {
    const roles = variables.slice(k, k + 3).map(({ role }) => role);
    if (`${roles}` !== "kernel,recurrent_kernel,bias") continue;
    const [kernel, recurrent, bias] = result.slice(k, k + 3) as [
      Hdf5Weight,
      Hdf5Weight,
      Hdf5Weight,
    ];
    const units = recurrent.shape[0] ?? 0;
    const gates = (recurrent.shape[1] ?? 0) / units;
    // A convolution's kernel has more axes, and its sizes say nothing of units.
    const matrix = recurrent.shape.length === 2;
    const cudnn = matrix && bias.shape.length === 1 && bias.shape[0] === 2 * gates * units;
    if (!cudnn || (gates !== 3 && gates !== 4)) continue;
    regroup(viewOf(kernel, values), kernel.shape[0] ?? 0, units, gates, "columns");
    regroup(viewOf(recurrent, values), units, units, gates, "transpose");
    result[k + 2] = gates === 4 ? summed(bias, values) : { ...bias, shape: [2, gates * units] };
  }
  return result;
}

function viewOf({ shape, offset }: Hdf5Weight, values: SharedArrayBuffer): Float32Array {
  return new Float32Array(
    values,
    offset * 4,
    shape.reduce((product, size) => product * size, 1),
  );
}

/** cuDNN keeps each gate's matrix by columns where Keras keeps it by rows; `transpose` exchanges the axes of a square one. */
function regroup(
  values: Float32Array,
  rows: number,
  units: number,
  gates: number,
  how: "columns" | "transpose",
): void {
  const width = gates * units;
  for (let gate = 0; gate < gates; gate++) {
    const old = new Float32Array(rows * units);
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < units; c++)
        old[r * units + c] = values[r * width + gate * units + c] as number;
    }
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < units; c++) {
        const from = how === "columns" ? c * rows + r : c * units + r;
        values[r * width + gate * units + c] = old[from] as number;
      }
    }
  }
}

/** An LSTM has one bias: the sum of cuDNN's two. */
function summed(bias: Hdf5Weight, values: SharedArrayBuffer): Hdf5Weight {
  const all = viewOf(bias, values);
  const half = all.length / 2;
  for (let k = 0; k < half; k++) all[k] = (all[k] as number) + (all[k + half] as number);
  return { ...bias, shape: [half] };
}
