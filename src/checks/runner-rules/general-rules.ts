import { InputError } from "../../errors.js";
import { MessageReader } from "../../references/runner/message-reader.js";
import type { Message } from "../../references/runner/protocol.js";
import { RawRunner } from "../../references/runner/raw-runner.js";
import { demand, type Rule, type RuleContext } from "./rule.js";

/** How long a runner may take to end with its input, and a silent one is listened to, in milliseconds. */
const END_MS = 2000;
const SILENCE_MS = 300;
const NO_SUCH_CALL = "no-such-call";

/** Rules for every runner, whatever it runs. */
export const GENERAL_RULES: readonly Rule[] = [
  rule(
    "answers version with its name, version, role and calls, and prints nothing",
    async ({ client }) => {
      await client();
    },
  ),
  rule("offers version, describe and run", async ({ client }) => {
    const { calls } = (await client()).facts;
    const missing = ["version", "describe", "run"].filter((call) => !calls.includes(call));
    demand(missing.length === 0, `offers ${calls.join(", ")}, but not ${missing.join(", ")}`);
  }),
  rule("answers the same to version every time", async ({ client }) => {
    const runner = await client();
    const again = await runner.call("version");
    const same =
      JSON.stringify({ ...again.fields, id: 0 }) ===
      JSON.stringify({ ...runner.facts.fields, id: 0 });
    demand(same, "its second answer differs from its first");
  }),
  rule("answers unsupported to a call it does not know, and goes on", async ({ client }) => {
    const runner = await client();
    const error = await runner.call(NO_SUCH_CALL).catch((reason: unknown) => reason);
    demand(error instanceof Error, `answered the call "${NO_SUCH_CALL}" as if it knew it`);
    const told = error instanceof InputError && error.code === "unsupported";
    demand(told, `answered the call "${NO_SUCH_CALL}" with: ${error.message}`);
    await runner.call("version");
  }),
  rule("understands a message that comes in pieces", async (context) => {
    await raw(context, async (runner) => {
      await runner.send(1, "version");
      demand(await answered(runner, context), "no answer to version");
      // Not before it reads: what comes while it starts is one piece to it.
      await runner.send(2, "version", 7);
      demand(
        await answered(runner, context, 2),
        "no answer to a call that came in pieces of 7 bytes",
      );
    });
  }),
  rule("is silent until it is asked", async (context) => {
    await raw(context, async (runner) => {
      await runner.send(1, "version");
      demand(await answered(runner, context), "no answer to version");
      const spoken = runner.output.length;
      const more = await runner.until(({ length }) => length > spoken, SILENCE_MS);
      demand(!more, `wrote ${runner.output.length - spoken} bytes after its answer`);
    });
  }),
  rule("ends with status 0 within two seconds when its input ends", async (context) => {
    await raw(context, async (runner) => {
      await runner.send(1, "version");
      demand(await answered(runner, context), "no answer to version");
      const ending = await runner.end(END_MS);
      demand(ending !== null, `still runs ${END_MS / 1000} s after the end of its input`);
      const { code, signal } = ending;
      demand(code === 0, signal === null ? `ended with status ${code}` : `was killed by ${signal}`);
    });
  }),
];

function rule(text: string, check: Rule["check"]): Rule {
  return { text, role: "both", needsOriginal: false, check };
}

async function raw(
  { command }: RuleContext,
  work: (runner: RawRunner) => Promise<void>,
): Promise<void> {
  const runner = new RawRunner(command);
  try {
    await work(runner);
  } finally {
    runner.kill();
  }
}

/** Whether so many whole messages have come. */
function answered(runner: RawRunner, { timeoutMs }: RuleContext, count = 1): Promise<boolean> {
  return runner.until((output) => messagesIn(output).length >= count, timeoutMs);
}

function messagesIn(output: Buffer): readonly Message[] {
  const messages: Message[] = [];
  new MessageReader((message) => messages.push(message)).push(output);
  return messages;
}
