import { float32FromBfloat16, float32FromHalf } from "../small-floats.js";

/** Little-endian values (aligned for their type) of one of numpy's types, each rounded to float32, into `target` (as many as it holds). */
export function widen(bytes: Uint8Array, dtype: string, target: Float32Array): void {
  const values = viewOf(bytes, dtype);
  if (values instanceof BigInt64Array || values instanceof BigUint64Array) {
    for (let k = 0; k < values.length; k++) target[k] = Number(values[k]);
  } else {
    target.set(values);
  }
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array, dtype: string) {
  switch (dtype) {
    case "float32":
      return new Float32Array(buffer, byteOffset, byteLength / 4);
    case "float64":
      return new Float64Array(buffer, byteOffset, byteLength / 8);
    case "float16":
      return float32FromHalf(new Uint16Array(buffer, byteOffset, byteLength / 2));
    case "bfloat16":
      return float32FromBfloat16(new Uint16Array(buffer, byteOffset, byteLength / 2));
    case "int8":
      return new Int8Array(buffer, byteOffset, byteLength);
    case "int16":
      return new Int16Array(buffer, byteOffset, byteLength / 2);
    case "int32":
      return new Int32Array(buffer, byteOffset, byteLength / 4);
    case "uint16":
      return new Uint16Array(buffer, byteOffset, byteLength / 2);
    case "uint32":
      return new Uint32Array(buffer, byteOffset, byteLength / 4);
    case "int64":
      return new BigInt64Array(buffer, byteOffset, byteLength / 8);
    case "uint64":
      return new BigUint64Array(buffer, byteOffset, byteLength / 8);
    default:
      return new Uint8Array(buffer, byteOffset, byteLength);
  }
}
