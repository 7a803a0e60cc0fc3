import fc from "fast-check";
import { keras3, type TestLayer } from "../models/tfjs/keras-models.js";

/** A small model: what it is made of, whatever the shapes turn out to be. */
export interface RandomModel {
  /** Sizes of the input, batch left out: rank 1, 2 or 3. */
  readonly input: readonly number[];
  readonly choices: readonly Choice[];
  readonly seed: number;
}

/** One step: which layer, how, and what it reads. */
interface Choice {
  readonly kind: number;
  /** Small numbers that the layer's settings are taken from. */
  readonly settings: readonly number[];
  /** How far back the layer looks for what it reads. */
  readonly reads: readonly [number, number];
}

const choice: fc.Arbitrary<Choice> = fc.record({
  kind: fc.nat(997),
  settings: fc.array(fc.nat(997), { minLength: 6, maxLength: 6 }),
  reads: fc.tuple(fc.nat(3), fc.nat(3)),
});

/** Models of one to seven layers, with branches that merge again and layers that are used twice. */
export const randomModel: fc.Arbitrary<RandomModel> = fc.record({
  input: fc.oneof(
    fc.tuple(fc.integer({ min: 1, max: 7 })),
    fc.tuple(fc.integer({ min: 2, max: 9 }), fc.integer({ min: 1, max: 5 })),
    fc.tuple(
      fc.integer({ min: 2, max: 9 }),
      fc.integer({ min: 2, max: 9 }),
      fc.integer({ min: 1, max: 4 }),
    ),
  ),
  choices: fc.array(choice, { minLength: 1, maxLength: 7 }),
  seed: fc.nat(2 ** 31 - 1),
});

/** Gives the shape of a layer's value, batch included, for the configuration so far. */
export type ShapeOf = (config: unknown, layer: string) => readonly number[];

interface Made {
  readonly name: string;
  readonly shape: readonly number[];
}

/** The model's description as Keras 3 writes it. */
export function kerasModel({ input, choices }: RandomModel, shapeOf: ShapeOf): unknown {
  const shape = [null, ...input];
  const layers: TestLayer[] = [];
  const made: Made[] = [{ name: "input", shape: [1, ...input] }];
  for (const [k, one] of choices.entries()) {
    const read = made.at(-1 - (one.reads[0] % made.length)) as Made;
    const layer = nextLayer(`l${k}`, one, read, made, layers);
    if (layer === null) continue;
    const at = layers.findIndex(({ name }) => name === layer.name);
    if (at < 0) layers.push(layer);
    else layers[at] = layer;
    const last = layer.calls.length - 1;
    const config = keras3(shape, layers, [[layer.name, last]]);
    const id = last === 0 ? layer.name : `${layer.name}#call${last}`;
    made.push({ name: `${layer.name}:${last}`, shape: shapeOf(config, id) });
  }
  if (layers.length === 0) {
    const nothing = { name: "l", kind: "Activation", config: { activation: "linear" } };
    layers.push({ ...nothing, calls: [["input"]] });
    made.push({ name: "l:0", shape: [1, ...input] });
  }
  // Whatever nobody reads is an output: no layer is left out.
  const used = new Set(layers.flatMap(({ calls }) => calls.flat()));
  const ends = made.slice(1).filter(({ name }) => !used.has(name));
  return keras3(
    shape,
    layers,
    ends.map(({ name }) => [name.split(":")[0] as string, Number(name.split(":")[1])]),
  );
}

type Config = Readonly<Record<string, unknown>>;

/** A layer for values of a rank; `null`: these settings do not suit the shape. */
type Maker = (pick: Pick, shape: readonly number[]) => readonly [string, Config] | null;

/** One of the values, by the next setting. */
type Pick = <T>(...values: readonly T[]) => T;

function nextLayer(
  name: string,
  { kind, settings, reads }: Choice,
  read: Made,
  made: readonly Made[],
  layers: readonly TestLayer[],
): TestLayer | null {
  let next = 0;
  const pick: Pick = (...values) =>
    values[(settings[next++ % settings.length] ?? 0) % values.length] as (typeof values)[number];
  const alike = made.filter(({ shape }) => `${shape}` === `${read.shape}`);
  if (kind % 5 === 0 && alike.length > 1) {
    const other = alike[reads[1] % alike.length] as Made;
    const [merge, config] = merging(pick);
    return { name, kind: merge, config, calls: [[read.name, other.name]] };
  }
  const again = layers.find((layer) => kind % 7 === 0 && canBeUsedAgain(layer, read, made));
  if (again !== undefined) return { ...again, calls: [...again.calls, [read.name]] };
  const makers = MAKERS[read.shape.length] ?? [];
  const maker = makers[kind % makers.length];
  const layer = maker?.(pick, read.shape) ?? null;
  return layer === null ? null : { name, kind: layer[0], config: layer[1], calls: [[read.name]] };
}

