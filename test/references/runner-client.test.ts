import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { InputError, UnavailableError } from "../../src/errors.js";
import { RunnerClient, type RunnerOptions } from "../../src/references/runner/runner-client.js";
import { RunnerReference } from "../../src/references/runner/runner-reference.js";
import { tensor } from "../../src/tensor/tensor.js";

const FAKE = fileURLToPath(new URL("./fakes/runner.mjs", import.meta.url));
const INPUT = new Map([["input", tensor([2, 2], Float32Array.of(1, 2, 3, 4))]]);
let clients: RunnerClient[] = [];

afterEach(async () => {
  await Promise.all(clients.map((client) => client.close()));
  clients = [];
});

async function start(behaviour: string, options?: RunnerOptions): Promise<RunnerClient> {
  const command = { name: "fake", file: process.execPath, args: [FAKE, behaviour] };
  const client = await RunnerClient.start(command, options);
  clients.push(client);
  return client;
}

async function runOnce(behaviour: string, options?: RunnerOptions): Promise<readonly number[]> {
  const client = await start(behaviour, options);
  const reference = await RunnerReference.open(client, { original: "/none" });
  return [...((await reference.run(INPUT)).get("double_0")?.data ?? [])];
}

async function errorOf(work: Promise<unknown>): Promise<Error> {
  return await work.then(
    () => {
      throw new Error("nothing was thrown");
    },
    (error: Error) => error,
  );
}

describe("a runner that keeps to the protocol", () => {
  it.each(["good", "in parts", "byte by byte", "never ends"])(
    "is understood: %s",
    async (behaviour) => {
      expect(await runOnce(behaviour)).toEqual([2, 4, 6, 8]);
    },
  );

  it("answers several calls one after the other, in their order", async () => {
    const reference = await RunnerReference.open(await start("good"), { original: "/none" });
    const runs = [1, 2, 3].map((value) =>
      reference.run(new Map([["input", tensor([2, 2], new Float32Array(4).fill(value))]])),
    );
    const values = (await Promise.all(runs)).map((taps) => taps.get("double_0")?.data[0]);
    expect(values).toEqual([2, 4, 6]);
  });

  it("is ended by force when it does not end with its input", async () => {
    const client = await start("never ends");
    const { pid } = client;
    await client.close();
    expect(() => process.kill(pid as number, 0)).toThrow("ESRCH");
  });

  it("is not called with an input of another shape", async () => {
    const reference = await RunnerReference.open(await start("good"), { original: "/none" });
    const wrong = new Map([["input", tensor([4], new Float32Array(4))]]);
    const error = await errorOf(reference.run(wrong));
    expect(error).toBeInstanceOf(InputError);
    expect(error.message).toBe("runner fake: input input got shape [4], expected shape [2,2]");
  });

  it("is not asked for what it does not offer", async () => {
    const client = await start("good");
    expect((await errorOf(client.call("gradient"))).message).toContain('does not offer "gradient"');
  });
});

/** Behaviour → a part of the one line. */
const MISBEHAVIOURS: Readonly<Record<string, string>> = {
  "prints at start": 'printed "Loading weights...Done!" to standard output',
  "prints without a line feed": `printed "mask_scale: Using default '1.000000'mask_scale`,
  "no version": 'answered "version" without',
  "no taps": 'answered "describe" without',
  crashes: 'ended with status 7 during "run"',
  "is killed": 'was killed by SIGKILL during "run"',
  "crashes with a word": "(its standard error ends: out of cheese)",
  "answers half": "in the middle of an answer: 6 of 16 bytes of tensors had come",
  "answers half a line": "in the middle of an answer: 28 bytes of a line had come",
  "prints between the numbers": '"end" is missing after the tensors (16 bytes)',
  "wrong id": "answered with id 8, expected 3",
  "no ok": 'answered without "ok"',
  "other version": "speaks version 2 of the protocol, expected 1",
  "json without difftest": 'printed "{\\"id\\":3}" to standard output',
  "bad dtype": 'dtype "float16", expected one of float32',
  "bad shape": "shape [2,-2], expected a list of whole numbers",
  "no name": "tensor 0 has no name",
  "same name twice": 'two tensors are named "a"',
  "same name in two parts": 'two tensors named "double_0"',
  "huge tensors": "announced 4000000000000000000 bytes of tensors, the limit is 4294967296",
  "huge line": "sent a line of more than 16777216 bytes",
  "leaves out a tap": "left out the tap double_0",
  "other shape": "with shape [4], it had described [2,2]",
  "other type": "as uint8, expected float32",
  "asks without right": 'asked for "tap", which only a port may do',
  "closes its output": "closed its standard output",
};

