import fc from "fast-check";

/** A layer's choices: numbers that are read against the shapes that happen to be there, so that any list of them is a network. */
interface Choice {
  readonly kind: number;
  readonly numbers: readonly number[];
}

/** A small network as text of a cfg file. */
export interface RandomNetwork {
  readonly cfg: string;
  readonly batch: number;
  /** Of weights and input. */
  readonly seed: number;
}

interface Shape {
  readonly c: number;
  readonly h: number;
  readonly w: number;
  /** Without height and width: what a dense layer leaves. */
  readonly flat: boolean;
}

/** Activations of pjreddie's library, but for `stair`, whose steps turn rounding into ones. */
const ACTIVATIONS = [
  "linear",
  "leaky",
  "relu",
  "logistic",
  "tanh",
  "elu",
  "selu",
  "relie",
  "ramp",
  "plse",
  "loggy",
  "hardtan",
  "lhtan",
];

/** Reads a layer's numbers one after the other. */
class Draw {
  readonly #numbers: readonly number[];
  #at = 0;

  constructor(numbers: readonly number[]) {
    this.#numbers = numbers;
  }

  /** One of the values; the first is the simplest. */
  one<T>(values: readonly T[]): T {
    const number = this.#numbers[this.#at++ % this.#numbers.length] ?? 0;
    return values[number % values.length] as T;
  }

  int(from: number, to: number): number {
    return this.one(Array.from({ length: to - from + 1 }, (_, k) => from + k));
  }

  /** `key=value` lines; those whose value is the simplest may be left out. */
  activation(): string {
    return `activation=${this.one(ACTIVATIONS)}`;
  }
}

/** What a layer adds: its section, and its shape; `null` where it does not fit. */
type Builder = (
  draw: Draw,
  shape: Shape,
  before: readonly Shape[],
) => { readonly lines: readonly string[]; readonly shape: Shape } | null;

/** Most values a layer may have: keeps a network fast. */
const MOST_VALUES = 4096;

const map = (c: number, h: number, w: number): Shape => ({ c, h, w, flat: false });
const flat = (n: number): Shape => ({ c: n, h: 1, w: 1, flat: true });

/** Shape after a layer without height and width of its own, in a library that keeps none: as the layer before. */
const convolutional: Builder = (draw, { c, h, w }) => {
  const size = draw.one([1, 3, 2, 5, 4]);
  const stride = draw.one([1, 2, 3]);
  // A 1×1 kernel with padding reads beyond its map in the library: what comes is whatever lies there.
  const padding = size === 1 ? 0 : draw.one([0, 1, 2]);
  const groups = draw.one([1, ...(c % 2 === 0 ? [2] : []), ...(c > 1 ? [c] : [])]);
  const filters = groups * draw.int(1, 4);
  const pad = draw.one([false, true]) ? Math.floor(size / 2) : padding;
  const out = [h, w].map((side) => Math.floor((side + 2 * pad - size) / stride) + 1);
  if (out.some((side) => side < 1) || h + 2 * pad < size || w + 2 * pad < size) return null;
  return {
    lines: [
      "[convolutional]",
      ...(draw.one([false, true]) ? ["batch_normalize=1"] : []),
      `filters=${filters}`,
      `size=${size}`,
      `stride=${stride}`,
      pad === padding ? `padding=${padding}` : "pad=1",
      ...(groups > 1 ? [`groups=${groups}`] : []),
      draw.activation(),
    ],
    shape: map(filters, out[0] as number, out[1] as number),
  };
};

const maxpool: Builder = (draw, { c, h, w }) => {
  const size = draw.int(1, 5);
  const stride = draw.int(1, 3);
  const given = draw.one([null, 0, 1, 2]);
  const padding = given ?? size - 1;
  const [oh, ow] = [h, w].map((side) => Math.floor((side + padding - size) / stride) + 1) as [
    number,
    number,
  ];
  // A window that lies in the padding alone has no largest value.
  if (oh < 1 || ow < 1 || padding >= size || h + padding < size || w + padding < size) return null;
  return {
    lines: [
      "[maxpool]",
      `size=${size}`,
      `stride=${stride}`,
      ...(given === null ? [] : [`padding=${given}`]),
    ],
    shape: map(c, oh, ow),
  };
};

