import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { kerasConfigs } from "../../scripts/keras-configs/configs.js";
import { architectureFromKeras } from "../../src/formats/keras/architecture.js";
import { dialectOfConfig, readModelConfig } from "../../src/formats/keras/config.js";
import { MODELS } from "../../src/models/registry.js";
import { sizeOf } from "../../src/tensor/tensor.js";
import { blankContent } from "../../src/weights/blank-content.js";

const folder = "references/keras";

/** Numbers that keras.applications and the Official Models print for these models. */
const PUBLISHED: Readonly<Record<string, { readonly parameters: number }>> = {
  "mnist-cnn.json": { parameters: 1_643_370 },
  "mobilenet-v2.json": { parameters: 3_538_984 },
};

describe("references/keras", () => {
  it("holds what scripts/generate-keras-configs.ts writes", () => {
    const written = readdirSync(folder).filter((name) => name.endsWith(".json"));
    expect(written.sort()).toEqual([...kerasConfigs().keys()].sort());
    for (const [name, text] of kerasConfigs()) {
      expect(readFileSync(`${folder}/${name}`, "utf8"), name).toBe(text);
    }
  });

  it.each([...kerasConfigs()])(
    "%s has the parameters and the input of its built-in model",
    (name, text) => {
      const json = JSON.parse(text);
      const model = readModelConfig(json, dialectOfConfig(json), name);
      const { architecture } = architectureFromKeras({ name, model, content: blankContent });
      const parameters = architecture.weights.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
      expect(parameters).toBe(PUBLISHED[name]?.parameters);
      const builtIn = MODELS.find(({ config }) => config === name);
      const { width, height } = builtIn?.defaultSize ?? {};
      expect(architecture.inputs[0]?.shape.slice(1, 3)).toEqual([height, width]);
    },
  );
});
