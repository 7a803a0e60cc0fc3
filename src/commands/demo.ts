import { isAbsolute, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import type { LayerByLayerOptions } from "../checks/options.js";
import type { LayerByLayerResult } from "../checks/result.js";
import { PLANTED } from "../models/demo/planted.js";
import {
  type DemoPaths,
  faultyText,
  introText,
  outroText,
  rightText,
  surprises,
} from "../report/demo-story.js";
import { entryOf } from "../runtime/entry.js";
import type { Command, Io, Values } from "./command.js";
import { progressBar } from "./progress.js";

/** Which of goldens/demo/images the demo shows. */
export const PICTURE = "7.png";

/** `difftest demo`: a right port, then the same port with mistakes, on a small trained network. */
export const demoCommand: Command = {
  name: "demo",
  summary: "show on a small trained network what difftest does",
  description:
    "Compares a right port of a small trained detector with its original, then the same port with two planted mistakes, and shows how they are found, named and explained. Takes some seconds.",
  arguments: [],
  options: [],
  examples: ["difftest demo"],
  run,
  errorJson: null,
};

/** Status 0 when the story goes as it is told: the faults of the second port are part of it. */
async function run(_values: Values, _args: readonly string[], io: Io): Promise<"done" | "differs"> {
  const paths = demoPaths();
  io.out(introText(paths, io.colour.out));
  const right = await compare(paths.right, paths, io);
  io.out(rightText({ right }, io.colour.out));
  const faulty = await compare(paths.faulty, paths, io);
  const runs = { right, faulty, planted: PLANTED };
  io.out(faultyText(runs, io.colour.out));
  const wrong = surprises(runs);
  if (wrong.length === 0) {
    io.out(outroText(io.colour.out));
    return "done";
  }
  io.err(`difftest: the demo did not go as told: ${wrong.join("; ")}\n`);
  return "differs";
}

async function compare(model: string, paths: DemoPaths, io: Io): Promise<LayerByLayerResult> {
  const options: LayerByLayerOptions = {
    model,
    original: paths.original,
    weights: paths.weights,
    inputs: [paths.input],
  };
  const { layerByLayer } = await import("../checks/layer-by-layer.js");
  const progress = progressBar(io);
  try {
    return await layerByLayer({ ...options, signal: io.signal, onProgress: progress.show });
  } finally {
    progress.stop();
  }
}

/** The files that come with the package, as one would type them here. */
function demoPaths(): DemoPaths {
  const golden = (name: string) =>
    typed(fileURLToPath(new URL(`../../goldens/demo/${name}`, import.meta.url)));
  const port = (name: string) => typed(entryOf(import.meta.url, `../models/demo/${name}`).path);
  return {
    original: golden("shapes.cfg"),
    weights: golden("shapes.weights"),
    right: port("port.js"),
    faulty: port("faulty-port.js"),
    input: golden(`images/${PICTURE}`),
  };
}

/** A path relative to the working directory; absolute where that would climb out of it. */
function typed(path: string): string {
  const near = relative(process.cwd(), path);
  const climbs = near.startsWith("..") || isAbsolute(near);
  return climbs ? path : near.split(sep).join("/");
}