describe("a runner that misbehaves", () => {
  it.each(Object.entries(MISBEHAVIOURS))(
    "ends with one line when it %s",
    async (behaviour, words) => {
      const error = await errorOf(runOnce(behaviour));
      expect(error).toBeInstanceOf(UnavailableError);
      expect((error as UnavailableError).code).toBe("reference-crashed");
      expect(error.message).toContain("runner fake: ");
      expect(error.message).toContain(words);
      expect(error.message).not.toContain("\n");
    },
  );

  it("is told where it spoke after its answer", async () => {
    const client = await start("speaks twice");
    const reference = await RunnerReference.open(client, { original: "/none" });
    await reference.run(INPUT);
    await wait(50);
    expect((await errorOf(reference.run(INPUT))).message).toContain("spoke without being asked");
  });

  it.each(["hangs", "hangs at once"])(
    "is killed at the time limit when it %s",
    async (behaviour) => {
      const started = performance.now();
      const error = await errorOf(runOnce(behaviour, { timeoutMs: 700 }));
      expect((error as UnavailableError).code).toBe("reference-timeout");
      expect(error.message).toContain("did not answer within 0.7 s");
      expect(performance.now() - started).toBeLessThan(5000);
    },
  );

  it("is missing when its program does not exist", async () => {
    const command = { name: "nobody", file: "/no/such/program", args: [] };
    const error = await errorOf(RunnerClient.start(command));
    expect((error as UnavailableError).code).toBe("reference-missing");
    expect(error.message).toContain("runner nobody: cannot be started");
  });

  it("is interrupted by a signal", async () => {
    const abort = new AbortController();
    const run = runOnce("hangs", { signal: abort.signal });
    setTimeout(() => abort.abort(), 300);
    expect((await errorOf(run)).message).toContain("was interrupted during");
  });

  it("gives the same reason to every later call", async () => {
    const reference = await RunnerReference.open(await start("crashes"), { original: "/none" });
    const first = await errorOf(reference.run(INPUT));
    expect(await errorOf(reference.run(INPUT))).toBe(first);
  });
});

describe("an error that a runner reports", () => {
  it.each([
    ["fails", UnavailableError, "reference-crashed", "out of memory"],
    ["lacks a library", UnavailableError, "reference-missing", "pip install it"],
    ["wants trust", InputError, "unsafe", "a Lambda"],
    ["refuses", InputError, "unsupported", "[mish] is not known here"],
    ["gives no reason", UnavailableError, "reference-crashed", "failed without a message"],
  ])("becomes ours: %s", async (behaviour, kind, code, words) => {
    const error = await errorOf(runOnce(behaviour));
    expect(error).toBeInstanceOf(kind);
    expect((error as InputError).code).toBe(code);
    expect(error.message).toBe(`runner fake: ${words}`);
  });
});

it("a runner that is killed at any moment ends the run with one line", async () => {
  for (const delay of [0, 1, 2, 3, 5, 8, 13]) {
    const client = await start("good");
    const reference = await RunnerReference.open(client, { original: "/none" });
    setTimeout(() => process.kill(client.pid as number, "SIGKILL"), delay);
    const error = await errorOf(
      (async () => {
        for (;;) await reference.run(INPUT);
      })(),
    );
    expect(error).toBeInstanceOf(UnavailableError);
    expect(error.message).toMatch(/^runner fake: was killed by SIGKILL.*$/);
  }
});
