import type { Operation } from "../../architecture/architecture.js";
import { otherPads } from "./conv.js";
import { type Mistake, type Mistakes, shown, withAttributes } from "./mistake.js";

/** Windows of another size (the map keeps its size), moved, or averaged where the largest is due. */
export const poolMistakes: Mistakes<"pool"> = ({ operation }) => {
  const { kernel, strides, pads, mode, countPadding } = operation.attributes;
  const mistakes: Mistake[] = [];
  for (const size of [2, 3, 5, 7, 9, 13]) {
    if (size === kernel[0]) continue;
    const grow = size - kernel[0];
    const half = Math.floor(grow / 2);
    const other = {
      top: pads.top + half,
      left: pads.left + half,
      bottom: pads.bottom + grow - half,
      right: pads.right + grow - half,
    };
    if (Math.min(other.top, other.left, other.bottom, other.right) < 0) continue;
    mistakes.push({
      cause: `window is ${size}×${size}, expected ${kernel[0]}×${kernel[1]}`,
      operation: withAttributes(operation, { kernel: [size, size], pads: other }),
    });
  }
  for (const [cause, other] of otherPads(pads))
    mistakes.push({ cause, operation: withAttributes(operation, { pads: other }) });
  const otherMode = mode === "max" ? "average" : "max";
  mistakes.push({
    cause: `pool takes the ${otherMode}, expected ${mode}`,
    operation: withAttributes(operation, { mode: otherMode }),
  });
  if (mode === "average") {
    mistakes.push({
      cause: `average ${countPadding ? "leaves the padding out" : "counts the padding"}, expected the opposite`,
      operation: withAttributes(operation, { countPadding: !countPadding }),
    });
  }
  if (strides[0] !== strides[1]) {
    mistakes.push({
      cause: "strides of height and width are exchanged",
      operation: withAttributes(operation, { strides: [strides[1], strides[0]] }),
    });
  }
  return mistakes;
};

/** Inputs in another order. */
export const concatMistakes: Mistakes<"concat"> = ({ operation }) => {
  const { inputs } = operation;
  const orders: (readonly [string, readonly string[]])[] = [
    ["inputs are in reversed order", [...inputs].reverse()],
  ];
  for (let k = 1; k < inputs.length; k++)
    orders.push([
      `inputs begin with the ${k + 1}. of them`,
      [...inputs.slice(k), ...inputs.slice(0, k)],
    ]);
  for (let a = 0; a < inputs.length; a++) {
    for (let b = a + 1; b < inputs.length && inputs.length > 2; b++) {
      const order = [...inputs];
      [order[a], order[b]] = [order[b] as string, order[a] as string];
      orders.push([`inputs ${a + 1} and ${b + 1} are exchanged`, order]);
    }
  }
  return orders.map(([cause, order]) => ({
    cause: `${cause}: ${order.join(", ")}; expected ${inputs.join(", ")}`,
    operation: { ...operation, inputs: order },
  }));
};

/** Another part of the channels. */
export const sliceMistakes: Mistakes<"slice"> = ({ operation, inputs }) => {
  const { axis, start, end } = operation.attributes;
  const size = end - start;
  const whole = inputs[0]?.shape[axis] ?? size;
  const mistakes: Mistake[] = [];
  for (let at = 0; at + size <= whole; at += size) {
    if (at === start) continue;
    mistakes.push({
      cause: `takes channels ${at} to ${at + size - 1}, expected ${start} to ${end - 1}`,
      operation: withAttributes(operation, { start: at, end: at + size }),
    });
  }
  return mistakes;
};

/** Interpolated where pixels are to be repeated. */
export const upsampleMistakes: Mistakes<"upsample"> = ({ operation, expected }) => {
  const [, , height = 1, width = 1] = expected.shape;
  return (["half-pixel", "align-corners", "asymmetric"] as const).map((coordinates) => ({
    cause: `up-sampling is bilinear (${coordinates}), expected nearest`,
    operation: {
      ...operation,
      kind: "resize",
      attributes: { mode: "bilinear", height, width, coordinates, nearestRounding: "floor" },
    } as Operation,
  }));
};

/** Another rule of coordinates, or nearest for bilinear. */
export const resizeMistakes: Mistakes<"resize"> = ({ operation }) => {
  const { mode, coordinates } = operation.attributes;
  const mistakes: Mistake[] = [];
  for (const otherMode of ["bilinear", "nearest"] as const) {
    for (const other of ["half-pixel", "align-corners", "asymmetric"] as const) {
      if (otherMode === mode && other === coordinates) continue;
      mistakes.push({
        cause: `resize is ${otherMode} (${other}), expected ${mode} (${coordinates})`,
        operation: withAttributes(operation, { mode: otherMode, coordinates: other }),
      });
    }
  }
  return mistakes;
};

