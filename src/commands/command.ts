import type { Json } from "../checks/result.js";

/** One option of a command, for `--help` and the parser. */
export interface CommandOption {
  /** As in the help: `--size <size>`, `--partial`. */
  readonly flags: string;
  readonly text: string;
  /** May be given several times; the value is then a list. */
  readonly repeatable?: boolean;
}

/** Option values by their long name without dashes (`out`, `layer-by-layer`); absent when not given. */
export type Values = Readonly<Record<string, string | boolean | readonly string[] | undefined>>;

/** Where a command writes and how: given by `main`, so that tests can listen. */
export interface Io {
  /** Writes text to standard output or standard error as it is. */
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Whether each of them may get colours. */
  readonly colour: { readonly out: boolean; readonly err: boolean };
  /** Whether standard error is a terminal, where progress may be drawn. */
  readonly interactive: boolean;
  /** Aborted on Ctrl-C. */
  readonly signal: AbortSignal;
}

/** What a command came to; the exit status is made of it in one place, `cli.ts`. */
export type Outcome = "done" | "same" | "differs";

/** A subcommand: data for `--help`, and a function. */
export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** What it does, for its own help. */
  readonly description: string;
  /** Arguments as in the help: `<file>`. */
  readonly arguments: readonly { readonly syntax: string; readonly text: string }[];
  readonly options: readonly CommandOption[];
  /** Lines for the end of the help. */
  readonly examples: readonly string[];
  /**
   * @throws {InputError} when the call or a file is unusable
   * @throws {UnavailableError} when a reference or a back-end is missing or fails
   */
  readonly run: (values: Values, args: readonly string[], io: Io) => Promise<Outcome>;
  /** What `--json` gets when the call fails; `null` for a command whose JSON has no form for that. */
  readonly errorJson: ((code: string, message: string) => Json) | null;
}

/** The text of an option, or `undefined`. */
export function textOf(values: Values, name: string): string | undefined {
  const value = values[name];
  return typeof value === "string" ? value : undefined;
}
