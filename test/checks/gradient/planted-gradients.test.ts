import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { judgeCase, type Tampering, tampered } from "./tampered.js";

let root = "";
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "difftest-planted-gradients-"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

let count = 0;
async function judged(name: string, oracle: string, change: Tampering) {
  count += 1;
  return judgeCase(tampered(join(root, `${name}-${count}`), name, oracle, change), name);
}

/** Changes one recorded value and leaves the others. */
function only(name: string, change: (values: Float32Array) => Float32Array | null): Tampering {
  return { values: (own, values) => (own === name ? change(values) : values) };
}

describe("a fault planted in recorded gradients that are right", () => {
  it.each<[string, string, string, Tampering, string[]]>([
    ["nothing", "grad-conv", "alexeyab", {}, []],
    [
      "a kernel's gradient 0.1 % too large",
      "grad-conv",
      "alexeyab",
      only("update:conv_0/kernel", (values) => values.map((value) => 1.001 * value)),
      ["conv_0/kernel"],
    ],
    [
      "the same behind a batch normalisation, whose gradient is an approximation already",
      "grad-conv-bn",
      "pjreddie",
      only("update:conv_0/kernel", (values) => values.map((value) => 1.001 * value)),
      ["conv_0/kernel"],
    ],
    [
      "a bias' gradient of the other sign",
      "grad-conv",
      "alexeyab",
      only("update:conv_0/bias", (values) => values.map((value) => -value)),
      ["conv_0/bias"],
    ],
    [
      "two channels of a bias' gradient swapped",
      "grad-conv",
      "alexeyab",
      only("update:conv_0/bias", (values) =>
        values.with(0, values[1] ?? 0).with(1, values[0] ?? 0),
      ),
      ["conv_0/bias"],
    ],
    [
      "one element of an input's gradient",
      "grad-conv",
      "alexeyab",
      only("update:input", (values) => values.with(77, (values[77] ?? 0) + 0.01)),
      ["input"],
    ],
    [
      "a kernel's gradient averaged over the places",
      "grad-act-mish",
      "alexeyab",
      only("update:conv_0/kernel", (values) => values.map((value) => value / 30)),
      ["conv_0/kernel"],
    ],
    [
      "a delta without its sign",
      "grad-conv",
      "alexeyab",
      only("delta:cost_1", (values) => values.map(Math.abs)),
      ["cost_1/delta"],
    ],
    [
      "a cost that is twice itself",
      "grad-conv",
      "alexeyab",
      { costs: { cost_1: 748.16 } },
      ["cost_1/cost"],
    ],
    [
      "a parameter that a step of training has moved too far",
      "update-sgd-momentum",
      "alexeyab",
      only("step:1", (values) => values.with(0, (values[0] ?? 0) + 0.01)),
      ["conv_0/bias"],
    ],
  ])("%s: named, and nothing else", async (_title, name, oracle, change, places) => {
    const { faults, verdict } = await judged(name, oracle, change);
    expect(faults.map(({ place }) => place)).toEqual(places);
    expect(verdict).toBe(places.length === 0 ? "same" : "differs");
    for (const { component } of faults) expect(component).toBe("reference");
  });

  it("a bias' gradient that is missing: said so, since the kernel's was recorded", async () => {
    const { faults } = await judged(
      "grad-conv",
      "alexeyab",
      only("update:conv_0/bias", () => null),
    );
    expect(faults).toMatchObject([
      { place: "conv_0/bias", layer: 0, evidence: expect.stringContaining("is missing") },
    ]);
  });

  it("a bias' gradient that was never computed: the cause is told", async () => {
    const zeros = only("update:conv_0/bias", (values) => values.map(() => 0));
    const { faults } = await judged("grad-conv", "alexeyab", zeros);
    expect(faults).toMatchObject([
      { place: "conv_0/bias", cause: expect.stringContaining("left it at 0") },
    ]);
  });

  it("another value in the forward pass: named alone, since the gradients are those of another network", async () => {
    const { faults, gradients } = await judged("grad-conv", "alexeyab", {
      forward: (id, values) => (id === "conv_0" ? values.map((value) => 1.01 * value) : values),
    });
    expect(faults.map(({ place }) => place)).toEqual(["conv_0"]);
    expect(gradients.filter(({ verdict }) => verdict === "undecided").length).toBeGreaterThan(2);
  });
});

describe("a maximum of equal values", () => {
  it("is passed over, and counted, where the rest can be judged", async () => {
    const { gradients, verdict } = await judged("grad-maxpool-ties", "alexeyab", {});
    expect(verdict).toBe("same");
    expect(gradients.find(({ place }) => place === "input")?.kinks).toBeGreaterThan(0);
  });

  it("is an error, not a pass, where nothing else is there", async () => {
    const ones = (values: Float32Array) => values.map(() => 1);
    const truth = Float32Array.from({ length: 12 }, (_, at) => at / 4);
    const nothing = judged("grad-maxpool-ties", "alexeyab", {
      input: ones,
      forward: (_id, values) => ones(values),
      values: (name, values) => {
        if (name === "truth") return truth;
        return name.startsWith("delta:") ? truth.map((value) => value - 1) : values;
      },
      costs: { cost_1: truth.reduce((sum, value) => sum + (value - 1) ** 2, 0) },
    });
    await expect(nothing).rejects.toThrow(/input: \d+ of \d+ derivatives fall on kinks .* too few/);
  });
});
