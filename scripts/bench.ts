/**
 * How long the command takes beside what it compares, and how much memory: `npm run bench`.
 *
 *     npx tsx scripts/bench.ts [--model M[@SIZE]]… [--backend wasm|node|cpu]… [--rounds N] [--only models|reading]
 *
 * On two processors (with `taskset`, where there are more). A ratio holds for one round, in which
 * everything runs once, one after the other; the medians of the rounds are printed. Weights are
 * read from files, which are made up and written before. `reading`: how fast files of weights are read (`bench/reading.ts`).
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type BenchModel, benchModel, openModel, optionsOf, withFile } from "./bench/model.js";
import {
  type Column,
  type CommandRun,
  type Comparison,
  type Forwards,
  modelReport,
  type Round,
} from "./bench/report.js";

const PROCESSORS = 2;
const MODELS = ["yolov4", "yolo-fastest-1.1", "mobilenet-v2", "mnist-cnn"];
const tsx = ["--import", "tsx"];

const { values } = parseArgs({
  options: {
    model: { type: "string", multiple: true, default: MODELS },
    backend: { type: "string", multiple: true },
    rounds: { type: "string", default: "3" },
    only: { type: "string" },
  },
});

/** A script of ours, on the processors of this bench. */
function script(name: string, ...args: string[]): string {
  const path = fileURLToPath(new URL(`./bench/${name}.ts`, import.meta.url));
  const [command = "", ...rest] = pinned([process.execPath, ...tsx, path, ...args]);
  return execFileSync(command, rest, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
}

function pinned(command: readonly string[]): readonly string[] {
  if (availableParallelism() <= PROCESSORS || process.platform !== "linux") return command;
  return ["taskset", "--cpu-list", `0-${PROCESSORS - 1}`, ...command];
}

/** The compiled command where it is built, its source otherwise. */
function commandLine(): string[] {
  const built = fileURLToPath(new URL("../dist/cli.js", import.meta.url));
  if (existsSync(built)) return [process.execPath, built];
  return [process.execPath, ...tsx, fileURLToPath(new URL("../src/cli.ts", import.meta.url))];
}

function runCommand(args: readonly string[], folder: string): CommandRun {
  const json = join(folder, "result.json");
  const [command = "", ...rest] = pinned([...commandLine(), "layer-by-layer", ...args, "--quiet"]);
  const started = performance.now();
  const { status, stderr } = spawnSync(command, [...rest, "--json", json], { encoding: "utf8" });
  const ms = performance.now() - started;
  if (status !== 0) throw new Error(`difftest layer-by-layer ${args.join(" ")}: ${stderr}`);
  const { memory } = JSON.parse(readFileSync(json, "utf8")) as { memory: { peak: number | null } };
  return { ms, peak: memory.peak };
}

function round(model: BenchModel, backend: string, folder: string): Round {
  const forward = (side: string) =>
    JSON.parse(script("forward", side, JSON.stringify(model), "3")) as Forwards;
  const given = Object.entries({ ...optionsOf(model), backend });
  const options = given.flatMap(([name, value]) => [`--${name}`, value]);
  return {
    reference: forward("reference"),
    port: forward(backend),
    isolated: runCommand([...options, "--mode", "isolated"], folder),
    both: runCommand([...options, "--mode", "both"], folder),
  };
}

/** The back-ends asked for; without, those that a user would take and that are installed. */
function backends(): string[] {
  if (values.backend !== undefined) return values.backend;
  try {
    import.meta.resolve("@tensorflow/tfjs-node");
    return ["wasm", "node"];
  } catch {
    return ["wasm"];
  }
}

async function bench(name: string, folder: string): Promise<string> {
  const model = await withFile(benchModel(name), folder);
  const { width, height } = (await openModel(model)).network;
  const comparison = JSON.parse(script("comparison", name)) as Comparison;
  const columns = backends().map(
    (backend): Column => ({
      backend,
      rounds: Array.from({ length: Number(values.rounds) }, () => round(model, backend, folder)),
    }),
  );
  return modelReport(`${model.id}, ${width}×${height}`, comparison, columns);
}

async function benchModels(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "difftest-bench-"));
  try {
    const processors = Math.min(PROCESSORS, availableParallelism());
    console.log(`${processors} processors, ${values.rounds} rounds, Node ${process.version}\n`);
    for (const name of values.model) console.log(`${await bench(name, folder)}\n`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (values.only !== "reading") await benchModels();
if (values.only !== "models") await import("./bench/reading.js");
