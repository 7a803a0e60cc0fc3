/**
 * How fast weights are read and how much memory that takes; how long a model takes to be lowered.
 *
 *     npm run bench -- --only reading
 *
 * Each reading runs in a process of its own, the files in the system's cache; medians of the rounds. Where Python with h5py, safetensors and
 * onnx is there (`scripts/install-references.sh`), their own readers run beside ours, each in a process of its own as well;
 * what Python takes to load them is not counted, what our worker takes to load HDF5's library is.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { architectureFromKeras } from "../../src/formats/keras/architecture.js";
import { readModelConfig } from "../../src/formats/keras/config.js";
import { lower } from "../../src/lower/lower.js";
import { pythonPath } from "../../src/references/runner/installed.js";
import { blankContent } from "../../src/weights/blank-content.js";
import { markdownTable, shown } from "../rounding/statistics.js";
import { type LargeFiles, writeLargeFiles } from "./large-files.js";

const ROUNDS = 3;
/** Of 4 MB: 100 MB in all. */
const LAYERS = 25;

/** Most memory that reading may take beyond what the process had, in sizes of the file. */
const AIMS: Readonly<Record<Kind, number>> = { h5: 2.2, safetensors: 1.1, onnx: 1.1 };

type Kind = "h5" | "safetensors" | "onnx";

/** What one reading took. */
interface Reading {
  readonly ms: number;
  /** Bytes. */
  readonly grown: number;
}

/** Reads everything with the format's own library and prints the milliseconds. */
const PYTHON: Readonly<Partial<Record<Kind, string>>> = {
  h5: `
import sys, time, h5py, numpy
start = time.perf_counter()
kept = []
with h5py.File(sys.argv[1]) as file:
    file.visititems(lambda _, one: kept.append(one[()]) if isinstance(one, h5py.Dataset) else None)
print(1000 * (time.perf_counter() - start))`,
  safetensors: `
import sys, time
from safetensors.numpy import load_file
start = time.perf_counter()
kept = load_file(sys.argv[1])
print(1000 * (time.perf_counter() - start))`,
  onnx: `
import sys, time, onnx
from onnx.numpy_helper import to_array
start = time.perf_counter()
kept = [to_array(one) for one in onnx.load(sys.argv[1]).graph.initializer]
print(1000 * (time.perf_counter() - start))`,
};

function measured(kind: string, path: string): Reading {
  const script = fileURLToPath(new URL("./read-file.ts", import.meta.url));
  const runs = Array.from({ length: ROUNDS }, () => {
    const args = ["--import", "tsx", script, kind, path];
    return JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8" })) as Reading;
  });
  return { ms: median(runs.map(({ ms }) => ms)), grown: median(runs.map(({ grown }) => grown)) };
}

/** Milliseconds of the format's own library; `null` where it is not installed. */
function theirs(kind: Kind, path: string): number | null {
  const code = PYTHON[kind];
  if (code === undefined) return null;
  const runs = Array.from({ length: ROUNDS }, () => {
    const { status, stdout } = spawnSync(pythonPath(), ["-c", code, path], { encoding: "utf8" });
    return status === 0 ? Number(stdout) : Number.NaN;
  });
  return runs.some(Number.isNaN) ? null : median(runs);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

function readingTable(files: LargeFiles): string {
  const kinds: readonly Kind[] = ["h5", "safetensors", "onnx"];
  const rows = kinds.map((kind) => {
    const path = files[kind];
    const size = kind === "onnx" ? files.bytes : statSync(path).size;
    const disk = measured("disk", kind === "onnx" ? join(path, "..", "weights.bin") : path);
    const ours = measured(kind, path);
    const library = theirs(kind, path);
    const speed = (ms: number) => shown(size / ms / 1e6);
    const memory = ours.grown / size;
    const within = memory <= (AIMS[kind] ?? 0) ? "within" : "beyond";
    return [
      kind === "onnx" ? "ONNX, external data" : `.${kind}`,
      speed(ours.ms),
      `${shown(ours.ms / disk.ms)} ×`,
      library === null ? "not installed" : `${shown(ours.ms / library)} ×`,
      `${shown(memory)} × (${within} ${AIMS[kind]})`,
    ];
  });
  return markdownTable([
    [
      "100 MB of weights",
      "GB/s",
      "time ÷ plain reading",
      "time ÷ its own library",
      "memory ÷ file",
    ],
    ...rows,
  ]);
}

/** Reading a model's description and writing its graph, every layer an output. */
function loweringTable(): string {
  const rows = ["mnist-cnn", "mobilenet-v2"].map((model) => {
    const path = fileURLToPath(new URL(`../../references/keras/${model}.json`, import.meta.url));
    const config = JSON.parse(readFileSync(path, "utf8"));
    const times = Array.from({ length: 5 }, () => {
      const started = performance.now();
      const spec = readModelConfig(config, 2, model);
      const { architecture } = architectureFromKeras({
        name: model,
        model: spec,
        content: blankContent,
      });
      const read = performance.now() - started;
      const outputs = architecture.layers.map(({ id }) => ({ tap: id, name: `tap:${id}` }));
      lower(architecture, { outputs });
      return { read, lowered: performance.now() - started - read, layers: outputs.length };
    });
    const of = (key: "read" | "lowered") => shown(median(times.map((time) => time[key])));
    return [model, `${times[0]?.layers}`, of("read"), of("lowered")];
  });
  return markdownTable([["model", "layers", "read, ms", "lower, ms"], ...rows]);
}

const folder = mkdtempSync(join(tmpdir(), "difftest-reading-"));
try {
  console.log(readingTable(await writeLargeFiles(folder, LAYERS)));
  console.log(`\n${loweringTable()}`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