const route: Builder = (draw, shape, before) => {
  const fitting = before.flatMap((one, at) =>
    one.h === shape.h && one.w === shape.w && one.flat === shape.flat ? [at] : [],
  );
  if (fitting.length === 0) return null;
  const chosen = Array.from({ length: draw.int(1, 3) }, () => draw.one(fitting));
  const channels = chosen.reduce((sum, at) => sum + (before[at]?.c ?? 0), 0);
  const index = (at: number) => (draw.one([true, false]) ? at - before.length : at);
  return {
    lines: ["[route]", `layers=${chosen.map(index).join(",")}`],
    shape: shape.flat ? flat(channels) : map(channels, shape.h, shape.w),
  };
};

const shortcut: Builder = (draw, shape, before) => {
  const times = (a: number, b: number) => (a % b === 0 ? a / b : 0);
  const fitting = before.flatMap((one, at) => {
    if (one.flat || shape.flat) return [];
    const down = times(one.w, shape.w);
    const up = times(shape.w, one.w);
    const same =
      (down > 0 && down === times(one.h, shape.h)) || (up > 0 && up === times(shape.h, one.h));
    return same ? [at] : [];
  });
  if (fitting.length === 0) return null;
  const at = draw.one(fitting);
  const factors = draw.one([[], ["alpha=0.5"], ["beta=2"], ["alpha=2", "beta=0.5"]]);
  return {
    lines: ["[shortcut]", `from=${at - before.length}`, ...factors, draw.activation()],
    shape,
  };
};

const upsample: Builder = (draw, { c, h, w }) => {
  const stride = draw.one([2, 1, 3]);
  const scale = draw.one([[], ["scale=0.5"]]);
  return {
    lines: ["[upsample]", `stride=${stride}`, ...scale],
    shape: map(c, h * stride, w * stride),
  };
};

const reorg: Builder = (draw, { c, h, w }) => {
  const stride = draw.one([2, 3]);
  const reverse = draw.one([false, true]);
  // The historical function splits channels by stride² whichever way it goes.
  if (h % stride !== 0 || w % stride !== 0 || c % (stride * stride) !== 0) return null;
  return {
    lines: ["[reorg]", `stride=${stride}`, ...(reverse ? ["reverse=1"] : [])],
    shape: reverse
      ? map(c / (stride * stride), h * stride, w * stride)
      : map(c * stride * stride, h / stride, w / stride),
  };
};

const connected: Builder = (draw) => {
  const output = draw.int(1, 8);
  const normalize = draw.one([false, true]) ? ["batch_normalize=1"] : [];
  return {
    lines: ["[connected]", `output=${output}`, ...normalize, draw.activation()],
    shape: flat(output),
  };
};

const local: Builder = (draw, { h, w }) => {
  const size = draw.one([1, 3, 2]);
  const stride = draw.one([1, 2]);
  // With other kernels than 3×3 the library unrolls the padded map in one size and reads it in another.
  const pad = size === 3 ? draw.one([0, 1]) : 0;
  const filters = draw.int(1, 3);
  const [oh, ow] = [h, w].map(
    (side) => Math.floor((pad === 1 ? side - 1 : side - size) / stride) + 1,
  ) as [number, number];
  if (h < size || w < size) return null;
  return {
    lines: [
      "[local]",
      `filters=${filters}`,
      `size=${size}`,
      `stride=${stride}`,
      `pad=${pad}`,
      draw.activation(),
    ],
    shape: map(filters, oh, ow),
  };
};

