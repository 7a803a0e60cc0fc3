import { describe, expect, it } from "vitest";
import { evaluateElement, judgeOf } from "../../src/operators/evaluate.js";
import { FAMILIES, familyOf } from "../../src/operators/families.js";
import { type Tensor, tensor } from "../../src/tensor/tensor.js";
import { modelOf, noise, run } from "./harness.js";

const conv = (filters: number) => ({
  filters,
  kernel: [3, 3] as const,
  strides: [1, 1] as const,
  pads: { top: 1, left: 1, bottom: 1, right: 1 },
  dilations: [1, 1] as const,
  groups: 1,
  sampling: "grid" as const,
});
const leaky = { function: "leaky" as const, parameters: { slope: 0.1 } };
const model = modelOf({ input: [1, 2, 4, 4] }, [
  { id: "a", kind: "conv", attributes: conv(3), weights: { kernel: noise([3, 2, 3, 3], 1) } },
  { id: "b", kind: "activation", attributes: leaky },
  { id: "c", kind: "conv", attributes: conv(2), weights: { kernel: noise([2, 3, 3, 3], 2) } },
]);
const input = noise([1, 2, 4, 4], 3);
const weights = (name: string) => (model.weights.get(name) as Tensor).data;
const fromInput = (id: string) => (id === "input" ? input : undefined);

describe("the judge", () => {
  it("follows the operations back to known values", async () => {
    const outputs = ["b", "c"].map((tap) => ({ tap, name: tap }));
    const { b, c } = await run(model, { input }, outputs);
    const far = evaluateElement(model.architecture, "c", [0, 1, 2, 3], fromInput, weights);
    const known = (id: string) => (id === "b" ? b : undefined);
    const near = evaluateElement(model.architecture, "c", [0, 1, 2, 3], known, weights);
    const position = (1 * 4 + 2) * 4 + 3;
    expect(far).toBeCloseTo(c?.data[position] as number, 5);
    expect(near).toBeCloseTo(far as number, 5);
    // Float64 throughout: not the same number as the float32 graph's.
    expect(near).not.toBe(c?.data[position]);
  });

  it("goes no further back than what is known", () => {
    const ones = tensor([1, 3, 4, 4], new Float32Array(48).fill(1));
    const known = (id: string) => (id === "b" ? ones : undefined);
    const kernel = weights("c/kernel");
    const sum = kernel.subarray(0, 27).reduce((total, w) => total + w, 0);
    const value = evaluateElement(model.architecture, "c", [0, 0, 1, 1], known, weights);
    expect(value).toBeCloseTo(sum, 5);
  });

  it("does not use the recorded value of the tap it judges", () => {
    const known = (id: string) => (id === "c" ? noise([1, 2, 4, 4], 99) : fromInput(id));
    const index = [0, 0, 0, 0];
    const expected = evaluateElement(model.architecture, "c", index, fromInput, weights);
    expect(evaluateElement(model.architecture, "c", index, known, weights)).toBe(expected);
  });

  it("computes shared elements once and gives up past its limit", () => {
    const sources = { architecture: model.architecture, known: fromInput, weights };
    // 27 products, 27 activations of cost 10 and 27 convolutions of 18 products.
    const whole = 27 + 27 * (10 + 18);
    expect(judgeOf({ ...sources, limit: whole })("c", [0, 0, 1, 1])).toBeTypeOf("number");
    expect(judgeOf({ ...sources, limit: whole - 1 })("c", [0, 0, 1, 1])).toBeUndefined();
  });

  it("refuses what it cannot know", () => {
    const nothing = () => undefined;
    const judge = (tap: string, known: (id: string) => Tensor | undefined) => () =>
      evaluateElement(model.architecture, tap, [0, 0, 0, 0], known, weights);
    expect(judge("a", nothing)).toThrow("the values of input are not known");
    expect(judge("z", nothing)).toThrow("there is no operation z");
    expect(judge("a", () => noise([1, 2, 3, 3], 1))).toThrow(
      "input: shape [1,2,3,3], expected [1,2,4,4]",
    );
  });
});

describe("the families", () => {
  it.each(Object.entries(FAMILIES))("%s is listed under its own kind", (kind, family) => {
    expect(family.kind).toBe(kind);
  });

  it("refuse a kind that is not listed", () => {
    expect(() => familyOf("magic" as never)).toThrow("operations of kind magic cannot be computed");
  });
});
