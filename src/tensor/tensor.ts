/** Element types that a tensor may hold. float16 and bfloat16 are widened to float32 by the readers. */
export type DType = "float32" | "float64" | "int32" | "int64" | "uint8" | "bool";

/** The typed array that holds the elements of each {@link DType}. */
export interface TensorData {
  readonly float32: Float32Array;
  readonly float64: Float64Array;
  readonly int32: Int32Array;
  readonly int64: BigInt64Array;
  readonly uint8: Uint8Array;
  readonly bool: Uint8Array;
}

/** Values with their shape, row-major (C order); an empty shape is a scalar. */
export interface Tensor<D extends DType = "float32"> {
  readonly shape: readonly number[];
  readonly dtype: D;
  readonly data: TensorData[D];
}

/** Any tensor, whatever its dtype. */
export type AnyTensor = { [D in DType]: Tensor<D> }[DType];

/** Number of elements of a shape: the product of its sizes, 1 for a scalar. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Row-major strides of a shape, in elements. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--) {
    strides[axis] = (strides[axis + 1] ?? 1) * (shape[axis + 1] ?? 1);
  }
  return strides;
}

/** The multi-index of a flat row-major position. */
export function indexOf(position: number, shape: readonly number[]): number[] {
  const index = new Array<number>(shape.length).fill(0);
  let rest = position;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis] ?? 1;
    index[axis] = rest % size;
    rest = Math.floor(rest / size);
  }
  return index;
}

/**
 * A float32 tensor over existing data.
 *
 * @throws {RangeError} when the number of values is not the product of the shape
 */
export function tensor(shape: readonly number[], data: Float32Array): Tensor {
  if (data.length !== sizeOf(shape)) {
    throw new RangeError(`shape [${shape}] needs ${sizeOf(shape)} values, got ${data.length}`);
  }
  return { shape, dtype: "float32", data };
}
