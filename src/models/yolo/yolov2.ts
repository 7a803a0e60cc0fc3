import * as tf from "@tensorflow/tfjs-core";
import {
  type BuildContext,
  definePort,
  type Port,
  type PortVariable,
  type PortWeights,
  type Tap,
} from "../../port/port.js";
import { Darknet19 } from "./backbone/darknet19.js";
import { type Block, sequence } from "./blocks/block.js";
import { ConvBnAct } from "./blocks/conv-bn-act.js";
import { PortScope } from "./blocks/port-scope.js";
import { RegionHead } from "./head/region-head.js";
import { imageOf } from "./image-of.js";
import { Passthrough } from "./neck/passthrough.js";
import { anchorsOf, type YoloOptions, yoloOptions } from "./yolo-options.js";

/** Trained on COCO. Anchors are in cells of the 13×13 map. */
const COCO: YoloOptions = {
  classes: 80,
  anchors: [
    0.57273, 0.677385, 1.87446, 2.06253, 3.33843, 5.47434, 7.88282, 3.52778, 9.77052, 9.16828,
  ],
  masks: [[0, 1, 2, 3, 4]],
};

/** Redmon, Farhadi: YOLO9000: Better, Faster, Stronger. CVPR 2017, arXiv:1612.08242. */
class Yolov2 {
  /** What its outputs mean: how many classes, which anchors each head has. */
  readonly options: YoloOptions;
  readonly variables: Readonly<Record<string, PortVariable>>;
  readonly #backbone: Darknet19;
  readonly #top: readonly Block[];
  readonly #passthrough: Passthrough;
  readonly #features: ConvBnAct;
  readonly #head: RegionHead;

  constructor(weights: PortWeights, context: BuildContext) {
    const options = yoloOptions(context, COCO);
    this.options = options;
    const { classes } = options;
    const scope = new PortScope(weights, context);
    const wide = { channels: 1024, filters: 1024, size: 3 };
    this.#backbone = new Darknet19(scope, context.channels);
    this.#top = [new ConvBnAct(scope, wide), new ConvBnAct(scope, wide)];
    this.#passthrough = new Passthrough(scope, 512, 64);
    this.#features = new ConvBnAct(scope, { ...wide, channels: 4 * 64 + 1024 });
    this.#head = new RegionHead(scope, { channels: 1024, anchors: anchorsOf(options, 0), classes });
    this.variables = scope.variables;
  }

  forward(image: tf.Tensor4D, tap: Tap): void {
    const { fine, coarse } = this.#backbone.forward(image, tap);
    const top = sequence(this.#top, coarse, tap);
    const joined = this.#passthrough.forward(fine, top, tap);
    this.#head.forward(this.#features.forward(joined, tap), tap);
  }
}

/** YOLOv2: 32 layers, one head. */
export const yolov2: Port<Yolov2, tf.Tensor4D> = definePort({
  name: "yolov2",
  original: "yolov2.cfg",
  layout: "nhwc",
  runtime: "tfjs",
  inputs: [{ name: "input", shape: [null, null, null, 3] }],
  build: (weights, context) => new Yolov2(weights, context),
  forward: (model, inputs, tap) => tf.tidy(() => model.forward(imageOf(inputs), tap)),
  variables: (model) => model.variables,
});
