import type { RunnerClient } from "../../references/runner/runner-client.js";
import type { RunnerCommand } from "../../references/runner/runner-process.js";
import type { RunnerOriginal } from "../../references/runner/runner-reference.js";

/** What a rule of `references/PROTOCOL.md` is checked with. */
export interface RuleContext {
  readonly command: RunnerCommand;
  /** Longest time of a call, in milliseconds. */
  readonly timeoutMs: number;
  /** The original that the user gave; `null`: rules that need one are not checked. */
  readonly original: RunnerOriginal | null;
  /** A runner that answers: the same one while it stays usable. */
  readonly client: () => Promise<RunnerClient>;
}

/** A rule that can be broken. */
export interface Rule {
  /** The rule, as a sentence about the runner. */
  readonly text: string;
  readonly role: "reference" | "port" | "both";
  readonly needsOriginal: boolean;
  /** Does nothing where the rule is kept; throws a reason, in any form, where it is not. */
  readonly check: (context: RuleContext) => Promise<void>;
}

/** A rule that was broken: what was seen, and what was expected. */
export class Broken extends Error {
  override readonly name = "Broken";
}

/** @throws {Broken} unless the condition holds */
export function demand(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Broken(otherwise);
}
