import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { COMMANDS } from "../../src/commands/commands.js";
import { runMain } from "./run-main.js";

/** All commands as the messages list them. */
const commands = COMMANDS.map(({ name }) => name).join(", ");
const schema = new URL("../../schema/layer-by-layer.schema.json", import.meta.url);
const validate = new Ajv2020().compile(JSON.parse(readFileSync(schema, "utf8")));
const model = ["layer-by-layer", "--model", "yolov4-tiny"];
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "difftest-cli-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("a wrong call ends with status 2 and one line", () => {
  it.each<[string, string[], string]>([
    [
      "no command",
      [],
      `no command given, expected one of ${commands}; difftest --help explains them`,
    ],
    [
      "an unknown command that is nearly a known one",
      ["inspct"],
      `unknown command "inspct", expected one of ${commands}; did you mean inspect?`,
    ],
    [
      "the beginning of a command",
      ["layer"],
      `unknown command "layer", expected one of ${commands}; did you mean layer-by-layer?`,
    ],
    [
      "an unknown command that is like no other",
      ["frobnicate"],
      `unknown command "frobnicate", expected one of ${commands}`,
    ],
    [
      "an unknown option that is nearly a known one",
      [...model, "--wieghts", "x"],
      "unknown option --wieghts; did you mean --weights?",
    ],
    [
      "an unknown option that is like no other",
      [...model, "--frobnicate"],
      "unknown option --frobnicate; difftest layer-by-layer --help lists the known ones",
    ],
    [
      "an unknown global option",
      ["--frobnicate"],
      "unknown option --frobnicate; difftest --help lists the known ones",
    ],
    [
      "an option at the end without its value",
      ["layer-by-layer", "--model"],
      "--model: value missing, expected <name|file|runner:COMMAND>",
    ],
    [
      "an option in the place of a value",
      [...model, "--json", "--quiet"],
      "--json: value missing, found the option --quiet in its place",
    ],
    [
      "a surplus word",
      [...model, "dog.jpg"],
      "too many arguments for layer-by-layer; difftest layer-by-layer --help lists its options",
    ],
    [
      "inspect without a file",
      ["inspect"],
      "argument file missing; difftest inspect --help explains it",
    ],
    [
      "no model",
      ["layer-by-layer"],
      "--model: missing, expected a built-in model (difftest models lists them) or a file such as ./my-port.ts",
    ],
    [
      "a mode that does not exist",
      [...model, "--mode", "isolatd"],
      '--mode: "isolatd", expected one of isolated, cumulative, both; did you mean isolated?',
    ],
    [
      "a back-end that does not exist",
      [...model, "--backend", "webgl"],
      '--backend: "webgl", expected one of wasm, node, cpu, all',
    ],
    [
      "a dialect that does not exist",
      [...model, "--darknet", "AlexeyAB"],
      '--darknet: "AlexeyAB", expected one of alexeyab, pjreddie; did you mean alexeyab?',
    ],
    [
      "a size that is none",
      [...model, "--size", "416*416"],
      '--size: "416*416", expected 416 or WIDTHxHEIGHT, in pixels, 1 to 16384',
    ],
    [
      "a batch that is none",
      [...model, "--batch", "1.5"],
      '--batch: "1.5", expected a whole number from 1 to 1024',
    ],
    [
      "half a tolerance",
      [...model, "--tolerance", "rtol=1e-4"],
      '--tolerance: "rtol=1e-4", expected bound, or both numbers as in rtol=1e-4,atol=1e-5',
    ],
    [
      "synthetic weights without a seed",
      [...model, "--weights", "synthetic"],
      '--weights: "synthetic", expected a file, or synthetic:SEED[,gain=G] such as synthetic:1',
    ],
    [
      "a random input without a seed",
      [...model, "--input", "random:x"],
      '--input: "random:x", expected an image, a .npy file, or random:SEED such as random:1',
    ],
    [
      "an empty pattern of taps",
      [...model, "--taps", "conv_1,"],
      '--taps: "conv_1,", expected patterns such as conv_3,route_*',
    ],
    [
      "a result in a folder that does not exist",
      [...model, "--json", "no-such-folder/out.json"],
      "--json no-such-folder/out.json: no folder no-such-folder; make it first",
    ],
  ])("%s", async (_, argv, message) => {
    expect(await runMain(argv)).toEqual({ status: 2, out: "", err: `difftest: ${message}\n` });
  });

  it("a result that would replace a folder", async () => {
    const { status, err } = await runMain([...model, "--json", folder]);
    expect(err).toBe(`difftest: --json ${folder}: is a folder, expected the name of a file\n`);
    expect(status).toBe(2);
  });
});

describe("--json tells errors too", () => {
  it("on standard output", async () => {
    const { status, out, err } = await runMain([...model, "--size", "x", "--json", "-"]);
    expect(status).toBe(2);
    expect(err).toContain('--size: "x"');
    const json: unknown = JSON.parse(out);
    expect(json).toEqual({
      schema: "difftest/layer-by-layer/1",
      verdict: "error",
      error: { code: "option", message: err.replace(/^difftest: /, "").trimEnd() },
    });
    expect(validate(json)).toBe(true);
  });

  it("in a file, even when an unknown option kept the call from being understood", async () => {
    const file = join(folder, "error.json");
    const { status } = await runMain([...model, "--nonsense", `--json=${file}`]);
    expect(status).toBe(2);
    expect(validate(JSON.parse(readFileSync(file, "utf8")))).toBe(true);
    expect(readdirSync(folder)).toEqual(["error.json"]);
  });
});

describe("help", () => {
  it.each([[["--help"]], [["-h"]], [["help"]]])("%j lists the commands", async (argv) => {
    const { status, out, err } = await runMain(argv);
    expect({ status, err }).toEqual({ status: 0, err: "" });
    expect(out).toMatchSnapshot("difftest --help");
  });

  it.each(["layer-by-layer", "models", "inspect", "synthesize"])(
    "of %s fits 100 columns and names its options, examples and statuses",
    async (name) => {
      const { status, out } = await runMain([name, "--help"]);
      expect(status).toBe(0);
      expect(out).toMatchSnapshot();
      expect(Math.max(...out.split("\n").map((line) => line.length))).toBeLessThanOrEqual(100);
      expect((await runMain(["help", name])).out).toBe(out);
    },
  );

  it("--version prints the package's version", async () => {
    const file = new URL("../../package.json", import.meta.url);
    const { version } = JSON.parse(readFileSync(file, "utf8")) as { version: string };
    expect(await runMain(["--version"])).toEqual({ status: 0, out: `${version}\n`, err: "" });
  });
});
