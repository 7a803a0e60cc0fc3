import { darknetActivation } from "../activation.js";
import type { DarknetDialect } from "../dialect.js";
import {
  asFlat,
  asMap,
  asSeen,
  type DarknetLossKind,
  mapOf,
  type NetworkBuilder,
  readActivation,
  type Value,
} from "../network.js";
import type { SectionReader } from "../section-reader.js";
import { layerAt } from "./merging.js";

/** `[activation]` */
export function activation(network: NetworkBuilder, section: SectionReader, id: string): void {
  const input = asSeen(network, network.previous, `${id}/map`);
  const kind = readActivation(section, network.dialect, "linear");
  if (kind.kind === "none") network.add("identity", id, [input], {}, input.shape);
  else network.activate(id, input, kind);
}

/** `[dropout]` at inference: nothing happens. */
export function dropout(network: NetworkBuilder, section: SectionReader, id: string): void {
  const probability = section.trainingNumber("probability", 0.2);
  if (probability > 0) network.trainingObstacles.push(`${id} drops values at random`);
  unchanged(network, section, id);
}

/** `[silence]`: nothing happens. */
export function unchanged(network: NetworkBuilder, section: SectionReader, id: string): void {
  section.ignore("probability", "dropblock", "dropblock_size_rel", "dropblock_size_abs");
  const input = asSeen(network, network.previous, `${id}/map`);
  network.add("identity", id, [input], {}, input.shape);
}

/** Words of `type=` by library; an unknown one is read as `sse` (with a warning of the library). */
const COST_TYPES: Readonly<Record<DarknetDialect, Readonly<Record<string, DarknetLossKind>>>> = {
  alexeyab: { sse: "squared", masked: "masked", smooth: "smooth" },
  pjreddie: {
    sse: "squared",
    masked: "masked",
    smooth: "smooth",
    L1: "absolute",
    seg: "own",
    wgan: "own",
  },
};

/** `[cost]`: without a truth its output stays 0. */
export function cost(network: NetworkBuilder, section: SectionReader, id: string): void {
  const kind = COST_TYPES[network.dialect][section.text("type") ?? "sse"] ?? "squared";
  network.addLoss(id, kind, section.trainingNumber("scale", 1));
  section.ignore("ratio", "noobj", "thresh");
  const input = asFlat(network, network.previous, `${id}/flat`);
  network.add("constant", id, [input], { value: 0 }, input.shape);
}

/** `[softmax]` over the whole row, or `groups` parts of it. `spatial` changes nothing on the CPU. */
export function softmax(network: NetworkBuilder, section: SectionReader, id: string): void {
  const groups = section.int("groups", 1, 1);
  const temperature = section.float("temperature", 1);
  if (section.has("tree")) throw section.error("unsupported", "tree= (class hierarchy)");
  if (section.float("spatial", 0) !== 0) {
    section.warn("spatial=1 has no effect in the library's CPU code: one softmax over all values");
  }
  if (section.trainingNumber("noloss", 0) === 0) network.addLoss(id, "cross-entropy");
  const input = asFlat(network, network.previous, `${id}/flat`);
  const [, size = 1] = input.shape;
  if (size % groups !== 0) throw section.error("shape", `groups=${groups} of ${size} values`);
  if (temperature === 0) throw section.error("limit", "temperature=0, expected another number");
  const attributes = { axis: 1, size: size / groups, temperature };
  network.add("softmax", id, [input], attributes, input.shape);
}

/** `[logistic]` (pjreddie): a loss layer; its output is the logistic of the row. */
export function logistic(network: NetworkBuilder, _section: SectionReader, id: string): void {
  const kind = darknetActivation("logistic", network.dialect);
  network.addLoss(id, "logistic");
  const input = asFlat(network, network.previous, `${id}/flat`);
  if (kind) network.activate(id, input, kind);
}

/** `[l2norm]` (pjreddie): each pixel's channels divided by their length; the output is flat. */
export function l2norm(network: NetworkBuilder, section: SectionReader, id: string): void {
  const { previous } = network;
  const input = asSeen(network, previous, `${id}/map`);
  const attributes = { axis: 1, epsilon: 0 };
  if (input.shape.length === 2 && network.layers.at(-1)?.kind !== "connected") {
    section.warn("follows a layer without height and width: the library itself divides by nothing");
  }
  if (input.shape.length === 2) {
    network.add("l2-norm", id, [input], attributes, input.shape);
    return;
  }
  const norm = network.add("l2-norm", `${id}/norm`, [input], attributes, input.shape);
  asFlat(network, norm, id);
}

/** `[normalization]`: local response normalisation with the library's sliding sum. */
export function localResponse(network: NetworkBuilder, section: SectionReader, id: string): void {
  const input = asMap(network, network.previous, `${id}/map`);
  const attributes = {
    size: section.int("size", 5, 1, 1 << 20),
    alpha: section.float("alpha", 0.0001),
    beta: section.float("beta", 0.75),
    kappa: section.float("kappa", 1),
    rule: "darknet",
  } as const;
  if (mapOf(input)[0] < Math.floor(attributes.size / 2)) {
    section.warn("size is more than twice the channels: the library itself reads beyond the map");
  }
  network.add("lrn", id, [input], attributes, input.shape);
}

