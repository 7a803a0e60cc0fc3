/**
 * The reference process: runs ONNX graphs with optimizations off, one after the other.
 *
 * A process of its own because the binding blocks the event loop and aborts when a thread that runs
 * it is terminated (onnxruntime-node 1.30); a child can be killed at any moment.
 */
import { createRequire } from "node:module";
import ort from "onnxruntime-node";
import { MAX_ELEMENTS } from "../../formats/onnx/size-bombs.js";
import { writeExactly } from "../../runtime/scratch-file.js";
import { openWeightStore } from "../../weights/open-weight-store.js";
import type { WeightStore } from "../../weights/weight-store.js";
import type {
  FeedSource,
  FromChild,
  OutputAnswer,
  OutputRequest,
  RunRequest,
  ToChild,
} from "./protocol.js";
import { SCRATCH_FD } from "./protocol.js";
import { numbersOf, runtimeTensor } from "./runtime-values.js";

/** On which a graph is computed; 0: one for each processor. */
const threads = Number(process.argv[2] ?? 0);
let weights: WeightStore | undefined;
const kept = new Map<string, ort.Tensor>();

process.on("disconnect", () => process.exit(0));
let queue = Promise.resolve();
process.on("message", (message: ToChild) => {
  queue = queue.then(async () => {
    let answer: FromChild;
    try {
      answer = await handle(message);
    } catch (error) {
      answer = {
        id: message.id,
        ok: false,
        message: error instanceof Error ? error.message : String(error),
      };
    }
    process.send?.(answer);
  });
});

async function handle(message: ToChild): Promise<FromChild> {
  switch (message.type) {
    case "version":
      return {
        id: message.id,
        ok: true,
        version: createRequire(import.meta.url)("onnxruntime-node/package.json").version,
      };
    case "open":
      weights?.close();
      kept.clear();
      weights = openWeightStore(message.weights);
      return { id: message.id, ok: true };
    case "run": {
      const started = performance.now();
      const outputs = await run(message.run);
      return { id: message.id, ok: true, outputs, ms: performance.now() - started };
    }
  }
}

async function run(request: RunRequest): Promise<OutputAnswer[]> {
  const externalData = request.initializers.map(({ location, weight }) => {
    const values = request.overrides?.[weight] ?? readWeight(weight);
    return {
      path: location,
      data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
    };
  });
  const session = await ort.InferenceSession.create(request.model, {
    graphOptimizationLevel: request.level,
    logSeverityLevel: 3,
    enableCpuMemArena: false,
    enableMemPattern: false,
    intraOpNumThreads: threads,
    extra: {
      session: {
        // Threads that wait for work would else burn the processor that the port computes on.
        intra_op: { allow_spinning: "0" },
        ...(request.folder === undefined
          ? {}
          : { model_external_initializers_file_folder_path: request.folder }),
      },
    },
    ...(externalData.length > 0 ? { externalData } : {}),
  });
  try {
    const feeds = Object.fromEntries(
      Object.entries(request.feeds).map(([name, source]) => [name, feed(source)]),
    );
    const results = await session.run(
      feeds,
      request.outputs.map(({ name }) => name),
    );
    for (const name of request.drop ?? []) kept.delete(name);
    return request.outputs.map((output) => deliver(output, results[output.name] as ort.Tensor));
  } finally {
    await session.release();
    // A graph's weights and outputs are hundreds of megabytes outside of the heap, of which the collector
    // knows too late: what is given back is what the next graph gets, instead of fresh memory.
    globalThis.gc?.();
  }
}

function readWeight(name: string): Float32Array {
  if (weights === undefined) throw new Error(`no weights are open, ${name} was asked for`);
  return weights.read(name).data;
}

function feed(source: FeedSource): ort.Tensor {
  if (source.kind === "value") return runtimeTensor(source);
  const value = kept.get(source.name);
  if (value === undefined) throw new Error(`${source.name} was not kept`);
  return value;
}

function deliver(request: OutputRequest, value: ort.Tensor): OutputAnswer {
  const { type, dims: shape } = value;
  if (value.size > MAX_ELEMENTS) {
    throw new Error(
      `${request.name} came out with ${value.size} elements, expected at most ${MAX_ELEMENTS} (2 GiB)`,
    );
  }
  const data = numbersOf(value);
  if (request.keep !== undefined) kept.set(request.keep, value);
  if (request.offset !== undefined) {
    if (data === undefined || data.byteLength !== request.bytes) {
      throw new Error(
        `${request.name} has ${data?.byteLength ?? 0} bytes, ${request.bytes} were expected`,
      );
    }
    writeExactly(SCRATCH_FD, data, request.offset);
  }
  const sent = request.send === true && data !== undefined ? { data } : {};
  return { name: request.name, shape, type, ...sent };
}
