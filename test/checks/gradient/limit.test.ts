import { expect, it } from "vitest";
import { judgeGradients } from "../../../src/checks/gradient/judge-gradients.js";
import { architectureFromDarknet } from "../../../src/formats/darknet/architecture.js";
import { parseDarknetConfig } from "../../../src/formats/darknet/config.js";

it("A network whose gradients would take hours is refused before anything is computed", () => {
  const layer = "[convolutional]\nfilters=512\nsize=3\npad=1\nactivation=leaky\n";
  const text = `[net]\nwidth=416\nheight=416\nchannels=3\n${layer}${layer}[cost]\n`;
  const architecture = architectureFromDarknet(parseDarknetConfig(text, "large.cfg"));
  const values = new Float32Array(512);
  const started = performance.now();
  expect(() =>
    judgeGradients({
      architecture,
      weights: new Map(),
      inputs: new Map(),
      truth: null,
      costs: new Map(),
      deltas: new Map(),
      updates: new Map([["conv_0/bias", { values, resolution: null }]]),
      forward: new Map(),
    }),
  ).toThrow(
    /^large\.cfg: gradients would take about .* multiplications to judge, .* smaller size$/,
  );
  expect(performance.now() - started).toBeLessThan(5000);
});
