import type { InputType } from "../architecture/architecture.js";
import { InputError } from "../errors.js";
import { openSource } from "../formats/byte-source.js";
import { readNpy } from "../formats/npy/npy-reader.js";
import type { RgbImage } from "../port/port.js";
import { type AnyTensor, sizeOf, type Tensor, tensor } from "../tensor/tensor.js";
import { syntheticInput } from "../weights/synthetic.js";
import { decodeImage } from "./image-file.js";
import { networkInput } from "./network-input.js";

/** Where a part of the batch comes from. */
export type InputSource =
  /** Made from a seed: one image, or the whole batch where nothing else is given. */
  | { readonly kind: "random"; readonly seed: number }
  /** Whole numbers from `low` to `high`, both included, made from a seed. */
  | {
      readonly kind: "ids";
      readonly low: number;
      readonly high: number;
      readonly seed: number;
    }
  /** Values in the original's layout, for one image or several. */
  | { readonly kind: "npy"; readonly path: string }
  /** One picture. */
  | { readonly kind: "image"; readonly path: string };

/** What a network is run on. */
export interface NetworkInput {
  /** [batch, channels, height, width], or whatever shape the network's input has. */
  readonly tensor: Tensor;
  /** The decoded pictures where the whole batch is made of such; for ports with their own preprocessing. */
  readonly images: readonly RgbImage[] | null;
  /** What looks strange but is allowed, one line each. */
  readonly warnings: readonly string[];
}

/** An image's values for one element of the batch, in the original's layout. */
export type ImageReader = (path: string, image: RgbImage) => Float32Array;

/** How the sources of an input are read. */
export interface ReadOptions {
  /** Of Darknet's images: keep the aspect ratio, on grey. */
  readonly letterbox: boolean;
  /** What the numbers mean; default `float`. */
  readonly type?: InputType;
  /** Of whole numbers: one more than the largest that the model has a use for, where that is known. */
  readonly range?: number | null;
  /** How images become values; default as Darknet does. `null`: the input is no image. */
  readonly image?: ImageReader | null;
  /** What messages call the input where the model has several. */
  readonly name?: string | null;
}

/** One source, read: `values` holds `count` images one behind the other. */
interface Part {
  readonly name: string;
  readonly count: number;
  readonly values: Float32Array;
  readonly image: RgbImage | null;
  readonly warnings: readonly string[];
}

/**
 * Reads a network's input from images, arrays and seeds, in their order along the batch.
 *
 * @param shape of the network's input, batch first
 * @throws {InputError} when a file cannot be read, its shape or values do not fit, or the sources
 *   make more or fewer images than the batch has
 */
export async function readInputs(
  sources: readonly InputSource[],
  shape: readonly number[],
  options: ReadOptions,
): Promise<NetworkInput> {
  const [first, ...others] = sources;
  if (first !== undefined && isMade(first) && others.length === 0) {
    return { tensor: made(first, shape, options), images: null, warnings: [] };
  }
  const parts: Part[] = [];
  for (const source of sources) parts.push(await readPart(source, shape, options));
  const [batch = 1] = shape;
  const found = parts.reduce((sum, { count }) => sum + count, 0);
  if (found !== batch) {
    const list = parts.map(({ name, count }) => `${name} (${count})`).join(", ") || "nothing";
    throw new InputError(
      "shape",
      `--input${options.name == null ? "" : ` ${options.name}`}: ${list} make a batch of ${found}, expected ${batch}; give --input once for each image, or --batch ${found}`,
    );
  }
  const values = new Float32Array(sizeOf(shape));
  let at = 0;
  for (const part of parts) {
    values.set(part.values, at);
    at += part.values.length;
  }
  const images = parts.map(({ image }) => image);
  return {
    tensor: tensor(shape, values),
    images: images.every((image) => image !== null) ? images : null,
    warnings: parts.flatMap(({ warnings }) => warnings),
  };
}

async function readPart(
  source: InputSource,
  shape: readonly number[],
  options: ReadOptions,
): Promise<Part> {
  switch (source.kind) {
    case "random":
    case "ids": {
      const { data } = made(source, [1, ...shape.slice(1)], options);
      const name = `${source.kind}:${source.seed}`;
      return { name, count: 1, values: data, image: null, warnings: [] };
    }
    case "npy":
      return readArray(source.path, shape, options);
    case "image":
      return await readImage(source.path, shape, options);
  }
}

type MadeSource = InputSource & { readonly kind: "random" | "ids" };

function isMade(source: InputSource): source is MadeSource {
  return source.kind === "random" || source.kind === "ids";
}

/** Values from a seed, as the input's type has them. */
function made(source: MadeSource, shape: readonly number[], options: ReadOptions): Tensor {
  const { type = "float", range = null, name = null } = options;
  const unit = syntheticInput(shape, source.seed);
  if (source.kind === "ids") return wholeNumbers(unit, source.low, source.high);
  if (type === "float") return unit;
  if (type === "bool") return wholeNumbers(unit, 0, 1);
  if (range !== null) return wholeNumbers(unit, 0, range - 1);
  const input = name === null ? "the input" : `input "${name}"`;
  throw new InputError(
    "option",
    `--input: ${input} is of whole numbers, and the original does not say of which; give --input ${name === null ? "" : `${name}=`}ids:LOW..HIGH such as ids:0..30521, or a .npy`,
  );
}

