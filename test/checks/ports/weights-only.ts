import { definePort, type PlainTensor, type PortVariable } from "../../../src/port/port.js";

/** A mistake to make: told through the environment, which a thread inherits. */
const mistake = process.env["DIFFTEST_TEST_MISTAKE"];

/** Takes a dense layer and shows it again, as [out, in]; it cannot be run. */
export default definePort<Record<string, PortVariable>, PlainTensor>({
  name: "weights-only",
  original: "written by the test",
  layout: "nhwc",
  runtime: "plain",
  build: (weights) => {
    const kernel = weights.take("dense/kernel");
    if (mistake === "unknown") weights.take("dense/gamma");
    if (mistake === "forgotten") return { "dense/kernel": { value: kernel } };
    const bias = weights.take("dense/bias");
    if (mistake === "bit") bias.data[1] = -2.0000002;
    return { "dense/kernel": { value: kernel }, "dense/bias": { value: bias } };
  },
  forward: () => {
    throw new Error("nobody runs it");
  },
  variables: (model) => model,
});
