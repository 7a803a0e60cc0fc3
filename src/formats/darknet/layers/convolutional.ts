import type {
  BatchNormAttributes,
  ConvAttributes,
  Pads,
} from "../../../architecture/attributes.js";
import type { DarknetActivation } from "../activation.js";
import type { DarknetDialect } from "../dialect.js";
import {
  asMap,
  type DarknetRecord,
  mapOf,
  type NetworkBuilder,
  readActivation,
  type Value,
} from "../network.js";
import type { SectionReader } from "../section-reader.js";

/** Everything a convolution of Darknet is told, defaults resolved. */
export interface ConvolutionSpec {
  readonly filters: number;
  readonly size: number;
  readonly strides: readonly [height: number, width: number];
  /** Pixels on each side, before dilation. */
  readonly padding: number;
  readonly dilation: number;
  readonly groups: number;
  readonly batchNormalize: boolean;
  readonly activation: DarknetActivation;
  /** Layer whose weights are used instead of own ones. */
  readonly share?: string;
  /** The file has nothing for this layer. */
  readonly dontLoad?: boolean;
  /** The file has no scale, mean and variance. */
  readonly dontLoadScales?: boolean;
  /** The file has the kernel as [in·k·k, out]. */
  readonly flipped?: boolean;
  /** 3: a 3×3 binomial blur, 2: a 2×2 box, after the convolution; the blur takes the stride. */
  readonly blur?: 2 | 3;
}

/** How each library normalises (facts: the epsilon stands inside the root in one, outside in the other). */
export function darknetBatchNorm(dialect: DarknetDialect): BatchNormAttributes {
  return dialect === "alexeyab"
    ? { axis: 1, epsilon: 1e-5, epsilonPlace: "inside" }
    : { axis: 1, epsilon: 1e-6, epsilonPlace: "outside" };
}

/** `[convolutional]` */
export function convolutional(network: NetworkBuilder, section: SectionReader, id: string): void {
  const spec = readConvolution(network, section);
  const input = asMap(network, network.previous, `${id}/map`);
  if (network.dialect === "pjreddie" && spec.size === 1 && spec.padding > 0) {
    section.warn(`size=1 with padding=${spec.padding} reads beyond the map in the library itself`);
  }
  if (spec.blur && network.batch > 1) {
    section.warn("antialiasing=1 mixes up the images of a batch in the library itself");
  }
  if (spec.blur) antialiased(network, id, input, { ...spec, blur: spec.blur });
  else convolution(network, id, input, spec);
}

function readConvolution(network: NetworkBuilder, section: SectionReader): ConvolutionSpec {
  const modern = network.dialect === "alexeyab";
  const size = section.int("size", 1, 1, 4096);
  const stride = section.int("stride", 1, 1);
  const strideOf = (key: string): number => {
    const own = modern ? section.int(key, -1) : -1;
    return own < 1 ? stride : own;
  };
  const dilation = modern && size > 1 ? section.int("dilation", 1, 1, 4096) : 1;
  if (modern) section.ignore("dilation");
  const groups = section.int("groups", 1, 1);
  const filters = section.int("filters", 1, 1);
  const share = modern ? sharedLayer(network, section) : undefined;
  const antialiasing = modern ? section.int("antialiasing", 0, 0, 3) : 0;
  refuseUnsupported(section, modern);
  return {
    filters,
    size,
    strides: [strideOf("stride_y"), strideOf("stride_x")],
    padding: readPadding(section, size),
    dilation,
    groups,
    batchNormalize:
      section.int("batch_normalize", 0) !== 0 || (modern && section.int("cbn", 0) !== 0),
    activation: readActivation(section, network.dialect, "logistic"),
    ...(share ? { share } : {}),
    dontLoad: section.int("dontload", 0) !== 0,
    dontLoadScales: section.int("dontloadscales", 0) !== 0,
    flipped: section.int("flipped", 0) !== 0,
    ...(antialiasing ? { blur: antialiasing === 2 ? 2 : 3 } : {}),
  };
}

/** `pad=1` means half the kernel, otherwise `padding` pixels on each side. */
export function readPadding(section: SectionReader, size: number): number {
  const padding = section.int("padding", 0, 0, 1 << 20);
  return section.int("pad", 0) !== 0 ? Math.floor(size / 2) : padding;
}

