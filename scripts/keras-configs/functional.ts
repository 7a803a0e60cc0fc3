/** Any JSON value. */
type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** A tensor in the model being written: the layer that makes it. */
export interface KerasTensor {
  readonly layer: string;
}

/** Writes a functional Keras 3 model as its configuration, layer by layer. */
export class FunctionalModel {
  readonly #name: string;
  readonly #layers: Json[] = [];
  readonly #inputs: Json[] = [];

  constructor(name: string) {
    this.#name = name;
  }

  /** @param shape without the batch; null where any size is taken */
  input(name: string, shape: readonly (number | null)[]): KerasTensor {
    const config = { batch_shape: [null, ...shape], dtype: "float32", name };
    this.#layers.push(this.#layer("InputLayer", name, config, []));
    this.#inputs.push([name, 0, 0]);
    return { layer: name };
  }

  /** A layer called once, on one tensor or (merging layers) on a list of them. */
  call(
    className: string,
    name: string,
    config: { readonly [key: string]: Json },
    inputs: KerasTensor | readonly KerasTensor[],
  ): KerasTensor {
    const list = Array.isArray(inputs) ? (inputs as readonly KerasTensor[]) : undefined;
    const argument = list === undefined ? tensor(inputs as KerasTensor) : list.map(tensor);
    const node = { args: [argument], kwargs: {} };
    this.#layers.push(this.#layer(className, name, { ...config, name }, [node]));
    return { layer: name };
  }

  /** The model as `model.to_json()` has it, one line a layer. */
  json(outputs: readonly KerasTensor[]): string {
    const lines = this.#layers.map((layer) => `      ${JSON.stringify(layer)}`).join(",\n");
    const ends = JSON.stringify(outputs.map(({ layer }) => [layer, 0, 0]));
    return `{
  "module": "keras.src.models.functional", "class_name": "Functional", "registered_name": "Functional",
  "config": {
    "name": ${JSON.stringify(this.#name)},
    "layers": [
${lines}
    ],
    "input_layers": ${JSON.stringify(this.#inputs)},
    "output_layers": ${ends}
  }
}
`;
  }

  #layer(className: string, name: string, config: Json, nodes: readonly Json[]): Json {
    return { module: "keras.layers", class_name: className, config, name, inbound_nodes: nodes };
  }
}

/** Keras demands a shape here and looks at the place only: it finds the shapes anew, and so need not we. */
function tensor({ layer }: KerasTensor): Json {
  const config = { shape: [null], dtype: "float32", keras_history: [layer, 0, 0] };
  return { class_name: "__keras_tensor__", config };
}
