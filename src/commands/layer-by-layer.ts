import { type LayerByLayerOptions, resolveOptions } from "../checks/options.js";
import { type ErrorResult, type LayerByLayerResult, RESULT_SCHEMA } from "../checks/result.js";
import { InputError } from "../errors.js";
import { formatResult } from "../report/terminal.js";
import { type Command, type Io, textOf, type Values } from "./command.js";
import { checkOutputFile, writeOutputFile } from "./output-file.js";
import { progressBar } from "./progress.js";

/** `difftest layer-by-layer`: the original and the port on the same weights and input, every layer. */
export const layerByLayerCommand: Command = {
  name: "layer-by-layer",
  summary: "compare every layer of a port with the original",
  description:
    "Runs the original and the port on the same weights and the same input, compares every layer, and names each faulty one.",
  arguments: [],
  options: [
    {
      flags: "--model <name|file|runner:COMMAND>",
      text: "the port: built-in (difftest models), a module ./my-port.ts, a program runner:COMMAND, TensorFlow.js' own importer tfjs:, or tfjs:DIR",
    },
    {
      flags: "--original <file>",
      text: "the original: .cfg, .keras, .h5 or .onnx, or a Keras model's .json; default: that of the built-in model",
    },
    {
      flags: "--weights <file|synthetic:SEED[,gain=G]>",
      text: "the original's weights, or made-up ones (default: what the original's file holds, else synthetic:1)",
    },
    {
      flags: "--input <image|file.npy|random:SEED>",
      text: "what goes in, repeatable: one for each image of the batch; .npy in the original's layout; whole numbers as ids:LOW..HIGH; NAME=FILE where there are several inputs (default: random:1)",
      repeatable: true,
    },
    {
      flags: "--size <416|WIDTHxHEIGHT>",
      text: "size of the network's input in pixels (default: the original's)",
    },
    {
      flags: "--batch <n>",
      text: "images in the batch, each different (default: the number of inputs)",
    },
    {
      flags: "--shape <sizes>",
      text: "sizes that the original leaves open: batch=2,seq=16, or of a whole input ids=2x16",
    },
    {
      flags: "--preprocess <mode>",
      text: "how an image becomes the input of a Keras or ONNX model: tf, caffe or torch as in keras.applications, unit (0..1), raw (0..255)",
    },
    {
      flags: "--by-name",
      text: "match the layers of a Keras file of weights by name instead of order",
    },
    {
      flags: "--mode <isolated|cumulative|both>",
      text: "feed each step with the reference's values, with the port's own, or once each (default: both)",
    },
    { flags: "--taps <patterns>", text: "compare only these: conv_3,route_* (default: all)" },
    {
      flags: "--tolerance <bound|rtol=R,atol=A>",
      text: "bound: derived from the arithmetic of each layer; or |actual - expected| <= A + R*|expected| (default: bound)",
    },
    {
      flags: "--reference <names>",
      text: "what runs the original: onnxruntime, darknet, keras, pytorch:MODULE.py:FUNCTION, golden:DIR, runner:COMMAND; several, separated by commas, are held against each other (default: onnxruntime)",
    },
    { flags: "--timeout <seconds>", text: "longest time of one call to a runner (default: 600)" },
    {
      flags: "--no-cache",
      text: "run darknet and keras anew, also where only the port has changed since their last run",
    },
    {
      flags: "--trust",
      text: "let code inside a model file run in a runner: pickles, Lambda layers, custom classes",
    },
    {
      flags: "--backend <wasm|node|cpu|all>",
      text: "TensorFlow.js back-end of the port; all: each installed one, to tell faults of a back-end (default: wasm)",
    },
    {
      flags: "--partial",
      text: "accept weights that end after some layer, compare up to there",
    },
    {
      flags: "--lenient",
      text: "read damaged files as the original's library does, with warnings",
    },
    {
      flags: "--darknet <alexeyab|pjreddie>",
      text: "whose rules hold where the two libraries differ (default: alexeyab)",
    },
    { flags: "--letterbox", text: "fit images with their aspect ratio kept, on grey" },
    {
      flags: "--json <file|->",
      text: "write the result as JSON; - is standard output, the table then goes to standard error",
    },
    { flags: "--quiet", text: "print only faults, warnings and the last line" },
  ],
  examples: [
    "difftest layer-by-layer --model yolov4-tiny",
    "difftest layer-by-layer --model yolov4 --weights yolov4.weights --input dog.jpg",
    "difftest layer-by-layer --model ./port.ts --original my.cfg --weights my.weights --json -",
  ],
  run,
  errorJson: (code, message) =>
    ({
      schema: RESULT_SCHEMA,
      verdict: "error",
      error: { code, message },
    }) satisfies ErrorResult,
};

async function run(values: Values, _args: readonly string[], io: Io): Promise<"same" | "differs"> {
  const options = optionsOf(values);
  const json = textOf(values, "json");
  if (json !== undefined && json !== "-") checkOutputFile("--json", json);
  // All wrong values are told before the slow parts are loaded.
  resolveOptions(options);
  const { layerByLayer } = await import("../checks/layer-by-layer.js");
  const progress = progressBar(io);
  let result: LayerByLayerResult;
  try {
    result = await layerByLayer({ ...options, signal: io.signal, onProgress: progress.show });
  } finally {
    progress.stop();
  }
  if (json === "-") io.out(jsonText(result));
  else if (json !== undefined) writeOutputFile(json, jsonText(result));
  const [print, colour] = json === "-" ? [io.err, io.colour.err] : [io.out, io.colour.out];
  print(formatResult(result, { colour, quiet: values["quiet"] === true }));
  return result.verdict;
}

function jsonText(result: LayerByLayerResult): string {
  return `${JSON.stringify(result, null, 2)}\n`;
}

/** The values are strings still: {@link resolveOptions} says which of them are wrong. */
function optionsOf(values: Values): LayerByLayerOptions {
  const { model, input, json: _json, quiet: _quiet, "by-name": byName, ...rest } = values;
  if (typeof model !== "string") {
    throw new InputError(
      "option",
      "--model: missing, expected a built-in model (difftest models lists them) or a file such as ./my-port.ts",
    );
  }
  const inputs = Array.isArray(input) ? { inputs: input as readonly string[] } : {};
  return { ...rest, model, byName: byName === true, ...inputs } as LayerByLayerOptions;
}
