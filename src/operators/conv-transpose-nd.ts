import type { OperationOf } from "../architecture/architecture.js";
import type { ConvTransposeNdAttributes } from "../architecture/attributes.js";
import { kernelReader } from "./conv-nd.js";
import type { OperatorFamily } from "./family.js";
import type { GraphBuilder } from "./graph.js";
import { channelColumn, shapeWith, spaceOf, withChannelsSecond } from "./nodes-nd.js";
import { linearBound } from "./rounding.js";
import { onlyInput } from "./shape-rules.js";

/** Transposed convolution: each input element adds its multiple of the kernel to the result. */
export const convTransposeNdFamily: OperatorFamily<"conv-transpose-nd"> = {
  kind: "conv-transpose-nd",

  shape({ filters, outputSize, channelAxis }, inputs) {
    const input = onlyInput("conv-transpose-nd", inputs.slice(0, 1));
    if (input.length !== outputSize.length + 2) {
      throw new RangeError(`conv-transpose-nd: input [${input}] for a result of [${outputSize}]`);
    }
    return shapeWith(input[0] ?? 1, outputSize, filters, channelAxis);
  },

  lower(operation, { graph, inputs, inputShapes: [shape = []], weight, output }) {
    const [input = "", kernel = weight("kernel")] = inputs;
    if (operation.weights["bias"] === undefined) {
      spread(operation, graph, input, shape, kernel, output);
      return;
    }
    const value = spread(operation, graph, input, shape, kernel);
    graph.node("Add", [value, channelColumn(graph, weight("bias"), operation)], {}, output);
  },

  bound(operation, context) {
    const { graph, inputShapes } = context;
    const hasBias = operation.weights["bias"] !== undefined;
    return linearBound({
      context,
      terms: termsOf(operation.attributes, inputShapes) + (hasBias ? 1 : 0),
      input: context.inputs[0] ?? "",
      inputBound: context.bounds[0] ?? null,
      kernelBound: context.bounds[1] ?? null,
      kernel: context.inputs[1] ?? context.weight("kernel"),
      apply: (input, kernel) => spread(operation, graph, input, inputShapes[0] ?? [], kernel),
      bias: hasBias ? channelColumn(graph, context.weight("bias"), operation) : null,
    });
  },

  element({ attributes, weights }, index, context) {
    const {
      inputShapes: [input = []],
      read,
      weight,
    } = context;
    const { kernel, strides, cropBefore, dilations, channelAxis, filters } = attributes;
    const filter = index[channelAxis] ?? 0;
    const space = spaceOf(input, channelAxis);
    const channels = input[channelAxis] ?? 0;
    const valueAt = kernelReader(context);
    const goal = spaceOf(index, channelAxis).map((k, a) => k + (cropBefore[a] ?? 0));
    let sum = weights["bias"] === undefined ? 0 : (weight("bias")[filter] as number);
    const taps = kernel.reduce((product, size) => product * size, 1);
    for (let tap = 0; tap < taps; tap++) {
      let rest = tap;
      const at = new Array<number>(kernel.length);
      for (let a = kernel.length - 1; a >= 0; a--) {
        const size = kernel[a] ?? 1;
        at[a] = ((goal[a] ?? 0) - (rest % size) * (dilations[a] ?? 1)) / (strides[a] ?? 1);
        rest = Math.floor(rest / size);
      }
      if (at.some((k, a) => !Number.isInteger(k) || k < 0 || k >= (space[a] ?? 0))) continue;
      for (let c = 0; c < channels; c++) {
        const place = shapeWith(index[0] ?? 0, at, c, channelAxis);
        sum += valueAt((tap * filters + filter) * channels + c) * read(0, place);
      }
    }
    return sum;
  },

  cost: ({ attributes }, inputShapes) => termsOf(attributes, inputShapes),
};

function spread(
  { attributes, shape }: OperationOf<"conv-transpose-nd">,
  graph: GraphBuilder,
  input: string,
  inputShape: readonly number[],
  kernel: string,
  output?: string,
): string {
  const { kernel: size, strides, cropBefore, outputSize, dilations, channelAxis } = attributes;
  const rank = size.length;
  const full = spaceOf(inputShape, channelAxis).map(
    (count, k) => (count - 1) * (strides[k] ?? 1) + ((size[k] ?? 1) - 1) * (dilations[k] ?? 1) + 1,
  );
  const after = full.map((count, k) => count - (cropBefore[k] ?? 0) - (outputSize[k] ?? 0));
  const filters = graph.node("Transpose", [kernel], {
    perm: { ints: [rank + 1, rank, ...size.map((_, axis) => axis)] },
  });
  const missing = after.map((count) => Math.max(0, -count));
  const grow = missing.some((count) => count > 0);
  const node = (value: string, name?: string) => {
    const spreadOut = graph.node(
      "ConvTranspose",
      [value, filters],
      {
        kernel_shape: { ints: size },
        strides: { ints: strides },
        dilations: { ints: dilations },
        pads: { ints: [...cropBefore, ...after.map((count) => Math.max(0, count))] },
      },
      grow ? undefined : name,
    );
    if (!grow) return spreadOut;
    const pads = graph.ints([0, 0, ...size.map(() => 0), 0, 0, ...missing]);
    return graph.node("Pad", [spreadOut, pads], {}, name);
  };
  return withChannelsSecond(graph, input, shape.length, channelAxis, node, output);
}

/** Most products that meet in one element. */
function termsOf(
  { kernel, strides, channelAxis }: ConvTransposeNdAttributes,
  [input = []]: readonly (readonly number[])[],
): number {
  return kernel.reduce(
    (product, size, k) => product * Math.ceil(size / (strides[k] ?? 1)),
    input[channelAxis] ?? 1,
  );
}
