import type { Operation, OperationOf } from "../../architecture/architecture.js";
import { type Mistake, type Mistakes, shown, withAttributes } from "./mistake.js";

/** Epsilons of libraries: Keras 1e-3, PyTorch 1e-5, TensorFlow's and BERT's 1e-6 and 1e-12, none. */
const EPSILONS = [1e-3, 1e-5, 1e-6, 1e-12, 1e-4, 0];
/** What is added to a variance; larger numbers are offsets with a meaning of their own. */
const LARGEST = 1e-2;

/** Another epsilon where a normalisation over the value itself (layer, instance, group) adds it to the variance. */
export const elementwiseMistakes: Mistakes<"elementwise"> = ({ operation, expected }) => {
  if (operation.attributes.function === "erf") return [tanhForErf(operation, expected.shape)];
  const { function: name, parameters } = operation.attributes;
  const { scale = 1, offset = 0 } = parameters;
  if (name !== "affine" || scale !== 1 || !(offset > 0 && offset <= LARGEST)) return [];
  const of = (value: number): Mistake => ({
    cause: `epsilon is ${shown(value)}, expected ${shown(offset)}`,
    operation: withAttributes(operation, {
      parameters: { ...parameters, offset: Math.max(value, 0) },
    }),
  });
  const usual = EPSILONS.filter((value) => Math.abs(value / offset - 1) > 1e-3).map(of);
  const value = offset < 5e-4 ? 1e-3 : 1e-4;
  return [...usual, { ...of(value), search: { expected: offset, value, of } }];
};

/** √(2/π)·√2 and √(2/π)·0.044715·√2³: the tanh form of Gelu, of z = x/√2. */
const LINEAR = 2 / Math.sqrt(Math.PI);
const CUBIC = LINEAR * 0.044715 * 2;

/** erf(z) as tanh(z·(1.128 + 0.101·z²)): what a Gelu that is written with tanh puts in its place. */
function tanhForErf(operation: OperationOf<"elementwise">, shape: readonly number[]): Mistake {
  const { id, inputs } = operation;
  const [z = ""] = inputs;
  const step = (part: string, kind: string, from: readonly string[], attributes: object) =>
    ({ ...operation, id: `${id}/${part}`, kind, inputs: from, attributes, shape }) as Operation;
  const curve = { function: "affine", parameters: { scale: CUBIC, offset: LINEAR } };
  return {
    cause: "gelu is the tanh form, expected that of erf",
    operations: [
      step("square", "activation", [z], { function: "square", parameters: {} }),
      step("curve", "elementwise", [`${id}/square`], curve),
      step("bent", "binary", [z, `${id}/curve`], { function: "multiply" }),
      {
        ...operation,
        kind: "activation",
        inputs: [`${id}/bent`],
        attributes: { function: "tanh", parameters: {} },
      },
    ],
  };
}
