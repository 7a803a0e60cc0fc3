/**
 * Reads one file in a process of its own and tells how long it took and how much more memory it held: `reading.ts` starts it.
 *
 *     tsx scripts/bench/read-file.ts disk|h5|safetensors|onnx FILE
 */
import { closeSync, existsSync, openSync, readFileSync, readSync } from "node:fs";
import type * as Keras from "../../src/formats/keras/keras-file.js";
import type * as Onnx from "../../src/formats/onnx/model-reader.js";
import type * as Safetensors from "../../src/formats/safetensors/reader.js";
import type * as TensorFiles from "../../src/weights/tensor-file-weights.js";

const [kind = "", path = ""] = process.argv.slice(2);

/** The compiled readers where they are built, as a user has them: the source is compiled anew in each of their threads. */
const root = ["../../dist/", "../../src/"].find((one) => existsSync(new URL(one, import.meta.url)));
const { openKerasFile } = await module<typeof Keras>("formats/keras/keras-file.js");
const { openOnnxModel } = await module<typeof Onnx>("formats/onnx/model-reader.js");
const { openSafetensors } = await module<typeof Safetensors>("formats/safetensors/reader.js");
const { copiedTensors } = await module<typeof TensorFiles>("weights/tensor-file-weights.js");

async function module<T>(name: string): Promise<T> {
  return (await import(new URL(`${root}${name}`, import.meta.url).href)) as T;
}

/** What each kind of file comes to: all its values in memory, as float32. */
const READERS: Readonly<Record<string, () => Promise<unknown>>> = {
  disk: async () => readPlainly(path),
  h5: async () => await openKerasFile(path),
  safetensors: async () => copied(openSafetensors(path).tensors),
  onnx: async () => copied(openOnnxModel(path).weights.tensors),
};

type Tensors = Parameters<typeof TensorFiles.copiedTensors>[0][number]["tensor"][];

function copied(tensors: readonly Tensors[number][]): unknown {
  const pairs = tensors.map((tensor) => ({
    spec: { name: tensor.name, shape: tensor.shape, role: "kernel", layer: 0 },
    tensor,
  }));
  return copiedTensors(pairs, path);
}

/** The file's bytes in blocks of a megabyte, which nobody keeps: as fast as the system hands them out. */
function readPlainly(file: string): number {
  const block = new Uint8Array(2 ** 20);
  const fd = openSync(file, "r");
  let total = 0;
  for (let read = readSync(fd, block); read > 0; read = readSync(fd, block)) total += read;
  closeSync(fd);
  return total;
}

/** Bytes resident at the highest point so far; where /proc is not, now. */
function peak(): number {
  try {
    const [, kilobytes] = /VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
    return Number(kilobytes) * 1024;
  } catch {
    return process.memoryUsage.rss();
  }
}

const read = READERS[kind];
if (read === undefined) throw new Error(`no such kind: ${kind}`);
const before = peak();
const started = performance.now();
const kept = await read();
const ms = performance.now() - started;
console.log(JSON.stringify({ ms, grown: peak() - before, kept: typeof kept }));
process.exit(0);
