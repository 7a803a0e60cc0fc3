import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { InputError } from "../errors.js";
import { MANIFEST_FILE } from "../references/golden/manifest.js";
import { verifyGolden } from "../references/golden/open-golden.js";
import { badValue } from "../suggest.js";
import type { Command, Io, Values } from "./command.js";

/** `difftest goldens verify`: whether recorded traces are what their manifests say. */
export const goldensCommand: Command = {
  name: "goldens",
  summary: "verify recorded goldens",
  description:
    "verify: checks every size, hash, name and shape of a golden, or of all goldens in the folders of a folder, and prints what each is a recording of.",
  arguments: [
    { syntax: "<action>", text: "verify" },
    { syntax: "<folder>", text: "a golden, or a folder of goldens" },
  ],
  options: [],
  examples: ["difftest goldens verify goldens/demo"],
  run,
  errorJson: null,
};

async function run(_values: Values, args: readonly string[], io: Io): Promise<"done"> {
  const [action = "", directory = ""] = args;
  if (action !== "verify") throw badValue("goldens", action, "verify");
  for (const folder of goldensIn(directory)) {
    const { manifest } = verifyGolden(folder);
    const { reference, original, weights, inputs } = manifest;
    const input = inputs.map(({ source }) => source).join(", ");
    io.out(
      `${folder}: ${manifest.taps.length} taps of ${original.file} with ${weights.source} on ${input}, by ${reference.name} ${reference.version}\n`,
    );
  }
  return "done";
}

function goldensIn(directory: string): readonly string[] {
  if (!existsSync(directory))
    throw new InputError("not-found", `${directory}: there is no such folder`);
  if (existsSync(join(directory, MANIFEST_FILE))) return [directory];
  const folders = readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(directory, entry.name))
    .filter((folder) => existsSync(join(folder, MANIFEST_FILE)))
    .sort();
  if (folders.length > 0) return folders;
  throw new InputError(
    "not-found",
    `${directory}: is no golden and holds none; difftest record makes one`,
  );
}
