import type { Hdf5Content } from "../formats/keras/hdf5-protocol.js";
import type { Variable } from "../formats/keras/layer.js";
import { sizeOf } from "../tensor/tensor.js";

/** Places for the weights of a Keras model whose values are not asked for: names and shapes, no bytes. */
export function blankContent(variables: readonly Variable[]): Hdf5Content {
  let offset = 0;
  const store = variables.map(({ name, shape }) => {
    const weight = { name, shape, dtype: "float32", offset };
    offset += sizeOf(shape);
    return weight;
  });
  return {
    layout: "list",
    attributes: {},
    wholeModel: false,
    layers: [],
    store,
    storeNames: {},
    values: new SharedArrayBuffer(0),
  };
}
