import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { checkRunner, type RuleResult } from "../../src/checks/check-runner.js";
import { GENERAL_RULES } from "../../src/checks/runner-rules/general-rules.js";
import { PORT_RULES } from "../../src/checks/runner-rules/port-rules.js";
import { REFERENCE_RULES } from "../../src/checks/runner-rules/reference-rules.js";
import { pythonPath, REFERENCES_FOLDER } from "../../src/references/runner/installed.js";
import { runMain } from "../cli/run-main.js";
import { whenInstalled } from "./installed.js";

const FAKE = fileURLToPath(new URL("./fakes/breaks-one-rule.mjs", import.meta.url));
const CFG = `${REFERENCES_FOLDER}python/example.cfg`;

async function check(breach: string, role = "reference"): Promise<readonly RuleResult[]> {
  const args = [FAKE, breach, role];
  const name = `runner:${process.execPath} ${args.join(" ").replaceAll(breach, `"${breach}"`)}`;
  const results: RuleResult[] = [];
  const command = { name, file: process.execPath, args };
  for await (const result of checkRunner({ command, timeoutMs: 5000, original: { original: CFG } }))
    results.push(result);
  return results;
}

const broken = (results: readonly RuleResult[]) =>
  results.filter(({ status }) => status === "failed");

/** What a runner does wrong → the rule it breaks (its first words), and a part of what is said. */
const BREACHES: Readonly<Record<string, readonly [rule: string, detail: string]>> = {
  prints: ["answers version with", 'printed "Loading..." to standard output'],
  "offers too little": ["offers version, describe and run", "but not run"],
  "other version": ["answers the same to version", "differs from its first"],
  "knows every call": ["answers unsupported", 'answered the call "no-such-call" as if it knew it'],
  "other error": ["answers unsupported", "the call no-such-call is not offered"],
  "dies of an unknown call": ["answers unsupported", "ended with status 1"],
  pieces: ["understands a message that comes in pieces", "pieces of 7 bytes"],
  "speaks unasked": ["is silent until it is asked", "after its answer"],
  "ends late": ["ends with status 0", "still runs 2 s after the end of its input"],
  "ends badly": ["ends with status 0", "ended with status 3"],
  "describes nothing": ["answers unusable", "described /no/such/original, which does not exist"],
  "dies of a missing file": ["answers unusable", "ended with status 1"],
  "a tap twice": ["describes inputs, taps and outputs", "the tap double twice"],
  "strange output": ["describes inputs, taps and outputs", "the output nobody, which is no tap"],
  "other description": ["describes the same original alike", "differs from its first"],
  "other shape": ["sends every tap, in the shape described", "with shape [4]"],
  "other order": ["sends every tap, in the shape described", "sent minus, expected double"],
  "sends everything": ["sends only the taps asked for", "sent double, minus, asked for minus"],
  "other bits": ["gives the same bits", "gave other values of double"],
  "ignores its input": ["looks at its inputs", "gave the same values for other inputs"],
  "runs on nothing": ["answers an error to a run without inputs", "as if it had some"],
  "dies without inputs": ["answers an error to a run without inputs", "did not survive it"],
  "no loss": ["answers gradient", 'without "loss"'],
  "no gradients": ["answers gradient", "sent double, expected d:<input>"],
};