function sharedLayer(network: NetworkBuilder, section: SectionReader): string | undefined {
  if (!section.has("share_index")) return undefined;
  const given = section.int("share_index", 0);
  const index = given >= 0 ? given : network.index + given;
  const layer = network.layers[index];
  if (layer?.kind === "convolutional") return layer.id;
  throw section.error(
    "format",
    `share_index=${given} is layer ${index}, expected an earlier [convolutional]`,
  );
}

/** Keys that AlexeyAB's library heeds on the GPU alone; its `forward_convolutional_layer` never looks at them without `xnor`. */
const GPU_ONLY = ["binary", "bin_output", "sway", "rotate", "stretch", "stretch_sway"];

function refuseUnsupported(section: SectionReader, modern: boolean): void {
  for (const key of modern ? ["xnor"] : ["xnor", "numload"]) {
    if (section.int(key, 0) !== 0) {
      throw section.error("unsupported", `${key}=1 is not supported; remove it if it may be off`);
    }
  }
  for (const key of modern ? GPU_ONLY : ["binary"]) {
    if (section.int(key, 0) !== 0) {
      section.warn(`${key}=1 has no effect in the library's CPU code: a plain convolution`);
    }
  }
  section.ignore("dot");
  if (modern) {
    section.ignore("angle", "grad_centr", "reverse", "coordconv", "stream", "wait_stream");
    section.ignore("assisted_excitation");
  }
}

/**
 * Convolution, batch normalisation and activation; the last of them is named `id`.
 *
 * Shapes follow the library: the output size ignores dilation, and where that does not agree with a
 * symmetric padding the missing pixels on the bottom and right are zero.
 *
 * @param weights - names registered before, where the file's order is not that of the operations
 */
export function convolution(
  network: NetworkBuilder,
  id: string,
  input: Value,
  spec: ConvolutionSpec,
  weights: ConvolutionWeights = convolutionWeights(network, id, mapOf(input)[0], spec),
): Value {
  const linear = spec.activation.kind === "none";
  const convId = spec.batchNormalize || !linear ? `${id}/conv` : id;
  let value = plainConvolution(network, convId, input, spec, {
    kernel: weights.kernel,
    ...(spec.batchNormalize ? {} : { bias: weights.bias }),
  });
  if (spec.batchNormalize) {
    const { kernel: _, ...norm } = weights;
    const attributes = darknetBatchNorm(network.dialect);
    const normId = linear ? id : `${id}/norm`;
    value = network.add("batch-norm", normId, [value], attributes, value.shape, norm);
  }
  return network.activate(id, value, spec.activation);
}

/** Names of a convolution's tensors by role. */
export type ConvolutionWeights = Record<"kernel" | "bias", string> & Record<string, string>;

/** Registers the tensors of a convolution in the order of the file: bias, scale, mean, variance, kernel. */
export function convolutionWeights(
  network: NetworkBuilder,
  id: string,
  channels: number,
  spec: ConvolutionSpec,
): ConvolutionWeights {
  if (channels % spec.groups !== 0 || spec.filters % spec.groups !== 0) {
    throw network.error(
      "shape",
      `groups=${spec.groups} divides neither ${channels} input channels nor filters=${spec.filters} evenly`,
    );
  }
  const kernel = [spec.filters, channels / spec.groups, spec.size, spec.size];
  const roles = spec.batchNormalize ? ["bias", "scale", "mean", "variance"] : ["bias"];
  if (spec.share) return sharedWeights(network, spec.share, roles, kernel);
  const names: Record<string, string> = {};
  for (const role of roles) {
    const absent = spec.dontLoad || (spec.dontLoadScales && role !== "bias");
    names[role] = network.weight(id, role, [spec.filters], { file: absent ? "absent" : "stored" });
  }
  const record: Partial<DarknetRecord> = {
    file: spec.dontLoad ? "absent" : "stored",
    transposed: spec.flipped ? "flipped" : "never",
  };
  const own = network.weight(id, "kernel", kernel, record);
  return { ...names, kernel: own } as ConvolutionWeights;
}

function sharedWeights(
  network: NetworkBuilder,
  owner: string,
  roles: readonly string[],
  kernel: readonly number[],
): ConvolutionWeights {
  const operations = network.operations.filter(
    (o) => o.id === owner || o.id.startsWith(`${owner}/`),
  );
  const names = new Map(operations.flatMap((o) => Object.entries(o.weights)));
  const stored = network.weights.find((spec) => spec.name === names.get("kernel"))?.shape;
  if (`${stored}` !== `${kernel}` || roles.some((role) => !names.has(role))) {
    throw network.error(
      "shape",
      `shares the weights of ${owner}, whose kernel is [${stored}], but needs [${kernel}] with ${roles.join(", ")}`,
    );
  }
  return Object.fromEntries(
    [...roles, "kernel"].map((role) => [role, names.get(role)]),
  ) as ConvolutionWeights;
}

