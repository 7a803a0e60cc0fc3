import * as tf from "@tensorflow/tfjs-core";
import {
  type BuildContext,
  definePort,
  type Port,
  type PortVariable,
  type PortWeights,
  type Tap,
} from "../../port/port.js";
import { Darknet53 } from "./backbone/darknet53.js";
import type { AlternatingConvs } from "./blocks/alternating-convs.js";
import { PortScope } from "./blocks/port-scope.js";
import { YoloHead } from "./head/yolo-head.js";
import { imageOf } from "./image-of.js";
import { FeaturePyramidLevel } from "./neck/feature-pyramid-level.js";
import { fiveConvs } from "./neck/five-convs.js";
import { anchorsOf, type YoloOptions, yoloOptions } from "./yolo-options.js";

/** Trained on COCO. The first head is the coarse one, with the large anchors. */
const COCO: YoloOptions = {
  classes: 80,
  anchors: [10, 13, 16, 30, 33, 23, 30, 61, 62, 45, 59, 119, 116, 90, 156, 198, 373, 326],
  masks: [
    [6, 7, 8],
    [3, 4, 5],
    [0, 1, 2],
  ],
};

/** Redmon, Farhadi: YOLOv3: An Incremental Improvement. 2018, arXiv:1804.02767. */
class Yolov3 {
  /** What its outputs mean: how many classes, which anchors each head has. */
  readonly options: YoloOptions;
  readonly variables: Readonly<Record<string, PortVariable>>;
  readonly #backbone: Darknet53;
  readonly #coarse: AlternatingConvs;
  readonly #coarseHead: YoloHead;
  readonly #toMedium: FeaturePyramidLevel;
  readonly #medium: AlternatingConvs;
  readonly #mediumHead: YoloHead;
  readonly #toFine: FeaturePyramidLevel;
  readonly #fine: AlternatingConvs;
  readonly #fineHead: YoloHead;

  constructor(weights: PortWeights, context: BuildContext) {
    const options = yoloOptions(context, COCO);
    this.options = options;
    const scope = new PortScope(weights, context);
    const head = (channels: number, k: number): YoloHead => {
      const { classes } = options;
      const anchors = anchorsOf(options, k);
      return new YoloHead(scope, { channels, filters: 2 * channels, anchors, classes });
    };
    this.#backbone = new Darknet53(scope, context.channels);
    this.#coarse = fiveConvs(scope, 1024, 512);
    this.#coarseHead = head(512, 0);
    this.#toMedium = new FeaturePyramidLevel(scope, { channels: 512, filters: 256 });
    this.#medium = fiveConvs(scope, 256 + 512, 256);
    this.#mediumHead = head(256, 1);
    this.#toFine = new FeaturePyramidLevel(scope, { channels: 256, filters: 128 });
    this.#fine = fiveConvs(scope, 128 + 256, 128);
    this.#fineHead = head(128, 2);
    this.variables = scope.variables;
  }

  forward(image: tf.Tensor4D, tap: Tap): void {
    const maps = this.#backbone.forward(image, tap);
    const coarse = this.#coarse.forward(maps.coarse, tap);
    this.#coarseHead.forward(coarse, tap);
    const medium = this.#medium.forward(this.#toMedium.forward(coarse, maps.medium, tap), tap);
    this.#mediumHead.forward(medium, tap);
    const fine = this.#fine.forward(this.#toFine.forward(medium, maps.fine, tap), tap);
    this.#fineHead.forward(fine, tap);
  }
}

/** YOLOv3: 107 layers, three heads. */
export const yolov3: Port<Yolov3, tf.Tensor4D> = definePort({
  name: "yolov3",
  original: "yolov3.cfg",
  layout: "nhwc",
  runtime: "tfjs",
  inputs: [{ name: "input", shape: [null, null, null, 3] }],
  build: (weights, context) => new Yolov3(weights, context),
  forward: (model, inputs, tap) => tf.tidy(() => model.forward(imageOf(inputs), tap)),
  variables: (model) => model.variables,
});
