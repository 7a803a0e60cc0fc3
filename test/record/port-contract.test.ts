import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { InputError } from "../../src/errors.js";
import { places, runPlanted } from "../faults/run-planted.js";
import { runSmall, SMALL } from "./run-small.js";

async function refusal(way: string, options: Parameters<typeof runSmall>[1] = {}): Promise<string> {
  const error: unknown = await runSmall(way, options).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(InputError);
  expect((error as InputError).code).toBe("port");
  return (error as InputError).message.replaceAll(SMALL.model, "small.mjs");
}

describe("a plain port in JavaScript", () => {
  it.each(["", "asynchronous", "nhwc tap"])("passes (%j)", async (way) => {
    const result = await runSmall(way);
    expect(places(result)).toEqual([]);
    expect(result.verdict).toBe("same");
    expect(result.backend).toBe("plain");
    expect(result.coverage.taps).toEqual({ compared: 4, total: 4 });
    expect(result.weightsChecked).toBe("asked-for");
  });

  it("with taps of its own names is aligned by shape, and the pairs are told", async () => {
    const result = await runSmall("own names", { mode: "both" });
    expect(result.verdict).toBe("same");
    expect(result.alignment).toEqual({
      by: "shape",
      pairs: [
        { port: "first", reference: "conv_0" },
        { port: "half", reference: "maxpool_1" },
        { port: "second", reference: "conv_2" },
        { port: "last", reference: "conv_3" },
      ],
    });
    expect(result.taps.map(({ id, port }) => `${id} ${port}`).slice(0, 2)).toEqual([
      "conv_0 first",
      "maxpool_1 half",
    ]);
  });

  it("fails where a tap's layout is not the declared one: nothing is transposed to fit", async () => {
    // The map is as high and wide as it has channels: only the values tell.
    const result = await runSmall("nhwc undeclared");
    expect(result.faults.map(({ place, cause }) => ({ place, cause }))).toEqual([
      { place: "conv_2", cause: "memory in NHWC order under an NCHW shape" },
    ]);
  });
});

describe("a port that declares another layout than it has", () => {
  it("fails by shape, and is asked whether the layout is right", async () => {
    const result = await runSmall("wrong layout");
    expect(places(result)).toEqual(["conv_0", "maxpool_1", "conv_2", "conv_3"]);
    expect(new Set(result.taps.map(({ verdict }) => verdict))).toEqual(new Set(["shape"]));
    expect(result.faults[1]?.evidence).toMatch(/is the layout declared right\?$/);
  });
});

describe("an exception in a port", () => {
  it("that is no JavaScript is told with its line, by Node's own loader", async () => {
    const folder = mkdtempSync(join(tmpdir(), "difftest-contract-"));
    const model = join(folder, "broken.mjs");
    writeFileSync(model, "export default {\n  name: 'x',\n  build( {\n};\n");
    expect((await refusal("", { model })).replaceAll(folder, "…")).toBe(
      "…/broken.mjs: cannot be loaded: Unexpected token ';' (at …/broken.mjs:4)",
    );
    rmSync(folder, { recursive: true });
  });

  it("in build is told with the user's own line", async () => {
    expect(await refusal("throws in build")).toMatch(
      /^small\.mjs: no room for the weights \(at small\.mjs:\d+:\d+\)$/,
    );
  });

  it("in forward is told with the last tap and the user's own line", async () => {
    expect(await refusal("throws after conv_0")).toMatch(
      /^small\.mjs: forward failed after tap "conv_0": Cannot read properties of null .* \(at small\.mjs:\d+:\d+\)$/,
    );
    expect(await refusal("throws at once")).toMatch(
      /^small\.mjs: forward failed before its first tap: input is not what I thought \(at small\.mjs:\d+:\d+\)$/,
    );
  });
});

describe("a wrong call of tap", () => {
  it.each([
    ["tap twice", 'tap "conv_0" was called twice in one run; every tap needs its own id'],
    ["tap without tensor", 'tap "maxpool_1": got undefined, expected a TensorFlow.js tensor or'],
    ["tap a promise", 'tap "maxpool_1": got a promise (await it before the tap), expected'],
    ["data of another size", 'tap "maxpool_1": data has 3 values, shape [1,8,16,16] needs 2048'],
    ["tap without name", "tap: the name is undefined, expected the tap's id such as"],
  ])("%s", async (way, message) => {
    expect(await refusal(way)).toContain(message);
  });
});

