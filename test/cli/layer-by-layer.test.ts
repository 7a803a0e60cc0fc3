import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LayerByLayerResult } from "../../src/checks/result.js";
import { runMain } from "./run-main.js";

const schema = new URL("../../schema/layer-by-layer.schema.json", import.meta.url);
const validate = new Ajv2020().compile(JSON.parse(readFileSync(schema, "utf8")));
const original = ["--original", "examples/small.cfg"];
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "difftest-lbl-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Whether `@tensorflow/tfjs-node` is installed, the one back-end that is optional. */
function hasNodeBackend(): boolean {
  try {
    createRequire(import.meta.url).resolve("@tensorflow/tfjs-node");
    return true;
  } catch {
    return false;
  }
}

/** The plain example with one thing changed, as a file of its own. */
function changedPort(name: string, from: string, to: string): string {
  const text = readFileSync("examples/plain-port.mjs", "utf8");
  expect(text.split(from)).toHaveLength(2);
  const path = join(folder, name);
  writeFileSync(path, text.replace(from, to));
  return path;
}

async function runJson(...argv: string[]): Promise<LayerByLayerResult> {
  const { out } = await runMain(["layer-by-layer", ...argv, "--json", "-"]);
  const json: unknown = JSON.parse(out);
  validate(json);
  expect(validate.errors).toBeNull();
  return json as LayerByLayerResult;
}

