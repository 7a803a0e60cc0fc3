import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { Random } from "../fuzz/random.js";
import { CLASSES, drawScene, labelsOf, randomScene, type Scene, SIDE } from "./scene.js";

/** Pictures are numbers of one endless series: a picture depends on its number alone. */
const SEED = "demo shapes 1";

/** The picture of a number: what is in it, and its pixels. */
export function pictureOf(number: number): { readonly scene: Scene; readonly pixels: Uint8Array } {
  const random = new Random(SEED, number);
  const scene = randomScene(random);
  return { scene, pixels: drawScene(scene, random) };
}

/** A PNG of a picture. */
export async function pngOf(pixels: Uint8Array): Promise<Uint8Array> {
  const raw = { width: SIDE, height: SIDE, channels: 3 as const };
  return await sharp(pixels, { raw }).png({ compressionLevel: 9 }).toBuffer();
}

/** A data set as Darknet reads it: absolute paths of pictures, label files beside them. */
export interface DataSet {
  /** The file that `darknet detector` is given. */
  readonly data: string;
  /** Where training leaves its weights. */
  readonly backup: string;
}

/**
 * Draws a data set into a folder.
 *
 * @param counts - pictures to train on, and those after them to judge by
 */
export async function drawDataSet(
  folder: string,
  counts: { readonly train: number; readonly valid: number },
): Promise<DataSet> {
  for (const name of ["images", "labels", "backup", "results"]) mkdirSync(join(folder, name));
  const paths: string[] = [];
  for (let number = 0; number < counts.train + counts.valid; number++) {
    const { scene, pixels } = pictureOf(number);
    const path = join(folder, "images", `${number}.png`);
    writeFileSync(path, await pngOf(pixels));
    // Darknet finds the labels by replacing `images` and `.png` in the path.
    writeFileSync(join(folder, "labels", `${number}.txt`), labelsOf(scene));
    paths.push(path);
  }
  const list = (name: string, lines: readonly string[]) => {
    const path = join(folder, name);
    writeFileSync(path, `${lines.join("\n")}\n`);
    return path;
  };
  const train = list("train.txt", paths.slice(0, counts.train));
  const valid = list("valid.txt", paths.slice(counts.train));
  const names = list("shapes.names", CLASSES);
  const backup = join(folder, "backup");
  const data = list("shapes.data", [
    `classes=${CLASSES.length}`,
    `train=${train}`,
    `valid=${valid}`,
    `names=${names}`,
    `backup=${backup}`,
    `results=${join(folder, "results")}`,
  ]);
  return { data, backup };
}
