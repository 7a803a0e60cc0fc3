/** Ports that are programs: right, wrong, misbehaving, ended from outside. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { layerByLayer } from "../../src/checks/layer-by-layer.js";
import type { LayerByLayerOptions } from "../../src/checks/options.js";
import type { LayerByLayerResult } from "../../src/checks/result.js";
import { InputError, UnavailableError } from "../../src/errors.js";
import { architectureFromDarknet } from "../../src/formats/darknet/architecture.js";
import { readDarknetConfig } from "../../src/formats/darknet/config.js";
import { writeDarknetWeights } from "../../src/formats/darknet/weights-writer.js";
import { pythonPath, REFERENCES_FOLDER } from "../../src/references/runner/installed.js";
import { synthesizeWeights } from "../../src/weights/synthetic.js";
import { runMain } from "../cli/run-main.js";
import { whenInstalled } from "../references/installed.js";

const SMALL = fileURLToPath(new URL("./ports/small.py", import.meta.url));
const EXAMPLE = `${REFERENCES_FOLDER}python/example_port.py`;
const CFG = `${REFERENCES_FOLDER}python/example.cfg`;
const program = (file: string) => `runner:"${pythonPath()}" "${file}"`;

afterEach(() => {
  delete process.env["DIFFTEST_PORT"];
});

function run(way: string, options: Partial<LayerByLayerOptions> = {}): Promise<LayerByLayerResult> {
  if (way !== "") process.env["DIFFTEST_PORT"] = way;
  return layerByLayer({ model: program(SMALL), original: CFG, ...options });
}

const errorOf = (work: Promise<unknown>): Promise<InputError | UnavailableError> =>
  work.then(
    () => {
      throw new Error("nothing was thrown");
    },
    (error) => error,
  );

const found = ({ faults }: LayerByLayerResult) =>
  faults.map(({ component, place }) => `${component} ${place}`);

/** Programs of these tests that still run. */
function programs(): readonly string[] {
  return readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && commandOf(pid).includes(SMALL));
}

/** Nothing of a process that ends while it is looked at. */
function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

/** Waits until a program of the run is there; where the run ends before, its own reason is the test's to tell. */
async function started(run: Promise<unknown>): Promise<void> {
  let ended = false;
  const end = () => {
    ended = true;
  };
  run.then(end, end);
  while (!ended && programs().length === 0) await sleep(5);
}

