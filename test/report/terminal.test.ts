import { stripVTControlCharacters } from "node:util";
import { describe, expect, it } from "vitest";
import type { Fault } from "../../src/checks/result.js";
import { formatResult } from "../../src/report/terminal.js";
import { sampleResult, sampleTap } from "./sample-result.js";

const plain = { colour: false, quiet: false };
const fault: Fault = {
  component: "model",
  layer: 7,
  place: "conv_7",
  evidence:
    "error 0.312, rounding explains 1.1e-5 (28,000 times less); worst at [0,3,1,2]: 0.41, expected 0.10",
  cause: null,
  reproduce: "difftest layer-by-layer --model yolov4-tiny --taps conv_7",
};

describe("formatResult", () => {
  it("prints what ran, a row a tap, the coverage and the verdict", () => {
    expect(formatResult(sampleResult(), plain)).toMatchInlineSnapshot(`
      "port       yolov4-tiny on wasm
      original   yolov4-tiny on onnxruntime 1.30.0
      weights    synthetic:1,gain=1
      input      random:1 as 1x3x416x416

      layer   kind  shape         max abs  max rel  error/bound   drift  verdict
      conv_0  conv  1x32x416x416   1.2e-7   3.1e-6         0.25  1.2e-7  same
      conv_1  conv  1x32x416x416        0   3.1e-6            -  2.0e-6  same

      compared   2 of 2 taps, 11,075,584 of 11,075,584 elements
      weights    5 of 5 equal bit for bit

      same: 2 taps agree (1.9 s, 512 MiB at most)
      "
    `);
  });

  it("prints each fault with place, evidence, cause and the line that repeats it", () => {
    const result = sampleResult({ verdict: "differs", faults: [fault] });
    expect(formatResult(result, { colour: false, quiet: true })).toMatchInlineSnapshot(`
      "fault at conv_7 (model, layer 7)
        evidence  error 0.312, rounding explains 1.1e-5 (28,000 times less); worst at [0,3,1,2]: 0.41,
                  expected 0.10
        cause     unknown
        again     difftest layer-by-layer --model yolov4-tiny --taps conv_7

      differs: 1 fault at conv_7 (2 taps compared, 1.9 s, 512 MiB at most)
      "
    `);
  });

  it("tells notes once each, and none that a fault's evidence tells", () => {
    const noted = (mode: "isolated" | "cumulative") =>
      sampleTap({ mode, notes: ["worst at [0,3,1,2]: 0.41, expected 0.10", "was unlucky"] });
    const taps = [noted("isolated"), noted("cumulative")];
    const text = formatResult(sampleResult({ verdict: "differs", taps, faults: [fault] }), plain);
    expect(text.match(/note {2}.*/g)).toEqual(["note  conv_0: was unlucky"]);
  });

  it("says which cause was found", () => {
    const faults = [{ ...fault, cause: "negative slope is 0.3, expected 0.1" }];
    const text = formatResult(sampleResult({ verdict: "differs", faults }), plain);
    expect(text).toContain("  cause     negative slope is 0.3, expected 0.1\n");
  });

  it("names the layers that are covered by others, left out, or not compared", () => {
    const coverage = {
      ...sampleResult().coverage,
      covered: ["route_3"],
      uncovered: ["conv_9"],
      unpaired: ["mine"],
      excluded: ["yolo_5"],
    };
    const text = formatResult(sampleResult({ coverage }), plain);
    expect(text).toContain("no tap of their own, but a later one depends on them: route_3");
    expect(text).toContain("NOT compared: no compared tap depends on them: conv_9");
    expect(text).toContain("port taps WITHOUT a partner in the original: mine");
    expect(text).toContain("left out on request: yolo_5");
  });

  it("calls a tap that is right by itself and off in the whole run drift", () => {
    const taps = [sampleTap(), sampleTap({ mode: "cumulative", verdict: "differs", maxAbs: 0.5 })];
    expect(formatResult(sampleResult({ taps }), plain)).toMatch(/0\.25\s+0\.5\s+drift\n/);
  });

  it("shows the cumulative numbers when only those exist", () => {
    const taps = [sampleTap({ mode: "cumulative", maxAbs: 0.75 })];
    const text = formatResult(sampleResult({ taps }), plain);
    expect(text).toMatch(/conv_0 .*0\.75 .*same\n/);
    expect(text).not.toContain("drift");
  });

  it("shows the port's own name of a tap that was aligned without names", () => {
    const taps = [sampleTap({ port: "stem" })];
    const alignment = {
      by: "provenance" as const,
      pairs: [{ port: "stem", reference: "conv_0" }],
    };
    const text = formatResult(sampleResult({ taps, alignment }), plain);
    expect(text).toContain("conv_0 (stem)");
    expect(text).toContain("aligned    by provenance, not by names");
  });

  it("fits 100 columns with every field at its longest", () => {
    const tap = sampleTap({
      id: "scale_channels_1234/some-long-part-of-it",
      kind: "linear-combination",
      shape: [128, 2048, 1024, 1024],
      maxAbs: "-Infinity",
      maxRel: 1.234e-12,
      ratio: 123_456.7,
      verdict: "not-exercised",
      notes: [Array.from({ length: 40 }, () => "nothing").join(" ")],
    });
    const warnings = [Array.from({ length: 40 }, () => "strange").join(" ")];
    const taps = [tap, { ...tap, mode: "cumulative" as const }];
    const text = formatResult(
      sampleResult({ taps, warnings, faults: [fault], options: { anchors: [1, 2, 3] } }),
      plain,
    );
    expect(Math.max(...text.split("\n").map((line) => line.length))).toBeLessThanOrEqual(100);
    expect(text.replaceAll(/\s/g, "")).toContain("1024x1024");
  });

  it("prints words for numbers that are none", () => {
    const taps = [sampleTap({ maxAbs: "NaN", ratio: "Infinity", verdict: "non-finite" })];
    expect(formatResult(sampleResult({ taps }), plain)).toMatch(/NaN .*inf\s+non-finite/);
  });

  it("writes escape codes only where colour is allowed", () => {
    const result = sampleResult({ verdict: "differs", faults: [fault], warnings: ["odd"] });
    expect(formatResult(result, plain)).not.toContain("\u001b");
    expect(formatResult(result, { colour: true, quiet: false })).toContain("\u001b[31m");
  });

  it("breaks no word because of its colour", () => {
    const id = "scale_channels_1234/some-long-part-of-it";
    const tap = sampleTap({ id, verdict: "differs", shape: [128, 2048, 1024, 1024] });
    const result = sampleResult({ verdict: "differs", taps: [tap, sampleTap()] });
    const coloured = formatResult(result, { colour: true, quiet: false });
    expect(stripVTControlCharacters(coloured)).toBe(formatResult(result, plain));
  });
});
