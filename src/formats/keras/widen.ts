import { float32FromBfloat16, float32FromHalf } from "../small-floats.js";

/** Little-endian values of one of numpy's types, each rounded to float32, into `target` (as many as it holds). */
export function widen(bytes: Uint8Array, dtype: string, target: Float32Array): void {
  const values = viewOf(bytes.buffer as ArrayBuffer, dtype);
  if (values instanceof BigInt64Array || values instanceof BigUint64Array) {
    for (let k = 0; k < values.length; k++) target[k] = Number(values[k]);
  } else {
    target.set(values);
  }
}

function viewOf(buffer: ArrayBuffer, dtype: string) {
  switch (dtype) {
    case "float32":
      return new Float32Array(buffer);
    case "float64":
      return new Float64Array(buffer);
    case "float16":
      return float32FromHalf(new Uint16Array(buffer));
    case "bfloat16":
      return float32FromBfloat16(new Uint16Array(buffer));
    case "int8":
      return new Int8Array(buffer);
    case "int16":
      return new Int16Array(buffer);
    case "int32":
      return new Int32Array(buffer);
    case "uint16":
      return new Uint16Array(buffer);
    case "uint32":
      return new Uint32Array(buffer);
    case "int64":
      return new BigInt64Array(buffer);
    case "uint64":
      return new BigUint64Array(buffer);
    default:
      return new Uint8Array(buffer);
  }
}
