import { execFile } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { layerByLayer } from "../../src/checks/layer-by-layer.js";
import { InputError } from "../../src/errors.js";
import { openNpz } from "../../src/formats/npy/npz.js";
import {
  pythonPath,
  REFERENCES_FOLDER,
  runnerCommand,
} from "../../src/references/runner/installed.js";
import { RunnerClient } from "../../src/references/runner/runner-client.js";
import { RunnerReference } from "../../src/references/runner/runner-reference.js";
import { sizeOf, type Tensor, tensor } from "../../src/tensor/tensor.js";
import { syntheticInput } from "../../src/weights/synthetic.js";
import { whenInstalled } from "./installed.js";

const SHARED = process.env["DIFFTEST_SHARED"];
const TWO_CALLS = `${fileURLToPath(new URL("./models/two_calls.py", import.meta.url))}:build`;
const folder = mkdtempSync(join(tmpdir(), "difftest-python-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Longest time of a few lines of Python, in milliseconds: TensorFlow alone takes 20 s to load on a busy machine. */
const PYTHON_MS = 180_000;

/**
 * Runs a few lines of Python beside the runners. It does not block this process, in which the limits of tests would then
 * not hold, and is killed where it does not end: TensorFlow may hang while it tidies up.
 */
async function python(code: string, ...args: readonly string[]): Promise<void> {
  const options = { timeout: PYTHON_MS, killSignal: "SIGKILL" } as const;
  try {
    await promisify(execFile)(pythonPath(), ["-c", code, folder, ...args], options);
  } catch (cause) {
    if ((cause as { killed?: boolean }).killed !== true) throw cause;
    throw new Error(`Python did not end within ${PYTHON_MS / 1000} s: ${code}`, { cause });
  }
}

function started(name: "keras" | "pytorch"): { readonly client: () => RunnerClient } {
  let client: RunnerClient;
  beforeAll(async () => {
    // Within the limit of a test, so that it is the call that is told.
    client = await RunnerClient.start(runnerCommand(name), { timeoutMs: 120_000 });
  });
  afterAll(() => client.close());
  return { client: () => client };
}

/** Central difference of Σ seed · tap along one element of the input, in float32 arithmetic: good to about 1e-3. */
async function slope(
  opened: RunnerReference,
  input: { readonly name: string; readonly value: Tensor; readonly element: number },
  seed: { readonly tap: string; readonly value: Tensor },
): Promise<number> {
  const sumAt = async (step: number) => {
    const data = Float32Array.from(input.value.data);
    data[input.element] = (data[input.element] ?? 0) + step;
    const inputs = new Map([[input.name, tensor(input.value.shape, data)]]);
    const values = (await opened.run(inputs, { taps: [seed.tap] })).get(seed.tap)?.data ?? [];
    return seed.value.data.reduce((sum, weight, at) => sum + weight * (values[at] ?? 0), 0);
  };
  const step = 1 / 64;
  return ((await sumAt(step)) - (await sumAt(-step))) / (2 * step);
}

describe.skipIf(!whenInstalled("keras"))("Keras (needs scripts/install-references.sh)", () => {
  const { client } = started("keras");
  const MNIST = `${REFERENCES_FOLDER}keras/mnist-cnn.json`;

  it("computes every layer of a configuration with the weights that are sent", async () => {
    const opened = await RunnerReference.open(client(), { original: MNIST, batch: 2 });
    const zeros = opened.description.weights.map(
      ({ name, shape }) => [name, tensor(shape, new Float32Array(sizeOf(shape)))] as const,
    );
    // Ten classes, none of which the weights prefer.
    const zero = await RunnerReference.open(
      client(),
      { original: MNIST, batch: 2 },
      new Map(zeros),
    );
    const input = new Map([["image", syntheticInput([2, 28, 28, 1], 3)]]);
    const values = await zero.run(input);
    expect([...values.keys()]).toEqual(zero.description.taps.map(({ id }) => id));
    const last = zero.description.outputs[0] ?? "";
    expect(new Set(values.get(last)?.data)).toEqual(new Set([Math.fround(0.1)]));
  });

  it("agrees with a right port of a whole model, whose scales it rounds otherwise", async () => {
    const result = await layerByLayer({ model: "mnist-cnn", reference: "keras", mode: "isolated" });
    expect(result.faults).toEqual([]);
    expect(result.verdict).toBe("same");
  });

  it("gives the gradients that differences of its values show", async () => {
    const opened = await RunnerReference.open(client(), { original: MNIST });
    const image = syntheticInput([1, 28, 28, 1], 3);
    const tap = opened.description.outputs[0] ?? "";
    const value = syntheticInput([1, 10], 4);
    const { tensors } = await opened.gradient(
      new Map([
        ["image", image],
        [`d:${tap}`, value],
      ]),
    );
    const gradient = tensors.get("d:image")?.data as Float32Array;
    for (const element of [300, 401, 502]) {
      const found = await slope(opened, { name: "image", value: image, element }, { tap, value });
      expect(Math.abs(found - (gradient[element] ?? 0))).toBeLessThan(2e-3);
    }
    expect([...tensors.keys()]).toContain("d:conv2d/kernel");
  });

  it("refuses code in a file, says what it is, and runs it when it is trusted", async () => {
    await python(
      "import sys, keras; keras.Sequential([keras.Input((3,)), keras.layers.Lambda(lambda x: x + 1)]).save(sys.argv[1] + '/lambda.keras')",
    );
    const original = join(folder, "lambda.keras");
    const refused = await RunnerReference.open(client(), { original }).catch((error) => error);
    expect(refused).toBeInstanceOf(InputError);
    expect(refused.message).toBe(
      `runner keras: ${original}: holds a Lambda layer, a lambda function, which is code and would run; add --trust if you trust it`,
    );
    const opened = await RunnerReference.open(client(), { original, trust: true });
    const input = tensor([1, 3], Float32Array.of(1, 2, 3));
    const values = await opened.run(new Map([[opened.description.inputs[0]?.name ?? "", input]]));
    expect([...(values.get("lambda")?.data ?? [])]).toEqual([2, 3, 4]);
  });

  it.each([
    ["a class of another module", { module: "evil", class_name: "Layer" }, "the class evil.Layer"],
    [
      "a module that only begins like Keras",
      { module: "keras_x", class_name: "L" },
      "the class keras_x.L",
    ],
    ["a registered class", { class_name: "L", registered_name: "My>L" }, "the class My>L"],
    [
      "a function",
      { class_name: "function", module: "os", config: "system" },
      "the function os.system",
    ],
  ])("refuses %s before it is imported", async (_, layer, words) => {
    const original = join(folder, "code.json");
    const config = { name: "m", layers: [layer] };
    writeFileSync(original, JSON.stringify({ module: "keras", class_name: "Sequential", config }));
    const refused = await RunnerReference.open(client(), { original }).catch((error) => error);
    expect(refused.code).toBe("unsafe");
    expect(refused.message).toContain(words);
  });

  it("shows what lies inside a SavedModel, once it is trusted", async () => {
    await python(
      "import sys, keras; keras.utils.set_random_seed(1); m = keras.Sequential([keras.Input((4,), name='x'), keras.layers.Dense(3, activation='tanh', name='d')]); m.export(sys.argv[1] + '/saved'); m.save(sys.argv[1] + '/same.keras')",
    );
    const original = join(folder, "saved");
    await expect(RunnerReference.open(client(), { original })).rejects.toThrow(
      "is a program of TensorFlow operations",
    );
    const value = syntheticInput([2, 4], 5);
    const taps = async (path: string) => {
      const opened = await RunnerReference.open(client(), {
        original: path,
        trust: true,
        batch: 2,
      });
      const name = opened.description.inputs[0]?.name ?? "";
      const values = await opened.run(new Map([[name, value]]));
      return { ids: [...values.keys()], output: values.get(opened.description.outputs[0] ?? "") };
    };
    const saved = await taps(original);
    expect(saved.ids.map((id) => id.split("/").at(-1))).toEqual(["MatMul", "BiasAdd", "Tanh"]);
    expect(saved.output?.data).toEqual((await taps(join(folder, "same.keras"))).output?.data);
  });

  it.each([
    [
      "no model",
      "weights.h5",
      "import sys, h5py; h5py.File(sys.argv[1] + '/weights.h5', 'w')",
      "holds weights without a model",
    ],
    [
      "no file of Keras",
      "text.keras",
      "import sys; open(sys.argv[1] + '/text.keras', 'w').write('hello')",
      "is no Keras model",
    ],
  ])("says that a file holds %s, and goes on", async (_, name, code, words) => {
    await python(code);
    const original = join(folder, name);
    await expect(RunnerReference.open(client(), { original })).rejects.toThrow(words);
    await RunnerReference.open(client(), { original: MNIST });
  });
});

describe.skipIf(!whenInstalled("keras") || SHARED === undefined)(
  "Keras on the conformance suite (needs scripts/install-references.sh and DIFFTEST_SHARED)",
  () => {
    const { client } = started("keras");
    const CASES = join(SHARED ?? "", "keras-conformance", "cases");

    it.each(
      [
        "file-nested-3-levels",
        "file-nested-sequential",
        "file-shared-layer",
        "file-shared-submodel",
        "bidir-lstm-sum",
        "conv2d-same-s2-8x7",
        "gru-stateful",
      ].filter((id) => existsSync(join(CASES, id, "model.keras"))),
    )("gives the recorded bits of %s", async (id) => {
      const manifest = JSON.parse(readFileSync(join(CASES, id, "manifest.json"), "utf8"));
      const recorded = openNpz(readFileSync(join(CASES, id, "expected.npz")), id);
      const given = openNpz(readFileSync(join(CASES, id, "inputs.npz")), id);
      const inputs = manifest.inputs.map(({ modelInput, key }: Record<string, string>) => [
        modelInput,
        tensor(
          given.read(key ?? "").shape,
          Float32Array.from(given.read(key ?? "").data as Float32Array),
        ),
      ]) as [string, Tensor][];
      const original = join(CASES, id, "model.keras");
      const shapes = Object.fromEntries(inputs.map(([name, { shape }]) => [name, shape]));
      const opened = await RunnerReference.open(client(), { original, shapes });
      const values = await opened.run(new Map(inputs));
      const taps = manifest.taps.filter(({ name }: { name: string }) => !name.includes("(call"));
      expect(taps.length).toBeGreaterThan(0);
      for (const { name, key } of taps) {
        expect(values.get(name)?.data, name).toEqual(recorded.read(key).data);
      }
    });
  },
);

describe.skipIf(!whenInstalled("keras") || SHARED === undefined)(
  "gradients of Keras on the conformance suite (needs scripts/install-references.sh and DIFFTEST_SHARED)",
  () => {
    const { client } = started("keras");
    const CASES = join(SHARED ?? "", "keras-conformance", "cases");

    it.each([
      "grad-dense-softmax",
      "grad-conv2d-same-s2",
      "grad-lstm-last",
      "grad-bn-train",
      "grad-mha",
    ])("are the recorded ones: %s", async (id) => {
      const manifest = JSON.parse(readFileSync(join(CASES, id, "manifest.json"), "utf8"));
      const recorded = openNpz(readFileSync(join(CASES, id, "expected.npz")), id);
      const given = openNpz(readFileSync(join(CASES, id, "inputs.npz")), id);
      const named = (letters: string): Tensor[] =>
        manifest.inputs
          .filter(({ name }: { name: string }) => name.replace(/\d+$/, "") === letters)
          .map(({ key }: { key: string }) => given.read(key));
      const original = join(CASES, id, "model.keras");
      const batch = named("x")[0]?.shape[0] ?? 1;
      const opened = await RunnerReference.open(client(), { original, batch });
      const { inputs, outputs } = opened.description;
      const tensors = new Map([
        ...named("x").map((value, k) => [inputs[k]?.name ?? "", value] as const),
        ...named("dy").map((value, k) => [`d:${outputs[k]}`, value] as const),
      ]);
      const answer = await opened.call("gradient", { train: id.endsWith("-train") }, tensors);
      const gradients = manifest.taps.filter(({ name }: { name: string }) => /^d[:x]/.test(name));
      expect(gradients.length).toBeGreaterThan(1);
      for (const { name, key } of gradients) {
        const own = name.startsWith("dx") ? `d:${inputs[Number(name.slice(2))]?.name}` : name;
        expect(answer.tensors.get(own)?.data, name).toEqual(recorded.read(key).data);
      }
    });
  },
);

describe.skipIf(!whenInstalled("pytorch"))("PyTorch (needs scripts/install-references.sh)", () => {
  const { client } = started("pytorch");
  const image = syntheticInput([2, 3, 5, 4], 6);

  it("records every module, in-place ones too, whatever the model prints", async () => {
    const opened = await RunnerReference.open(client(), { original: TWO_CALLS });
    expect(opened.description.taps.map(({ id }) => id)).toEqual([
      "conv#call0",
      "norm",
      "act",
      "conv#call1",
      "output",
    ]);
    const values = await opened.run(new Map([["image", image]]));
    const [before, after] = [values.get("norm")?.data ?? [], values.get("act")?.data ?? []];
    expect(Math.min(...before)).toBeLessThan(0);
    expect([...after]).toEqual(
      [...before].map((x) => Math.fround(x < 0 ? x * Math.fround(0.1) : x)),
    );
  });

  it("gives the gradients that differences of its values show", async () => {
    const opened = await RunnerReference.open(client(), { original: TWO_CALLS });
    const value = syntheticInput([2, 3, 5, 4], 7);
    const { tensors } = await opened.gradient(
      new Map([
        ["image", image],
        ["d:output", value],
      ]),
    );
    const gradient = tensors.get("d:image")?.data as Float32Array;
    for (const element of [7, 60, 111]) {
      const found = await slope(
        opened,
        { name: "image", value: image, element },
        { tap: "output", value },
      );
      expect(Math.abs(found - (gradient[element] ?? 0))).toBeLessThan(2e-3);
    }
    expect([...tensors.keys()].filter((name) => name.startsWith("d:"))).toEqual([
      "d:image",
      "d:conv.weight",
      "d:conv.bias",
      "d:norm.weight",
      "d:norm.bias",
    ]);
  });

  it("trains on a loss of PyTorch without keeping the statistics of the batch", async () => {
    const opened = await RunnerReference.open(client(), { original: TWO_CALLS });
    const inputs = new Map([["image", image]]);
    const before = (await opened.run(inputs)).get("output")?.data;
    const truth = syntheticInput([2, 3, 5, 4], 8);
    const answer = await opened.call(
      "gradient",
      { loss: "mse_loss", train: true },
      new Map([...inputs, ["truth", truth]]),
    );
    expect([...answer.tensors.keys()]).toContain("s:norm.running_mean");
    expect((await opened.run(inputs)).get("output")?.data).toEqual(before);
  });

  it("loads a state dict and safetensors alike; more than tensors needs trust", async () => {
    const source = TWO_CALLS.replace(/:build$/, "");
    copyFileSync(source, join(folder, "two_calls.py"));
    await python(
      "import sys; sys.path.insert(0, sys.argv[1]); import torch, two_calls; from safetensors.torch import save_file; m = two_calls.TwoCalls(); d = sys.argv[1]; save_file(m.state_dict(), d + '/w.safetensors'); torch.save(m.state_dict(), d + '/w.pt'); torch.save(m, d + '/whole.pt')",
    );
    const original = `${join(folder, "two_calls.py")}:build`;
    const output = async (weights: string, trust = false) => {
      const opened = await RunnerReference.open(client(), {
        original,
        weights: join(folder, weights),
        trust,
      });
      return (await opened.run(new Map([["image", image]]))).get("output")?.data;
    };
    const expected = await output("w.safetensors");
    expect(await output("w.pt")).toEqual(expected);
    await expect(output("whole.pt")).rejects.toThrow("is a pickle of more than tensors");
    await expect(output("whole.pt")).rejects.toHaveProperty("code", "unsafe");
    expect(await output("whole.pt", true)).toEqual(expected);
    await expect(
      RunnerReference.open(client(), { original: join(folder, "whole.pt") }),
    ).rejects.toThrow("a pickle of a whole model, which runs code of the file");
  });

  it.each([
    [
      "a function that is not there",
      TWO_CALLS.replace(/build$/, "nothing"),
      "has no function nothing",
    ],
    [
      "a function that returns no module",
      `${TWO_CALLS}_nothing`,
      "returns int, expected a torch.nn.Module",
    ],
    ["a file that is not there", "/no/such/model.py:build", "there is no such file"],
    ["a file of something else", TWO_CALLS.replace(/:build$/, ""), "is no PyTorch model"],
  ])("refuses %s, and goes on", async (_, original, words) => {
    await expect(RunnerReference.open(client(), { original })).rejects.toThrow(words);
    await RunnerReference.open(client(), { original: TWO_CALLS });
  });
});

it("says how to get a library that Python does not have", async () => {
  const bare = join(folder, "no-packages.py");
  writeFileSync(
    bare,
    "import sys, runpy; sys.modules['torch'] = None; runpy.run_path(sys.argv[1], run_name='__main__')",
  );
  const command = runnerCommand("pytorch");
  const error = await RunnerClient.start({ ...command, args: [bare, ...command.args] }).catch(
    (reason) => reason,
  );
  if (!whenInstalled("pytorch")) return;
  expect(error.code).toBe("reference-missing");
  expect(error.message).toContain("torch is not installed in");
  expect(error.message).toContain("run scripts/install-references.sh");
});
