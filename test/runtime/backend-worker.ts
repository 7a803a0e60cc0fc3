import { parentPort, workerData } from "node:worker_threads";
import type { BackendName } from "../../src/runtime/backend.js";
import { loadBackend } from "../../src/runtime/load-backend.js";

/** Loads a back-end in this thread and answers with its name and one sum. */
const { name } = workerData as { name: BackendName };
const { tf, info } = await loadBackend(name);
const sum = tf.tidy(() => Array.from(tf.add(tf.tensor([1, 2]), 1).dataSync()));
parentPort?.postMessage({ name: info.name, backend: tf.getBackend(), sum });
