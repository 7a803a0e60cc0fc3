import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { layerByLayer } from "../../src/checks/layer-by-layer.js";
import type { LayerByLayerOptions } from "../../src/checks/options.js";
import { recordGolden } from "../../src/checks/record-golden.js";
import { darknetRunnerPath } from "../../src/references/runner/installed.js";

const REAL = darknetRunnerPath();

describe.skipIf(!existsSync(REAL))(
  "a live reference that was run before (needs references/darknet/build.sh)",
  () => {
    let root = "";
    let calls = "";
    let program = "";
    const before = { ...process.env };

    /** A runner that keeps the calls it gets; another text makes it another program. */
    const install = (text: string) => {
      writeFileSync(program, `#!/bin/sh\n# ${text}\ntee -a '${calls}' | '${REAL}'\n`);
      chmodSync(program, 0o755);
    };
    /** How often the reference was run since the last time. */
    const runs = () => {
      const count = readFileSync(calls, "latin1").split('"call":"run"').length - 1;
      writeFileSync(calls, "");
      return count;
    };
    const run = async (options: Partial<LayerByLayerOptions> = {}) => {
      const {
        timings: _,
        memory: __,
        ...result
      } = await layerByLayer({
        model: "./examples/plain-port.mjs",
        original: "examples/small.cfg",
        reference: "darknet",
        mode: "isolated",
        ...options,
      });
      return result;
    };

    beforeAll(async () => {
      root = mkdtempSync(join(tmpdir(), "difftest-cached-"));
      calls = join(root, "calls");
      program = join(root, "runner");
      writeFileSync(calls, "");
      install("first");
      process.env["DIFFTEST_DARKNET_RUNNER"] = program;
      process.env["DIFFTEST_CACHE"] = join(root, "cache");
    });
    afterEach(() => runs());
    afterAll(() => {
      process.env = before;
      rmSync(root, { recursive: true, force: true });
    });

    it("is not run again while only the port changes, and the result is the same", async () => {
      const first = await run();
      expect(runs()).toBe(1);
      expect(await run()).toEqual(first);
      expect(await run({ model: "./examples/tfjs-port.ts" })).toMatchObject({
        references: first.references,
      });
      expect(runs()).toBe(0);
    });

    it.each([
      ["the input", { inputs: ["random:2"] }],
      ["the weights", { weights: "synthetic:2" }],
      ["the batch", { batch: 2 }],
      ["the size", { size: 64 }],
    ])("is run again when %s changes", async (_, options) => {
      await run();
      runs();
      await run(options);
      expect(runs()).toBe(1);
    });

    it("is run again when its program changes, the cache is not wanted, or a golden is recorded", async () => {
      await run();
      install("second");
      runs();
      await run();
      expect(runs()).toBe(1);
      await run({ cache: false });
      expect(runs()).toBe(1);
      const original = "examples/small.cfg";
      const out = join(root, "golden");
      await recordGolden({ original, reference: "darknet", darknet: "pjreddie", out });
      expect(runs()).toBe(1);
    });

    it("is run again when what was kept is damaged", async () => {
      const first = await run();
      runs();
      for (const key of readdirSync(join(root, "cache"))) {
        const path = join(root, "cache", key, "trace.npz");
        const bytes = readFileSync(path);
        bytes[bytes.length - 300] = (bytes[bytes.length - 300] ?? 0) ^ 64;
        writeFileSync(path, bytes);
      }
      expect(await run()).toEqual(first);
      expect(runs()).toBe(1);
      await run();
      expect(runs()).toBe(0);
    });
  },
);