describe("difftest references check", () => {
  it("passes a runner that keeps every rule", async () => {
    const results = await check("none");
    expect(broken(results)).toEqual([]);
    expect(results).toHaveLength(GENERAL_RULES.length + REFERENCE_RULES.length);
  });

  it.each(Object.entries(BREACHES))(
    "finds the rule that is broken: %s",
    async (breach, [rule, detail]) => {
      const found = broken(await check(breach)).find((result) => result.rule.startsWith(rule));
      expect(found?.detail).toContain(detail);
    },
  );

  it("has a breach for every rule of a reference", () => {
    const rules = [...GENERAL_RULES, ...REFERENCE_RULES].map(({ text }) => text);
    const begun = Object.values(BREACHES).map(([rule]) => rule);
    expect(rules.filter((text) => !begun.some((rule) => text.startsWith(rule)))).toEqual([]);
  });

  it.each([
    ["no layout", PORT_RULES[0]?.text, "expected"],
    ["never taps", PORT_RULES[1]?.text, "none of its taps"],
    ["asks nonsense", PORT_RULES[2]?.text, 'asked for "nonsense" during "run"'],
  ])("finds the rule that a port breaks: %s", async (breach, rule, detail) => {
    const found = broken(await check(breach, "port")).find((result) => result.rule === rule);
    expect(found?.detail).toContain(detail);
  });

  it.skipIf(!whenInstalled("python"))(
    "passes the example port (needs Python with NumPy)",
    async () => {
      const runner = `"${pythonPath()}" "${REFERENCES_FOLDER}python/example_port.py"`;
      const argv = ["references", "check", runner, "--original", CFG];
      const { status, out, err } = await runMain(argv);
      expect(err).toBe("");
      expect(out).toMatch(/\n10 passed, 0 failed, 0 not checked\n$/);
      expect(status).toBe(0);
    },
  );

  it.each(["darknet", "keras", "pytorch"] as const)(
    "passes %s, where it is installed",
    async (name) => {
      if (!whenInstalled(name)) return;
      const model = fileURLToPath(new URL("./models/two_calls.py", import.meta.url));
      const originals = {
        darknet: CFG,
        keras: `${REFERENCES_FOLDER}keras/mnist-cnn.json`,
        pytorch: `${model}:build`,
      };
      const { status, out } = await runMain([
        "references",
        "check",
        name,
        "--original",
        originals[name],
      ]);
      expect(out.split("\n").filter((line) => line.startsWith("failed"))).toEqual([]);
      expect(status).toBe(0);
    },
  );

  it("ends with 1 for a broken rule, also as JSON; with 3 where there is no such program", async () => {
    const argv = ["references", "check", `${process.execPath} ${FAKE} prints`];
    expect((await runMain(argv)).status).toBe(1);
    const { status, out } = await runMain([...argv, "--json"]);
    expect(status).toBe(1);
    expect(JSON.parse(out)).toMatchObject({
      passed: 0,
      rules: [{ status: "failed" }, {}, {}, {}, {}, {}, {}],
    });
    const missing = await runMain(["references", "check", "./no-such-runner"]);
    expect(missing.status).toBe(3);
    expect(missing.err).toMatch(
      /^difftest: runner:\.\/no-such-runner: cannot be started: [^\n]*\n$/,
    );
  });

  it.each([
    [["references", "chek"], 'references: "chek", expected check, or nothing'],
    [["references", "check"], "references check: the runner is missing"],
  ])("refuses %j", async (argv, words) => {
    const { status, err } = await runMain(argv);
    expect(status).toBe(2);
    expect(err).toContain(words);
  });
});

describe("difftest references", () => {
  it("lists every reference, installed or with the way to install it", async () => {
    const { status, out } = await runMain(["references", "--json"]);
    expect(status).toBe(0);
    const { references } = JSON.parse(out);
    const names = references.map(({ name }: { name: string }) => name);
    expect(names).toEqual(["onnxruntime", "darknet", "keras", "pytorch", "tfjs-node"]);
    for (const one of references) {
      if (one.installed) expect(one.version).toMatch(/^\d/);
      else expect(one.install).toBe(`scripts/install-references.sh ${one.name}`);
    }
  });

  it("says why one is not usable", async () => {
    const [runner, python] = [
      process.env["DIFFTEST_DARKNET_RUNNER"],
      process.env["DIFFTEST_PYTHON"],
    ];
    process.env["DIFFTEST_DARKNET_RUNNER"] = "/no/such/runner";
    process.env["DIFFTEST_PYTHON"] = "/no/such/python";
    try {
      const { status, out } = await runMain(["references"]);
      expect(status).toBe(0);
      expect(out).toContain(
        "darknet      not installed\n             reference darknet: /no/such/runner is not there",
      );
      expect(out).toContain(
        "keras        not installed\n             runner keras: cannot be started",
      );
      expect(out).toContain("             install it: scripts/install-references.sh pytorch\n");
    } finally {
      restore("DIFFTEST_DARKNET_RUNNER", runner);
      restore("DIFFTEST_PYTHON", python);
    }
  });
});

function restore(name: string, value: string | undefined): void {
  if (value === undefined) delete process.env[name];
  else process.env[name] = value;
}
