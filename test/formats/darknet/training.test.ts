import { describe, expect, it } from "vitest";
import { judgeGradients } from "../../../src/checks/gradient/judge-gradients.js";
import {
  architectureFromDarknet,
  type DarknetOptions,
} from "../../../src/formats/darknet/architecture.js";
import { parseDarknetConfig } from "../../../src/formats/darknet/config.js";

const NET = "[net]\nwidth=4\nheight=4\nchannels=2\n";

function training(text: string, options: DarknetOptions = {}) {
  return architectureFromDarknet(parseDarknetConfig(text, "my.cfg"), options).training;
}

describe("what a configuration says of training", () => {
  it("has the library's own defaults", () => {
    expect(training(`${NET}[cost]\n`)).toMatchObject({
      momentum: 0.9,
      decay: 0.0001,
      losses: [{ id: "cost_0", layer: 0, kind: "squared", scale: 1 }],
      obstacles: [],
    });
  });

  it.each<[string, DarknetOptions["dialect"], string]>([
    ["sse", "alexeyab", "squared"],
    ["masked", "alexeyab", "masked"],
    ["smooth", "pjreddie", "smooth"],
    ["L1", "pjreddie", "absolute"],
    // AlexeyAB's library does not know the word, and reads sse.
    ["L1", "alexeyab", "squared"],
    ["wgan", "pjreddie", "own"],
  ])("reads the cost %s of %s as %s", (type, dialect, kind) => {
    const { losses } = training(`${NET}[cost]\ntype=${type}\nscale=0.5\n`, {
      ...(dialect === undefined ? {} : { dialect }),
    });
    expect(losses).toEqual([{ id: "cost_0", layer: 0, kind, scale: 0.5 }]);
  });

  it("knows which softmax is a loss, and that a head has its own", () => {
    expect(training(`${NET}[softmax]\n`).losses[0]?.kind).toBe("cross-entropy");
    expect(training(`${NET}[softmax]\nnoloss=1\n`).losses).toEqual([]);
    expect(
      training(`${NET}[yolo]\nclasses=0\nnum=1\nanchors=1,2\n`.replace("channels=2", "channels=5"))
        .losses,
    ).toMatchObject([{ id: "yolo_0", kind: "own" }]);
  });

  it("is no error where only training would read what is wrong", () => {
    const text = `${NET}momentum=many\n[convolutional]\nstopbackward=often\n[cost]\nscale=?\n`;
    expect(training(text)).toMatchObject({ momentum: 0, obstacles: [], losses: [{ scale: 0 }] });
  });

  it.each([
    ["[dropout]\nprobability=0.5\n[cost]\n", "dropout_0 drops values at random"],
    ["[crop]\ncrop_width=2\ncrop_height=2\n[cost]\n", "crop_0 cuts at random places"],
    ["[convolutional]\nstopbackward=1\n[cost]\n", "conv_0 has stopbackward="],
    ["[convolutional]\n[cost]\n[cost]\n", "a loss reads what cost_1 gives"],
  ])("keeps gradients from being judged: %j", (layers, reason) => {
    const architecture = architectureFromDarknet(parseDarknetConfig(NET + layers, "my.cfg"));
    const weights = architecture.weights.map(
      ({ name, shape }) => [name, new Float32Array(shape.reduce((a, b) => a * b, 1))] as const,
    );
    const judged = () =>
      judgeGradients({
        architecture,
        weights: new Map(weights),
        inputs: new Map([["input", new Float32Array(32)]]),
        truth: new Float32Array(
          architecture.operations.at(-1)?.shape.reduce((a, b) => a * b, 1) ?? 0,
        ),
        costs: new Map(),
        deltas: new Map(),
        updates: new Map(),
        forward: new Map(),
      });
    expect(judged).toThrow(`my.cfg: gradients cannot be judged: ${reason}`);
  });

  it("does not refuse a dropout that drops nothing", () => {
    expect(training(`${NET}[dropout]\nprobability=0\n[cost]\n`).obstacles).toEqual([]);
  });
});