function plainConvolution(
  network: NetworkBuilder,
  id: string,
  input: Value,
  spec: ConvolutionSpec,
  weights: Readonly<Record<string, string>>,
): Value {
  const [, height, width] = mapOf(input);
  const [outHeight, top, bottom] = side(height, spec, spec.strides[0]);
  const [outWidth, left, right] = side(width, spec, spec.strides[1]);
  if (outHeight < 1 || outWidth < 1 || bottom < 0 || right < 0) {
    throw network.error(
      "shape",
      `a ${spec.size}×${spec.size} kernel with padding ${spec.padding} and dilation ${spec.dilation} does not fit a ${height}×${width} map`,
    );
  }
  const contiguous =
    network.dialect === "pjreddie" && spec.size === 1 && Math.max(...spec.strides) > 1;
  const pads: Pads = { top, left, bottom, right };
  const attributes: ConvAttributes = {
    filters: spec.filters,
    kernel: [spec.size, spec.size],
    strides: spec.strides,
    pads,
    dilations: [spec.dilation, spec.dilation],
    groups: spec.groups,
    sampling: contiguous ? "contiguous" : "grid",
  };
  const shape = [network.batch, spec.filters, outHeight, outWidth];
  return network.add("conv", id, [input], attributes, shape, weights);
}

/** Output size by the library's formula, and the padding before and after that gives it. */
function side(size: number, spec: ConvolutionSpec, stride: number): [number, number, number] {
  const out = Math.floor((size + 2 * spec.padding - spec.size) / stride) + 1;
  const before = spec.padding * spec.dilation;
  const reach = spec.dilation * (spec.size - 1) + 1;
  const symmetric = Math.floor((size + 2 * before - reach) / stride) + 1;
  return [out, before, symmetric === out ? before : (out - 1) * stride + reach - size - before];
}

const BINOMIAL = [1, 2, 1].map((a) => [1, 2, 1].map((b) => (a * b) / 16));
const BOX = [1, 1].map((a) => [a / 4, 1 / 4]);

/**
 * `antialiasing`: the convolution runs with stride 1, a blur takes the stride, and the library
 * copies the smaller blurred map over the *start of the larger one*: the layer keeps its shape and
 * the rest of its memory.
 */
function antialiased(
  network: NetworkBuilder,
  id: string,
  input: Value,
  spec: ConvolutionSpec & { blur: 2 | 3 },
): void {
  const full = { ...spec, strides: [1, 1] } as const;
  const weights = convolutionWeights(network, id, mapOf(input)[0], full);
  const whole = convolution(network, `${id}/full`, input, full, weights);
  const [channels, height, width] = mapOf(whole);
  const pad = spec.blur === 3 ? 1 : 0;
  const [outHeight, outWidth] = [height, width].map(
    (size, axis) => Math.floor((size + 2 * pad - spec.blur) / (spec.strides[axis] ?? 1)) + 1,
  ) as [number, number];
  const same = outHeight === height && outWidth === width;
  const blurred = network.add(
    "blur",
    same ? id : `${id}/blur`,
    [whole],
    { kernel: spec.blur === 3 ? BINOMIAL : BOX, strides: spec.strides, pad, padMode: "zero" },
    [network.batch, channels, outHeight, outWidth],
  );
  if (!same) overwriteStart(network, id, whole, blurred);
}

function overwriteStart(network: NetworkBuilder, id: string, whole: Value, start: Value): void {
  const [channels, height, width] = mapOf(whole);
  const size = channels * height * width;
  const [c, h, w] = mapOf(start);
  const used = c * h * w;
  const flat = (value: Value, part: string, length: number): Value =>
    network.add("reshape", `${id}/${part}`, [value], { shape: [length] }, [network.batch, length]);
  const first = flat(start, "start", used);
  const all = flat(whole, "rest", size);
  const rest = network.add("slice", `${id}/kept`, [all], { axis: 1, start: used, end: size }, [
    network.batch,
    size - used,
  ]);
  const joined = network.add("concat", `${id}/joined`, [first, rest], { axis: 1 }, [
    network.batch,
    size,
  ]);
  network.add("reshape", id, [joined], { shape: [channels, height, width] }, whole.shape);
}
