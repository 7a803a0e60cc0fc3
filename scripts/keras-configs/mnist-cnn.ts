import { FunctionalModel } from "./functional.js";

/** `mnist_main` of TensorFlow's Official Models. */
export function mnistCnnConfig(): string {
  const model = new FunctionalModel("mnist-cnn");
  const conv = { filters: 32, kernel_size: [5, 5], padding: "same", activation: "relu" };
  const pool = { pool_size: [2, 2], strides: [2, 2], padding: "same" };
  let x = model.input("image", [28, 28, 1]);
  x = model.call("Conv2D", "conv2d", conv, x);
  x = model.call("MaxPooling2D", "max_pooling2d", pool, x);
  x = model.call("Conv2D", "conv2d_1", conv, x);
  x = model.call("MaxPooling2D", "max_pooling2d_1", pool, x);
  x = model.call("Flatten", "flatten", {}, x);
  x = model.call("Dense", "dense", { units: 1024, activation: "relu" }, x);
  x = model.call("Dropout", "dropout", { rate: 0.4 }, x);
  x = model.call("Dense", "dense_1", { units: 10, activation: "softmax" }, x);
  return model.json([x]);
}