/** An input left out, or combined in another way. */
export const mergeMistakes: Mistakes<"merge"> = ({ operation }) => {
  const { mode } = operation.attributes;
  const modes = (["add", "subtract", "multiply", "maximum", "average"] as const).filter(
    (other) => other !== mode,
  );
  const [first = "", second = ""] = operation.inputs;
  return [
    ...(
      [
        [first, second],
        [second, first],
      ] as const
    ).map(
      ([kept, lost]): Mistake => ({
        cause: `${lost} is not ${mode === "add" ? "added" : "merged"}: the value is ${kept} alone`,
        operation: { ...operation, kind: "identity", attributes: {}, inputs: [kept] } as Operation,
      }),
    ),
    ...[first, second].map(
      (one): Mistake => ({
        cause: `${one} is taken twice`,
        operation: { ...operation, inputs: [one, one] },
      }),
    ),
    ...modes.map(
      (other): Mistake => ({
        cause: `inputs are merged by ${other}, expected ${mode}`,
        operation: withAttributes(operation, { mode: other }),
      }),
    ),
  ];
};

/** Darknet's historical reorg is not space-to-depth. */
export const reorgMistakes: Mistakes<"reorg"> = ({ operation }) => [
  {
    cause: "reorg is a space-to-depth, expected Darknet's historical order",
    operation: {
      ...operation,
      kind: "space-to-depth",
      attributes: { stride: operation.attributes.stride },
    } as Operation,
  },
  {
    cause: "reorg is reversed",
    operation: withAttributes(operation, { reverse: !operation.attributes.reverse }),
  },
];

/** scale_x_y forgotten, logistic forgotten or applied to what it should not. */
export const headMistakes: Mistakes<"head"> = ({ operation }) => {
  const { affine, logistic, classes, coords } = operation.attributes;
  const all = Array.from({ length: coords + 1 + classes }, (_, plane) => plane);
  return [
    {
      cause: `x and y are not scaled, expected scale_x_y ${shown(affine.scale)}`,
      operation: withAttributes(operation, { affine: { planes: [], scale: 1, offset: 0 } }),
    },
    { cause: "no logistic on any plane", operation: withAttributes(operation, { logistic: [] }) },
    {
      cause: "logistic on width and height as well",
      operation: withAttributes(operation, { logistic: all }),
    },
    {
      cause: "no logistic on x and y",
      operation: withAttributes(operation, { logistic: logistic.filter((plane) => plane > 1) }),
    },
    {
      cause: "no logistic on the classes",
      operation: withAttributes(operation, {
        logistic: logistic.filter((plane) => plane <= coords),
      }),
    },
  ];
};

/** Another temperature, or one sum over all images of the batch. */
export const softmaxMistakes: Mistakes<"softmax"> = ({ operation, actual, inputs }) => {
  const { axis, temperature } = operation.attributes;
  const mistakes = operation.shape.flatMap((size, other): Mistake[] => {
    if (other === axis || size < 2) return [];
    return [
      {
        cause: `softmax is over axis ${other}, expected axis ${axis}`,
        operation: withAttributes(operation, { axis: other, size }),
      },
    ];
  });
  if (temperature !== 1) {
    mistakes.push({
      cause: `temperature is 1, expected ${shown(temperature)}`,
      operation: withAttributes(operation, { temperature: 1 }),
    });
  }
  const [input] = inputs;
  if (actual !== undefined && input !== undefined && (input.shape[0] ?? 1) > 1) {
    mistakes.push({
      cause: "softmax is over the whole batch, expected each image by itself",
      value: softmaxOfAll(input.data, temperature),
    });
  }
  return mistakes;
};

function softmaxOfAll(data: Float32Array, temperature: number): Float32Array {
  const largest = data.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const powers = Float64Array.from(data, (x) => Math.exp((x - largest) / temperature));
  const sum = powers.reduce((a, b) => a + b, 0);
  return Float32Array.from(powers, (power) => power / sum);
}

/** A tensor of the same shape from another layer. */
export function wrongInput(
  operation: Operation,
  others: readonly { readonly id: string; readonly shape: readonly number[] }[],
  shapeOf: (id: string) => readonly number[],
): Mistake[] {
  return operation.inputs.flatMap((input, at) =>
    others
      .filter(
        ({ id, shape }) =>
          id !== input && id !== operation.id && `${shape}` === `${shapeOf(input)}`,
      )
      .map(({ id }) => ({
        cause: `reads ${id}, expected ${input}`,
        operation: {
          ...operation,
          inputs: operation.inputs.map((one, k) => (k === at ? id : one)),
        } as Operation,
      })),
  );
}
