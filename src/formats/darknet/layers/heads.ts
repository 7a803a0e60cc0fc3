import type { HeadAttributes } from "../../../architecture/attributes.js";
import { sizeOf } from "../../../tensor/tensor.js";
import { asMap, mapOf, type NetworkBuilder, type Value } from "../network.js";
import type { SectionReader } from "../section-reader.js";

/** Keys of the heads that matter to the loss, to decoding or to data augmentation, not to the forward map. */
const SETTINGS = [
  "jitter",
  "resize",
  "random",
  "ignore_thresh",
  "truth_thresh",
  "iou_thresh",
  "iou_thresh_kind",
  "iou_loss",
  "iou_normalizer",
  "obj_normalizer",
  "cls_normalizer",
  "delta_normalizer",
  "max_delta",
  "label_smooth_eps",
  "counters_per_class",
  "focal_loss",
  "objectness_smooth",
  "nms_kind",
  "beta_nms",
  "max",
  "map",
  "show_details",
  "uc_normalizer",
  "yolo_point",
  "thresh",
  "object_scale",
  "noobject_scale",
  "class_scale",
  "coord_scale",
  "mask_scale",
  "absolute",
  "rescore",
  "bias_match",
  "log",
  "sqrt",
  "forced",
  "reorg",
  "tree",
  "track_history_size",
  "sim_thresh",
  "dets_for_track",
  "dets_for_show",
  "track_ciou_norm",
  "embedding_layer",
  "quantize",
] as const; // prettier-ignore

interface Anchors {
  readonly all: number[];
  readonly mask: number[];
  /** Sizes of this head's own anchors, pairs. */
  readonly own: number[];
}

function readAnchors(section: SectionReader, fallback: number): Anchors {
  const total = section.int("num", 1, 1, 4096);
  const mask = section.list("mask") ?? Array.from({ length: total }, (_, k) => k);
  const given = section.list("anchors") ?? [];
  const all = Array.from({ length: 2 * total }, (_, k) => given[k] ?? fallback);
  const wrong = mask.find((anchor) => !Number.isInteger(anchor) || anchor < 0 || anchor >= total);
  if (wrong !== undefined) {
    throw section.error(
      "limit",
      `mask has ${wrong}, expected anchors 0 to ${total - 1} (num=${total})`,
    );
  }
  const own = mask.flatMap((anchor) => [all[2 * anchor] ?? 0, all[2 * anchor + 1] ?? 0]);
  return { all, mask, own };
}

function settingsOf(section: SectionReader): Record<string, string> {
  const settings: Record<string, string> = {};
  for (const key of SETTINGS) {
    const value = section.text(key);
    if (value !== undefined) settings[key] = value;
  }
  return settings;
}

/** Planes `from` … `to` − 1. */
function planes(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, k) => from + k);
}

function checkPlanes(section: SectionReader, input: Value, anchors: number, entries: number): void {
  const [channels] = mapOf(input);
  if (channels !== anchors * entries) {
    throw section.error(
      "shape",
      `gets ${channels} channels, expected ${anchors} × ${entries} = ${anchors * entries}; set filters=${anchors * entries} in the layer before, or classes=`,
    );
  }
}

/** `[yolo]`: logistic on x, y, objectness and classes; then x, y by `scale_x_y`. */
export function yolo(network: NetworkBuilder, section: SectionReader, id: string): void {
  const modern = network.dialect === "alexeyab";
  const classes = section.int("classes", 20, 0, 1 << 20);
  const anchors = readAnchors(section, 0.5);
  const newCoords = modern && section.int("new_coords", 0) !== 0;
  const scale = modern ? section.float("scale_x_y", 1) : 1;
  const input = asMap(network, network.previous, `${id}/map`);
  checkPlanes(section, input, anchors.mask.length, 5 + classes);
  const attributes: HeadAttributes = {
    type: "yolo",
    anchors: anchors.mask.length,
    classes,
    coords: 4,
    logistic: newCoords ? [] : [0, 1, ...planes(4, 5 + classes)],
    affine: { planes: [0, 1], scale, offset: 0.5 * (1 - scale) },
    softmaxClasses: false,
    order: "planes",
    anchorSizes: anchors.own,
    side: 0,
  };
  network.add("head", id, [input], attributes, input.shape);
  addHead(network, section, id, attributes, anchors, {
    new_coords: newCoords ? "1" : "0",
    scale_x_y: `${scale}`,
  });
}