/** `[crop]`: the middle of the map, 2x − 1 unless `noadjust`. */
export function crop(network: NetworkBuilder, section: SectionReader, id: string): void {
  network.trainingObstacles.push(`${id} cuts at random places`);
  const height = section.int("crop_height", 1, 1);
  const width = section.int("crop_width", 1, 1);
  const adjust = section.int("noadjust", 0) === 0;
  section.ignore("flip", "angle", "saturation", "exposure", "shift");
  const input = asMap(network, network.previous, `${id}/map`);
  const [channels, fullHeight, fullWidth] = mapOf(input);
  if (height > fullHeight || width > fullWidth) {
    throw section.error("shape", `cuts ${height}×${width} from a ${fullHeight}×${fullWidth} map`);
  }
  const attributes = {
    top: Math.floor((fullHeight - height) / 2),
    left: Math.floor((fullWidth - width) / 2),
    height,
    width,
    gain: adjust ? 2 : 1,
    offset: adjust ? -1 : 0,
  };
  network.add("crop", id, [input], attributes, [network.batch, channels, height, width]);
}

/** `[reorg]`: the historical shuffle of YOLOv2, not space-to-depth. */
export function reorg(network: NetworkBuilder, section: SectionReader, id: string): void {
  const stride = section.int("stride", 1, 1, 4096);
  const reverse = section.int("reverse", 0) !== 0;
  if (network.dialect === "pjreddie") {
    for (const key of ["flatten", "extra"]) {
      if (section.int(key, 0) !== 0) throw section.error("unsupported", `${key}=1`);
    }
  }
  const input = asMap(network, network.previous, `${id}/map`);
  const shape = reorganized(network, input, stride, reverse, stride * stride);
  network.add("reorg", id, [input], { stride, reverse }, shape);
}

/** `[reorg3d]`: true space-to-depth. */
export function reorg3d(network: NetworkBuilder, section: SectionReader, id: string): void {
  const stride = section.int("stride", 1, 1, 4096);
  if (section.int("reverse", 0) !== 0) {
    throw section.error("unsupported", "reverse=1 makes the library itself crash");
  }
  const input = asMap(network, network.previous, `${id}/map`);
  const shape = reorganized(network, input, stride, false, 1);
  network.add("space-to-depth", id, [input], { stride }, shape);
}

function reorganized(
  network: NetworkBuilder,
  input: Value,
  stride: number,
  reverse: boolean,
  divisor: number,
): readonly number[] {
  const [channels, height, width] = mapOf(input);
  const blocks = stride * stride;
  const whole = height % stride === 0 && width % stride === 0;
  if (!(reverse || whole) || channels % divisor !== 0) {
    throw network.error(
      "shape",
      `stride=${stride} does not fit ${channels} channels of ${height}×${width}`,
    );
  }
  return reverse
    ? [network.batch, channels / blocks, height * stride, width * stride]
    : [network.batch, channels * blocks, height / stride, width / stride];
}

/** `[scale_channels]`: an earlier map times one value a channel (or, `scale_wh`, a pixel): squeeze and excite. */
export function scaleChannels(network: NetworkBuilder, section: SectionReader, id: string): void {
  const from = fromLayer(network, section, id);
  const wh = section.int("scale_wh", 0) !== 0;
  const given = asMap(network, network.previous, `${id}/map`);
  const own = wh ? firstChannel(network, section, given, `${id}/first`) : given;
  const [channels, height, width] = mapOf(from);
  const wanted = wh ? [network.batch, 1, height, width] : [network.batch, channels, 1, 1];
  if (`${own.shape}` !== `${wanted}`) {
    throw section.error(
      "shape",
      `scales ${from.id} [${from.shape}] by [${own.shape}], expected [${wanted}]`,
    );
  }
  product(network, section, id, [from, own]);
}

/** With `scale_wh` the library reads the first channel, however many there are. */
function firstChannel(
  network: NetworkBuilder,
  section: SectionReader,
  value: Value,
  id: string,
): Value {
  const [channels, height, width] = mapOf(value);
  if (channels === 1) return value;
  section.warn(`scale_wh=1 uses the first of ${channels} channels`);
  const shape = [network.batch, 1, height, width];
  return network.add("slice", id, [value], { axis: 1, start: 0, end: 1 }, shape);
}

/** `[sam]`: element-wise product with an earlier layer: spatial attention. */
export function sam(network: NetworkBuilder, section: SectionReader, id: string): void {
  const from = fromLayer(network, section, id);
  const own = asMap(network, network.previous, `${id}/map`);
  if (`${own.shape}` !== `${from.shape}`) {
    throw section.error(
      "shape",
      `multiplies [${own.shape}] with ${from.id} [${from.shape}], expected equal shapes`,
    );
  }
  product(network, section, id, [from, own]);
}

function fromLayer(network: NetworkBuilder, section: SectionReader, id: string): Value {
  if (!section.has("from")) throw section.error("format", "has no from=, expected a layer");
  return asMap(network, layerAt(network, section, "from", section.int("from", 0)), `${id}/from`);
}

function product(
  network: NetworkBuilder,
  section: SectionReader,
  id: string,
  inputs: readonly [from: Value, own: Value],
): void {
  const kind = readActivation(section, network.dialect, "linear");
  const name = kind.kind === "none" ? id : `${id}/product`;
  const value = network.add("merge", name, inputs, { mode: "multiply" }, inputs[0].shape);
  network.activate(id, value, kind);
}

/** `[implicit]`: a stored vector as a map, whatever the input. */
export function implicit(network: NetworkBuilder, section: SectionReader, id: string): void {
  const shape = [section.int("filters", 128, 1), section.int("atoms", 1, 1), 1];
  section.ignore("mean", "std");
  const file = section.int("dontload", 0) !== 0 ? "absent" : "stored";
  const value = network.weight(id, "value", shape, { file });
  network.add("parameter", id, [], { shape }, [network.batch, ...shape], { value });
}