describe("a port that goes on with its own values", () => {
  it("on TensorFlow.js is seen by its operations and refused in isolated mode, with what to write", async () => {
    const run = { plants: [], ignore: ["conv_5"] };
    const error: unknown = await runPlanted("csp", run, { mode: "isolated" }).catch((e) => e);
    expect((error as Error).message).toBe(
      'tap "conv_5": the port goes on with its own tensor, not with the one tap returns; ' +
        'write x = tap("conv_5", x), or run --mode cumulative',
    );
    const cumulative = await runPlanted("csp", run, { mode: "cumulative" });
    expect(cumulative.verdict).toBe("same");
  });

  it("in plain loops is seen because nobody reads what tap returned", async () => {
    expect(await refusal("keeps its own")).toMatch(
      /^tap "conv_0": the port goes on with its own tensor/,
    );
  });

  it("is not accused of it where it reads another layer by mistake: then that layer is named", async () => {
    const result = await runSmall("skips conv_2");
    expect(places(result)).toEqual(["conv_3"]);
    expect(result.verdict).toBe("differs");
  });
});

describe("the weights of a port", () => {
  it("that the original does not have are a fault of component weights, with what there is", async () => {
    const result = await runSmall("unknown weight");
    expect(result.verdict).toBe("differs");
    expect(result.faults).toHaveLength(1);
    expect(result.faults[0]).toMatchObject({ component: "weights", place: "conv_0/gamma" });
    expect(result.faults[0]?.evidence).toMatch(
      /the original has no such tensor; conv_0 has (bias|kernel|scale|mean|variance), .* \(at .*small\.mjs:\d+:\d+\)$/,
    );
  });

  it("in another shape are a fault of component weights, the right one in that layout is none", async () => {
    const result = await runSmall("another shape");
    expect(result.faults[0]).toMatchObject({
      component: "weights",
      layer: 0,
      place: "conv_0/kernel",
    });
    expect(result.faults[0]?.evidence).toContain(
      "conv_0/kernel: the port expects shape [3,3,8,3] (hwio), the original's is [3,3,3,8]",
    );
    expect((await runSmall("right shape")).verdict).toBe("same");
  });

  it("that it never asks for are named one by one", async () => {
    const run = { plants: [], untaken: ["conv_12/scale", "conv_20/bias"] };
    const result = await runPlanted("csp", run, { mode: "isolated" });
    const weights = result.faults.filter(({ component }) => component === "weights");
    expect(weights.map(({ place }) => place)).toEqual(["conv_12/scale", "conv_20/bias"]);
    expect(weights[0]?.evidence).toBe("conv_12/scale: the port never asked for it (40 values)");
    expect(result.coverage.weights.total - result.coverage.weights.compared).toBe(2);
  });

  it("that differ from the file in one bit are named, with place and values", async () => {
    const plants = [{ weight: "conv_12/kernel", change: { bit: 7 } }] as const;
    const result = await runPlanted("csp", { plants, variables: true }, { mode: "isolated" });
    expect(result.weightsChecked).toBe("verified");
    expect(result.faults[0]).toMatchObject({ component: "weights", place: "conv_12/kernel" });
    expect(result.faults[0]?.evidence).toMatch(
      /^1 of 3840 values differ from the file; first at 7: /,
    );
    expect(result.verdict).toBe("differs");
  });

  it("that were left at random explain the layer that differs because of them", async () => {
    const plants = [{ weight: "conv_12/kernel", change: { random: 3 } }] as const;
    const result = await runPlanted("csp", { plants, variables: true }, { mode: "isolated" });
    expect(result.faults.map(({ component, place }) => `${component} ${place}`)).toEqual([
      "weights conv_12/kernel",
      "model conv_12",
    ]);
    expect(result.faults[1]?.cause).toBe("its weights are not those of the file: conv_12/kernel");
  });
});

describe("a TensorFlow.js port with taps of its own names", () => {
  it("is aligned by the weights that each tap depends on, and faults get the original's names", async () => {
    const plants = [{ op: "conv_12", attributes: { parameters: { slope: 0.2 } } }] as const;
    const result = await runPlanted("csp", { plants, ownNames: true });
    expect(result.alignment.by).toBe("provenance");
    expect(result.alignment.pairs).toHaveLength(22);
    expect(result.alignment.pairs[12]).toEqual({ port: "step 12", reference: "conv_12" });
    expect(result.faults.map(({ place, cause }) => ({ place, cause }))).toEqual([
      { place: "conv_12", cause: "negative slope is 0.2, expected 0.1" },
    ]);
    expect(result.coverage.unpaired).toEqual([]);
  });
});
