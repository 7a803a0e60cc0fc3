import { DARKNETS } from "../checks/options.js";
import { InputError } from "../errors.js";
import { formatInspection } from "../report/inspection.js";
import { oneOf } from "../suggest.js";
import { type Command, type Io, textOf, type Values } from "./command.js";
import { checkOutputFile, writeOutputFile } from "./output-file.js";

/** `difftest inspect`: what is in a file, and what looks wrong. */
export const inspectCommand: Command = {
  name: "inspect",
  summary: "show what is in a model's file, and what looks wrong",
  description:
    "Shows what is in a file: layers, shapes, numbers, and what looks wrong. Knows .cfg, .weights, .keras, .h5, .onnx, .safetensors, TensorFlow checkpoints and SavedModel folders, .npy, .npz.",
  arguments: [{ syntax: "<file>", text: "the file (or the folder) to look into" }],
  options: [
    {
      flags: "--original <file>",
      text: "config that a weights file belongs to: every tensor is then told by name",
    },
    {
      flags: "--taps",
      text: "of a config or model: every tap id with its shape, and every weight by name",
    },
    { flags: "--lenient", text: "read damaged files as the original's library does" },
    {
      flags: "--darknet <alexeyab|pjreddie>",
      text: "whose rules hold where the two libraries differ (default: alexeyab)",
    },
    { flags: "--json <file|->", text: "write what was found as JSON; - is standard output" },
  ],
  examples: [
    "difftest inspect yolov4-tiny.cfg --taps",
    "difftest inspect yolov4-tiny.weights --original yolov4-tiny.cfg",
  ],
  run,
  errorJson: null,
};

async function run(values: Values, [path]: readonly string[], io: Io): Promise<"done"> {
  if (path === undefined) throw new InputError("option", "argument file missing");
  const json = textOf(values, "json");
  if (json !== undefined && json !== "-") checkOutputFile("--json", json);
  const { inspectFile } = await import("./inspect/inspectors.js");
  const inspection = await inspectFile({
    path,
    original: textOf(values, "original") ?? null,
    taps: values["taps"] === true,
    dialect: oneOf("--darknet", textOf(values, "darknet") ?? "alexeyab", DARKNETS),
    lenient: values["lenient"] === true,
  });
  const text = `${JSON.stringify(inspection, null, 2)}\n`;
  if (json === "-") {
    io.out(text);
    return "done";
  }
  if (json !== undefined) writeOutputFile(json, text);
  io.out(formatInspection(inspection, io.colour.out));
  return "done";
}
