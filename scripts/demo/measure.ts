import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pictureOf } from "./data-set.js";
import { boxOf, CLASSES, SIDE } from "./scene.js";

/** How well a detector finds shapes: a box counts when its class is right and it overlaps by half. */
export interface Measure {
  readonly shapes: number;
  readonly found: number;
  /** Boxes that no shape explains. */
  readonly wrong: number;
}

/** Pixels: left, top, right, bottom. */
type Box = readonly [number, number, number, number];

/** Boxes below this probability are not counted. */
const THRESHOLD = 0.3;

/**
 * Compares what `darknet detector valid` wrote with what was drawn.
 *
 * @param results - folder with its `comp4_det_test_<class>.txt`: number, probability, corners
 * @param numbers - the pictures it looked at
 */
export function measure(results: string, numbers: readonly number[]): Measure {
  const boxes = CLASSES.flatMap((name, kind) =>
    readFileSync(join(results, `comp4_det_test_${name}.txt`), "utf8")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => line.split(" ").map(Number))
      .filter(([, probability = 0]) => probability >= THRESHOLD)
      .map(([number, , ...box]) => ({ number, kind, box: box as unknown as Box })),
  );
  const truths = numbers.flatMap((number) =>
    pictureOf(number).scene.shapes.map((shape) => ({
      number,
      kind: shape.kind,
      box: cornersOf(boxOf(shape)),
    })),
  );
  const left = new Set(boxes);
  let found = 0;
  for (const truth of truths) {
    const hit = [...left].find(
      ({ number, kind, box }) =>
        number === truth.number && kind === truth.kind && overlap(box, truth.box) >= 0.5,
    );
    if (hit === undefined) continue;
    left.delete(hit);
    found += 1;
  }
  return { shapes: truths.length, found, wrong: left.size };
}

function cornersOf([x, y, width, height]: readonly [number, number, number, number]): Box {
  const edges = [x - width / 2, y - height / 2, x + width / 2, y + height / 2];
  return edges.map((value) => value * SIDE) as unknown as Box;
}

/** Intersection over union. */
function overlap(a: Box, b: Box): number {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  if (width <= 0 || height <= 0) return 0;
  const area = (box: Box) => (box[2] - box[0]) * (box[3] - box[1]);
  return (width * height) / (area(a) + area(b) - width * height);
}
