import type { ModelSpec } from "./config-types.js";

/** Operations that Keras 3 writes among the layers have no place in the file of weights. */
export function isOperation(layer: { readonly module: string | null }): boolean {
  return layer.module !== null && /^keras(\.src)?\.ops(\.|$)/.test(layer.module);
}

/** Classes that files call by another name than Python: the groups go by Python's. */
const ALIASES: Readonly<Record<string, string>> = {
  GroupQueryAttention: "GroupedQueryAttention",
};

/** Names under which Keras 3 stores a model's layers: class in snake case, counted in the order of the configuration. */
export function storeKeys(spec: ModelSpec): { readonly key: string; readonly name: string }[] {
  const counts = new Map<string, number>();
  return spec.layers
    .filter((layer) => !isOperation(layer))
    .filter((layer) => spec.listsInputs || layer.className !== "InputLayer")
    .map(({ className, name }) => {
      const base = snakeCase(ALIASES[className] ?? className);
      const count = counts.get(base) ?? 0;
      counts.set(base, count + 1);
      return { key: count === 0 ? base : `${base}_${count}`, name };
    });
}

/** `Conv2DTranspose` → `conv2d_transpose`, `ReLU` → `re_lu`: Keras' `to_snake_case`. */
export function snakeCase(name: string): string {
  return name
    .replaceAll(/\W+/g, "")
    .replaceAll(/(.)([A-Z][a-z]+)/g, "$1_$2")
    .replaceAll(/([a-z])([A-Z])/g, "$1_$2")
    .toLowerCase();
}
