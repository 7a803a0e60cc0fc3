import { describe, expect, it } from "vitest";
import { type BackendRun, mergeBackends } from "../../src/checks/merge-backends.js";
import type { Fault, LayerByLayerResult, TapResult } from "../../src/checks/result.js";
import { sampleResult, sampleTap } from "../report/sample-result.js";

const options = { model: "yolov4-tiny", backend: "all" } as const;
const fault: Fault = {
  component: "model",
  layer: 0,
  place: "conv_0",
  evidence: "max abs 1",
  cause: "negative slope 0.2",
  reproduce: "difftest layer-by-layer --model yolov4-tiny --taps conv_0",
};
const run = (backend: string, changes: Partial<LayerByLayerResult> = {}): BackendRun => ({
  backend,
  result: sampleResult({ backend, ...changes }),
});
const faulty = (backend: string, faults: readonly Fault[] = [fault]): BackendRun =>
  run(backend, { verdict: "differs", faults });

describe("mergeBackends", () => {
  it("leaves a fault of all back-ends as it is", () => {
    const { faults, verdict } = mergeBackends(options, [faulty("wasm"), faulty("cpu")]);
    expect({ faults, verdict }).toEqual({ faults: [fault], verdict: "differs" });
  });

  it("makes a fault of some back-ends one of the framework, and keeps its cause", () => {
    const { faults } = mergeBackends(options, [faulty("wasm"), run("node"), run("cpu")]);
    expect(faults).toEqual([
      {
        ...fault,
        component: "framework",
        evidence:
          "on wasm only: max abs 1; the same port is right on node (0.25 × the bound) and cpu (0.25 × the bound)",
        reproduce:
          "difftest layer-by-layer --model yolov4-tiny --weights synthetic:1 --input random:1 --mode isolated --taps conv_0 --backend all",
      },
    ]);
  });

  it("accuses the reference where the judge did, not the back-end that showed it", () => {
    const reference = { ...fault, component: "reference" } as const;
    expect(mergeBackends(options, [faulty("wasm", [reference]), run("cpu")]).faults).toEqual([
      reference,
    ]);
  });

  it("does not count a back-end that is not installed as one on which the port is right", () => {
    const absent = { backend: "node", failed: "unavailable", reason: "is not installed" } as const;
    const merged = mergeBackends(options, [faulty("wasm"), absent, faulty("cpu")]);
    expect(merged.faults).toEqual([fault]);
    expect(merged.warnings).toContain("not run on node: is not installed");
    expect(merged.backends?.map(({ backend, verdict }) => [backend, verdict])).toEqual([
      ["wasm", "differs"],
      ["node", "unavailable"],
      ["cpu", "differs"],
    ]);
  });

  it.each<[string, Partial<TapResult>, Partial<TapResult>, string]>([
    ["the worse verdict", { verdict: "differs", ratio: 2 }, { ratio: 9 }, "wasm"],
    ["then the larger ratio", { ratio: 0.2 }, { ratio: 0.3 }, "cpu"],
    ["NaN before every number", { ratio: 0.2 }, { ratio: "NaN" }, "cpu"],
    ["the first where they are equal", { ratio: null }, { ratio: null }, "wasm"],
  ])("shows each tap of the back-end that is furthest off: %s", (_, wasm, cpu, worst) => {
    const merged = mergeBackends(options, [
      run("wasm", { taps: [sampleTap(wasm)] }),
      run("cpu", { taps: [sampleTap(cpu)] }),
    ]);
    expect(merged.taps.map(({ backend }) => backend)).toEqual([worst]);
  });

  it("tells warnings once, with the back-ends that gave them where others did not", () => {
    const merged = mergeBackends(options, [
      run("wasm", { warnings: ["old file", "slow"] }),
      run("cpu", { warnings: ["old file"] }),
    ]);
    expect(merged.warnings).toEqual(["old file", "on wasm: slow"]);
  });
});
