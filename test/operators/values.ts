import { sizeOf, type Tensor, tensor } from "../../src/tensor/tensor.js";

/** Reproducible values, uniform in [low, high): a multiplicative generator modulo 2^31 − 1. */
export function uniform(shape: readonly number[], seed: number, low = -2, high = 2): Tensor {
  let state = 1 + (Math.abs(Math.trunc(seed)) % 2147483646);
  for (let k = 0; k < 5; k++) state = (state * 48271) % 2147483647;
  const data = Float32Array.from({ length: sizeOf(shape) }, () => {
    state = (state * 48271) % 2147483647;
    return low + ((high - low) * state) / 2147483647;
  });
  return tensor(shape, data);
}

/** 0, 1, 2 … in C order. */
export function counting(shape: readonly number[]): Tensor {
  return tensor(
    shape,
    Float32Array.from({ length: sizeOf(shape) }, (_, k) => k),
  );
}

/** A tensor of the shape with these values. */
export function valuesOf(shape: readonly number[], values: readonly number[]): Tensor {
  return tensor(shape, Float32Array.from(values));
}
