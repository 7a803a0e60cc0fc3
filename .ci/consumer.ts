/**
 * What the author of a port compiles against the installed package, without `skipLibCheck`. It is
 * compiled by `.ci/run` in a project of its own, and imports nothing but the package.
 */
import { definePort, type LayerByLayerResult, layerByLayer, type PlainTensor } from "difftest";

interface Model {
  readonly kernel: { readonly data: Float32Array; readonly shape: number[] };
}

export default definePort<Model, PlainTensor>({
  name: "mine",
  original: "mine.cfg",
  layout: "nchw",
  runtime: "plain",
  build: (weights) => ({ kernel: weights.take("conv_0/kernel", { layout: "oihw" }) }),
  forward: async (_model, { input }, tap) => {
    if (input === undefined) throw new Error("no input");
    const first: PlainTensor = tap("conv_0", { data: input.data, shape: input.shape });
    return { output: first };
  },
  variables: (model) => ({ "conv_0/kernel": { value: model.kernel } }),
});

/** The library call that the command makes. */
export async function run(): Promise<LayerByLayerResult["verdict"]> {
  const result = await layerByLayer({ model: "yolov4-tiny", size: 96 });
  return result.verdict;
}
