import type { OperationOf } from "../architecture/architecture.js";
import type { OperatorFamily } from "./family.js";
import type { GraphBuilder } from "./graph.js";
import { linearBound } from "./rounding.js";
import { onlyMap } from "./shape-rules.js";
import { windows } from "./windows.js";

/** A fixed kernel, the same for every channel, over the padded map. */
export const blurFamily: OperatorFamily<"blur"> = {
  kind: "blur",

  shape({ kernel, strides: [strideY, strideX], pad, padMode }, inputs) {
    const [batch, channels, height, width] = onlyMap("blur", inputs);
    if (padMode === "reflect" && pad >= Math.min(height, width)) {
      throw new RangeError(`blur: a [${height},${width}] map cannot be reflected by ${pad}`);
    }
    const [first = []] = kernel;
    return [
      batch,
      channels,
      windows(height + 2 * pad, kernel.length, strideY),
      windows(width + 2 * pad, first.length, strideX),
    ];
  },

  lower(operation, { graph, inputs, inputShapes, output }) {
    const map = padded(graph, operation, inputs[0] as string);
    const kernel = kernelOf(graph, operation, inputShapes);
    convolve(graph, operation, inputShapes, map, kernel, output);
  },

  bound(operation, context) {
    const { graph, inputShapes, bounds } = context;
    const inputBound = bounds[0] ?? null;
    return linearBound({
      context,
      terms: termsOf(operation),
      input: padded(graph, operation, context.inputs[0] as string),
      inputBound: inputBound === null ? null : padded(graph, operation, inputBound),
      kernel: kernelOf(graph, operation, inputShapes),
      apply: (input, kernel) => convolve(graph, operation, inputShapes, input, kernel),
      bias: null,
    });
  },

  element({ attributes }, [batch = 0, channel = 0, row = 0, column = 0], { inputShapes, read }) {
    const { kernel, pad, padMode } = attributes;
    const [strideY, strideX] = attributes.strides;
    const [, , height, width] = onlyMap("blur", inputShapes);
    // Reflection leaves the border pixel itself out: −1 → 1, height → height − 2.
    const reflect = (at: number, size: number) => size - 1 - Math.abs(size - 1 - Math.abs(at));
    let sum = 0;
    for (const [i, factors] of kernel.entries()) {
      for (const [j, factor] of factors.entries()) {
        let y = row * strideY + i - pad;
        let x = column * strideX + j - pad;
        if (padMode === "reflect") [y, x] = [reflect(y, height), reflect(x, width)];
        if (y < 0 || y >= height || x < 0 || x >= width) continue;
        sum += factor * read(0, [batch, channel, y, x]);
      }
    }
    return sum;
  },

  cost: termsOf,
};

/** The kernel once a channel: [channels, 1, kH, kW]. */
function kernelOf(
  graph: GraphBuilder,
  { attributes: { kernel } }: OperationOf<"blur">,
  inputShapes: readonly (readonly number[])[],
): string {
  const [, channels] = onlyMap("blur", inputShapes);
  const values = kernel.flat();
  const all = Array.from({ length: channels }, () => values).flat();
  return graph.float(all, [channels, 1, kernel.length, kernel[0]?.length ?? 0]);
}

function padded(
  graph: GraphBuilder,
  { attributes: { pad, padMode } }: OperationOf<"blur">,
  input: string,
): string {
  if (pad === 0) return input;
  const pads = graph.ints([0, 0, pad, pad, 0, 0, pad, pad]);
  const mode = padMode === "reflect" ? "reflect" : "constant";
  return graph.node("Pad", [input, pads], { mode: { string: mode } });
}

function convolve(
  graph: GraphBuilder,
  { attributes: { strides } }: OperationOf<"blur">,
  inputShapes: readonly (readonly number[])[],
  input: string,
  kernel: string,
  output?: string,
): string {
  const [, channels] = onlyMap("blur", inputShapes);
  const attributes = { strides: { ints: strides }, group: { int: channels } };
  return graph.node("Conv", [input, kernel], attributes, output);
}

function termsOf({ attributes: { kernel } }: OperationOf<"blur">): number {
  return kernel.length * (kernel[0]?.length ?? 0);
}
