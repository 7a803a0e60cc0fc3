import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { InputError } from "../../errors.js";
import { entryOf } from "../../runtime/entry.js";
import type { Hdf5Answer, Hdf5Content, Hdf5Request } from "./hdf5-protocol.js";

/** Time limits of {@link readHdf5}. */
export interface Hdf5Options {
  /** Milliseconds until a file that keeps HDF5 busy is given up. Default 8,000 and 200 a megabyte more. */
  readonly timeoutMs?: number;
}

const START_MS = 8000;
const MS_PER_MEGABYTE = 200;

const SPARE_BELOW = 2 ** 24;

/** A worker that has loaded the library and waits: reading the next file starts at once. */
let spare: Worker | undefined;

/**
 * Reads a Keras HDF5 file in a worker of its own, in HDF5's library without access to the file system.
 *
 * @throws {InputError} `corrupt`, `unsafe` or `limit`: what the worker said, or that it did not answer in time
 */
export async function readHdf5(
  request: Hdf5Request & { readonly byteLength: number },
  options: Hdf5Options = {},
): Promise<Hdf5Content> {
  const worker = spare ?? startWorker();
  spare = undefined;
  worker.ref();
  // A second library beside a large file would cost memory and save nothing that is felt.
  if (request.byteLength < SPARE_BELOW) {
    spare = startWorker();
    spare.unref();
    // Whatever goes wrong in a worker that nobody asked anything yet is found when it is asked.
    spare.once("error", () => undefined);
  }
  const timeoutMs =
    options.timeoutMs ?? START_MS + (request.byteLength / 2 ** 20) * MS_PER_MEGABYTE;
  const answer = await ask(worker, { source: request.source, name: request.name }, timeoutMs);
  if (!answer.ok) throw new InputError(answer.code, answer.message);
  return answer.content;
}

function startWorker(): Worker {
  const { path, execArgv } = entryOf(import.meta.url, "./hdf5-worker.js");
  const options = { stdout: true, stderr: true, workerData: { warm: true } };
  if (execArgv.length === 0) return new Worker(path, options);
  // In a checkout: threads do not take Node's --import, so the TypeScript loader is registered inside.
  const url = JSON.stringify(pathToFileURL(path).href);
  const load = `import("tsx/esm/api").then(({ register }) => { register(); return import(${url}); });`;
  return new Worker(load, { ...options, eval: true });
}

function ask(worker: Worker, request: Hdf5Request, timeoutMs: number): Promise<Hdf5Answer> {
  return new Promise((resolve) => {
    const finish = (answer: Hdf5Answer): void => {
      clearTimeout(timer);
      void worker.terminate();
      resolve(answer);
    };
    const fail = (reason: string): void =>
      finish({ ok: false, code: "corrupt", message: `${request.name}: HDF5 ${reason}` });
    const timer = setTimeout(() => fail(`did not finish within ${timeoutMs} ms`), timeoutMs);
    worker.once("message", finish);
    worker.once("error", (error) => fail(`crashed: ${error.message.split("\n")[0]}`));
    worker.once("exit", () => fail("ended without an answer"));
    const { source } = request;
    worker.postMessage(request, source.kind === "memory" ? [source.bytes.buffer] : []);
  });
}
