import * as tf from "@tensorflow/tfjs-core";
import {
  type BuildContext,
  definePort,
  type Port,
  type PortVariable,
  type PortWeights,
  type Tap,
} from "../../port/port.js";
import { DarknetTiny } from "./backbone/darknet-tiny.js";
import { ConvBnAct } from "./blocks/conv-bn-act.js";
import { PortScope } from "./blocks/port-scope.js";
import { YoloHead } from "./head/yolo-head.js";
import { imageOf } from "./image-of.js";
import { FeaturePyramidLevel } from "./neck/feature-pyramid-level.js";
import { anchorsOf, type YoloOptions, yoloOptions } from "./yolo-options.js";

/** Trained on COCO. */
const COCO: YoloOptions = {
  classes: 80,
  anchors: [10, 14, 23, 27, 37, 58, 81, 82, 135, 169, 344, 319],
  masks: [
    [3, 4, 5],
    [0, 1, 2],
  ],
};

/** Redmon, Farhadi: YOLOv3: An Incremental Improvement. 2018, arXiv:1804.02767. */
class Yolov3Tiny {
  /** What its outputs mean: how many classes, which anchors each head has. */
  readonly options: YoloOptions;
  readonly variables: Readonly<Record<string, PortVariable>>;
  readonly #backbone: DarknetTiny;
  readonly #reduce: ConvBnAct;
  readonly #coarseHead: YoloHead;
  readonly #pyramid: FeaturePyramidLevel;
  readonly #fineHead: YoloHead;

  constructor(weights: PortWeights, context: BuildContext) {
    const options = yoloOptions(context, COCO);
    this.options = options;
    const { classes } = options;
    const scope = new PortScope(weights, context);
    this.#backbone = new DarknetTiny(scope, context.channels);
    this.#reduce = new ConvBnAct(scope, { channels: 1024, filters: 256, size: 1 });
    this.#coarseHead = new YoloHead(scope, {
      classes,
      channels: 256,
      filters: 512,
      anchors: anchorsOf(options, 0),
    });
    this.#pyramid = new FeaturePyramidLevel(scope, { channels: 256, filters: 128 });
    this.#fineHead = new YoloHead(scope, {
      classes,
      channels: 128 + 256,
      filters: 256,
      anchors: anchorsOf(options, 1),
    });
    this.variables = scope.variables;
  }

  forward(image: tf.Tensor4D, tap: Tap): void {
    const { fine, coarse } = this.#backbone.forward(image, tap);
    const reduced = this.#reduce.forward(coarse, tap);
    this.#coarseHead.forward(reduced, tap);
    const joined = this.#pyramid.forward(reduced, fine, tap);
    this.#fineHead.forward(joined, tap);
  }
}

/** YOLOv3-tiny: 24 layers, two heads. */
export const yolov3Tiny: Port<Yolov3Tiny, tf.Tensor4D> = definePort({
  name: "yolov3-tiny",
  original: "yolov3-tiny.cfg",
  layout: "nhwc",
  runtime: "tfjs",
  inputs: [{ name: "input", shape: [null, null, null, 3] }],
  build: (weights, context) => new Yolov3Tiny(weights, context),
  forward: (model, inputs, tap) => tf.tidy(() => model.forward(imageOf(inputs), tap)),
  variables: (model) => model.variables,
});
