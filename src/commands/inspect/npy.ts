import type { Json } from "../../checks/result.js";
import { type ByteSource, openSource } from "../../formats/byte-source.js";
import { readNpyHeader } from "../../formats/npy/npy-header.js";
import { readNpy } from "../../formats/npy/npy-reader.js";
import { openNpz } from "../../formats/npy/npz.js";
import { INSPECTION_SCHEMA } from "../../report/inspection.js";
import type { AnyTensor } from "../../tensor/tensor.js";
import type { Inspector } from "./inspector.js";
import { statisticsOf } from "./statistics.js";

/** One array: `.npy`. */
export const npyInspector: Inspector = {
  id: ".npy",
  claims: (_, head) => startsWith(head, [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]),
  inspect: ({ path }) =>
    withBytes(path, (bytes) => {
      const header = readNpyHeader(bytes, path);
      const tensor = readNpy(bytes, path);
      const order = header.fortranOrder ? "Fortran (first axis fastest)" : "C (last axis fastest)";
      return {
        schema: INSPECTION_SCHEMA,
        file: path,
        format: "NumPy array",
        bytes: bytes.byteLength,
        facts: {
          stored: `${header.code}, ${header.endian} endian, ${order}`,
          ...arrayFacts(tensor),
        },
        sections: [],
        warnings: arrayWarnings(path, tensor),
      };
    }),
};

/** Several arrays: `.npz`. */
export const npzInspector: Inspector = {
  id: ".npz",
  claims: (path, head) => /\.npz$/i.test(path) && startsWith(head, [0x50, 0x4b]),
  inspect: ({ path }) =>
    withBytes(path, (bytes) => {
      const archive = openNpz(bytes, path);
      const rows: Record<string, Json>[] = [];
      const warnings: string[] = [];
      for (const name of archive.names) {
        const tensor = archive.read(name);
        rows.push({ name, ...arrayFacts(tensor) });
        warnings.push(...arrayWarnings(name, tensor));
      }
      return {
        schema: INSPECTION_SCHEMA,
        file: path,
        format: "NumPy archive",
        bytes: bytes.byteLength,
        facts: { arrays: rows.length },
        sections: [{ name: "arrays", rows }],
        warnings,
      };
    }),
};

function withBytes<T>(path: string, use: (bytes: Uint8Array) => T): T {
  const source: ByteSource = openSource(path);
  try {
    return use(source.read(0, source.byteLength, "file"));
  } finally {
    source.close();
  }
}

function arrayFacts(tensor: AnyTensor): Record<string, Json> {
  const { min, max, mean, nan, infinite } = statisticsOf(tensor.data);
  return { shape: tensor.shape, dtype: tensor.dtype, min, max, mean, nan, infinite };
}

function arrayWarnings(name: string, tensor: AnyTensor): string[] {
  const { nan, infinite } = statisticsOf(tensor.data);
  return [
    ...(tensor.data.length === 0 ? [`${name}: holds no values`] : []),
    ...(nan > 0 ? [`${name}: ${nan} of ${tensor.data.length} values are NaN`] : []),
    ...(infinite > 0 ? [`${name}: ${infinite} of ${tensor.data.length} values are infinite`] : []),
  ];
}

function startsWith(head: Uint8Array, bytes: readonly number[]): boolean {
  return bytes.every((byte, k) => head[k] === byte);
}
