/**
 * Records what the Darknet library computes from goldens/demo/shapes.cfg and .weights: every layer for
 * the demo's own picture, the heads for all ten. Needs the runner (`references/darknet/build.sh`).
 */
import { readdirSync } from "node:fs";
import { recordGolden } from "../src/checks/record-golden.js";
import { PICTURE } from "../src/commands/demo.js";

const FOLDER = "goldens/demo";

for (const picture of readdirSync(`${FOLDER}/images`).toSorted()) {
  const all = picture === PICTURE;
  const { taps } = await recordGolden({
    original: `${FOLDER}/shapes.cfg`,
    weights: `${FOLDER}/shapes.weights`,
    inputs: [`${FOLDER}/images/${picture}`],
    darknet: "pjreddie",
    reference: "darknet",
    taps: all ? "*" : "conv_15,yolo_16,conv_22,yolo_23",
    out: `${FOLDER}/darknet/${picture.replace(".png", "")}`,
    note: all ? "every layer of the demo's picture" : "the heads of one of the demo's pictures",
  });
  console.log(`${picture}: ${taps.length} taps`);
}
