import type { Port } from "../port/port.js";

/** A port that comes with difftest, and what a user needs to know to run it. */
export interface BuiltInModel {
  /** Name for `--model`: unique, never renamed. */
  readonly id: string;
  /** One line for `difftest models`. */
  readonly summary: string;
  /** Where the architecture is described. */
  readonly paper: string;
  /** File in `references/darknet/`: the config of the original, from which the reference runs. */
  readonly config: string;
  /** Where its authors publish the trained weights, which are not ours to distribute. */
  readonly weightsUrl: string;
  /** Input of the published model in pixels; the config has the same. */
  readonly defaultSize: { readonly width: number; readonly height: number };
  /** Gain of synthetic weights with which no layer's values vanish or explode. */
  readonly gain: number;
  /** Loads the port and with it TensorFlow.js: the list itself costs nothing. */
  readonly load: () => Promise<Port>;
}

const COCO_SIZE = { width: 416, height: 416 };

/** Every built-in port, in the order of `difftest models`. To add one: its files, its config, a line here. */
export const MODELS: readonly BuiltInModel[] = [
  {
    id: "yolov4-tiny",
    summary: "YOLOv4-tiny, COCO: 38 layers, leaky, two heads",
    paper: "Wang, Bochkovskiy, Liao 2021, Scaled-YOLOv4, arXiv:2011.08036",
    config: "yolov4-tiny.cfg",
    weightsUrl:
      "https://github.com/AlexeyAB/darknet/releases/download/darknet_yolo_v4_pre/yolov4-tiny.weights",
    defaultSize: COCO_SIZE,
    gain: 1,
    load: async () => (await import("./yolo/yolov4-tiny.js")).yolov4Tiny,
  },
  {
    id: "yolo-fastest-1.1",
    summary: "Yolo-Fastest 1.1, COCO: 131 layers, depthwise convolutions, two heads",
    paper: "dog-qiuqiu/Yolo-Fastest 2020; blocks of Sandler et al. 2018, arXiv:1801.04381",
    config: "yolo-fastest-1.1.cfg",
    weightsUrl:
      "https://github.com/dog-qiuqiu/Yolo-Fastest/raw/master/ModelZoo/yolo-fastest-1.1_coco/yolo-fastest-1.1.weights",
    defaultSize: { width: 320, height: 320 },
    gain: 1,
    load: async () => (await import("./yolo/yolo-fastest.js")).yoloFastest,
  },
];