function wholeNumbers({ shape, data }: Tensor, low: number, high: number): Tensor {
  return tensor(
    shape,
    data.map((u) => low + Math.floor(u * (high - low + 1))),
  );
}

async function readImage(
  path: string,
  shape: readonly number[],
  { letterbox, image: reader }: ReadOptions,
): Promise<Part> {
  if (reader === null) {
    throw new InputError(
      "shape",
      `${path}: an image cannot be the input of shape [${shape}]; give a .npy of that shape`,
    );
  }
  if (reader !== undefined) {
    const image = await decodeImage(path);
    return { name: path, count: 1, values: reader(path, image), image, warnings: [] };
  }
  const [, channels, height, width] = shape;
  if (shape.length !== 4 || channels !== 3 || height === undefined || width === undefined) {
    throw new InputError(
      "shape",
      `${path}: an image has 3 channels, the network's input is [${shape}]; give a .npy of that shape`,
    );
  }
  const image = await decodeImage(path);
  const values = fitted(path, image, { width, height, letterbox });
  return { name: path, count: 1, values, image, warnings: [] };
}

function fitted(
  path: string,
  image: RgbImage,
  options: { width: number; height: number; letterbox: boolean },
): Float32Array {
  const from = `${path}: image of ${image.width}x${image.height}`;
  const to = `${options.width}x${options.height}${options.letterbox ? " with --letterbox" : ""}`;
  let values: Float32Array;
  try {
    values = networkInput(image, options).data;
  } catch (cause) {
    throw unfit(from, to, cause);
  }
  // Darknet divides 0 by 0 there; NaN in the input would make every layer NaN, and nothing comparable.
  if (values.some((value) => Number.isNaN(value))) throw unfit(from, to, undefined);
  return values;
}

function unfit(from: string, to: string, cause: unknown): InputError {
  return new InputError(
    "shape",
    `${from} fits into ${to} with a height of one pixel or none, expected at least 2 rows`,
    { cause },
  );
}

function readArray(path: string, shape: readonly number[], options: ReadOptions): Part {
  const source = openSource(path);
  const array = readNpy(source.read(0, source.byteLength, "the array"), path);
  source.close();
  const count = batchOf(path, array.shape, shape);
  const warnings: string[] = [];
  const values =
    options.type === undefined || options.type === "float"
      ? floatsOf(path, array, warnings, options.image === undefined)
      : wholesOf(path, array, options.type);
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    throw new InputError(
      "format",
      `${path}: value ${bad} is ${values[bad]}, expected finite numbers; every layer would be NaN`,
    );
  }
  const most = values.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  if (options.image === undefined && shape[1] === 3 && most > 16) {
    warnings.push(`${path}: values reach ${most}; Darknet's images are 0…1`);
  }
  return { name: path, count, values, image: null, warnings };
}

/** How many images an array holds: [n, …] or, for one, without the batch axis. */
function batchOf(path: string, found: readonly number[], shape: readonly number[]): number {
  const wanted = shape.slice(1);
  const same = (sizes: readonly number[]) => `${sizes}` === `${wanted}`;
  if (same(found)) return 1;
  if (same(found.slice(1)) && (found[0] ?? 0) > 0) return found[0] as number;
  const [channels, height, width] = wanted;
  const nhwc = wanted.length === 3 && `${found.slice(-3)}` === `${[height, width, channels]}`;
  throw new InputError(
    "shape",
    `${path}: shape [${found}], expected [${shape}]` +
      (nhwc ? "; the sizes fit in NHWC order: transpose to NCHW before saving" : ""),
  );
}

/** Largest whole number below which float32 holds all of them. */
const MAX_WHOLE = 2 ** 24;

function wholesOf(path: string, array: AnyTensor, type: "int" | "bool"): Float32Array {
  if (array.dtype === "float32" || array.dtype === "float64") {
    throw new InputError(
      "format",
      `${path}: ${array.dtype} values, expected ${type === "bool" ? "bool" : "int32 or int64"}: the original's input is of ${type === "bool" ? "truth values" : "whole numbers"}`,
    );
  }
  const values = Float32Array.from(array.data as ArrayLike<number>, Number);
  const large = values.findIndex((value) => Math.abs(value) > MAX_WHOLE);
  if (large < 0) return values;
  throw new InputError(
    "limit",
    `${path}: value ${large} is ${array.data[large]}, expected at most ${MAX_WHOLE}: values are carried as float32`,
  );
}

function floatsOf(
  path: string,
  array: AnyTensor,
  warnings: string[],
  darknet: boolean,
): Float32Array {
  if (array.dtype === "float32") return array.data;
  if (array.dtype === "float64") {
    warnings.push(`${path}: float64 values were rounded to float32`);
    return Float32Array.from(array.data);
  }
  throw new InputError(
    "format",
    `${path}: ${array.dtype} values, expected float32${darknet ? "; for an image divide by 255 first" : ""}`,
  );
}
