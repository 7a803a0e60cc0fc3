import { Command as Commander, CommanderError, Option } from "commander";
import { InputError } from "../errors.js";
import { nearest } from "../suggest.js";
import type { Command, Values } from "./command.js";

/** What the words of a command line ask for. */
export type Call =
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "version" }
  | {
      readonly kind: "run";
      readonly command: Command;
      readonly values: Values;
      readonly args: readonly string[];
    };

/** Lines about the exit status, at the end of every help. */
const EXIT_STATUS =
  "Exit status: 0 same, 1 differs, 2 wrong call or unusable file, 3 reference or back-end unavailable.";

/**
 * Understands a command line; writes nothing and never exits.
 *
 * @throws {InputError} `option` for an unknown command or option, a missing value, a surplus word
 */
export function parseCall(commands: readonly Command[], argv: readonly string[]): Call {
  let call: Call | undefined;
  const program = new Commander("difftest")
    .description(
      "Differential testing for ports of neural networks: which layer differs from the original.",
    )
    .option("--version", "print the version")
    .helpCommand(false)
    .exitOverride()
    .configureOutput({ writeOut: () => undefined, writeErr: () => undefined })
    .addHelpText("after", `\n${EXIT_STATUS}`);
  for (const command of commands) {
    const sub = subcommand(program, command);
    sub.action(() => {
      const values = checkedValues(command, sub.opts<Record<string, Values[string]>>());
      call = { kind: "run", command, values, args: sub.args };
    });
  }
  // `difftest help [command]` is what many type first.
  if (argv[0] === "help") return parseCall(commands, [...argv.slice(1, 2), "--help"]);
  const [first] = argv;
  if (first === "--version" || first === "-V") return { kind: "version" };
  if (first === undefined) throw new InputError("option", noCommand(commands));
  if (!first.startsWith("-") && !commands.some(({ name }) => name === first)) {
    throw unknownCommand(commands, first);
  }
  try {
    program.parse(argv, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code !== "commander.helpDisplayed") throw inputError(error, first);
    const sub = program.commands.find((command) => command.name() === first);
    return { kind: "help", text: helpOf(sub ?? program) };
  }
  return call ?? { kind: "help", text: helpOf(program) };
}

function subcommand(program: Commander, command: Command): Commander {
  const sub = program
    .command(command.name)
    .summary(command.summary)
    .description(command.description)
    .allowExcessArguments(false)
    .exitOverride();
  for (const { syntax, text } of command.arguments) sub.argument(syntax, text);
  for (const { flags, text, repeatable } of command.options) {
    const option = new Option(flags, text);
    if (repeatable) {
      option.argParser((value: string, all: readonly string[] = []) => [...all, value]);
    }
    sub.addOption(option);
  }
  const examples = command.examples.map((line) => `  ${line}`).join("\n");
  sub.addHelpText("after", `\nExamples:\n${examples}\n\n${EXIT_STATUS}`);
  return sub;
}

/** Values by the long name of their option; a value that is itself an option was forgotten. */
function checkedValues(command: Command, given: Readonly<Record<string, Values[string]>>): Values {
  const values: Record<string, Values[string]> = {};
  for (const { flags } of command.options) {
    const option = new Option(flags);
    const value = given[option.attributeName()];
    // Of `--no-x` the value is that of x: true where nothing was given.
    if (value === undefined || (option.negate && value === true)) continue;
    const looksLikeOption = [value].flat().find((word) => /^--?[a-z]/i.test(String(word)));
    if (looksLikeOption !== undefined) {
      throw new InputError(
        "option",
        `--${option.name()}: value missing, found the option ${looksLikeOption} in its place`,
      );
    }
    values[option.negate ? option.attributeName() : option.name()] = value;
  }
  return values;
}

/** Help text with its `addHelpText` parts, which `helpInformation()` alone leaves out. */
function helpOf(command: Commander): string {
  let text = "";
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
    getOutHelpWidth: () => 100,
    getOutHasColors: () => false,
  });
  command.outputHelp();
  return text;
}

function noCommand(commands: readonly Command[]): string {
  return `no command given, expected one of ${commands.map(({ name }) => name).join(", ")}; difftest --help explains them`;
}

function unknownCommand(commands: readonly Command[], word: string): InputError {
  const names = commands.map(({ name }) => name);
  const near = nearest(word, names);
  const hint = near === undefined ? "" : `; did you mean ${near}?`;
  return new InputError(
    "option",
    `unknown command "${word}", expected one of ${names.join(", ")}${hint}`,
  );
}

/** Commander's errors in our words; those that cannot come from our commands keep theirs, in one line. */
function inputError(error: CommanderError, first: string): InputError {
  const quoted = /'([^']+)'/.exec(error.message)?.[1] ?? "";
  const near = /Did you mean (?:one of )?([^?]+)\?/.exec(error.message)?.[1];
  const [option = "", wanted = ""] = quoted.split(" ", 2);
  const help = `difftest ${first.startsWith("-") ? "" : `${first} `}--help`;
  const words: Readonly<Record<string, string>> = {
    "commander.unknownOption":
      `unknown option ${option}; ` +
      (near === undefined ? `${help} lists the known ones` : `did you mean ${near}?`),
    "commander.optionMissingArgument": `${option}: value missing, expected ${wanted}`,
    "commander.missingArgument": `argument ${option} missing; ${help} explains it`,
    "commander.excessArguments": `too many arguments for ${option}; ${help} lists its options`,
  };
  const text = words[error.code] ?? error.message.replace(/^error: /, "").replaceAll("\n", " ");
  return new InputError("option", text, { cause: error });
}
