import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { accusations } from "../../src/checks/accusations.js";
import type { Opinion } from "../../src/checks/opinion.js";

/** An opinion: agreeing, or off by some values, with what the definition says. */
function opinion(
  reference: string,
  deviation: readonly number[] | null,
  suspect: Opinion["suspect"] = "itself",
): Opinion {
  return {
    reference,
    agrees: deviation === null,
    deviation: Float32Array.from(deviation ?? []),
    suspect: deviation === null ? null : suspect,
    evidence: deviation === null ? "" : `what ${reference} saw`,
  };
}

const accused = (...opinions: Opinion[]) => accusations(opinions).map(({ reference }) => reference);

describe("accusations", () => {
  it("are none where all agree", () => {
    expect(accused()).toEqual([]);
    expect(accused(opinion("a", null), opinion("b", null))).toEqual([]);
  });

  it("of two are decided by the definition in float64", () => {
    expect(accused(opinion("a", [1]))).toEqual(["a"]);
    expect(accused(opinion("a", [1], "embedded"))).toEqual(["onnxruntime"]);
    // Nobody could say: the one that is not ours to answer for is named, with that as its evidence.
    expect(accused(opinion("a", [1], null))).toEqual(["a"]);
  });

  it("of three name the odd one out, whatever the definition says", () => {
    const found = accusations([opinion("a", null), opinion("b", [1, 0], "embedded")]);
    expect(found).toEqual([
      { reference: "b", evidence: "onnxruntime and a agree with each other; what b saw" },
    ]);
    expect(accused(opinion("a", [1, 0]), opinion("b", [1.01, 0]))).toEqual(["onnxruntime"]);
  });

  it("of three that all differ are decided by the definition", () => {
    expect(accused(opinion("a", [1, 0]), opinion("b", [0, 1]))).toEqual(["a", "b"]);
    expect(accused(opinion("a", [1, 0], "embedded"), opinion("b", [0, 1]))).toEqual([
      "onnxruntime",
      "b",
    ]);
    expect(accused(opinion("a", [Number.NaN, 0]), opinion("b", [1, 0]))).toEqual(["a", "b"]);
  });

  it("of two against two are decided by the definition", () => {
    const [b, c] = [opinion("b", [2]), opinion("c", [2])];
    expect(accused(opinion("a", null), b, c)).toEqual(["b", "c"]);
  });

  it("name the rest beside the embedded one that is outvoted", () => {
    expect(accused(opinion("a", [1]), opinion("b", [1]), opinion("c", [-5]))).toEqual([
      "onnxruntime",
      "c",
    ]);
  });

  it("never spare everybody where somebody disagrees, and name nobody twice", () => {
    const some = fc.record({
      deviation: fc.option(
        fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 2, maxLength: 2 }),
      ),
      suspect: fc.constantFrom("itself", "embedded", null),
    });
    fc.assert(
      fc.property(fc.array(some, { minLength: 1, maxLength: 5 }), (list) => {
        const opinions = list.map(({ deviation, suspect }, at) =>
          opinion(`r${at}`, deviation, suspect as Opinion["suspect"]),
        );
        const names = accused(...opinions);
        expect(names.length > 0).toBe(opinions.some(({ agrees }) => !agrees));
        expect(new Set(names).size).toBe(names.length);
        for (const { reference, agrees } of opinions) {
          if (agrees) expect(names).not.toContain(reference);
        }
      }),
    );
  });
});
