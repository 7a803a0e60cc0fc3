import { existsSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import h5wasm from "h5wasm";
import { describe, expect, it } from "vitest";
import { architectureFromKeras } from "../../../src/formats/keras/architecture.js";
import { openKerasFile } from "../../../src/formats/keras/keras-file.js";
import { sizeOf } from "../../../src/tensor/tensor.js";
import { hdf5Bytes, numbers, temporaryPath, writeKeras2, writeKeras3 } from "./write-model.js";

/** A Sequential of Keras 2 whose layers are not in alphabetical order. */
function sequential2(changes: Readonly<Record<string, unknown>> = {}) {
  return {
    class_name: "Sequential",
    config: {
      name: "net",
      layers: [
        {
          class_name: "Dense",
          config: { name: "z", batch_input_shape: [null, 3], units: 2, activation: "relu" },
        },
        { class_name: "Dense", config: { name: "a", units: 1, use_bias: false, ...changes } },
      ],
    },
  };
}

const dense2 = [
  {
    name: "z",
    weights: [
      { name: "z/kernel:0", shape: [3, 2], values: numbers(6) },
      { name: "z/bias:0", shape: [2], values: numbers(2, 6) },
    ],
  },
  { name: "a", weights: [{ name: "a/kernel:0", shape: [2, 1], values: numbers(2, 8) }] },
];

/** Values of all weights by name. */
function weightsOf(model: ReturnType<typeof architectureFromKeras>) {
  const { source, entries } = model.weights;
  if (source.kind !== "memory") throw new Error("the weights are not in memory");
  return Object.fromEntries(
    entries.map(({ name, offset, shape }) => [
      name,
      [...new Float32Array(source.bytes, offset, sizeOf(shape))],
    ]),
  );
}

describe("a whole model of Keras 2", () => {
  it("gives its layers in the order of layer_names, and every weight under Keras' name", async () => {
    const model = architectureFromKeras(
      await openKerasFile(await writeKeras2(sequential2(), dense2)),
    );
    expect(model.architecture.layers.map(({ id }) => id)).toEqual(["z", "a"]);
    expect(model.architecture.outputs).toEqual(["a"]);
    expect(weightsOf(model)).toEqual({
      "z/kernel": [0, 1, 2, 3, 4, 5],
      "z/bias": [6, 7],
      "a/kernel": [8, 9],
    });
    expect(model.architecture.inputs).toEqual([{ name: "z_input", shape: [1, 3], type: "float" }]);
  });

  it("may split its list of layers over several attributes", async () => {
    const path = await writeKeras2(sequential2(), dense2, { chunks: true });
    const model = architectureFromKeras(await openKerasFile(path), { batch: 4 });
    expect(Object.keys(weightsOf(model))).toEqual(["z/kernel", "z/bias", "a/kernel"]);
    expect(model.architecture.operations.at(-1)?.shape).toEqual([4, 1]);
  });

  it("keeps its meaning where the dialects differ", async () => {
    const config = sequential2({ activation: "hard_sigmoid" });
    const slopes = await Promise.all(
      ["2.15.0", "3.15.1"].map(async (version) => {
        const file = await openKerasFile(await writeKeras2(config, dense2, { version }));
        const slopes = architectureFromKeras(file).architecture.operations.flatMap((operation) =>
          operation.kind === "activation" && operation.attributes.function === "hard-sigmoid"
            ? [operation.attributes.parameters["slope"]]
            : [],
        );
        return slopes[0];
      }),
    );
    expect(slopes).toEqual([0.2, 1 / 6]);
  });
});

describe("a model of Keras 3", () => {
  const config3 = {
    module: "keras",
    class_name: "Sequential",
    config: {
      name: "net",
      layers: [
        { class_name: "InputLayer", config: { batch_shape: [null, 3], name: "x" } },
        { module: "keras.layers", class_name: "Dense", config: { name: "z", units: 2 } },
        {
          module: "keras.layers",
          class_name: "Dense",
          config: { name: "a", units: 1, use_bias: false },
        },
      ],
    },
  };
  const store = [
    { name: "layers/dense/vars/0", shape: [3, 2], values: numbers(6) },
    { name: "layers/dense/vars/1", shape: [2], values: numbers(2, 6) },
    { name: "layers/dense_1/vars/0", shape: [2, 1], values: numbers(2, 8) },
  ];

  it("finds weights by class and number, not by the layer's name", async () => {
    const model = architectureFromKeras(await openKerasFile(await writeKeras3(config3, store)));
    expect(weightsOf(model)).toEqual({
      "z/kernel": [0, 1, 2, 3, 4, 5],
      "z/bias": [6, 7],
      "a/kernel": [8, 9],
    });
  });

  it("refuses a weight too many and a weight too few, by name", async () => {
    const more = [...store, { name: "layers/dense_1/vars/1", shape: [1], values: [0] }];
    const surplus = await openKerasFile(await writeKeras3(config3, more));
    expect(() => architectureFromKeras(surplus)).toThrow(
      "holds layers/dense_1/vars/1, which the model does not have",
    );
    const missing = await openKerasFile(await writeKeras3(config3, store.slice(0, 2)));
    expect(() => architectureFromKeras(missing)).toThrow(
      'has no layers/dense_1/vars/0, expected "a/kernel"',
    );
  });
});

describe("a model of Keras 1", () => {
  const layer = (className: string, config: Readonly<Record<string, unknown>>) => ({
    class_name: className,
    config: { name: className.toLowerCase(), ...config },
  });
  const layers = [
    layer("Convolution2D", {
      batch_input_shape: [null, 4, 4, 1],
      nb_filter: 2,
      nb_row: 3,
      nb_col: 3,
      subsample: [1, 1],
      border_mode: "valid",
      dim_ordering: "tf",
      init: "glorot_uniform",
      W_regularizer: null,
      activation: "relu",
      bias: true,
    }),
    layer("Flatten", {}),
    layer("Dropout", { p: 0.5 }),
    layer("Dense", {
      output_dim: 3,
      input_dim: null,
      init: "uniform",
      activation: "softmax",
      bias: true,
    }),
  ];
  const stored = [
    {
      name: "convolution2d",
      weights: [
        { name: "convolution2d_W", shape: [3, 3, 1, 2], values: numbers(18) },
        { name: "convolution2d_b", shape: [2], values: numbers(2) },
      ],
    },
    {
      name: "dense",
      weights: [
        { name: "dense_W", shape: [8, 3], values: numbers(24) },
        { name: "dense_b", shape: [3], values: numbers(3) },
      ],
    },
  ];

  it("is read in the words of Keras 2, a Sequential as a list of layers", async () => {
    const path = await writeKeras2({ class_name: "Sequential", config: layers }, stored, {
      version: "1.2.2",
    });
    const model = architectureFromKeras(await openKerasFile(path));
    expect(model.architecture.operations.at(-1)?.shape).toEqual([1, 3]);
    expect(Object.keys(weightsOf(model))).toEqual([
      "convolution2d/kernel",
      "convolution2d/bias",
      "dense/kernel",
      "dense/bias",
    ]);
  });

  it("names layers whose weights it keeps in another form", async () => {
    const lstm = [layer("LSTM", { batch_input_shape: [null, 4, 1], output_dim: 2 })];
    const path = await writeKeras2({ class_name: "Sequential", config: lstm }, [], {
      version: "1.2.2",
    });
    await expect(openKerasFile(path)).rejects.toThrow("a LSTM layer of Keras 1");
  });
});

describe("a file that is refused", () => {
  const refusal = async (path: string): Promise<string> => {
    try {
      architectureFromKeras(await openKerasFile(path));
      return "read";
    } catch (error) {
      return error instanceof Error ? error.message.replaceAll(path, "FILE") : String(error);
    }
  };

  it.each([
    [{ units: -4 }, 'layer "a" (Dense) has units -4, expected a whole number of at least 1'],
    [{ activation: "my_act" }, 'has the activation "my_act", which is none of Keras\' own'],
    [{ wobble: 1 }, 'has "wobble" in its configuration, which Keras\' Dense does not have'],
    [{ units: 5 }, 'a/kernel:0 has shape [2,1], expected [2,5] for "a/kernel"'],
    [{ use_bias: true }, 'layer "a" has 1 weights in the file, expected 2: kernel, bias'],
  ])("has %j in a layer", async (changes, message) => {
    const path = await writeKeras2(sequential2(changes), dense2);
    expect(await refusal(path)).toContain(message);
  });

  it.each([
    ["Lambda", { function: ["4wEAAA==", null, null] }, "holds Python code, which is never run"],
    ["MySecretLayer", {}, "is not one of the layers read here"],
  ])("contains a %s", async (className, config, message) => {
    const layers = [
      ...sequential2().config.layers,
      { class_name: className, config: { name: "odd", ...config } },
    ];
    const path = await writeKeras2(
      { class_name: "Sequential", config: { name: "net", layers } },
      dense2,
    );
    expect(await refusal(path)).toContain(message);
  });

  it("is a subclass registered by the model's own code", async () => {
    const layer = {
      module: "keras.layers",
      class_name: "Dense",
      registered_name: "mypkg>Dense",
      config: { name: "z", units: 2 },
      inbound_nodes: [{ args: [tensor("x")], kwargs: {} }],
    };
    expect(await refusal(await writeKeras3(functional([layer]), []))).toContain(
      "a class of the model's own code",
    );
  });

  it("has layers that need each other, or a layer that is not there", async () => {
    const add = (name: string, ...from: string[]) => ({
      module: "keras.layers",
      class_name: "Add",
      config: { name },
      name,
      inbound_nodes: [{ args: [from.map(tensor)], kwargs: {} }],
    });
    const loop = functional([add("z", "x", "y"), add("y", "x", "z")]);
    expect(await refusal(await writeKeras3(loop, []))).toContain("the layers form a loop");
    const dangling = functional([add("z", "x", "nobody")]);
    expect(await refusal(await writeKeras3(dangling, []))).toContain(
      'layer "z" reads layer "nobody", which the model does not have',
    );
  });

  it("leads to another file, which is not opened", async () => {
    const path = temporaryPath("model.h5");
    const outside = join(dirname(path), "outside.h5");
    writeFileSync(
      outside,
      await hdf5Bytes((file) => file.create_dataset({ name: "d", data: [1] })),
    );
    const bytes = await hdf5Bytes((file) => {
      file.create_attribute("model_config", JSON.stringify(sequential2()));
      file.create_group("model_weights");
      const root = file.get("model_weights");
      if (!(root instanceof h5wasm.Group)) throw new Error("no group");
      root.create_attribute("layer_names", ["z"]);
      root.create_group("z");
      const group = root.get("z");
      if (!(group instanceof h5wasm.Group)) throw new Error("no group");
      group.create_attribute("weight_names", ["kernel:0"]);
      group.create_external_link(outside, "d", "kernel:0");
    });
    writeFileSync(path, bytes);
    expect(existsSync(outside)).toBe(true);
    expect(await refusal(path)).toContain("is a link to another file, which is not opened");
  });

  it("is an archive with a symbolic link in it", async () => {
    const path = await writeKeras3(functional([]), []);
    const bytes = readFileSync(path);
    // The first record of the archive's directory: made on Unix, a link by its mode.
    const record = bytes.indexOf("PK\x01\x02", 0, "latin1");
    bytes[record + 5] = 3;
    bytes.writeUInt16LE(0xa1ff, record + 40);
    writeFileSync(path, bytes);
    expect(await refusal(path)).toContain("a symbolic link, expected a file");
  });

  it("ends early, or is something else", async () => {
    const path = await writeKeras2(sequential2(), dense2);
    truncateSync(path, 900);
    expect(await refusal(path)).toContain("truncated file");
    const page = temporaryPath("model.keras");
    writeFileSync(page, "<!DOCTYPE html><html></html>");
    expect(await refusal(page)).toContain("is an HTML page, expected a Keras model");
    writeFileSync(page, "");
    expect(await refusal(page)).toBe("FILE: is empty, expected a Keras model");
  });

  it("keeps the library busy longer than it may", async () => {
    const path = await writeKeras2(sequential2(), dense2);
    await expect(openKerasFile(path, { timeoutMs: 0 })).rejects.toThrow(
      "did not finish within 0 ms",
    );
    // And the next file is read by another thread.
    expect((await openKerasFile(path)).model.layers).toHaveLength(3);
    expect(readFileSync(path).byteLength).toBeGreaterThan(0);
  });
});

function tensor(layer: string) {
  return { class_name: "__keras_tensor__", config: { keras_history: [layer, 0, 0] } };
}

function functional(layers: readonly unknown[]) {
  return {
    class_name: "Functional",
    config: {
      name: "net",
      layers: [
        {
          class_name: "InputLayer",
          config: { batch_shape: [null, 3], name: "x" },
          name: "x",
          inbound_nodes: [],
        },
        ...layers,
      ],
      input_layers: ["x", 0, 0],
      output_layers: ["z", 0, 0],
    },
  };
}
