import type { OperationOf } from "../../architecture/architecture.js";
import type { Pads } from "../../architecture/attributes.js";
import { transpose } from "../../tensor/layout.js";
import { type Tensor, tensor } from "../../tensor/tensor.js";
import { biasMistakes } from "./dense.js";
import { type Mistake, type Mistakes, named, withAttributes } from "./mistake.js";

/** Padding on the other sides, a kernel read in another order, a bias lost. */
export const convMistakes: Mistakes<"conv"> = ({ operation, weight, faultyChannels }) => [
  ...exchangedFilters(weight("kernel"), faultyChannels).map(
    ([cause, kernel]): Mistake => ({
      cause,
      weights: { [operation.weights["kernel"] ?? ""]: kernel.data },
    }),
  ),
  ...otherPads(operation.attributes.pads).map(
    ([cause, pads]): Mistake => ({ cause, operation: withAttributes(operation, { pads }) }),
  ),
  ...otherKernels(weight("kernel")).map(
    ([cause, kernel]): Mistake => ({
      cause,
      weights: { [operation.weights["kernel"] ?? ""]: kernel.data },
    }),
  ),
  ...groupMistakes(operation, weight("kernel")),
  ...biasMistakes({ operation, weight }),
];

/** Most values of a kernel that is spread over all input channels. */
const MAX_SPREAD = 1 << 24;

/** Groups that an importer does not know of: every filter reads all channels, or always the first ones. */
function groupMistakes(operation: OperationOf<"conv">, kernel: Tensor): Mistake[] {
  const { groups } = operation.attributes;
  if (groups === 1 || kernel.data.length * groups > MAX_SPREAD) return [];
  const [out = 1, inn = 1, height = 1, width = 1] = kernel.shape;
  const name = named(operation, "kernel");
  const spread = (repeated: boolean): Mistake => {
    const data = new Float32Array(kernel.data.length * groups);
    const filter = inn * height * width;
    for (let o = 0; o < out; o++) {
      for (let g = 0; g < (repeated ? groups : 1); g++)
        data.set(kernel.data.subarray(o * filter, (o + 1) * filter), (o * groups + g) * filter);
    }
    const which = repeated ? "all channels" : `the first ${inn} channels`;
    return {
      cause: `groups are ignored: every filter reads ${which}, expected ${groups} groups`,
      operation: withAttributes(operation, { groups: 1 }),
      weights: { [name]: data },
      shapes: { [name]: [out, inn * groups, height, width] },
    };
  };
  return [spread(true), spread(false)];
}

/** Most channels that are tried in pairs. */
const MAX_EXCHANGED = 6;

/** Two filters in each other's place: only their channels differ. */
function exchangedFilters(
  kernel: Tensor,
  channels: readonly number[],
): (readonly [string, Tensor])[] {
  if (channels.length < 2 || channels.length > MAX_EXCHANGED) return [];
  const size = kernel.data.length / (kernel.shape[0] ?? 1);
  return channels.flatMap((a, k) =>
    channels.slice(k + 1).map((b) => {
      const data = kernel.data.slice();
      data.set(kernel.data.subarray(b * size, (b + 1) * size), a * size);
      data.set(kernel.data.subarray(a * size, (a + 1) * size), b * size);
      return [
        `output channels ${a} and ${b} of the kernel are exchanged`,
        tensor(kernel.shape, data),
      ] as const;
    }),
  );
}

/** The same amount of padding on other sides: sizes stay, every window moves. */
export function otherPads({ top, left, bottom, right }: Pads): (readonly [string, Pads])[] {
  const [high, wide] = [top + bottom, left + right];
  if (high + wide === 0) return [];
  const describe = (pads: Pads) =>
    `padding is top ${pads.top}, left ${pads.left}, bottom ${pads.bottom}, right ${pads.right}; expected ${top}, ${left}, ${bottom}, ${right}`;
  const candidates: Pads[] = [];
  for (const y of new Set([
    top - 1,
    top,
    top + 1,
    Math.floor(high / 2),
    high - Math.floor(high / 2),
    0,
    high,
  ])) {
    for (const x of new Set([
      left - 1,
      left,
      left + 1,
      Math.floor(wide / 2),
      wide - Math.floor(wide / 2),
      0,
      wide,
    ])) {
      if (y < 0 || x < 0 || y > high || x > wide || (y === top && x === left)) continue;
      candidates.push({ top: y, left: x, bottom: high - y, right: wide - x });
    }
  }
  return candidates.map((pads) => [describe(pads), pads] as const);
}

function otherKernels(kernel: Tensor): (readonly [string, Tensor])[] {
  const [out = 1, inn = 1, height = 1, width = 1] = kernel.shape;
  const other: (readonly [string, Tensor])[] = [];
  const add = (cause: string, value: Tensor) => {
    if (`${value.shape}` === `${kernel.shape}`) other.push([cause, value]);
  };
  if (height > 1 || width > 1) {
    add("kernel height and width are exchanged", transpose(kernel, [0, 1, 3, 2]));
    add(
      "kernel is turned by 180 degrees (convolution instead of correlation)",
      mapped(kernel, ([o, i, y, x]) => [o, i, height - 1 - y, width - 1 - x]),
    );
  }
  if (out === inn)
    add("kernel input and output channels are exchanged", transpose(kernel, [1, 0, 2, 3]));
  const count = out * inn * height * width;
  const read = (shape: readonly number[], order: readonly number[]) =>
    transpose(tensor(shape, kernel.data.slice(0, count)), order);
  add(
    "kernel is read as [h, w, in, out], it is stored as [out, in, h, w]",
    read([height, width, inn, out], [3, 2, 0, 1]),
  );
  add(
    "kernel is read as [out, h, w, in], it is stored as [out, in, h, w]",
    read([out, height, width, inn], [0, 3, 1, 2]),
  );
  add(
    "input channels are reversed (BGR for RGB)",
    mapped(kernel, ([o, i, y, x]) => [o, inn - 1 - i, y, x]),
  );
  return other;
}

type Index = readonly [number, number, number, number];

function mapped(kernel: Tensor, from: (index: Index) => Index): Tensor {
  const [out = 1, inn = 1, height = 1, width = 1] = kernel.shape;
  const data = new Float32Array(kernel.data.length);
  let at = 0;
  for (let o = 0; o < out; o++) {
    for (let i = 0; i < inn; i++) {
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++, at++) {
          const [po, pi, py, px] = from([o, i, y, x]);
          data[at] = kernel.data[((po * inn + pi) * height + py) * width + px] as number;
        }
      }
    }
  }
  return tensor(kernel.shape, data);
}
