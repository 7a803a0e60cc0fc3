import type { Port } from "../port/port.js";

/** A port that comes with difftest, and what a user needs to know to run it. */
export interface BuiltInModel {
  /** Name for `--model`: unique, never renamed. */
  readonly id: string;
  /** One line for `difftest models`. */
  readonly summary: string;
  /** Where the architecture is described. */
  readonly paper: string;
  /** File in `references/darknet/` (.cfg) or `references/keras/` (.json): the original's architecture, from which the reference runs. */
  readonly config: string;
  /** Where its authors publish the trained weights, which are not ours to distribute. */
  readonly weightsUrl: string;
  /** Input of the published model in pixels; the config has the same. */
  readonly defaultSize: { readonly width: number; readonly height: number };
  /**
   * Gain of synthetic weights with which no layer's values vanish or explode: standard deviations at
   * the default size lie between 0.1 and 10, so that no logistic of a head is saturated.
   */
  readonly gain: number;
  /** Loads the port and with it TensorFlow.js: the list itself costs nothing. */
  readonly load: () => Promise<Port>;
}

/** Where the author of Darknet publishes his models. */
const PJREDDIE = "https://pjreddie.com/media/files";
/** Releases of the fork from which YOLOv4 came. */
const ALEXEYAB = "https://github.com/AlexeyAB/darknet/releases/download";

const COCO_SIZE = { width: 416, height: 416 };

/** Every built-in port, in the order of `difftest models`. To add one: its files, its config, a line here. */
export const MODELS: readonly BuiltInModel[] = [
  {
    id: "yolov4",
    summary: "YOLOv4, COCO: 162 layers, mish, pyramid pooling, path aggregation, three heads",
    paper: "Bochkovskiy, Wang, Liao 2020, YOLOv4, arXiv:2004.10934",
    config: "yolov4.cfg",
    weightsUrl: `${ALEXEYAB}/darknet_yolo_v3_optimal/yolov4.weights`,
    defaultSize: COCO_SIZE,
    gain: 0.95,
    load: async () => (await import("./yolo/yolov4.js")).yolov4,
  },
  {
    id: "yolov4-tiny",
    summary: "YOLOv4-tiny, COCO: 38 layers, leaky, two heads",
    paper: "Wang, Bochkovskiy, Liao 2021, Scaled-YOLOv4, arXiv:2011.08036",
    config: "yolov4-tiny.cfg",
    weightsUrl: `${ALEXEYAB}/darknet_yolo_v4_pre/yolov4-tiny.weights`,
    defaultSize: COCO_SIZE,
    gain: 1,
    load: async () => (await import("./yolo/yolov4-tiny.js")).yolov4Tiny,
  },
  {
    id: "yolov3",
    summary: "YOLOv3, COCO: 107 layers, residual blocks, three heads",
    paper: "Redmon, Farhadi 2018, YOLOv3: An Incremental Improvement, arXiv:1804.02767",
    config: "yolov3.cfg",
    weightsUrl: `${PJREDDIE}/yolov3.weights`,
    defaultSize: COCO_SIZE,
    gain: 0.8,
    load: async () => (await import("./yolo/yolov3.js")).yolov3,
  },
  {
    id: "yolov3-tiny",
    summary: "YOLOv3-tiny, COCO: 24 layers, two heads",
    paper: "Redmon, Farhadi 2018, YOLOv3: An Incremental Improvement, arXiv:1804.02767",
    config: "yolov3-tiny.cfg",
    weightsUrl: `${PJREDDIE}/yolov3-tiny.weights`,
    defaultSize: COCO_SIZE,
    gain: 1,
    load: async () => (await import("./yolo/yolov3-tiny.js")).yolov3Tiny,
  },
  {
    id: "yolov2",
    summary: "YOLOv2, COCO: 32 layers, passthrough, one region head",
    paper: "Redmon, Farhadi 2016, YOLO9000: Better, Faster, Stronger, arXiv:1612.08242",
    config: "yolov2.cfg",
    weightsUrl: `${PJREDDIE}/yolov2.weights`,
    defaultSize: COCO_SIZE,
    gain: 1,
    load: async () => (await import("./yolo/yolov2.js")).yolov2,
  },
  {
    id: "yolov2-tiny",
    summary: "YOLOv2-tiny, COCO: 16 layers, one region head",
    paper: "Redmon, Farhadi 2016, YOLO9000: Better, Faster, Stronger, arXiv:1612.08242",
    config: "yolov2-tiny.cfg",
    weightsUrl: `${PJREDDIE}/yolov2-tiny.weights`,
    defaultSize: COCO_SIZE,
    gain: 1,
    load: async () => (await import("./yolo/yolov2-tiny.js")).yolov2Tiny,
  },
  {
    id: "yolo-fastest-1.1",
    summary: "Yolo-Fastest 1.1, COCO: 131 layers, depthwise convolutions, two heads",
    paper: "dog-qiuqiu/Yolo-Fastest 2020; blocks of Sandler et al. 2018, arXiv:1801.04381",
    config: "yolo-fastest-1.1.cfg",
    weightsUrl:
      "https://github.com/dog-qiuqiu/Yolo-Fastest/raw/master/ModelZoo/yolo-fastest-1.1_coco/yolo-fastest-1.1.weights",
    defaultSize: { width: 320, height: 320 },
    gain: 0.85,
    load: async () => (await import("./yolo/yolo-fastest.js")).yoloFastest,
  },
  {
    id: "mnist-cnn",
    summary: "MNIST CNN of TensorFlow's Official Models: two 5x5 convolutions, two dense layers",
    paper: "tensorflow/models, official/vision/image_classification/mnist_main.py",
    config: "mnist-cnn.json",
    weightsUrl:
      "https://github.com/tensorflow/models (no trained weights are published; train it and save an .h5)",
    defaultSize: { width: 28, height: 28 },
    gain: 1,
    load: async () => (await import("./mnist/mnist-cnn.js")).mnistCnn,
  },
  {
    id: "mobilenet-v2",
    summary: "MobileNetV2, ImageNet: 154 layers, inverted residuals, linear bottlenecks",
    paper: "Sandler et al. 2018, MobileNetV2, arXiv:1801.04381",
    config: "mobilenet-v2.json",
    weightsUrl:
      "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5",
    defaultSize: { width: 224, height: 224 },
    gain: 1,
    load: async () => (await import("./mobilenet/mobilenet-v2.js")).mobilenetV2,
  },
];

/** Those whose original is a Darknet configuration. */
export const DARKNET_MODELS: readonly BuiltInModel[] = MODELS.filter(({ config }) =>
  config.endsWith(".cfg"),
);