/** A layer with one input of the same shape, and not one that this value comes from directly or not: that would be a loop. */
function canBeUsedAgain(layer: TestLayer, read: Made, made: readonly Made[]): boolean {
  const before = made.find(({ name }) => name === layer.calls[0]?.[0]);
  return (
    layer.calls.length === 1 &&
    layer.calls[0]?.length === 1 &&
    `${before?.shape}` === `${read.shape}`
  );
}

function merging(pick: Pick): readonly [string, Config] {
  const kind = pick("Add", "Multiply", "Maximum", "Minimum", "Average", "Subtract", "Concatenate");
  return [kind, kind === "Concatenate" ? { axis: -1 } : {}];
}

const ACTIVATIONS = [
  "relu",
  "tanh",
  "sigmoid",
  "elu",
  "selu",
  "softplus",
  "silu",
  "gelu",
  "hard_sigmoid",
  "leaky_relu",
  "softmax",
  "linear",
  "relu6",
  "mish",
  "softsign",
] as const;

const activation: Maker = (pick) => ["Activation", { activation: pick(...ACTIVATIONS) }];
const dense: Maker = (pick) => [
  "Dense",
  { units: pick(1, 2, 3, 5), activation: pick(...ACTIVATIONS), use_bias: pick(true, false) },
];
const leaky: Maker = (pick) => ["LeakyReLU", { negative_slope: pick(0, 0.1, 0.3) }];
const relu: Maker = (pick) => [
  "ReLU",
  { max_value: pick(null, 1, 6), negative_slope: pick(0, 0.2), threshold: pick(0, 0.5) },
];
const prelu: Maker = () => ["PReLU", { shared_axes: null }];
const norm: Maker = (pick, { length }) => [
  "BatchNormalization",
  {
    axis: pick(-1, -1, length - 1, 1),
    epsilon: pick(1e-3, 1e-5, 0.1),
    center: pick(true, false),
    scale: pick(true, false),
  },
];
const layerNorm: Maker = (pick) => [
  "LayerNormalization",
  { axis: -1, epsilon: pick(1e-3, 0.1), center: pick(true, false), scale: pick(true, false) },
];
const dropout: Maker = (pick) => ["Dropout", { rate: pick(0.2, 0.5) }];
const softmax: Maker = (pick, { length }) => ["Softmax", { axis: pick(-1, length - 1, 1) }];
const flatten: Maker = () => ["Flatten", { data_format: "channels_last" }];
const repeat: Maker = (pick) => ["RepeatVector", { n: pick(2, 3) }];
const rescaling: Maker = (pick) => ["Rescaling", { scale: pick(0.5, 2), offset: pick(0, -1) }];

/** Kernel, stride, dilation and padding that fit `size` pixels: Keras has no stride and dilation together. */
function window(pick: Pick, sizes: readonly number[]) {
  const kernel = sizes.map(() => pick(1, 2, 3, 4));
  const strided = pick(true, false);
  const strides = sizes.map(() => (strided ? pick(1, 2, 3) : 1));
  const dilation = sizes.map(() => (strided ? 1 : pick(1, 2)));
  const fits = sizes.every((size, k) => size >= ((kernel[k] ?? 1) - 1) * (dilation[k] ?? 1) + 1);
  return { kernel, strides, dilation, padding: fits ? pick("same", "valid") : "same" };
}

function conv(kind: string, rank: 1 | 2): Maker {
  return (pick, shape) => {
    const channels = shape.at(-1) ?? 1;
    const { kernel, strides, dilation, padding } = window(pick, shape.slice(1, -1));
    const groups = kind.startsWith("Conv") && channels % 2 === 0 ? pick(1, 2) : 1;
    const square = kind.startsWith("Conv") ? strides : strides.map(() => strides[0]);
    const own = kind.startsWith("Conv")
      ? { filters: groups * pick(1, 2, 3), groups }
      : {
          depth_multiplier: pick(1, 2),
          ...(kind.startsWith("Sep") ? { filters: pick(1, 2, 3) } : {}),
        };
    return [
      `${kind}${rank}D`,
      {
        ...own,
        kernel_size: kernel,
        strides: square,
        dilation_rate:
          dilation.every((one) => one === dilation[0]) || kind === "Conv"
            ? dilation
            : dilation.map(() => 1),
        padding,
        data_format: "channels_last",
        activation: pick(...ACTIVATIONS),
        use_bias: pick(true, false),
      },
    ];
  };
}

