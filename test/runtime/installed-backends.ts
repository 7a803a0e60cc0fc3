import { createRequire } from "node:module";

/** Back-ends that run here beside wasm: tfjs-node is the one that is optional. */
export const TFJS_NODE: readonly "node"[] = (() => {
  try {
    createRequire(import.meta.url).resolve("@tensorflow/tfjs-node");
    return ["node"];
  } catch {
    return [];
  }
})();