/** Kills a program, unless it has just ended. */
function kill(pid: string): void {
  try {
    process.kill(Number(pid), "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** What was killed is gone as soon as the system has got round to it. */
async function expectNothingLeft(): Promise<void> {
  await expect.poll(programs, { timeout: 5000 }).toEqual([]);
}

describe.skipIf(!whenInstalled("python"))("a port in Python (needs Python with NumPy)", () => {
  it.each(["both", "isolated", "cumulative"] as const)(
    "that is right is the same, mode %s",
    async (mode) => {
      const result = await layerByLayer({ model: program(EXAMPLE), original: CFG, mode });
      expect(result).toMatchObject({ verdict: "same", faults: [], weightsChecked: "verified" });
      expect(result.coverage.taps).toEqual({ compared: 2, total: 2 });
      expect(result.coverage.weights).toEqual({ compared: 5, total: 5 });
    },
  );

  it("that has a wrong slope differs there and nowhere else, with the slope named", async () => {
    const result = await run("slope 0.11");
    expect(result.verdict).toBe("differs");
    expect(found(result)).toEqual(["model conv_0"]);
    expect(result.faults[0]?.cause).toContain("0.11");
  });

  it("that changes a weight is told which", async () => {
    const result = await run("changes a weight");
    expect(found(result)).toContain("weights conv_0/scale");
  });

  it("that takes a weight the original has not is told so", async () => {
    const result = await run("takes a wrong name");
    expect(found(result)).toEqual(["weights conv_1/kernel"]);
  });

  it("may print what it likes", async () => {
    expect((await run("prints")).verdict).toBe("same");
  });

  it("may read the original's files itself, if it shows its variables", async () => {
    const folder = mkdtempSync(join(tmpdir(), "difftest-own-"));
    try {
      const weights = join(folder, "example.weights");
      const architecture = architectureFromDarknet(readDarknetConfig(CFG), { batch: 1 });
      const made = synthesizeWeights(architecture, { seed: 5 });
      writeDarknetWeights(weights, architecture, (name) => made.read(name).data);
      made.close();
      const port = join(folder, "own.py");
      writeFileSync(
        port,
        `import sys; sys.path.insert(0, ${JSON.stringify(`${REFERENCES_FOLDER}python`)})
import numpy as np
import difftest_tap
from example_port import Port

def serve(port):
    """As the helper does, with the path of the weights kept."""
    answer = difftest_tap.answer_calls
    def calls(known, channel):
        describe = known["describe"]
        def keep(fields, arrays):
            port.path = fields["weights"]
            return describe(fields, arrays)
        answer({**known, "describe": keep}, channel)
    difftest_tap.answer_calls = calls
    difftest_tap.serve(port)

class Own(Port):
    def build(self, take, network):
        values = np.fromfile(self.path, np.float32, offset=20)
        self.bias, self.scale, self.mean, self.variance = values[:32].reshape(4, 8)
        self.kernel = values[32:].reshape(8, 3, 3, 3).transpose(2, 3, 1, 0)

serve(Own())
`,
      );
      const result = await layerByLayer({ model: program(port), original: CFG, weights });
      expect(result).toMatchObject({ verdict: "same", weightsChecked: "verified" });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it.each([
    ["ignores the reply", 'tap "conv_0": the port goes on with its own tensor'],
    ["taps twice", 'tap "conv_0" was called twice in one run'],
    ["takes a wrong layout", 'take "conv_0/kernel": unknown layout "whio"'],
    ["throws before its weights", "ValueError: operands do not fit"],
    ["throws between its taps", 'forward failed after tap "conv_0": '],
  ])("that %s is an unusable port", async (way, words) => {
    const error = await errorOf(run(way, { mode: "isolated" }));
    expect(error).toBeInstanceOf(InputError);
    expect(error.message).toContain(words);
    expect(error.message).not.toContain("\n");
  });

  it("that is a reference is no port", async () => {
    const reference = `${REFERENCES_FOLDER}pytorch/runner.py`;
    const error = await errorOf(run("", { model: program(reference) }));
    expect(error).toBeInstanceOf(Error);
    if (whenInstalled("pytorch"))
      expect(error.message).toContain("says it is a reference, expected a port");
  });

  it("needs the original beside it", async () => {
    const { status, err } = await runMain(["layer-by-layer", "--model", "runner:python x.py"]);
    expect(status).toBe(2);
    expect(err).toBe(
      "difftest: --model runner:python x.py: a port of your own needs --original, what it is a port of (.cfg, .keras, .h5, .onnx); with --weights FILE alone only its weights are compared\n",
    );
  });
});

describe.skipIf(!whenInstalled("python"))("a program that ends (needs Python with NumPy)", () => {
  it.each([
    "at once",
    "before its weights",
    "after its weights",
    "before its first tap",
    "between its taps",
    "after its last tap",
    "in the middle of a message",
  ])("by a signal, %s: status 3 and one line", async (moment) => {
    process.env["DIFFTEST_PORT"] = `dies ${moment}`;
    const argv = ["layer-by-layer", "--model", program(SMALL), "--original", CFG];
    const { status, out, err } = await runMain(argv);
    expect(err).toMatch(/^difftest: runner:.*small\.py": was killed by SIGKILL[^\n]*\n$/);
    expect({ status, out }).toEqual({ status: 3, out: "" });
  });

  it("by itself is told with its status and its last words", async () => {
    const error = await errorOf(run("exits between its taps"));
    expect(error).toBeInstanceOf(UnavailableError);
    expect(error.message).toContain(
      'ended with status 9 during "run" (its standard error ends: no more memory)',
    );
  });

  it.each(["at once", "after its weights", "between its taps"])(
    "never, %s: status 3 at the time limit, and nothing is left of it",
    async (moment) => {
      process.env["DIFFTEST_PORT"] = `hangs ${moment}`;
      const argv = [
        "layer-by-layer",
        "--model",
        program(SMALL),
        "--original",
        CFG,
        "--timeout",
        "3",
      ];
      const { status, err } = await runMain(argv);
      expect(err).toMatch(/^difftest: runner:.* did not answer within 3 s during "\w+"\n$/);
      expect(status).toBe(3);
      if (process.platform === "linux") await expectNothingLeft();
    },
  );

  it.skipIf(process.platform !== "linux")(
    "from outside, at whatever moment: status 3 and one line (Linux)",
    async () => {
      for (const delay of [0, 60, 130, 210, 300]) {
        await expectNothingLeft();
        const failing = errorOf(run("hangs after its last tap"));
        await started(failing);
        await sleep(delay);
        programs().forEach(kill);
        const error = await failing;
        expect(error).toBeInstanceOf(UnavailableError);
        expect(error.message).toMatch(/^runner:.*: was killed by SIGKILL[^\n]*$/);
      }
    },
  );

  it.skipIf(process.platform !== "linux")("with the run that is given up (Linux)", async () => {
    for (const delay of [0, 150, 400]) {
      const controller = new AbortController();
      const failing = errorOf(run("hangs between its taps", { signal: controller.signal }));
      await started(failing);
      await sleep(delay);
      controller.abort(new Error("enough"));
      expect((await failing).message).toBe("enough");
      await expectNothingLeft();
    }
  });
});
