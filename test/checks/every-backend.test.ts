import { describe, expect, it } from "vitest";
import { layerByLayer } from "../../src/checks/layer-by-layer.js";
import type { LayerByLayerResult } from "../../src/checks/result.js";
import { layerByLayerResultSchema } from "../../src/report/result-schema.js";
import { formatResult } from "../../src/report/terminal.js";
import { TFJS_NODE } from "../runtime/installed-backends.js";

const ran = ["wasm", ...TFJS_NODE, "cpu"];

/** Runs the example port with faults planted on some back-ends. */
async function runUnequal(
  plants: string,
  mode: "isolated" | "both" = "isolated",
): Promise<LayerByLayerResult> {
  process.env["DIFFTEST_UNEQUAL"] = plants;
  try {
    return await layerByLayer({
      model: "test/checks/ports/unequal-backends.ts",
      original: "examples/small.cfg",
      backend: "all",
      mode,
    });
  } finally {
    delete process.env["DIFFTEST_UNEQUAL"];
  }
}

const verdicts = ({ backends }: LayerByLayerResult) =>
  Object.fromEntries((backends ?? []).map(({ backend, verdict }) => [backend, verdict]));

// Three back-ends one after the other, each with the threads of a whole run.
describe("--backend all", { timeout: 180_000 }, () => {
  it("runs a right port on each installed back-end, and says so", async () => {
    const result = await runUnequal("", "both");
    expect(result.faults).toEqual([]);
    expect(result).toMatchObject({ verdict: "same", backend: "all" });
    expect(verdicts(result)).toMatchObject(Object.fromEntries(ran.map((name) => [name, "same"])));
    expect(verdicts(result)["node"]).toBe(ran.includes("node") ? "same" : "unavailable");
    expect(layerByLayerResultSchema.safeParse(result).success).toBe(true);
    const text = formatResult(result, { colour: false, quiet: false });
    for (const name of ran) expect(text).toContain(`error/bound ${name}`);
  });

  it("finds a fault that one back-end has: the framework's, with the layer and where the port is right", async () => {
    const result = await runUnequal("cpu:conv_2:scale");
    expect(result.verdict).toBe("differs");
    expect(verdicts(result)).toMatchObject({ wasm: "same", cpu: "differs" });
    expect(result.faults).toHaveLength(1);
    expect(result.faults[0]).toMatchObject({ component: "framework", layer: 2, place: "conv_2" });
    const [fault] = result.faults;
    expect(fault?.evidence).toMatch(
      /^on cpu only: max abs .*; the same port is right on wasm \(0\.\d+ × the bound\)/,
    );
    expect(fault?.reproduce).toMatch(/ --mode isolated --taps conv_2 --backend all$/);
    // The numbers of a tap are those of the back-end that is off.
    const tap = result.taps.find(({ id, mode }) => id === "conv_2" && mode === "isolated");
    expect(tap).toMatchObject({ backend: "cpu", verdict: "differs" });
    expect(layerByLayerResultSchema.safeParse(result).success).toBe(true);
    const text = formatResult(result, { colour: false, quiet: false });
    expect(text).toMatch(/conv_2 +activation .* differs on cpu\n/);
    expect(text).toContain("fault at conv_2 (framework, layer 2)");
  });

  it("leaves a fault that every back-end has to the port, beside one that only one has", async () => {
    const result = await runUnequal("*:conv_0:scale,wasm:conv_2:scale");
    expect(result.faults.map(({ component, place }) => `${component} ${place}`)).toEqual([
      "model conv_0",
      "framework conv_2",
    ]);
  });

  it("tells a port that ends with an exception on one back-end, and goes on with the others", async () => {
    const result = await runUnequal("wasm:conv_2:throw");
    expect(verdicts(result)).toMatchObject({ wasm: "failed", cpu: "same" });
    expect(result.faults).toHaveLength(1);
    expect(result.faults[0]).toMatchObject({ component: "framework", place: "conv_2/norm" });
    expect(result.faults[0]?.evidence).toMatch(
      /^on wasm the port fails: .*kernel LeakyRelu is not registered.*; on (node and )?cpu it runs$/,
    );
  });

  it("refuses a port that fails wherever it runs, as it does on one back-end", async () => {
    await expect(runUnequal("*:conv_2:throw")).rejects.toThrow(
      'forward failed after tap "conv_2/norm": kernel LeakyRelu is not registered',
    );
  });

  it("runs a port without TensorFlow.js once", async () => {
    const result = await layerByLayer({
      model: "examples/plain-port.mjs",
      original: "examples/small.cfg",
      backend: "all",
    });
    expect(result).toMatchObject({ backend: "plain", verdict: "same" });
    expect(result.backends).toBeUndefined();
    expect(result.warnings).toEqual([
      "--backend all: the port does not use TensorFlow.js, so it ran once",
    ]);
  });
});
