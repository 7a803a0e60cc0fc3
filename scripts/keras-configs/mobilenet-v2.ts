import { FunctionalModel, type KerasTensor } from "./functional.js";

/** Sandler et al. 2018, Table 2: expansion, output channels, repeats, first stride. */
const STAGES = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
] as const;

const NORM = { axis: -1, momentum: 0.999, epsilon: 0.001 };

/** One row and one column of zeros behind the others. */
const PAD_BEHIND = {
  padding: [
    [0, 1],
    [0, 1],
  ],
};

/** The layers that MobileNetV2 repeats. */
class Layers {
  readonly model: FunctionalModel;

  constructor(model: FunctionalModel) {
    this.model = model;
  }

  relu6(name: string, x: KerasTensor): KerasTensor {
    return this.model.call("ReLU", name, { max_value: 6, negative_slope: 0, threshold: 0 }, x);
  }

  norm(name: string, x: KerasTensor): KerasTensor {
    return this.model.call("BatchNormalization", name, NORM, x);
  }

  pointwise(name: string, filters: number, x: KerasTensor): KerasTensor {
    const config = { filters, kernel_size: [1, 1], padding: "valid", use_bias: false };
    return this.model.call("Conv2D", name, config, x);
  }

  /** Wider by `expansion`, a depthwise convolution, narrow again; what came in is added where it fits. */
  residual(
    prefix: string,
    { expanded, filters, stride, adds }: Residual,
    from: KerasTensor,
  ): KerasTensor {
    let x = from;
    if (expanded !== null) {
      x = this.pointwise(`${prefix}expand`, expanded, x);
      x = this.relu6(`${prefix}expand_relu`, this.norm(`${prefix}expand_BN`, x));
    }
    if (stride === 2) x = this.model.call("ZeroPadding2D", `${prefix}pad`, PAD_BEHIND, x);
    const depthwise = {
      kernel_size: [3, 3],
      strides: [stride, stride],
      padding: stride === 1 ? "same" : "valid",
      depth_multiplier: 1,
      use_bias: false,
    };
    x = this.model.call("DepthwiseConv2D", `${prefix}depthwise`, depthwise, x);
    x = this.relu6(`${prefix}depthwise_relu`, this.norm(`${prefix}depthwise_BN`, x));
    x = this.norm(`${prefix}project_BN`, this.pointwise(`${prefix}project`, filters, x));
    return adds ? this.model.call("Add", `${prefix}add`, {}, [from, x]) : x;
  }
}

/** One block of {@link STAGES}. */
interface Residual {
  /** Channels inside; `null` for the first block, which does not expand. */
  readonly expanded: number | null;
  readonly filters: number;
  readonly stride: number;
  readonly adds: boolean;
}

/** The blocks of {@link STAGES} one after the other. */
function residuals(): Residual[] {
  let channels = 32;
  return STAGES.flatMap(([expansion, filters, repeats, firstStride], stage) =>
    Array.from({ length: repeats }, (_, k) => {
      const stride = k === 0 ? firstStride : 1;
      const expanded = stage === 0 ? null : expansion * channels;
      const adds = stride === 1 && channels === filters;
      channels = filters;
      return { expanded, filters, stride, adds };
    }),
  );
}

/** MobileNetV2, width 1, 224×224, 1000 classes, with the layers and names of keras.applications. */
export function mobilenetV2Config(): string {
  const model = new FunctionalModel("mobilenet-v2");
  const layers = new Layers(model);
  const stem = { filters: 32, kernel_size: [3, 3], strides: [2, 2], padding: "same" };
  let x = model.input("input_layer", [224, 224, 3]);
  x = model.call("Conv2D", "Conv1", { ...stem, use_bias: false }, x);
  x = layers.relu6("Conv1_relu", layers.norm("bn_Conv1", x));
  for (const [block, residual] of residuals().entries()) {
    x = layers.residual(block === 0 ? "expanded_conv_" : `block_${block}_`, residual, x);
  }
  x = layers.relu6("out_relu", layers.norm("Conv_1_bn", layers.pointwise("Conv_1", 1280, x)));
  x = model.call("GlobalAveragePooling2D", "global_average_pooling2d", { keepdims: false }, x);
  x = model.call("Dense", "predictions", { units: 1000, activation: "softmax" }, x);
  return model.json([x]);
}