const deconvolutional: Builder = (draw, { h, w }) => {
  const size = draw.one([2, 3, 4]);
  const stride = draw.one([1, 2, 3]);
  const padding = draw.one([0, 1]);
  const filters = draw.int(1, 3);
  const [oh, ow] = [h, w].map((side) => (side - 1) * stride + size - 2 * padding) as [
    number,
    number,
  ];
  if (oh < 1 || ow < 1) return null;
  return {
    lines: [
      "[deconvolutional]",
      ...(draw.one([false, true]) ? ["batch_normalize=1"] : []),
      `filters=${filters}`,
      `size=${size}`,
      `stride=${stride}`,
      `padding=${padding}`,
      draw.activation(),
    ],
    shape: map(filters, oh, ow),
  };
};

const recurrent: Builder = (draw) => {
  const output = draw.int(1, 5);
  const kind = draw.one(["rnn", "gru", "lstm"]);
  const normalize = draw.one([false, true]) ? ["batch_normalize=1"] : [];
  const own = kind === "rnn" ? [`hidden=${draw.int(1, 4)}`, draw.activation()] : [];
  return {
    lines: [`[${kind}]`, `output=${output}`, ...normalize, ...own],
    shape: flat(output),
  };
};

const crnn: Builder = (draw, { h, w }) => {
  const output = draw.int(1, 3);
  return {
    lines: [
      "[crnn]",
      `output_filters=${output}`,
      `hidden_filters=${draw.int(1, 3)}`,
      ...(draw.one([false, true]) ? ["batch_normalize=1"] : []),
      draw.activation(),
    ],
    // The library's parser exchanges the two.
    shape: map(output, w, h),
  };
};

const keepsShape =
  (lines: (draw: Draw) => readonly string[]): Builder =>
  (draw, shape) => ({ lines: lines(draw), shape });

/** As the first layer it crashes the library, which takes the output of the layer before for its own. */
const dropout: Builder = (draw, shape, before) =>
  before.length === 0
    ? null
    : { lines: ["[dropout]", `probability=${draw.one(["0.5", "0.2"])}`], shape };

const softmax: Builder = (draw, { c, h, w, flat: isFlat }) => {
  const spatial = !isFlat && draw.one([false, true]);
  const groups = spatial ? 1 : draw.one([1, 2].filter((count) => (c * h * w) % count === 0));
  const temperature = draw.one([[], ["temperature=2.5"]]);
  return {
    lines: [
      "[softmax]",
      ...(groups > 1 ? [`groups=${groups}`] : []),
      ...(spatial ? ["spatial=1"] : []),
      ...temperature,
    ],
    shape: flat(c * h * w),
  };
};

const normalization: Builder = (draw, shape) => {
  const size = draw.one([3, 5, 1]);
  if (shape.c < size) return null;
  return {
    lines: [
      "[normalization]",
      `size=${size}`,
      `alpha=${draw.one(["0.001", "0.1"])}`,
      `beta=${draw.one(["0.75", "0.5"])}`,
      `kappa=${draw.one(["1", "2"])}`,
    ],
    shape,
  };
};

const crop: Builder = (draw, { c, h, w }) => {
  const [height, width] = [draw.int(1, h), draw.int(1, w)];
  const noadjust = draw.one([[], ["noadjust=1"]]);
  return {
    lines: ["[crop]", `crop_height=${height}`, `crop_width=${width}`, ...noadjust],
    shape: map(c, height, width),
  };
};

/** Kinds that need a map with height and width before them, and those that do not mind; the first is the simplest. */
const ON_MAPS: readonly Builder[] = [
  convolutional,
  maxpool,
  upsample,
  route,
  shortcut,
  reorg,
  local,
  deconvolutional,
  normalization,
  crop,
  crnn,
  keepsShape(() => ["[l2norm]"]),
  keepsShape(() => ["[avgpool]"]),
];
const ON_ANYTHING: readonly Builder[] = [
  connected,
  route,
  recurrent,
  softmax,
  keepsShape((draw) => ["[activation]", draw.activation()]),
  dropout,
  keepsShape(() => ["[logistic]"]),
];

