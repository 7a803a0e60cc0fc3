import * as tf from "@tensorflow/tfjs-core";
import {
  type BuildContext,
  definePort,
  type Port,
  type PortVariable,
  type PortWeights,
  type Tap,
} from "../../port/port.js";
import { FastestBackbone } from "./backbone/fastest-backbone.js";
import { ConvBnAct } from "./blocks/conv-bn-act.js";
import { PortScope } from "./blocks/port-scope.js";
import { Spp } from "./blocks/spp.js";
import { SeparableConvs } from "./head/separable-convs.js";
import { YoloHead } from "./head/yolo-head.js";
import { imageOf } from "./image-of.js";
import { FeaturePyramidLevel } from "./neck/feature-pyramid-level.js";
import { anchorsOf, type YoloOptions, yoloOptions } from "./yolo-options.js";

/** Trained on COCO at 320×320. */
const COCO: YoloOptions = {
  classes: 80,
  anchors: [12, 18, 37, 49, 52, 132, 115, 73, 119, 199, 242, 238],
  masks: [
    [3, 4, 5],
    [0, 1, 2],
  ],
};

/** dog-qiuqiu/Yolo-Fastest 1.1 (2020): MobileNetV2's blocks, pyramid pooling, YOLOv3's heads. */
class YoloFastest {
  /** What its outputs mean: how many classes, which anchors each head has. */
  readonly options: YoloOptions;
  readonly variables: Readonly<Record<string, PortVariable>>;
  readonly #backbone: FastestBackbone;
  readonly #pool: Spp;
  readonly #reduce: ConvBnAct;
  readonly #coarseFeatures: SeparableConvs;
  readonly #coarseHead: YoloHead;
  readonly #pyramid: FeaturePyramidLevel;
  readonly #fineFeatures: SeparableConvs;
  readonly #fineHead: YoloHead;

  constructor(weights: PortWeights, context: BuildContext) {
    const options = yoloOptions(context, COCO);
    this.options = options;
    const { classes } = options;
    const scope = new PortScope(weights, context);
    this.#backbone = new FastestBackbone(scope, context.channels);
    this.#pool = new Spp(scope, [3, 5, 9]);
    this.#reduce = new ConvBnAct(scope, { channels: 4 * 48, filters: 96, size: 1 });
    this.#coarseFeatures = new SeparableConvs(scope, 96);
    this.#coarseHead = new YoloHead(scope, {
      channels: 96,
      anchors: anchorsOf(options, 0),
      classes,
    });
    this.#pyramid = new FeaturePyramidLevel(scope, { channels: 96 });
    this.#fineFeatures = new SeparableConvs(scope, 96 + 24);
    this.#fineHead = new YoloHead(scope, {
      channels: 120,
      anchors: anchorsOf(options, 1),
      classes,
    });
    this.variables = scope.variables;
  }

  forward(image: tf.Tensor4D, tap: Tap): void {
    const { fine, coarse } = this.#backbone.forward(image, tap);
    const reduced = this.#reduce.forward(this.#pool.forward(coarse, tap), tap);
    this.#coarseHead.forward(this.#coarseFeatures.forward(reduced, tap), tap);
    const joined = this.#pyramid.forward(reduced, fine, tap);
    this.#fineHead.forward(this.#fineFeatures.forward(joined, tap), tap);
  }
}

/** Yolo-Fastest 1.1 as its authors published it: 131 layers, two heads. */
export const yoloFastest: Port<YoloFastest, tf.Tensor4D> = definePort({
  name: "yolo-fastest-1.1",
  original: "yolo-fastest-1.1.cfg",
  layout: "nhwc",
  runtime: "tfjs",
  inputs: [{ name: "input", shape: [null, null, null, 3] }],
  build: (weights, context) => new YoloFastest(weights, context),
  forward: (model, inputs, tap) => tf.tidy(() => model.forward(imageOf(inputs), tap)),
  variables: (model) => model.variables,
});
