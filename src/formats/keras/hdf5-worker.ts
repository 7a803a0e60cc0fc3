/** Worker that reads one Keras HDF5 file and ends: damaged files may abort or hang HDF5's library, a thread can be ended. */
import { parentPort, workerData } from "node:worker_threads";
import { InputError } from "../../errors.js";
import type { Hdf5Answer, Hdf5Request } from "./hdf5-protocol.js";
import { Hdf5Session } from "./hdf5-session.js";
import { readKerasContent } from "./keras-hdf5.js";

async function answer(request: Hdf5Request): Promise<Hdf5Answer> {
  try {
    const { source, name } = request;
    const session = await Hdf5Session.open(source, name);
    return { ok: true, content: readKerasContent(session) };
  } catch (error) {
    if (error instanceof InputError) return { ok: false, code: error.code, message: error.message };
    const reason = error instanceof Error ? error.message : String(error);
    return {
      ok: false,
      code: "corrupt",
      message: `${request.name}: HDF5 gave up: ${reason.split("\n")[0]}`,
    };
  }
}

parentPort?.once("message", (request: Hdf5Request) => {
  void answer(request).then((result) => parentPort?.postMessage(result));
});
void h5Ready();

/** Loads the library before the request comes: a spare worker is then ready to read. */
async function h5Ready(): Promise<void> {
  if (workerData !== undefined) await (await import("h5wasm")).ready;
}
