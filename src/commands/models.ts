import { MODELS } from "../models/registry.js";
import type { Command } from "./command.js";

/** `difftest models`: the built-in ports, and where the weights of their originals are. */
export const modelsCommand: Command = {
  name: "models",
  summary: "list the built-in models",
  description:
    "Lists the ports that come with difftest, each with the size of its input, where its architecture is described and where its authors publish trained weights.",
  arguments: [],
  options: [{ flags: "--json", text: "print the list as JSON" }],
  examples: ["difftest models"],
  run: async (values, _args, io) => {
    const models = MODELS.map(({ id, summary, paper, defaultSize, weightsUrl }) => ({
      id,
      summary,
      size: defaultSize,
      paper,
      weights: weightsUrl,
    }));
    if (values["json"] === true) io.out(`${JSON.stringify(models, null, 2)}\n`);
    else io.out(models.map(modelText).join("\n"));
    return "done";
  },
  errorJson: null,
};

function modelText(model: {
  readonly id: string;
  readonly summary: string;
  readonly size: { readonly width: number; readonly height: number };
  readonly paper: string;
  readonly weights: string;
}): string {
  const indent = " ".repeat(18);
  return [
    `${model.id.padEnd(16)}  ${model.summary}`,
    `${indent}input ${model.size.width}x${model.size.height}`,
    `${indent}${model.paper}`,
    `${indent}${model.weights}`,
    "",
  ].join("\n");
}
