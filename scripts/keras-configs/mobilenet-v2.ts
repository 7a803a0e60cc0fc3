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

/** MobileNetV2, width 1, 224×224, 1000 classes, with the layers and names of keras.applications. */
export function mobilenetV2Config(): string {
  const model = new FunctionalModel("mobilenet-v2");
  const relu6 = (name: string, x: KerasTensor) =>
    model.call("ReLU", name, { max_value: 6, negative_slope: 0, threshold: 0 }, x);
  const norm = (name: string, x: KerasTensor) => model.call("BatchNormalization", name, NORM, x);
  const pointwise = (name: string, filters: number, x: KerasTensor) =>
    model.call(
      "Conv2D",
      name,
      { filters, kernel_size: [1, 1], padding: "valid", use_bias: false },
      x,
    );
  let x = model.input("input_layer", [224, 224, 3]);
  const stem = { filters: 32, kernel_size: [3, 3], strides: [2, 2], padding: "same" };
  x = model.call("Conv2D", "Conv1", { ...stem, use_bias: false }, x);
  x = relu6("Conv1_relu", norm("bn_Conv1", x));
  let channels = 32;
  let block = 0;
  for (const [expansion, filters, repeats, firstStride] of STAGES) {
    for (let k = 0; k < repeats; k++, block++) {
      const stride = k === 0 ? firstStride : 1;
      const prefix = block === 0 ? "expanded_conv_" : `block_${block}_`;
      const from = x;
      if (block > 0) {
        x = pointwise(`${prefix}expand`, expansion * channels, x);
        x = relu6(`${prefix}expand_relu`, norm(`${prefix}expand_BN`, x));
      }
      if (stride === 2) {
        x = model.call(
          "ZeroPadding2D",
          `${prefix}pad`,
          {
            padding: [
              [0, 1],
              [0, 1],
            ],
          },
          x,
        );
      }
      const depthwise = {
        kernel_size: [3, 3],
        strides: [stride, stride],
        padding: stride === 1 ? "same" : "valid",
        depth_multiplier: 1,
        use_bias: false,
      };
      x = model.call("DepthwiseConv2D", `${prefix}depthwise`, depthwise, x);
      x = relu6(`${prefix}depthwise_relu`, norm(`${prefix}depthwise_BN`, x));
      x = norm(`${prefix}project_BN`, pointwise(`${prefix}project`, filters, x));
      if (stride === 1 && channels === filters)
        x = model.call("Add", `${prefix}add`, {}, [from, x]);
      channels = filters;
    }
  }
  x = relu6("out_relu", norm("Conv_1_bn", pointwise("Conv_1", 1280, x)));
  x = model.call("GlobalAveragePooling2D", "global_average_pooling2d", { keepdims: false }, x);
  x = model.call("Dense", "predictions", { units: 1000, activation: "softmax" }, x);
  return model.json([x]);
}
