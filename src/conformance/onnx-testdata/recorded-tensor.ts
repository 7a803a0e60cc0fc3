import { readFileSync } from "node:fs";
import { storedInitializer } from "../../formats/onnx/initializer.js";
import { decodeTensor } from "../../formats/onnx/schema.js";
import type { StoredTensor } from "../../formats/tensor-file.js";

/** A recorded tensor; undefined when the file holds a sequence, an optional or an unknown type. */
export function recordedTensor(path: string): StoredTensor | undefined {
  try {
    const stored = storedInitializer(decodeTensor(readFileSync(path)), null, path);
    return "bytes" in stored ? stored : undefined;
  } catch {
    // Sequences lie in files of the same name: read as a tensor they are damaged ones.
    return undefined;
  }
}
