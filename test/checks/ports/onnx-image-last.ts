import { definePort, type PlainTensor } from "../../../src/port/port.js";

/** Doubles an image whose channels come last, as it is in the file. */
export default definePort<null, PlainTensor>({
  name: "onnx-image-last",
  original: "written by the test",
  layout: "nhwc",
  runtime: "plain",
  build: () => null,
  forward: (_, { image }, tap) => {
    if (`${image?.shape}` !== "1,6,8,3") throw new Error(`the image has shape ${image?.shape}`);
    const data = Float32Array.from(image?.data as Float32Array, (value) => 2 * value);
    // The file's value is not in NCHW: it is left as it lies.
    tap("doubled", { data, shape: [1, 6, 8, 3] }, { layout: "nchw" });
  },
});
