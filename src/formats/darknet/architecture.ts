import type { Architecture } from "../../architecture/architecture.js";
import { InputError } from "../../errors.js";
import { sizeOf } from "../../tensor/tensor.js";
import type { DarknetConfig, DarknetSection } from "./config.js";
import type { DarknetDialect } from "./dialect.js";
import {
  type DarknetHead,
  type DarknetLoss,
  type DarknetRecord,
  mapOf,
  NetworkBuilder,
} from "./network.js";
import { SectionReader } from "./section-reader.js";
import { sectionKind } from "./sections.js";

/** Most layers a network may have: far above any, far below what would take long. */
const MAX_LAYERS = 20_000;

/** How a configuration is to be read. */
export interface DarknetOptions {
  /** Default `alexeyab`. */
  readonly dialect?: DarknetDialect;
  /** Size of the network's input instead of the file's. */
  readonly width?: number;
  readonly height?: number;
  /** Images at a time; default 1 (the file's own number is for training). */
  readonly batch?: number;
  /** Numbers that cannot be read are 0, as in the library, with a warning. */
  readonly lenient?: boolean;
}

/** An architecture together with what only Darknet's files have. */
export interface DarknetArchitecture extends Architecture {
  readonly dialect: DarknetDialect;
  /** How each tensor of `weights` lies in the .weights file, in its order. */
  readonly records: readonly DarknetRecord[];
  readonly heads: readonly DarknetHead[];
  readonly training: DarknetTraining;
  /** Keys nobody reads, words nobody knows, and whatever else the library passes over. */
  readonly warnings: readonly string[];
}

/** What a configuration says of training. */
export interface DarknetTraining {
  readonly momentum: number;
  readonly decay: number;
  /** Layers with a cost, in their order. */
  readonly losses: readonly DarknetLoss[];
  /** Why gradients are not those of the layers as they stand (values dropped at random, layers kept from training); empty as a rule. */
  readonly obstacles: readonly string[];
}

/**
 * What a Darknet configuration describes: layers in the library's own numbering, every default and
 * every quirk of the dialect an attribute.
 *
 * @throws {InputError} naming file and line
 */
export function architectureFromDarknet(
  config: DarknetConfig,
  options: DarknetOptions = {},
): DarknetArchitecture {
  const dialect = options.dialect ?? "alexeyab";
  if (config.layers.length > MAX_LAYERS) {
    throw new InputError(
      "limit",
      `${config.name}: ${config.layers.length} layers, expected at most ${MAX_LAYERS}`,
    );
  }
  const warnings = [...config.warnings];
  const { shape, momentum, decay } = readNet(config, options, warnings);
  const input = { id: "input", shape };
  const network = new NetworkBuilder(dialect, input);
  for (const section of config.layers) {
    addLayer(network, section, config.name, options.lenient ?? false, warnings);
  }
  return {
    name: config.name,
    dialect,
    inputs: [{ name: input.id, shape: input.shape }],
    layers: network.layers,
    operations: network.operations,
    outputs: outputsOf(network),
    weights: network.weights,
    records: network.records,
    heads: network.heads,
    training: { momentum, decay, losses: network.losses, obstacles: network.trainingObstacles },
    warnings,
  };
}

/** Keys of [net] that only training, data augmentation or the GPU read. */
const TRAINING_KEYS = [
  "batch",
  "subdivisions",
  "max_batches",
  "learning_rate",
  "learning_rate_min",
  "burn_in",
  "power",
  "policy",
  "steps",
  "scales",
  "seq_scales",
  "step",
  "scale",
  "gamma",
  "sgdr_cycle",
  "sgdr_mult",
  "adam",
  "B1",
  "B2",
  "eps",
  "angle",
  "aspect",
  "saturation",
  "exposure",
  "hue",
  "flip",
  "blur",
  "gaussian_noise",
  "mixup",
  "cutmix",
  "mosaic",
  "mosaic_bound",
  "letter_box",
  "max_crop",
  "min_crop",
  "center",
  "augment_speed",
  "time_steps",
  "track",
  "sequential_subdivisions",
  "try_fix_nan",
  "optimized_memory",
  "workspace_size_limit_MB",
  "loss_scale",
  "dynamic_minibatch",
  "weights_reject_freq",
  "equidistant_point",
  "badlabels_rejection_percentage",
  "num_sigmas_reject_badlabels",
  "ema_alpha",
  "ema_start",
  "contrastive",
  "contrastive_jit_flip",
  "contrastive_color",
  "unsupervised",
  "max_chart_loss",
  "label_smooth_eps",
  "resize_step",
  "inputs",
  "init_sequential_subdivisions",
  "max_ratio",
  "min_ratio",
  "clip",
  "random",
  "attention",
  "adversarial_lr",
  "cudnn_half",
  "tensor_core",
  "save_weights",
  "show_receptive_field",
] as const; // prettier-ignore

