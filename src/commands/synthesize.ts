import { DARKNETS } from "../checks/options.js";
import { builtInModel, configPath } from "../checks/original.js";
import { InputError } from "../errors.js";
import { grouped } from "../report/numbers.js";
import { badValue, oneOf } from "../suggest.js";
import { sizeOf } from "../tensor/tensor.js";
import { type Command, type Io, textOf, type Values } from "./command.js";
import { checkOutputFile } from "./output-file.js";

/** `difftest synthesize`: the weights that `--weights synthetic:SEED` stands for, as a file. */
export const synthesizeCommand: Command = {
  name: "synthesize",
  summary: "write made-up weights in the original's format",
  description:
    "Writes the weights that synthetic:SEED stands for as a file in the original's own format, so that other programs can run on them too.",
  arguments: [],
  options: [
    { flags: "--model <name>", text: "a built-in model (difftest models)" },
    { flags: "--original <file>", text: "the config of any other original" },
    { flags: "--seed <n>", text: "a whole number from 0 to 4294967295 (default: 1)" },
    {
      flags: "--gain <g>",
      text: "factor on the kernels (default: at which the model's values neither vanish nor explode)",
    },
    {
      flags: "--darknet <alexeyab|pjreddie>",
      text: "whose order of the tensors where the two libraries differ (default: alexeyab)",
    },
    { flags: "--out <file>", text: "file to write" },
  ],
  examples: [
    "difftest synthesize --model yolov4-tiny --out tiny.weights",
    "difftest synthesize --original my.cfg --seed 7 --gain 0.9 --out my.weights",
  ],
  run,
  errorJson: null,
};

const MAX_SEED = 2 ** 32 - 1;

async function run(values: Values, _args: readonly string[], io: Io): Promise<"done"> {
  const out = textOf(values, "out");
  if (out === undefined) throw new InputError("option", "--out: missing, expected a file to write");
  const seed = numberOf(values, "seed", 1, (value) => Number.isInteger(value) && value <= MAX_SEED);
  const { config, usualGain } = originalOf(values);
  const gain = numberOf(values, "gain", usualGain, (value) => value > 0);
  checkOutputFile("--out", out);
  const { architectureFromDarknet } = await import("../formats/darknet/architecture.js");
  const { readDarknetConfig } = await import("../formats/darknet/config.js");
  const { writeDarknetWeights } = await import("../formats/darknet/weights-writer.js");
  const { synthesizeWeights } = await import("../weights/synthetic.js");
  const architecture = architectureFromDarknet(readDarknetConfig(config), {
    dialect: oneOf("--darknet", textOf(values, "darknet") ?? "alexeyab", DARKNETS),
  });
  const store = synthesizeWeights(architecture, { seed, gain });
  try {
    writeDarknetWeights(out, architecture, (name) => store.read(name).data);
  } finally {
    store.close();
  }
  const count = architecture.weights.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  io.out(
    `${out}: ${grouped(count)} weights of ${architecture.name}, synthetic:${seed},gain=${gain}\n`,
  );
  return "done";
}

/** The config, and the gain at which what it describes keeps its values in range. */
function originalOf(values: Values): { readonly config: string; readonly usualGain: number } {
  const model = textOf(values, "model");
  const original = textOf(values, "original");
  const builtIn = model === undefined ? null : builtInModel(model);
  const config = original ?? (builtIn === null ? undefined : configPath(builtIn));
  if (config?.endsWith(".json")) {
    throw new InputError(
      "option",
      `--model ${model}: its original is a Keras model, and only Darknet's weights are written; run it with --weights synthetic:SEED`,
    );
  }
  if (config === undefined) {
    throw new InputError(
      "option",
      "--model: missing, expected a built-in model (difftest models lists them), or --original with a config",
    );
  }
  return { config, usualGain: builtIn?.gain ?? 1 };
}

function numberOf(
  values: Values,
  option: string,
  usual: number,
  usable: (value: number) => boolean,
): number {
  const text = textOf(values, option);
  if (text === undefined) return usual;
  const value = /^\d/.test(text) ? Number(text) : Number.NaN;
  if (Number.isFinite(value) && usable(value)) return value;
  const wanted =
    option === "seed" ? `a whole number from 0 to ${MAX_SEED}` : "a number above 0 such as 0.95";
  throw badValue(`--${option}`, text, wanted);
}
