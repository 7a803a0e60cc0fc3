import { createRequire } from "node:module";
import { dirname, sep } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { InputError, UnavailableError } from "../errors.js";
import { BACKENDS, type BackendName, prepareBackend, TFJS_NODE } from "./backend.js";

/** What `tf.getBackend()` calls each of them. */
const TF_NAMES: Readonly<Record<BackendName, string>> = {
  wasm: "wasm",
  node: "tensorflow",
  cpu: "cpu",
};

/** What the report says about the back-end that ran the port. */
interface BackendInfo {
  readonly name: BackendName;
  /** Version of TensorFlow.js. */
  readonly version: string;
  /** Whether wasm uses SIMD, `null` for the others. Without it a convolution is several times slower. */
  readonly simd: boolean | null;
  /** Threads of one operation, `null` where TensorFlow decides. */
  readonly threads: number | null;
}

/** A back-end that is ready, and the one instance of TensorFlow.js that every port shares. */
export interface Backend {
  readonly tf: typeof tf;
  readonly info: BackendInfo;
}

/**
 * Loads one TensorFlow.js back-end and makes it the current one, in this thread.
 *
 * TensorFlow.js falls back to another back-end in silence when one cannot start (its `cpu` is fifty
 * times slower, and rounds differently): here that is an error.
 *
 * @param importNode - loads tfjs-node; only tests give another function
 * @throws {InputError} `option` for an unknown name
 * @throws {UnavailableError} `backend-missing` when it is not installed or does not start
 */
export async function loadBackend(
  name: BackendName,
  importNode: () => Promise<unknown> = () => import(TFJS_NODE),
): Promise<Backend> {
  if (!BACKENDS.includes(name)) {
    throw new InputError("option", `--backend: ${name}, expected one of ${BACKENDS.join(", ")}`);
  }
  prepareBackend(name);
  // Silences the advice to install tfjs-node that the cpu back-end prints.
  tf.env().set("PROD", true);
  await register(name, importNode);
  await select(name);
  return { tf, info: await describe(name) };
}

/** Imports the package that registers the back-end's kernels with the shared engine. */
async function register(name: BackendName, importNode: () => Promise<unknown>): Promise<void> {
  switch (name) {
    case "cpu":
      await import("@tensorflow/tfjs-backend-cpu");
      return;
    case "wasm": {
      const { setWasmPaths } = await import("@tensorflow/tfjs-backend-wasm");
      setWasmPaths(folderOf("@tensorflow/tfjs-backend-wasm") + sep);
      return;
    }
    case "node":
      // An optional peer with a native part: it may be missing, or installed and unable to load.
      try {
        await importNode();
      } catch (error) {
        throw missing(name, error);
      }
  }
}

async function select(name: BackendName): Promise<void> {
  const wanted = TF_NAMES[name];
  let started = false;
  try {
    started = await tf.setBackend(wanted);
    await tf.ready();
  } catch (error) {
    throw missing(name, error);
  }
  if (!started || tf.getBackend() !== wanted) {
    throw missing(name, `TensorFlow.js is on "${tf.getBackend()}" instead`);
  }
}

async function describe(name: BackendName): Promise<BackendInfo> {
  return {
    name,
    version: tf.version_core,
    simd: name === "wasm" ? (await tf.env().getAsync("WASM_HAS_SIMD_SUPPORT")) === true : null,
    threads: name === "node" ? null : 1,
  };
}

/** How to get a back-end that is not there; one line. */
const ADVICE: Readonly<Record<BackendName, string>> = {
  wasm: "reinstall difftest's packages: npm ci",
  node: "install it beside difftest: npm install @tensorflow/tfjs-node (Node 22 or older)",
  cpu: "reinstall difftest's packages: npm ci",
};

function missing(name: BackendName, cause: unknown): UnavailableError {
  return new UnavailableError(
    "backend-missing",
    `--backend ${name}: ${reason(cause)}; ${ADVICE[name]}`,
    { cause },
  );
}

/** First line of what went wrong, in few words where the case is known. */
function reason(cause: unknown): string {
  const code = (cause as { code?: unknown } | null)?.code;
  if (code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND") return "is not installed";
  const text = cause instanceof Error ? cause.message : String(cause);
  return `does not start (${text.split("\n", 1)[0]})`;
}

/** Folder of a package's main file: the .wasm files lie beside it. */
function folderOf(specifier: string): string {
  return dirname(createRequire(import.meta.url).resolve(specifier));
}
