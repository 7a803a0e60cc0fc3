import { InputError } from "../../errors.js";
import type { NamedTensors } from "../../references/runner/protocol.js";
import {
  type RunnerDescription,
  type RunnerOriginal,
  RunnerReference,
} from "../../references/runner/runner-reference.js";
import { type AnyTensor, sizeOf, type Tensor, tensor } from "../../tensor/tensor.js";
import { syntheticInput } from "../../weights/synthetic.js";
import { demand, type Rule, type RuleContext } from "./rule.js";

/** Rules for references. All but the first speak of an original that the user gives. */
export const REFERENCE_RULES: readonly Rule[] = [
  {
    text: "answers unusable to an original that is not there, and goes on",
    role: "reference",
    needsOriginal: false,
    check: async ({ client }) => {
      const runner = await client();
      const original = "/no/such/original";
      const error = await runner.call("describe", { original }).catch((reason: unknown) => reason);
      demand(error instanceof Error, `described ${original}, which does not exist`);
      const told = error instanceof InputError;
      demand(told && error.code === "format", `answered with: ${error.message}`);
      await runner.call("version");
    },
  },
  rule("describes inputs, taps and outputs, each tap once, each output a tap", async (opened) => {
    const { inputs, taps, outputs } = opened.description;
    demand(inputs.length > 0, "described no inputs");
    const empty = taps.find(({ id }) => id === "");
    demand(empty === undefined, "described a tap without a name");
    const stray = outputs.find((id) => !taps.some((tap) => tap.id === id));
    demand(stray === undefined, `named the output ${stray}, which is no tap`);
    demand(outputs.length > 0, "described no outputs");
  }),
  rule(
    "describes the same original alike every time",
    async ({ description, client }, original) => {
      const again = await RunnerReference.open(client, original);
      const same = JSON.stringify(again.description) === JSON.stringify(description);
      demand(same, "its second description differs from its first");
    },
  ),
  rule("sends every tap, in the shape described and in that order", async (opened) => {
    const ids = [...(await opened.run(inputsFor(opened.description))).keys()];
    const wanted = opened.description.taps.map(({ id }) => id);
    const at = wanted.findIndex((id, k) => ids[k] !== id);
    demand(
      at < 0 && ids.length === wanted.length,
      `sent ${ids[at] ?? "more taps"}, expected ${wanted[at] ?? "no more"}`,
    );
  }),
  rule("sends only the taps asked for", async (opened) => {
    const { taps } = opened.description;
    const id = taps.at(-1)?.id ?? "";
    const sent = [...(await opened.run(inputsFor(opened.description), { taps: [id] })).keys()];
    demand(`${sent}` === id, `sent ${sent.join(", ")}, asked for ${id}`);
  }),
  rule(
    "gives the same bits for the same inputs, unless it says that it may not",
    async (opened) => {
      if (!opened.client.facts.deterministic) return;
      const inputs = inputsFor(opened.description);
      const [first, second] = [await opened.run(inputs), await opened.run(inputs)];
      const other = [...first].find(([id, value]) => !sameBits(value, second.get(id)));
      demand(other === undefined, `gave other values of ${other?.[0]} the second time`);
    },
  ),
  rule("looks at its inputs", async (opened) => {
    const values = async (seed: number) => await opened.run(inputsFor(opened.description, seed));
    const [first, second] = [await values(1), await values(2)];
    const changed = [...first].some(([id, value]) => !sameBits(value, second.get(id)));
    demand(changed, "gave the same values for other inputs");
  }),
  rule("answers an error to a run without inputs, and goes on", async ({ client, description }) => {
    const error = await client.call("run").catch((reason: unknown) => reason);
    demand(error instanceof Error, "answered a run without inputs as if it had some");
    demand(client.usable, `did not survive it: ${error.message}`);
    await client.call("run", {}, inputsFor(description));
  }),
  rule(
    "answers gradient with a loss and gradients of its inputs or weights, or refuses it",
    async (opened) => {
      const { client, description } = opened;
      if (!client.facts.calls.includes("gradient")) return;
      const inputs = new Map<string, AnyTensor>(inputsFor(description));
      for (const { id, shape } of description.taps.filter(({ id: tap }) =>
        description.outputs.includes(tap),
      ))
        inputs.set(`d:${id}`, tensor(shape, new Float32Array(sizeOf(shape)).fill(1)));
      try {
        const { tensors } = await opened.gradient(inputs);
        const found = [...tensors.keys()].some((name) => /^[db]:/.test(name));
        demand(
          found,
          `sent ${[...tensors.keys()].join(", ") || "nothing"}, expected d:<input>, d:<weight> or b:<tap>`,
        );
      } catch (error) {
        // Some originals have losses of their own, and want the truth in their own form.
        if (!(error instanceof InputError)) throw error;
      }
    },
  ),
];

function rule(
  text: string,
  check: (opened: RunnerReference, original: RunnerOriginal) => Promise<void>,
): Rule {
  const open = async ({ client, original }: RuleContext) => {
    const given = original as RunnerOriginal;
    await check(await RunnerReference.open(await client(), given), given);
  };
  return { text, role: "reference", needsOriginal: true, check: open };
}

function inputsFor({ inputs }: RunnerDescription, seed = 1): NamedTensors {
  return new Map(inputs.map(({ name, shape }) => [name, syntheticInput(shape, seed)]));
}

function sameBits(first: Tensor, second: Tensor | undefined): boolean {
  if (second === undefined) return false;
  const bits = ({ data }: Tensor) => Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return bits(first).equals(bits(second));
}
