import { unzipSync } from "fflate";
import { type Tensor, tensor } from "../../src/tensor/tensor.js";

/** Reads a .npz of little-endian float32 arrays. Enough for recorded traces, not a reader of ours. */
export function readNpz(bytes: Uint8Array): Map<string, Tensor> {
  const entries = Object.entries(unzipSync(bytes));
  return new Map(entries.map(([name, file]) => [name.replace(/\.npy$/, ""), readNpy(file)]));
}

function readNpy(file: Uint8Array): Tensor {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const wide = view.getUint8(6) >= 2;
  const start = wide ? 12 : 10;
  const length = wide ? view.getUint32(8, true) : view.getUint16(8, true);
  const header = new TextDecoder("latin1").decode(file.subarray(start, start + length));
  if (!header.includes("'<f4'") || !header.includes("'fortran_order': False")) {
    throw new Error(`only float32 in C order is read here: ${header}`);
  }
  const shape = [...(/\(([^)]*)\)/.exec(header)?.[1] ?? "").matchAll(/\d+/g)].map(Number);
  return tensor(shape, new Float32Array(file.slice(start + length).buffer));
}
