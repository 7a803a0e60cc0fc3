import * as tf from "@tensorflow/tfjs-core";
import {
  type BuildContext,
  definePort,
  type Port,
  type PortVariable,
  type PortWeights,
  type Tap,
} from "../../port/port.js";
import { CspDarknet53 } from "./backbone/csp-darknet53.js";
import { AlternatingConvs } from "./blocks/alternating-convs.js";
import { type Block, sequence } from "./blocks/block.js";
import { PortScope } from "./blocks/port-scope.js";
import { Spp } from "./blocks/spp.js";
import { YoloHead } from "./head/yolo-head.js";
import { imageOf } from "./image-of.js";
import { BottomUpLevel, TopDownLevel } from "./neck/path-aggregation.js";
import { anchorsOf, type YoloOptions, yoloOptions } from "./yolo-options.js";

/** Trained on COCO. The first head is the fine one, with the small anchors. */
const COCO: YoloOptions = {
  classes: 80,
  anchors: [12, 16, 19, 36, 40, 28, 36, 75, 76, 55, 72, 146, 142, 110, 192, 243, 459, 401],
  masks: [
    [0, 1, 2],
    [3, 4, 5],
    [6, 7, 8],
  ],
};

/** How far each head reaches over the borders of a cell: the finer the map, the further. */
const SCALE_XY = [1.2, 1.1, 1.05];

/**
 * Bochkovskiy, Wang, Liao: YOLOv4: Optimal Speed and Accuracy of Object Detection. 2020,
 * arXiv:2004.10934. Mish in the backbone, leaky behind it.
 */
class Yolov4 {
  /** What its outputs mean: how many classes, which anchors each head has. */
  readonly options: YoloOptions;
  readonly variables: Readonly<Record<string, PortVariable>>;
  readonly #backbone: CspDarknet53;
  readonly #pool: readonly Block[];
  readonly #downToMedium: TopDownLevel;
  readonly #downToFine: TopDownLevel;
  readonly #fineHead: YoloHead;
  readonly #upToMedium: BottomUpLevel;
  readonly #mediumHead: YoloHead;
  readonly #upToCoarse: BottomUpLevel;
  readonly #coarseHead: YoloHead;

  constructor(weights: PortWeights, context: BuildContext) {
    const options = yoloOptions(context, COCO);
    this.options = options;
    const scope = new PortScope(weights, context);
    const head = (channels: number, k: number): YoloHead =>
      new YoloHead(scope, {
        channels,
        filters: 2 * channels,
        anchors: anchorsOf(options, k),
        classes: options.classes,
        scaleXY: SCALE_XY[k] ?? 1,
      });
    const narrow = { filters: [512, 1024, 512], first: 1 } as const;
    this.#backbone = new CspDarknet53(scope, context.channels);
    this.#pool = [
      new AlternatingConvs(scope, { ...narrow, channels: 1024 }),
      new Spp(scope, [5, 9, 13]),
      new AlternatingConvs(scope, { ...narrow, channels: 4 * 512 }),
    ];
    this.#downToMedium = new TopDownLevel(scope, 512, 256);
    this.#downToFine = new TopDownLevel(scope, 256, 128);
    this.#fineHead = head(128, 0);
    this.#upToMedium = new BottomUpLevel(scope, 128);
    this.#mediumHead = head(256, 1);
    this.#upToCoarse = new BottomUpLevel(scope, 256);
    this.#coarseHead = head(512, 2);
    this.variables = scope.variables;
  }

  forward(image: tf.Tensor4D, tap: Tap): void {
    const maps = this.#backbone.forward(image, tap);
    const pooled = sequence(this.#pool, maps.coarse, tap);
    const down = this.#downToMedium.forward(pooled, maps.medium, tap);
    const fine = this.#downToFine.forward(down, maps.fine, tap);
    this.#fineHead.forward(fine, tap);
    const medium = this.#upToMedium.forward(fine, down, tap);
    this.#mediumHead.forward(medium, tap);
    const coarse = this.#upToCoarse.forward(medium, pooled, tap);
    this.#coarseHead.forward(coarse, tap);
  }
}

/** YOLOv4: 162 layers, three heads. */
export const yolov4: Port<Yolov4, tf.Tensor4D> = definePort({
  name: "yolov4",
  original: "yolov4.cfg",
  layout: "nhwc",
  runtime: "tfjs",
  inputs: [{ name: "input", shape: [null, null, null, 3] }],
  build: (weights, context) => new Yolov4(weights, context),
  forward: (model, inputs, tap) => tf.tidy(() => model.forward(imageOf(inputs), tap)),
  variables: (model) => model.variables,
});
