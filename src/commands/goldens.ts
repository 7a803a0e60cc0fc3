import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { JUDGEMENT_SCHEMA } from "../checks/gradient/judgement-schema.js";
import { InputError } from "../errors.js";
import { MANIFEST_FILE } from "../references/golden/files.js";
import { formatJudgement } from "../report/gradient-report.js";
import { badValue } from "../suggest.js";
import { type Command, type Io, type Outcome, textOf, type Values } from "./command.js";
import { checkOutputFile, writeOutputFile } from "./output-file.js";

/** `difftest goldens verify`: whether recordings are what their manifests say; `judge`: whether recorded gradients are right. */
export const goldensCommand: Command = {
  name: "goldens",
  summary: "verify recorded goldens, judge recorded gradients",
  description:
    "verify: checks every size, hash, name and shape of a golden, or of all goldens in the folders of a folder, and prints what each is a recording of. judge: differentiates the loss of a golden's training pass in float64, from the definitions of the operations, and says which of the recorded gradients are not its gradient; exit status 1 when the reference that recorded them is at fault.",
  arguments: [
    { syntax: "<action>", text: "verify, or judge" },
    { syntax: "<folder>", text: "a golden; to verify also a folder of goldens" },
  ],
  options: [
    { flags: "--original <file>", text: "judge: the .cfg that the golden was recorded of" },
    {
      flags: "--weights <file|synthetic:SEED[,gain=G]>",
      text: "judge: the weights it was recorded with (default: as its manifest says, where they were made up)",
    },
    {
      flags: "--json <file|->",
      text: "judge: write the result as JSON; - is standard output, the table then goes to standard error",
    },
  ],
  examples: [
    "difftest goldens verify goldens/demo",
    "difftest goldens judge goldens/mine --original my.cfg --weights my.weights",
  ],
  run,
  errorJson: (code, message) => ({
    schema: JUDGEMENT_SCHEMA,
    verdict: "error",
    error: { code, message },
  }),
};

async function run(values: Values, args: readonly string[], io: Io): Promise<Outcome> {
  const [action = "", directory = ""] = args;
  if (action === "verify") return await verify(directory, io);
  if (action === "judge") return await judge(directory, values, io);
  throw badValue("goldens", action, "verify or judge");
}

async function verify(directory: string, io: Io): Promise<Outcome> {
  const { verifyGolden } = await import("../references/golden/open-golden.js");
  for (const folder of goldensIn(directory)) {
    const { manifest } = verifyGolden(folder);
    const { reference, original, weights, inputs, training } = manifest;
    const input = inputs.map(({ source }) => source).join(", ");
    const gradients = training === undefined ? "" : ` and ${training.values.length - 1} gradients`;
    io.out(
      `${folder}: ${manifest.taps.length} taps${gradients} of ${original.file} with ${weights.source} on ${input}, by ${reference.name} ${reference.version}\n`,
    );
  }
  return "done";
}

async function judge(golden: string, values: Values, io: Io): Promise<Outcome> {
  const original = textOf(values, "original");
  if (original === undefined) {
    throw new InputError(
      "option",
      "goldens judge: --original is missing, expected the .cfg that the golden was recorded of",
    );
  }
  const json = textOf(values, "json");
  if (json !== undefined && json !== "-") checkOutputFile("--json", json);
  const weights = textOf(values, "weights");
  const { judgeGolden } = await import("../checks/gradient/judge-golden.js");
  const judgement = await judgeGolden({
    golden,
    original,
    ...(weights === undefined ? {} : { weights }),
  });
  const text = `${JSON.stringify(judgement, null, 2)}\n`;
  if (json === "-") io.out(text);
  else if (json !== undefined) writeOutputFile(json, text);
  const [print, colour] = json === "-" ? [io.err, io.colour.err] : [io.out, io.colour.out];
  print(formatJudgement(judgement, colour));
  return judgement.verdict;
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
