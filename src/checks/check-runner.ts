import { UnavailableError } from "../errors.js";
import { RunnerClient, type RunnerFacts } from "../references/runner/runner-client.js";
import type { RunnerCommand } from "../references/runner/runner-process.js";
import type { RunnerOriginal } from "../references/runner/runner-reference.js";
import { GENERAL_RULES } from "./runner-rules/general-rules.js";
import { PORT_RULES } from "./runner-rules/port-rules.js";
import { REFERENCE_RULES } from "./runner-rules/reference-rules.js";
import type { Rule, RuleContext } from "./runner-rules/rule.js";

/** Whether a runner keeps one rule of the protocol. */
export interface RuleResult {
  readonly rule: string;
  readonly status: "passed" | "failed" | "not checked";
  /** Why not; empty where it passed. */
  readonly detail: string;
}

/** What a runner is checked with. */
export interface CheckRunnerOptions {
  readonly command: RunnerCommand;
  readonly timeoutMs: number;
  readonly original: RunnerOriginal | null;
  readonly signal?: AbortSignal;
}

/**
 * Holds any runner to `references/PROTOCOL.md`, one rule after the other; a runner that broke one is started anew.
 *
 * @throws {UnavailableError} `reference-missing` when there is no such program
 */
export async function* checkRunner(options: CheckRunnerOptions): AsyncGenerator<RuleResult> {
  const runner = new Restarted(options);
  const context: RuleContext = { ...options, client: () => runner.client() };
  try {
    for (const rule of GENERAL_RULES) yield await judge(rule, context);
    const facts = await runner.facts();
    const rules = [...REFERENCE_RULES, ...PORT_RULES].filter(({ role }) => role === facts?.role);
    for (const rule of rules) yield await judge(rule, context);
  } finally {
    await runner.close();
  }
}

async function judge(rule: Rule, context: RuleContext): Promise<RuleResult> {
  if (rule.needsOriginal && context.original === null) {
    return { rule: rule.text, status: "not checked", detail: "needs --original" };
  }
  try {
    await rule.check(context);
    return { rule: rule.text, status: "passed", detail: "" };
  } catch (error) {
    if (error instanceof UnavailableError && error.code === "reference-missing") throw error;
    const detail = error instanceof Error ? error.message : String(error);
    return { rule: rule.text, status: "failed", detail };
  }
}

/** A runner, started anew after it broke the protocol. */
class Restarted {
  readonly #options: CheckRunnerOptions;
  #client: RunnerClient | undefined;

  constructor(options: CheckRunnerOptions) {
    this.#options = options;
  }

  async client(): Promise<RunnerClient> {
    if (this.#client?.usable === true) return this.#client;
    await this.#client?.close();
    const { command, timeoutMs, signal } = this.#options;
    const limits = { timeoutMs, unchecked: true, ...(signal === undefined ? {} : { signal }) };
    this.#client = await RunnerClient.start(command, limits);
    return this.#client;
  }

  /** What it says of itself, or nothing if it does not get that far. */
  async facts(): Promise<RunnerFacts | undefined> {
    return await this.client().then(
      ({ facts }) => facts,
      () => undefined,
    );
  }

  async close(): Promise<void> {
    await this.#client?.close();
  }
}
