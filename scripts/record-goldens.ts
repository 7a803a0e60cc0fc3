/**
 * Records what the Darknet library computes for built-in models at their smallest, with made-up weights, into
 * goldens/darknet. The same library gives the same bytes. Needs the runner (`references/darknet/build.sh`).
 */
import { recordGolden } from "../src/checks/record-golden.js";

/** As small as the strides allow: the recordings are part of the repository. */
const SIZE = 32;

for (const model of ["yolov2-tiny", "yolov3-tiny", "yolo-fastest-1.1"]) {
  const { taps, reference } = await recordGolden({
    model,
    size: SIZE,
    darknet: "pjreddie",
    reference: "darknet",
    out: `goldens/darknet/${model}`,
    note: "every layer of a built-in model, at its smallest; recorded by scripts/record-goldens.ts",
  });
  console.log(`${model}: ${taps.length} taps by ${reference.name} ${reference.version}`);
}
