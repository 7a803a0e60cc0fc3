import type { RecordOptions } from "../checks/record-golden.js";
import { InputError } from "../errors.js";
import { grouped } from "../report/numbers.js";
import { badValue } from "../suggest.js";
import { sizeOf } from "../tensor/tensor.js";
import { type Command, type Io, textOf, type Values } from "./command.js";

/** `difftest record`: what a reference gives at every tap, as a golden. */
export const recordCommand: Command = {
  name: "record",
  summary: "record what a reference computes as a golden",
  description:
    "Runs the original in a reference and writes the values of every tap with a manifest that says who computed them from what. The same call writes the same bytes; --reference golden:DIR plays them back.",
  arguments: [],
  options: [
    {
      flags: "--reference <onnxruntime|darknet|keras|pytorch:MODULE.py:FUNCTION|runner:COMMAND>",
      text: "what runs the original (difftest references lists what is installed; default: onnxruntime)",
    },
    { flags: "--model <name>", text: "a built-in model, whose original is recorded" },
    { flags: "--original <file>", text: "the original: .cfg, .keras, .h5, .onnx" },
    {
      flags: "--weights <file|synthetic:SEED[,gain=G]>",
      text: "the original's weights, or made-up ones (default: the original's own, else synthetic:1)",
    },
    {
      flags: "--input <image|file.npy|random:SEED>",
      text: "what goes in, as for layer-by-layer; repeatable (default: random:1)",
      repeatable: true,
    },
    { flags: "--out <folder>", text: "folder to write: a new one, or a golden to replace" },
    {
      flags: "--truth <file.npy>",
      text: "record a training pass with this truth, in the library's own form: loss, deltas and gradients, for difftest goldens judge",
    },
    { flags: "--size <416|WIDTHxHEIGHT>", text: "size of the network's input in pixels" },
    { flags: "--batch <n>", text: "images in the batch, each different" },
    { flags: "--shape <sizes>", text: "sizes that the original leaves open: batch=2,seq=16" },
    {
      flags: "--preprocess <mode>",
      text: "how an image becomes the input: tf, caffe, torch, unit, raw",
    },
    { flags: "--taps <patterns>", text: "record only these: conv_3,route_* (default: all)" },
    {
      flags: "--darknet <alexeyab|pjreddie>",
      text: "whose rules hold where the two libraries differ (default: alexeyab)",
    },
    { flags: "--letterbox", text: "fit images with their aspect ratio kept, on grey" },
    { flags: "--lenient", text: "read damaged files as the original's library does" },
    { flags: "--timeout <seconds>", text: "longest time of one call to a runner (default: 600)" },
    { flags: "--trust", text: "let code inside a model file run (pickles, Lambda layers)" },
    { flags: "--note <text>", text: "why it is kept, for people who find it" },
  ],
  examples: [
    "difftest record --model yolov4-tiny --size 64 --out goldens/yolov4-tiny",
    "difftest record --reference darknet --darknet pjreddie --original my.cfg --weights my.weights --input dog.jpg --out goldens/mine",
  ],
  run,
  errorJson: null,
};

async function run(values: Values, _args: readonly string[], io: Io): Promise<"done"> {
  const out = textOf(values, "out");
  if (out === undefined)
    throw new InputError("option", "--out: missing, expected a folder to write");
  const { input, timeout, out: _out, ...rest } = values;
  const options = {
    ...rest,
    out,
    ...(Array.isArray(input) ? { inputs: input as readonly string[] } : {}),
    ...(timeout === undefined ? {} : { timeoutMs: secondsOf(timeout) }),
    signal: io.signal,
  } as RecordOptions;
  const { recordGolden } = await import("../checks/record-golden.js");
  const manifest = await recordGolden(options);
  const elements = manifest.taps.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const { name, version } = manifest.reference;
  io.out(
    `${out}: ${manifest.taps.length} taps, ${grouped(elements)} values of ${manifest.original.file} by ${name} ${version}\n`,
  );
  return "done";
}

/**
 * `--timeout`, in milliseconds.
 *
 * @throws {InputError} when the text is no number above 0
 */
export function secondsOf(timeout: Values[string]): number {
  const seconds = /^\d+(\.\d+)?$/.test(String(timeout)) ? Number(timeout) : 0;
  if (seconds > 0 && seconds <= 86_400) return 1000 * seconds;
  throw badValue("--timeout", String(timeout), "seconds, above 0, at most 86400");
}
