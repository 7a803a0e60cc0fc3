/**
 * The example port with faults that only some back-ends have, as DIFFTEST_UNEQUAL says: places such
 * as `cpu:conv_2:scale`, separated by commas; `*` stands for every back-end.
 */
import * as tf from "@tensorflow/tfjs-core";
import right from "../../../examples/tfjs-port.js";
import type { Port, PortTensor, Tap } from "../../../src/port/port.js";

const plants = (process.env["DIFFTEST_UNEQUAL"] ?? "").split(",").map((text) => text.split(":"));

/** A tap that spoils what it is given before it hands it on. */
function spoiling(tap: Tap): Tap {
  return <T extends PortTensor>(name: string, value: T): T => {
    const [, , kind] =
      plants.find(
        ([where, place]) => place === name && (where === "*" || where === tf.getBackend()),
      ) ?? [];
    if (kind === "throw") throw new Error("kernel LeakyRelu is not registered");
    const spoiled = kind === "scale" ? tf.mul(value as unknown as tf.Tensor, 1.01) : value;
    return tap(name, spoiled as T);
  };
}

export default {
  ...(right as unknown as Port),
  forward: (model, inputs, tap) =>
    tf.tidy(() => (right as unknown as Port).forward(model, inputs, spoiling(tap)) as undefined),
} satisfies Port;
