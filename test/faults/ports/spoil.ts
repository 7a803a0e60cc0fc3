import * as tf from "@tensorflow/tfjs-core";
import { transpose } from "../../../src/tensor/layout.js";
import { tensor } from "../../../src/tensor/tensor.js";
import type { OutputChange, WeightChange } from "./plants.js";

/** A weight in the stored order ([out, in, h, w], [out, in] or [n]) with a mistake in it. */
export function changedWeight(
  data: Float32Array,
  shape: readonly number[],
  change: WeightChange,
  take: (name: string) => { readonly data: Float32Array },
): Float32Array<ArrayBuffer> {
  const result = data.slice();
  const [out = 1, inn = 1, height = 1, width = 1] = shape;
  if ("swap" in change) {
    const [a, b] = change.swap;
    const size = data.length / out;
    result.set(data.subarray(b * size, (b + 1) * size), a * size);
    result.set(data.subarray(a * size, (a + 1) * size), b * size);
    return result;
  }
  if ("from" in change) return take(change.from).data.slice();
  if ("bit" in change) {
    new Int32Array(result.buffer)[change.bit] =
      (new Int32Array(data.slice().buffer)[change.bit] ?? 0) + 1;
    return result;
  }
  if ("random" in change) return result.map((_, k) => Math.sin(1 + k * change.random) * 0.2);
  if ("each" in change) return result.map(EACH[change.each]);
  if ("readAs" in change) return readAs(data, shape, change.readAs);
  for (let k = 0; k < result.length; k++) {
    const x = k % width;
    const y = Math.floor(k / width) % height;
    const i = Math.floor(k / (width * height)) % inn;
    const o = Math.floor(k / (width * height * inn));
    const [c, row, column] = {
      hw: [i, x, y],
      rotated: [i, height - 1 - y, width - 1 - x],
      bgr: [inn - 1 - i, y, x],
    }[change.kernel] as [number, number, number];
    result[k] = data[((o * inn + c) * height + row) * width + column] as number;
  }
  return result;
}

const EACH = {
  zero: (): number => 0,
  one: (): number => 1,
  twice: (x: number): number => 2 * x,
  square: (x: number): number => x * x,
  root: (x: number): number => Math.sqrt(x),
};

/** The memory of a stored tensor taken for that of another order of axes. */
function readAs(
  data: Float32Array,
  shape: readonly number[],
  order: "hwio" | "ohwi" | "io",
): Float32Array<ArrayBuffer> {
  const [out = 1, inn = 1, height = 1, width = 1] = shape;
  switch (order) {
    case "hwio":
      return transpose(tensor([height, width, inn, out], data), [3, 2, 0, 1]).data.slice();
    case "ohwi":
      return transpose(tensor([out, height, width, inn], data), [0, 3, 1, 2]).data.slice();
    case "io":
      return transpose(tensor([inn, out], data), [1, 0]).data.slice();
  }
}

/** An operation's result (NHWC or flat) with a mistake in it. */
export function changedOutput(value: tf.Tensor, change: OutputChange): tf.Tensor {
  if ("times" in change) return tf.mul(value, change.times);
  const data = value.dataSync().slice() as Float32Array;
  if ("add" in change) {
    data[change.add.at] = (data[change.add.at] as number) + change.add.value;
    return tf.tensor(data, value.shape);
  }
  if ("set" in change) {
    data[change.set.at] = Number(change.set.value);
    return tf.tensor(data, value.shape);
  }
  const [b = 1, h = 1, w = 1, c = 1] = value.shape;
  switch (change.arrange) {
    case "hw":
      return tf.transpose(value, [0, 2, 1, 3]);
    case "reshaped":
      return tf.reshape(value, [b, w, h, c]);
    case "mirrored":
      return tf.reverse(value, 2);
    case "first":
      return tf.slice(value, [0, 0, 0, 0], [1, h, w, c]);
    case "nchw":
      // The memory of [c, h, w] under the name of [h, w, c].
      return tf.reshape(tf.transpose(value, [0, 3, 1, 2]), value.shape);
    case "shuffled":
      return tf.tensor(
        data.map((_, k) => data[(k * 7919) % data.length] as number),
        value.shape,
      );
  }
}

/** A convolution's kernel [h, w, in/groups, out] as one over all input channels, each group's values repeated. */
export function ungrouped(kernel: tf.Tensor4D, groups: number): tf.Tensor4D {
  return tf.tile(kernel, [1, 1, groups, 1]);
}
