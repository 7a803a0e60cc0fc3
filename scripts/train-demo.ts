/**
 * Makes the demo's network: draws a data set of shapes, trains goldens/demo/shapes.cfg on it with the
 * `darknet` command (`apt-get install darknet`), and leaves weights and ten pictures in goldens/demo/.
 * About five minutes on two cores. `scripts/record-demo.ts` records the goldens afterwards.
 *
 * Pictures are the same on every machine. The weights are not: Darknet takes its random numbers from
 * the clock, which is why the trained file is kept.
 */
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { drawDataSet, pictureOf, pngOf } from "./demo/data-set.js";
import { measure } from "./demo/measure.js";

const TARGET = "goldens/demo";
const COUNTS = { train: 1500, valid: 200 };
/** Pictures that no training saw and that the demo may show. */
const SHOWN = 10;

/** Hyper-parameters of the training, in place of the config's own [net] section. */
const TRAINING = {
  batch: 16,
  subdivisions: 1,
  width: 96,
  height: 96,
  channels: 3,
  momentum: 0.9,
  decay: 0.0005,
  saturation: 1.2,
  exposure: 1.2,
  hue: 0.02,
  learning_rate: 0.01,
  burn_in: 50,
  max_batches: Number(process.argv[2] ?? 2000),
  policy: "steps",
  steps: "1600,1850",
  scales: ".1,.1",
};

const folder = mkdtempSync(join(tmpdir(), "difftest-demo-"));
try {
  const { data, backup } = await drawDataSet(folder, COUNTS);
  const config = join(folder, "shapes.cfg");
  writeFileSync(config, trainingConfig(readFileSync(join(TARGET, "shapes.cfg"), "utf8")));
  darknet("train", data, config);
  const weights = join(backup, "shapes_final.weights");
  darknet("valid", data, config, weights);
  const numbers = Array.from({ length: COUNTS.valid }, (_, k) => COUNTS.train + k);
  const { shapes, found, wrong } = measure(join(folder, "results"), numbers);
  console.log(`${found} of ${shapes} shapes found, ${wrong} boxes around nothing`);
  copyFileSync(weights, join(TARGET, "shapes.weights"));
  console.log(`${TARGET}/shapes.weights: ${statSync(weights).size} bytes`);
  mkdirSync(join(TARGET, "images"), { recursive: true });
  for (let k = 0; k < SHOWN; k++) {
    const { pixels } = pictureOf(COUNTS.train + COUNTS.valid + k);
    writeFileSync(join(TARGET, "images", `${k}.png`), await pngOf(pixels));
  }
} finally {
  rmSync(folder, { recursive: true });
}

/** The config with another [net], and heads that are told nothing of other sizes or shaken boxes. */
function trainingConfig(text: string): string {
  const net = Object.entries(TRAINING).map(([key, value]) => `${key}=${value}`);
  const layers = text.slice(text.indexOf("# 0\n"));
  return `[net]\n${net.join("\n")}\n\n${layers.replaceAll("[yolo]\n", "[yolo]\njitter=.1\nrandom=0\n")}`;
}

function darknet(...words: readonly string[]): void {
  const { status, error } = spawnSync("darknet", ["detector", ...words], {
    cwd: folder,
    stdio: ["ignore", "inherit", "ignore"],
  });
  if (error !== undefined) throw new Error("darknet cannot be started", { cause: error });
  if (status !== 0) throw new Error(`darknet detector ${words[0]} ended with status ${status}`);
}
