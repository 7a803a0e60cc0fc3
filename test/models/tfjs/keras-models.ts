import { writeFileSync } from "node:fs";
import { join } from "node:path";

/** A layer of a functional model that reads other layers; `kwargs` go to every call. */
export interface TestLayer {
  readonly name: string;
  readonly kind: string;
  readonly config?: Readonly<Record<string, unknown>>;
  /** One list of names a call: `conv`, or `conv:1` for the second call of it. */
  readonly calls: readonly (readonly string[])[];
}

const ref = (name: string): [string, number, number] => {
  const [layer = "", call = "0"] = name.split(":");
  return [layer, Number(call), 0];
};

/** A model as Keras 2 describes it. */
export function keras2(input: readonly (number | null)[], layers: readonly TestLayer[]): unknown {
  return {
    class_name: "Functional",
    config: {
      name: "model",
      layers: [
        {
          class_name: "InputLayer",
          name: "input",
          config: { name: "input", batch_input_shape: input, dtype: "float32" },
          inbound_nodes: [],
        },
        ...layers.map(({ name, kind, config = {}, calls }) => ({
          class_name: kind,
          name,
          config: { name, trainable: true, dtype: "float32", ...config },
          inbound_nodes: calls.map((read) => read.map((one) => [...ref(one), {}])),
        })),
      ],
      input_layers: [["input", 0, 0]],
      output_layers: [[layers.at(-1)?.name, 0, 0]],
    },
  };
}

const POLICY = {
  module: "keras",
  class_name: "DTypePolicy",
  config: { name: "float32" },
  registered_name: null,
};

/** The same model as Keras 3 describes it. */
export function keras3(
  input: readonly (number | null)[],
  layers: readonly TestLayer[],
  outputs: readonly (readonly [string, number])[] = [[layers.at(-1)?.name ?? "", 0]],
): unknown {
  const tensor = (name: string) => ({
    class_name: "__keras_tensor__",
    config: { shape: [null], dtype: "float32", keras_history: ref(name) },
  });
  return {
    module: "keras.src.models.functional",
    class_name: "Functional",
    registered_name: "Functional",
    config: {
      name: "model",
      trainable: true,
      layers: [
        {
          module: "keras.layers",
          class_name: "InputLayer",
          name: "input",
          registered_name: null,
          config: { name: "input", batch_shape: input, dtype: "float32", sparse: false },
          inbound_nodes: [],
        },
        ...layers.map(({ name, kind, config = {}, calls }) => ({
          module: "keras.layers",
          class_name: kind,
          name,
          registered_name: null,
          config: { name, trainable: true, dtype: POLICY, ...config },
          inbound_nodes: calls.map((read) => ({
            args: read.length === 1 ? [tensor(read[0] ?? "")] : [read.map(tensor)],
            kwargs: {},
          })),
        })),
      ],
      input_layers: [["input", 0, 0]],
      output_layers: outputs.map(([name, call]) => [name, call, 0]),
    },
  };
}

/** Writes a model's description, as `model.to_json()` would be saved. */
export function writeModel(folder: string, name: string, model: unknown): string {
  const path = join(folder, `${name}.json`);
  writeFileSync(path, JSON.stringify(model));
  return path;
}
