import { InputError } from "../../errors.js";
import type { BuildContext } from "../../port/port.js";

/** Hyper-parameters that change a detector's shapes. */
export interface YoloOptions {
  /** Number of classes. */
  readonly classes: number;
  /** Widths and heights of all anchors, in pairs: pixels of the input, for `[region]` cells of the map. */
  readonly anchors: readonly number[];
  /** For each head, in the order of the layers, the numbers of its anchors. One list of all of them for `[region]`. */
  readonly masks: readonly (readonly number[])[];
}

/**
 * The port's own hyper-parameters, with those that the caller gives in their place.
 *
 * @param context - `options.classes`, `options.anchors` and `options.masks` as in {@link YoloOptions}
 * @param defaults - what the published model has; also says how many heads there are
 * @throws {InputError} `option` when one has another form
 */
export function yoloOptions(context: BuildContext, defaults: YoloOptions): YoloOptions {
  const {
    classes = defaults.classes,
    anchors = defaults.anchors,
    masks = defaults.masks,
  } = context.options;
  if (!isCount(classes)) throw bad("classes", classes, "a whole number from 1 on");
  if (!isListOf(anchors, isPositive) || anchors.length % 2 !== 0) {
    throw bad("anchors", anchors, "pairs of positive numbers");
  }
  const isAnchor = (n: unknown): n is number => isIndexBelow(n, anchors.length / 2);
  const isMask = (mask: unknown): mask is number[] => isListOf(mask, isAnchor);
  const heads = defaults.masks.length;
  if (!isListOf(masks, isMask) || masks.length !== heads) {
    throw bad("masks", masks, `${heads} lists of anchors from 0 to ${anchors.length / 2 - 1}`);
  }
  return { classes, anchors, masks };
}

/** Number of anchors of one head. */
export function anchorsOf(options: YoloOptions, head: number): number {
  return options.masks[head]?.length ?? 0;
}

function isListOf<T>(value: unknown, isItem: (item: unknown) => item is T): value is readonly T[] {
  return Array.isArray(value) && value.length > 0 && value.every(isItem);
}

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1;
}

function isPositive(value: unknown): value is number {
  return typeof value === "number" && value > 0 && Number.isFinite(value);
}

function isIndexBelow(value: unknown, limit: number): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < limit;
}

function bad(option: string, found: unknown, expected: string): InputError {
  const text = JSON.stringify(found) ?? String(found);
  return new InputError("option", `option ${option}: ${text}, expected ${expected}`);
}