describe("difftest layer-by-layer on a port that is right", () => {
  it.each(["examples/plain-port.mjs", "examples/tfjs-port.ts"])(
    "%s: every tap is the same, status 0",
    async (port) => {
      const { status, out, err } = await runMain(["layer-by-layer", "--model", port, ...original]);
      expect(err).toBe("");
      expect(out).toMatch(/conv_0\/norm +batch-norm +1x8x32x32 .* same\n/);
      expect(out).toContain("compared   8 of 8 taps, 41,472 of 41,472 elements\n");
      expect(out).toContain("weights    12 of 12 equal bit for bit\n");
      expect(out).toMatch(/\n\nsame: 8 taps agree \(.*\)\n$/);
      expect(status).toBe(0);
    },
  );

  it("writes the table to standard error when JSON goes to standard output", async () => {
    const argv = ["--model", "examples/plain-port.mjs", ...original, "--json", "-"];
    const { out, err } = await runMain(["layer-by-layer", ...argv]);
    expect(validate(JSON.parse(out))).toBe(true);
    expect(err).toContain("conv_2/norm");
  });

  it("writes JSON into a file that is whole or not there, the table where it always goes", async () => {
    const json = join(folder, "out.json");
    const argv = ["--model", "examples/plain-port.mjs", ...original, "--json", json, "--quiet"];
    const { out } = await runMain(["layer-by-layer", ...argv]);
    expect(validate(JSON.parse(readFileSync(json, "utf8")))).toBe(true);
    expect(out).toMatch(/^same: /);
    expect(readdirSync(folder).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  it("gives the same JSON again but for timings and memory, and names the call that repeats it", async () => {
    const argv = ["--model", "examples/plain-port.mjs", ...original, "--batch", "2"];
    const [first, second] = [await runJson(...argv), await runJson(...argv)];
    const stable = ({ timings: _t, memory: _m, ...rest }: LayerByLayerResult) => rest;
    expect(stable(second)).toEqual(stable(first));
    expect(first.command).toBe(
      "difftest layer-by-layer --model examples/plain-port.mjs --original examples/small.cfg --weights synthetic:1 --input random:1 --batch 2",
    );
    const { width, height, channels, batch } = first.size;
    expect([width, height, channels, batch]).toEqual([32, 32, 3, 2]);
  });

  it("compares only the taps asked for and lists what it left out", async () => {
    const result = await runJson(
      "--model",
      "examples/plain-port.mjs",
      ...original,
      "--taps",
      "conv_2",
    );
    expect([...new Set(result.taps.map(({ id }) => id))]).toEqual([
      "conv_2/conv",
      "conv_2/norm",
      "conv_2",
    ]);
    expect(result.coverage.excluded).toEqual(["conv_0", "maxpool_1", "conv_3"]);
  });
});

describe("difftest layer-by-layer on a port that is wrong", () => {
  it("names every layer with a wrong slope, and the step inside it, status 1", async () => {
    const port = changedPort("slope.mjs", "value * 0.1", "value * 0.3");
    const { status, out } = await runMain(["layer-by-layer", "--model", port, ...original]);
    expect(status).toBe(1);
    expect(out).toMatch(/fault at conv_0 \(model, layer 0\)\n {2}evidence {2}max abs /);
    expect(out).toMatch(/fault at conv_2 \(model, layer 2\)/);
    expect(out).toMatch(/\ndiffers: 2 faults at conv_0, conv_2 \(/);
  });

  it("repeats a fault with the line it gives, which narrows the run to the tap", async () => {
    const port = changedPort("epsilon.mjs", "+ 1e-5", "+ 1e-3");
    const { faults } = await runJson("--model", port, ...original, "--mode", "isolated");
    expect(faults.map(({ place }) => place)).toEqual(["conv_0/norm", "conv_2/norm"]);
    const words = (faults[0]?.reproduce ?? "").split(" ");
    expect(words[0]).toBe("difftest");
    const again = await runJson(...words.slice(2));
    expect(again.faults.map(({ place }) => place)).toEqual(["conv_0/norm"]);
  });

  it("tells a port that goes on with its own values instead of what tap returned", async () => {
    const port = changedPort(
      "ignores.mjs",
      "  return tap(name, map(normed, leaky));",
      "  const result = map(normed, leaky);\n  tap(name, result);\n  return result;",
    );
    const { status, err } = await runMain(["layer-by-layer", "--model", port, ...original]);
    expect(status).toBe(2);
    expect(err).toBe(
      'difftest: tap "conv_0": the port goes on with its own tensor, not with the one tap returns (and at 1 more taps); write x = tap("conv_0", x), or run --mode cumulative\n',
    );
  });
});

describe("difftest layer-by-layer on what is not there", () => {
  it("says where a built-in model's weights are published", async () => {
    const argv = ["--model", "yolov4-tiny", "--weights", "no-such.weights"];
    const { status, err } = await runMain(["layer-by-layer", ...argv]);
    expect(status).toBe(2);
    expect(err).toBe(
      "difftest: --weights no-such.weights: there is no such file; its authors publish it at https://github.com/AlexeyAB/darknet/releases/download/darknet_yolo_v4_pre/yolov4-tiny.weights, or use --weights synthetic:1, which needs none\n",
    );
  });

  it("names the nearest built-in model", async () => {
    const { status, err } = await runMain(["layer-by-layer", "--model", "yolov4-tny"]);
    expect(status).toBe(2);
    expect(err).toBe(
      'difftest: --model: no built-in model "yolov4-tny"; did you mean yolov4-tiny? ("difftest models" lists them; a port of your own is a file, ./my-port.ts, or a program, "runner:python my_port.py")\n',
    );
  });

  it("wants the original of a port of your own", async () => {
    const { status, err } = await runMain(["layer-by-layer", "--model", "examples/plain-port.mjs"]);
    expect(status).toBe(2);
    expect(err).toBe(
      "difftest: --model examples/plain-port.mjs: a port of your own needs --original, what it is a port of (.cfg, .keras, .h5, .onnx); with --weights FILE alone only its weights are compared\n",
    );
  });

  it.skipIf(hasNodeBackend())(
    "ends with 3 when a back-end is not installed, and says how to get it (runs where tfjs-node is not)",
    async () => {
      const argv = ["--model", "examples/tfjs-port.ts", ...original, "--backend", "node"];
      const { status, out, err } = await runMain(["layer-by-layer", ...argv, "--json", "-"]);
      expect(status).toBe(3);
      expect(err).toMatch(/^difftest: .*@tensorflow\/tfjs-node.*\n$/);
      expect(JSON.parse(out)).toMatchObject({
        verdict: "error",
        error: { code: "backend-missing" },
      });
    },
  );

  it("ends with 130 when it is interrupted", async () => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error("interrupted")), 300);
    const argv = ["layer-by-layer", "--model", "yolov4-tiny", "--json", join(folder, "cut.json")];
    const { status, out, err } = await runMain(argv, controller.signal);
    expect({ status, out, err }).toEqual({ status: 130, out: "", err: "difftest: interrupted\n" });
    expect(readdirSync(folder)).not.toContain("cut.json");
  });
});
