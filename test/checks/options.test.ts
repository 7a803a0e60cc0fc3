import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { commandLine } from "../../src/checks/command-line.js";
import { type LayerByLayerOptions, resolveOptions } from "../../src/checks/options.js";

const resolved = (options: Partial<LayerByLayerOptions>) =>
  resolveOptions({ model: "yolov4-tiny", ...options });

describe("resolveOptions", () => {
  it("fills in what a bare call means", () => {
    expect(resolved({})).toMatchObject({
      original: null,
      weights: null,
      inputs: [],
      shape: new Map(),
      preprocess: null,
      byName: false,
      size: null,
      batch: 1,
      mode: "both",
      tolerance: { kind: "bound" },
      backend: "wasm",
      darknet: "alexeyab",
      partial: false,
      lenient: false,
      letterbox: false,
    });
  });

  it("takes a size as one side, or as width and height", () => {
    expect(resolved({ size: 416 }).size).toEqual({ width: 416, height: 416 });
    expect(resolved({ size: "608x320" }).size).toEqual({ width: 608, height: 320 });
  });

  it.each(["", "0", "x", "416x", "416x416x3", "-1", "1e3", "16385", " 416"])(
    "refuses the size %j",
    (size) => {
      expect(() => resolved({ size })).toThrow(`--size: "${size}", expected 416 or WIDTHxHEIGHT`);
    },
  );

  it("takes weights as a file, or made up from a seed and a gain", () => {
    expect(resolved({ weights: "a.weights" }).weights).toEqual({ kind: "file", path: "a.weights" });
    expect(resolved({ weights: "synthetic:7,gain=1.5" }).weights).toEqual({
      kind: "synthetic",
      seed: 7,
      gain: 1.5,
    });
  });

  it.each(["synthetic:", "synthetic:1,gain=0", "synthetic:1,gain=x", "synthetic:4294967296"])(
    "refuses the weights %j",
    (weights) => {
      expect(() => resolved({ weights })).toThrow("expected a file, or synthetic:SEED[,gain=G]");
    },
  );

  it("tells images, arrays and seeds apart, and counts them as the batch", () => {
    const options = resolved({ inputs: ["dog.jpg", "x.NPY", "random:0"] });
    expect(options.inputs.map(({ source }) => source.kind)).toEqual(["image", "npy", "random"]);
    expect(options.batch).toBe(3);
  });

  it("takes both parts of a tolerance, in any order, zero allowed", () => {
    expect(resolved({ tolerance: "atol=0,rtol=1e-4" }).tolerance).toEqual({
      kind: "given",
      rtol: 1e-4,
      atol: 0,
    });
  });

  it.each(["1e-4", "rtol=1,atol=", "rtol=-1,atol=0", "rtol=NaN,atol=0", "rtol=1,atol=Infinity"])(
    "refuses the tolerance %j",
    (tolerance) => {
      expect(() => resolved({ tolerance })).toThrow("expected bound, or both numbers");
    },
  );

  it("matches taps by name, with their sub-taps, by stars and by lists, literally otherwise", () => {
    const { wantsTap } = resolved({ taps: "conv_1, route_*,yolo_3/x" });
    const ids = ["conv_1", "conv_1/norm", "route_12", "yolo_3/x"];
    expect(ids.every(wantsTap)).toBe(true);
    expect(["conv_10", "xconv_1", "yolo_3", "yolo_3/y"].some(wantsTap)).toBe(false);
    expect(resolved({ taps: "a.b" }).wantsTap("axb")).toBe(false);
  });
});

describe("commandLine", () => {
  it("leaves defaults out but names weights and input", () => {
    expect(commandLine({ model: "yolov4-tiny", mode: "both" })).toBe(
      "difftest layer-by-layer --model yolov4-tiny --weights synthetic:1 --input random:1",
    );
  });

  it("tells every option that is not at its default, and what narrows it", () => {
    const options: LayerByLayerOptions = {
      model: "./p.ts",
      original: "a b.cfg",
      inputs: ["x.npy", "y.jpg"],
      size: 32,
      darknet: "pjreddie",
      partial: true,
    };
    expect(commandLine(options, { taps: "conv_7", mode: "isolated" })).toBe(
      "difftest layer-by-layer --model ./p.ts --original 'a b.cfg' --weights synthetic:1 --input x.npy --input y.jpg --size 32 --mode isolated --taps conv_7 --darknet pjreddie --partial",
    );
  });

  it("quotes any word so that a shell gives it back", () => {
    const word = fc.string({ unit: "binary-ascii", minLength: 1 }).filter((s) => !s.includes("\0"));
    fc.assert(
      fc.property(word, (model) => {
        const line = commandLine({ model });
        const echo = line.replace(/^difftest layer-by-layer --model /, "printf '%s|' ");
        const printed = execFileSync("/bin/sh", ["-c", echo], { encoding: "utf8" });
        expect(printed.startsWith(`${model}|--weights|`)).toBe(true);
      }),
      { numRuns: 30 },
    );
  });
});