/** A detection head at the end, with the convolution that gives its channels. */
function head(draw: Draw, { flat: isFlat }: Shape): readonly string[] {
  const kind = draw.one(["", "", "yolo", "region", "detection", "cost"]);
  if (kind === "cost") return ["[cost]", "type=sse"];
  if (kind === "detection") return detection(draw);
  if (kind === "" || isFlat) return [];
  const [classes, anchors] = [draw.int(1, 3), draw.int(1, 2)];
  const filters = anchors * (classes + 5);
  const sizes = Array.from({ length: anchors }, (_, at) => `${10 + 5 * at},${14 + 3 * at}`);
  const conv = ["[convolutional]", `filters=${filters}`, "size=1", "stride=1", "activation=linear"];
  const own =
    kind === "yolo"
      ? [`mask=${sizes.map((_, at) => at).join(",")}`]
      : ["coords=4", ...draw.one([["softmax=1"], []])];
  return [
    ...conv,
    `[${kind}]`,
    `classes=${classes}`,
    `num=${anchors}`,
    `anchors=${sizes.join(", ")}`,
    ...own,
  ];
}

function detection(draw: Draw): readonly string[] {
  const [side, classes, boxes] = [draw.int(1, 3), draw.int(1, 3), draw.int(1, 2)];
  const softmaxed = draw.one([[], ["softmax=1"]]);
  const keys = [`side=${side}`, `classes=${classes}`, `num=${boxes}`, "coords=4", ...softmaxed];
  const output = side * side * (classes + 5 * boxes);
  return ["[connected]", `output=${output}`, "activation=linear", "[detection]", ...keys];
}

/** The cfg that a list of choices stands for. */
function networkOf(input: Shape, choices: readonly Choice[], last: readonly number[]): string {
  const sections: string[] = [];
  const shapes: Shape[] = [];
  let shape = input;
  for (const { kind, numbers } of choices) {
    const builders = shape.flat ? ON_ANYTHING : [...ON_MAPS, ...ON_ANYTHING];
    const built = builders[kind % builders.length]?.(new Draw(numbers), shape, shapes);
    if (built == null) continue;
    const next = built.lines[0] === "[avgpool]" ? map(shape.c, 1, 1) : built.shape;
    if (next.c * next.h * next.w > MOST_VALUES) continue;
    sections.push(built.lines.join("\n"));
    shape = next;
    shapes.push(shape);
  }
  if (shapes.length === 0) sections.push("[maxpool]\nsize=1\nstride=1");
  else sections.push(...[head(new Draw(last), shape).join("\n")].filter((text) => text !== ""));
  const net = ["[net]", `width=${input.w}`, `height=${input.h}`, `channels=${input.c}`];
  return `${[net.join("\n"), ...sections].join("\n\n")}\n`;
}

/** Networks of at most ten layers, which shrink towards few layers and plain numbers. */
export const randomNetwork: fc.Arbitrary<RandomNetwork> = fc
  .record({
    c: fc.integer({ min: 1, max: 8 }),
    h: fc.integer({ min: 1, max: 12 }),
    w: fc.integer({ min: 1, max: 12 }),
    choices: fc.array(
      fc.record({
        kind: fc.nat(999),
        numbers: fc.array(fc.nat(99), { minLength: 8, maxLength: 8 }),
      }),
      { minLength: 1, maxLength: 10 },
    ),
    last: fc.array(fc.nat(99), { minLength: 5, maxLength: 5 }),
    batch: fc.constantFrom(1, 2, 3),
    seed: fc.nat(1000),
  })
  .map(({ c, h, w, choices, last, batch, seed }) => ({
    cfg: networkOf(map(c, h, w), choices, last),
    batch,
    seed,
  }));