/** `[Gaussian_yolo]`: a mean and a sigma for each of x, y, w, h; all but the means of w and h are logistic. */
export function gaussianYolo(network: NetworkBuilder, section: SectionReader, id: string): void {
  const classes = section.int("classes", 20, 0, 1 << 20);
  const anchors = readAnchors(section, 0.5);
  const scale = section.float("scale_x_y", 1);
  const input = asMap(network, network.previous, `${id}/map`);
  checkPlanes(section, input, anchors.mask.length, 9 + classes);
  const attributes: HeadAttributes = {
    type: "gaussian-yolo",
    anchors: anchors.mask.length,
    classes,
    coords: 8,
    logistic: [0, 1, 2, 3, 5, 7, ...planes(8, 9 + classes)],
    affine: { planes: [0, 2], scale, offset: 0.5 * (1 - scale) },
    softmaxClasses: false,
    order: "planes",
    anchorSizes: anchors.own,
    side: 0,
  };
  network.add("head", id, [input], attributes, input.shape);
  addHead(network, section, id, attributes, anchors, { scale_x_y: `${scale}` });
}

/** `[region]` (v2): AlexeyAB's library goes to cell-major order and leaves x, y raw; pjreddie's does neither. */
export function region(network: NetworkBuilder, section: SectionReader, id: string): void {
  const coords = section.int("coords", 4, 4, 4096);
  const classes = section.int("classes", 20, 0, 1 << 20);
  const anchors = readAnchors(section, 0.5);
  const softmax = section.int("softmax", 0) !== 0;
  const modern = network.dialect === "alexeyab";
  if (section.has("tree")) throw section.error("unsupported", "tree= (class hierarchy)");
  if (!modern && section.int("background", 0) !== 0) {
    throw section.error("unsupported", "background=1");
  }
  const input = asMap(network, network.previous, `${id}/map`);
  checkPlanes(section, input, anchors.mask.length, coords + 1 + classes);
  const attributes: HeadAttributes = {
    type: "region",
    anchors: anchors.mask.length,
    classes,
    coords,
    logistic: modern
      ? [4]
      : [0, 1, coords, ...(softmax ? [] : planes(coords + 1, coords + 1 + classes))],
    affine: { planes: [0, 1], scale: 1, offset: 0 },
    softmaxClasses: softmax,
    order: modern ? "cells" : "planes",
    anchorSizes: anchors.own,
    side: 0,
  };
  network.add("head", id, [input], attributes, [network.batch, sizeOf(input.shape.slice(1))]);
  addHead(network, section, id, attributes, anchors, {});
}

/** `[detection]` (v1): side²·classes probabilities, side²·num confidences, side²·num·4 boxes, one row an image. */
export function detection(network: NetworkBuilder, section: SectionReader, id: string): void {
  const coords = section.int("coords", 1, 1, 4096);
  const classes = section.int("classes", 1, 0, 1 << 20);
  const num = section.int("num", 1, 1, 4096);
  const side = section.int("side", 7, 1, 4096);
  const softmax = section.int("softmax", 0) !== 0;
  const size = side * side * (classes + num * (1 + coords));
  const input = network.previous;
  const given = sizeOf(input.shape.slice(1));
  if (given !== size) {
    throw section.error(
      "shape",
      `gets ${given} values, expected side²·(classes + num·(1 + coords)) = ${size}`,
    );
  }
  const attributes: HeadAttributes = {
    type: "detection",
    anchors: num,
    classes,
    coords,
    logistic: [],
    affine: { planes: [], scale: 1, offset: 0 },
    softmaxClasses: softmax,
    order: "planes",
    anchorSizes: [],
    side,
  };
  network.add("head", id, [input], attributes, [network.batch, size]);
  addHead(network, section, id, attributes, { all: [], mask: planes(0, num), own: [] }, {});
}

function addHead(
  network: NetworkBuilder,
  section: SectionReader,
  id: string,
  { type, classes, anchors: boxes }: HeadAttributes,
  { all, mask }: Anchors,
  resolved: Record<string, string>,
): void {
  const settings = { ...settingsOf(section), ...resolved };
  const layer = network.index;
  network.addLoss(id, "own");
  network.heads.push({ id, layer, type, classes, boxes, anchors: all, mask, settings });
}
