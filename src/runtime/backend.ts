import { createRequire } from "node:module";

/** TensorFlow.js back-ends on which a port can run. */
export type BackendName = "wasm" | "node" | "cpu";

/** All of them, the default first. */
export const BACKENDS: readonly BackendName[] = ["wasm", "node", "cpu"];

/** An optional peer: not there to be found by the compiler. */
export const TFJS_NODE: string = "@tensorflow/tfjs-node";

/**
 * Environment variables that a back-end must find when its *process* starts to load it.
 *
 * TensorFlow's C++ reads the process's own environment, while a worker thread only has a copy: set
 * them in the main thread before the worker starts (see {@link prepareBackend}).
 */
const ENVIRONMENT: Readonly<Record<BackendName, Readonly<Record<string, string>>>> = {
  wasm: {},
  node: {
    // oneDNN adds in an order that depends on the machine: off, a sum is the same everywhere.
    TF_ENABLE_ONEDNN_OPTS: "0",
    // Errors only: the banner about CPU instructions would land on our standard error.
    TF_CPP_MIN_LOG_LEVEL: "3",
  },
  cpu: {},
};

/** Sets what a back-end needs in this process's environment; what the user has set stays. Call it in the main thread. */
export function prepareBackend(name: BackendName): void {
  for (const [variable, value] of Object.entries(ENVIRONMENT[name])) {
    process.env[variable] ??= value;
  }
}

/**
 * Whether the package of a back-end is there; it may still be unable to start. Costs nothing: no
 * TensorFlow is loaded for it.
 */
export function isInstalled(name: BackendName): boolean {
  if (name !== "node") return true;
  try {
    createRequire(import.meta.url).resolve(TFJS_NODE);
    return true;
  } catch {
    return false;
  }
}
