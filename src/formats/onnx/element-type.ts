import type { StoredDType } from "../stored-dtype.js";

/** `TensorProto.DataType` of the specification; types that have no name here cannot be read. */
const DTYPES: Readonly<Record<number, StoredDType>> = {
  1: "float32",
  2: "uint8",
  3: "int8",
  4: "uint16",
  5: "int16",
  6: "int32",
  7: "int64",
  8: "string",
  9: "bool",
  10: "float16",
  11: "float64",
  12: "uint32",
  13: "uint64",
  14: "complex64",
  15: "complex128",
  16: "bfloat16",
  17: "float8e4m3",
  18: "float8e4m3fnuz",
  19: "float8e5m2",
  20: "float8e5m2fnuz",
  21: "uint4",
  22: "int4",
  23: "float4e2m1",
  24: "float8e8m0",
};

/** The stored type of an ONNX element type, undefined when it is not known. */
export function dtypeFromOnnx(type: number | undefined): StoredDType | undefined {
  return type === undefined ? undefined : DTYPES[type];
}
