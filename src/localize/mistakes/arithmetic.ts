import type { Architecture, Operation, OperationOf } from "../../architecture/architecture.js";
import { type Mistake, type Mistakes, type Suspect, shown, withAttributes } from "./mistake.js";

type Binary = OperationOf<"binary">;

/** An operand lost, a constant of another size, both the other way round. */
export const binaryMistakes: Mistakes<"binary"> = (suspect) => [
  ...suspect.operation.inputs.flatMap((_, which) => [
    ...storedMistakes(suspect, which),
    ...constantMistakes(suspect, which),
  ]),
  ...lostOperands(suspect),
  ...exchanged(suspect.operation),
];

/** A weight that is added or multiplied: not loaded, or used twice. */
function storedMistakes(suspect: Suspect<"binary">, which: number): Mistake[] {
  const { operation, architecture, weightNamed } = suspect;
  const source = sourceOf(architecture, operation.inputs[which]);
  const name = source?.kind === "weight" ? source.weights["value"] : undefined;
  if (name === undefined) return [];
  const { data } = weightNamed(name);
  const neutral = (value: number) => ({
    [name]: new Float32Array(data.length).fill(value),
  });
  switch (operation.attributes.function) {
    case "add":
      return [
        { cause: `bias ${name} is 0 everywhere: it was not loaded`, weights: neutral(0) },
        { cause: `bias ${name} is added twice`, weights: { [name]: data.map((b) => 2 * b) } },
      ];
    case "multiply":
      return [{ cause: `scale ${name} is 1 everywhere: it was not loaded`, weights: neutral(1) }];
    default:
      return [];
  }
}

/** A single number: left out, or (the scale of an attention) the size of the heads instead of its root. */
function constantMistakes(
  { operation, architecture }: Suspect<"binary">,
  which: number,
): Mistake[] {
  const source = sourceOf(architecture, operation.inputs[which]);
  const [value, ...more] = source?.kind === "fill" ? source.attributes.values : [];
  const { function: name } = operation.attributes;
  if (source?.kind !== "fill" || value === undefined || more.length > 0) return [];
  const verb = { multiply: "multiplied by", divide: "divided by" }[name as "multiply" | "divide"];
  if (verb === undefined) return [];
  const squared = withAttributes(source, { values: [value * value] });
  return [
    { cause: `is not ${verb} ${shown(value)}`, operation: alone(operation, 1 - which) },
    {
      cause: `is ${verb} ${shown(value * value)}, expected its root ${shown(value)}`,
      operation: squared,
    },
  ];
}

/** One of two values that were made, alone. */
function lostOperands({ operation, architecture }: Suspect<"binary">): Mistake[] {
  const words = { add: "added", subtract: "subtracted", multiply: "multiplied" };
  const { function: name } = operation.attributes;
  const done = words[name as keyof typeof words];
  const isMade = operation.inputs.every((id) => {
    const kind = sourceOf(architecture, id)?.kind;
    return kind !== "fill" && kind !== "weight";
  });
  if (done === undefined || !isMade) return [];
  return [0, 1].map((kept) => ({
    cause: `${operation.inputs[1 - kept]} is not ${done}: the value is ${operation.inputs[kept]} alone`,
    operation: alone(operation, kept),
  }));
}

function exchanged(operation: Binary): Mistake[] {
  const { function: name } = operation.attributes;
  if (!["subtract", "divide", "power"].includes(name)) return [];
  const [first = "", second = ""] = operation.inputs;
  return [
    {
      cause: `${name} takes ${second} and ${first}, expected ${first} and ${second}`,
      operation: { ...operation, inputs: [second, first] },
    },
  ];
}

function alone(operation: Binary, kept: number): Operation {
  const inputs = [operation.inputs[kept] ?? ""];
  return { ...operation, kind: "identity", attributes: {}, inputs } as Operation;
}

/** What an input is, behind operations that only give it another shape. */
function sourceOf({ operations }: Architecture, id: string | undefined): Operation | undefined {
  const found = operations.find((one) => one.id === id);
  if (found === undefined || !["view", "expand", "identity"].includes(found.kind)) return found;
  return sourceOf({ operations } as Architecture, found.inputs[0]);
}

/** The sum for the mean, and the variance of a sample (÷ n − 1, PyTorch's default) for that of all values. */
export const reduceMistakes: Mistakes<"reduce"> = ({ operation, inputs }) => {
  const { function: name, axes } = operation.attributes;
  const other = { mean: "sum", sum: "mean", maximum: "mean", minimum: "mean" }[name as "mean"];
  const size = axes.reduce((product, axis) => product * (inputs[0]?.shape[axis] ?? 1), 1);
  const mistakes: Mistake[] = [];
  if (other !== undefined) {
    mistakes.push({
      cause: `takes the ${other}, expected the ${name}`,
      operation: withAttributes(operation, { function: other as typeof name }),
    });
  }
  if (name === "mean" && size > 1) {
    const plain = `${operation.id}/plain`;
    const attributes = { function: "affine", parameters: { scale: size / (size - 1), offset: 0 } };
    mistakes.push({
      cause: `divides by n − 1 = ${size - 1}, expected n = ${size}`,
      operations: [
        { ...operation, id: plain },
        { ...operation, kind: "elementwise", inputs: [plain], attributes } as Operation,
      ],
    });
  }
  return mistakes;
};