function pooling(kind: "Max" | "Average", rank: 1 | 2): Maker {
  return (pick, shape) => {
    const { kernel, strides, padding } = window(pick, shape.slice(1, -1));
    return [
      `${kind}Pooling${rank}D`,
      { pool_size: kernel, strides, padding, data_format: "channels_last" },
    ];
  };
}

function globalPooling(kind: "Max" | "Average", rank: 1 | 2): Maker {
  return (pick) => [
    `Global${kind}Pooling${rank}D`,
    { data_format: "channels_last", keepdims: pick(true, false) },
  ];
}

const transposed: Maker = (pick, shape) => {
  const { kernel, strides, padding } = window(pick, shape.slice(1, -1));
  return [
    "Conv2DTranspose",
    {
      filters: pick(1, 2, 3),
      kernel_size: kernel,
      strides,
      padding,
      data_format: "channels_last",
      output_padding: null,
      dilation_rate: [1, 1],
      activation: "linear",
      use_bias: pick(true, false),
    },
  ];
};

const upsampling: Maker = (pick) => [
  "UpSampling2D",
  {
    size: [pick(1, 2, 3), pick(1, 2)],
    interpolation: pick("nearest", "bilinear"),
    data_format: "channels_last",
  },
];
const pair = (pick: Pick) => [pick(0, 1, 2), pick(0, 1)];
const zeroPad2: Maker = (pick) => [
  "ZeroPadding2D",
  { padding: [pair(pick), pair(pick)], data_format: "channels_last" },
];
const zeroPad1: Maker = (pick) => ["ZeroPadding1D", { padding: pair(pick) }];
const crop2: Maker = (pick, [, height = 0, width = 0]) =>
  height > 3 && width > 3
    ? ["Cropping2D", { cropping: [pair(pick), pair(pick)], data_format: "channels_last" }]
    : null;
const permute2: Maker = (pick) => ["Permute", { dims: pick([1, 2, 3], [2, 1, 3], [3, 1, 2]) }];
const permute1: Maker = () => ["Permute", { dims: [2, 1] }];
const groupNorm: Maker = (pick, shape) => [
  "GroupNormalization",
  { groups: pick(1, -1, shape.at(-1) ?? 1), axis: -1, epsilon: 1e-3, center: true, scale: true },
];

const recurrent: Maker = (pick) => {
  const kind = pick("LSTM", "GRU", "SimpleRNN");
  const common = {
    units: pick(1, 2, 4),
    activation: pick("tanh", "relu", "sigmoid"),
    use_bias: pick(true, false),
    return_sequences: pick(true, false),
    go_backwards: pick(false, true),
  };
  if (kind === "SimpleRNN") return [kind, common];
  const gates = { recurrent_activation: pick("sigmoid", "hard_sigmoid") };
  return [
    kind,
    kind === "GRU"
      ? { ...common, ...gates, reset_after: pick(true, false) }
      : { ...common, ...gates },
  ];
};
const causal: Maker = (pick, shape) => {
  const made = conv("Conv", 1)(pick, shape);
  return made === null ? null : ["Conv1D", { ...made[1], padding: "causal" }];
};

const COMMON: readonly Maker[] = [
  activation,
  dense,
  norm,
  leaky,
  relu,
  prelu,
  layerNorm,
  dropout,
  softmax,
  rescaling,
];

/** By the rank of what is read, batch included. */
const MAKERS: Readonly<Record<number, readonly Maker[]>> = {
  2: [...COMMON, dense, repeat],
  3: [
    ...COMMON,
    flatten,
    conv("Conv", 1),
    conv("SeparableConv", 1),
    causal,
    pooling("Max", 1),
    pooling("Average", 1),
    globalPooling("Max", 1),
    globalPooling("Average", 1),
    recurrent,
    recurrent,
    zeroPad1,
    permute1,
  ],
  4: [
    ...COMMON,
    flatten,
    conv("Conv", 2),
    conv("Conv", 2),
    conv("DepthwiseConv", 2),
    conv("SeparableConv", 2),
    transposed,
    pooling("Max", 2),
    pooling("Average", 2),
    globalPooling("Max", 2),
    globalPooling("Average", 2),
    upsampling,
    zeroPad2,
    crop2,
    permute2,
    groupNorm,
  ],
};