function readNet(
  config: DarknetConfig,
  options: DarknetOptions,
  warnings: string[],
): Pick<DarknetTraining, "momentum" | "decay"> & { readonly shape: readonly number[] } {
  const net = new SectionReader(config.net, config.name, options.lenient ?? false);
  net.ignore(...TRAINING_KEYS);
  const flat = flatInputs(net, options);
  const map = [net.int("channels", 0), options.height ?? net.int("height", 0)];
  const sizes = [options.batch ?? 1, ...(flat ?? [...map, options.width ?? net.int("width", 0)])];
  net.ignore("height", "width");
  if (net.int("time_steps", 1) > 1) {
    net.warn("time_steps above 1: one call is one time step, the state is kept between calls");
  }
  const momentum = net.trainingNumber("momentum", 0.9);
  const decay = net.trainingNumber("decay", 0.0001);
  net.reportUnused();
  warnings.push(...net.warnings);
  checkSizes(net, sizes, flat !== undefined);
  return { shape: sizes, momentum, decay };
}

function checkSizes(net: SectionReader, sizes: readonly number[], flat: boolean): void {
  const names = flat ? ["batch", "inputs"] : ["batch", "channels", "height", "width"];
  sizes.forEach((size, k) => {
    const limit = names[k] === "inputs" ? 2 ** 31 - 1 : 1 << 16;
    if (Number.isInteger(size) && size >= 1 && size <= limit) return;
    throw net.error("limit", `${names[k]}=${size}, expected 1 to ${limit}`);
  });
  if (sizeOf(sizes) > 2 ** 31 - 1) {
    throw net.error("limit", `input [${sizes}] has more values than Darknet can count`);
  }
}

/** `inputs=` instead of a map, as in pjreddie's text models. */
function flatInputs(net: SectionReader, options: DarknetOptions): [number] | undefined {
  const map = ["width", "height", "channels"].some((key) => net.has(key));
  if (map || options.width !== undefined || !net.has("inputs")) return undefined;
  return [net.int("inputs", 0)];
}

/** Keys that any layer may have: for training, saving and sharing of learning rates. */
const COMMON_KEYS = [
  "stopbackward",
  "dontsave",
  "dontload",
  "dontloadscales",
  "learning_rate",
  "onlyforward",
  "train_only_bn",
  "dont_update",
  "burnin_update",
  "truth",
  "clip",
  "smooth",
  "keep_delta_gpu",
] as const; // prettier-ignore

/** Those of them that keep gradients from a layer or those below it. */
const FREEZING_KEYS = ["stopbackward", "onlyforward", "train_only_bn", "clip"] as const;

function addLayer(
  network: NetworkBuilder,
  section: DarknetSection,
  file: string,
  lenient: boolean,
  warnings: string[],
): void {
  const reader = new SectionReader(section, file, lenient);
  const kind = sectionKind(section.name, network.dialect, reader);
  reader.ignore(...COMMON_KEYS);
  network.place = reader.place;
  const id = `${kind.short ?? kind.name}_${network.index}`;
  const map = kind.keepsMap ? mapOf(network.previous) : undefined;
  for (const key of FREEZING_KEYS) {
    if (reader.trainingNumber(key, 0) !== 0) network.trainingObstacles.push(`${id} has ${key}=`);
  }
  kind.build(network, reader, id);
  network.finish(id, kind.name, map);
  reader.reportUnused();
  warnings.push(...reader.warnings);
}

/** The heads, or what the library calls the network's output: the last layer that is not a cost. */
function outputsOf(network: NetworkBuilder): string[] {
  if (network.heads.length > 0) return network.heads.map((head) => head.id);
  const last = network.layers.findLast((layer) => layer.kind !== "cost") ?? network.layers.at(-1);
  return last ? [last.id] : [];
}
