import { createRequire } from "node:module";
import * as tf from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { UnavailableError } from "../../src/errors.js";
import { BACKENDS, type BackendName, prepareBackend } from "../../src/runtime/backend.js";
import { startThread } from "../../src/runtime/entry.js";
import { loadBackend } from "../../src/runtime/load-backend.js";

/** Switches oneDNN, whose sums depend on the machine. */
const ONEDNN = "TF_ENABLE_ONEDNN_OPTS";

/** What the promise is rejected with. */
const failureOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

describe("loadBackend", () => {
  it.each(["cpu", "wasm"] as const)(
    "makes %s the current back-end and computes on it",
    async (name) => {
      const backend = await loadBackend(name);
      expect(backend.info.name).toBe(name);
      expect(backend.tf).toBe(tf);
      expect(tf.getBackend()).toBe(name);
      const sum = tf.tidy(() => Array.from(tf.add(tf.tensor([1, 2]), 1).dataSync()));
      expect(sum).toEqual([2, 3]);
    },
  );

  it("uses SIMD on wasm: without it nothing would be wrong, only slow", async () => {
    expect((await loadBackend("wasm")).info.simd).toBe(true);
  });

  it("refuses a name it does not know, with those it knows", async () => {
    await expect(loadBackend("webgl" as BackendName)).rejects.toThrow(
      `--backend: webgl, expected one of ${BACKENDS.join(", ")}`,
    );
  });

  it("says in one line how to get tfjs-node when it is not installed", async () => {
    const absent = Object.assign(new Error("Cannot find package '@tensorflow/tfjs-node'\nstack"), {
      code: "ERR_MODULE_NOT_FOUND",
    });
    const error = await failureOf(loadBackend("node", () => Promise.reject(absent)));
    expect(error).toBeInstanceOf(UnavailableError);
    expect(error).toMatchObject({ code: "backend-missing" });
    expect((error as Error).message).toBe(
      "--backend node: is not installed; install it beside difftest: npm install @tensorflow/tfjs-node (Node 22 or older)",
    );
  });

  it("says why tfjs-node does not load when it is installed but its native part is not", async () => {
    const broken = new Error(
      "The Node.js native addon module (tfjs_binding.node) can not be found\nat …",
    );
    await expect(loadBackend("node", () => Promise.reject(broken))).rejects.toThrow(
      /^--backend node: does not start \(The Node.js native addon module .* can not be found\); install/,
    );
  });

  it("never goes on with another back-end than the one asked for", async () => {
    await loadBackend("cpu");
    // A package that loads but registers nothing: TensorFlow.js would stay on cpu.
    const error = await failureOf(loadBackend("node", () => Promise.resolve({})));
    expect(error).toBeInstanceOf(UnavailableError);
    expect((error as Error).message).toMatch(/^--backend node: does not start/);
  });
});

describe("loadBackend in a worker thread", () => {
  it.each(["cpu", "wasm"] as const)("has a %s of its own", async (name) => {
    await loadBackend(name === "cpu" ? "wasm" : "cpu");
    const worker = startThread(import.meta.url, "./backend-worker.js", { workerData: { name } });
    const answer = await new Promise((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
    await worker.terminate();
    expect(answer).toEqual({ name, backend: name, sum: [2, 3] });
    expect(tf.getBackend()).not.toBe(name);
  });
});

describe("loadBackend with a back-end that fails to start", () => {
  beforeAll(() => {
    tf.registerBackend("tensorflow", () => Promise.reject(new Error("planted")), 0);
  });
  afterAll(() => {
    tf.removeBackend("tensorflow");
  });

  it("reports it instead of falling back", async () => {
    await loadBackend("cpu");
    const error = await failureOf(loadBackend("node", () => Promise.resolve({})));
    expect(error).toMatchObject({ code: "backend-missing" });
  });
});

describe("prepareBackend", () => {
  it("switches oneDNN off for tfjs-node but keeps what the user has set", () => {
    const before = process.env[ONEDNN];
    try {
      delete process.env[ONEDNN];
      prepareBackend("node");
      expect(process.env[ONEDNN]).toBe("0");
      process.env[ONEDNN] = "1";
      prepareBackend("node");
      expect(process.env[ONEDNN]).toBe("1");
    } finally {
      if (before === undefined) delete process.env[ONEDNN];
      else process.env[ONEDNN] = before;
    }
  });
});

/** tfjs-node is an optional peer: where it is not installed there is nothing to test. */
const hasNode = ((): boolean => {
  try {
    createRequire(import.meta.url).resolve("@tensorflow/tfjs-node");
    return true;
  } catch {
    return false;
  }
})();

// Where all references must be installed (.ci/run), this one is among them.
describe.skipIf(!hasNode && process.env["DIFFTEST_REFERENCES"] !== "required")(
  "loadBackend with tfjs-node (skipped where it is not installed)",
  () => {
    it("computes on TensorFlow with the same instance of TensorFlow.js", async () => {
      const backend = await loadBackend("node");
      expect(backend.info).toMatchObject({ name: "node", simd: null, threads: null });
      expect(tf.getBackend()).toBe("tensorflow");
      const sum = tf.tidy(() => Array.from(tf.add(tf.tensor([1, 2]), 1).dataSync()));
      expect(sum).toEqual([2, 3]);
    });
  },
);
