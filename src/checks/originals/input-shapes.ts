import { InputError } from "../../errors.js";
import { nearest } from "../../suggest.js";
import type { ResolvedOptions } from "../options.js";

/** An input as the model's file declares it: a size, the name of an open one, or null where it has none. */
export interface DeclaredInput {
  readonly name: string;
  /** Null where the file says nothing. */
  readonly shape: readonly (number | string | null)[] | null;
}

/** Axes of height and width of an input that an image fits. */
export type ImageAxes = readonly [height: number, width: number];

/**
 * Shapes of a model's inputs: what its file says, with `--shape`, `--batch` and `--size` where it says
 * nothing. The first axis is the batch: given for one whole input, it holds for the others. Other axes
 * have names only where the file gives them.
 *
 * @param imageAxes - where an image of that input has its height and width, for `--size`
 * @throws {InputError} naming the axis that is open, or the size that does not fit
 */
export function inputShapes(
  file: string,
  declared: readonly DeclaredInput[],
  options: Pick<ResolvedOptions, "shape" | "batch" | "batchGiven" | "size">,
  imageAxes: (input: DeclaredInput) => ImageAxes | null,
): Record<string, readonly number[]> {
  refuseUnknownNames(file, declared, options.shape);
  const batch = options.batchGiven
    ? options.batch
    : (batchOfWholes(declared, options.shape) ?? options.batch);
  return Object.fromEntries(
    declared.map((input) => [
      input.name,
      shapeOf(file, input, { ...options, batch }, imageAxes(input)),
    ]),
  );
}

/** The batch that whole shapes given for inputs with an open first axis agree on. */
function batchOfWholes(
  declared: readonly DeclaredInput[],
  given: ReadonlyMap<string, readonly number[]>,
): number | undefined {
  const first = declared
    .filter(({ shape }) => shape === null || typeof shape[0] !== "number")
    .flatMap(({ name }) => given.get(name)?.slice(0, 1) ?? []);
  return new Set(first).size === 1 ? first[0] : undefined;
}

function shapeOf(
  file: string,
  { name, shape }: DeclaredInput,
  {
    shape: given,
    batch,
    batchGiven,
    size,
  }: Pick<ResolvedOptions, "shape" | "batch" | "batchGiven" | "size">,
  axes: ImageAxes | null,
): readonly number[] {
  const whole = given.get(name);
  const told = `[${shape?.map((one) => one ?? "any").join(", ") ?? "any"}]`;
  if (whole !== undefined) {
    const fits =
      shape === null ||
      (shape.length === whole.length &&
        shape.every((one, axis) => typeof one !== "number" || one === whole[axis]));
    if (fits) return whole;
    throw new InputError(
      "option",
      `--shape ${name}=${whole.join("x")}: ${file} declares its input "${name}" as ${told}`,
    );
  }
  if (shape === null) {
    throw new InputError(
      "shape",
      `${file}: does not say the shape of its input "${name}"; give it: --shape ${name}=1x…`,
    );
  }
  return shape.map((one, axis) =>
    typeof one === "number"
      ? checkedSize(one, sizeAsked(axis, axes, size) ?? (axis === 0 && batchGiven ? batch : one))
      : openSize(one, axis),
  );

  function checkedSize(declared: number, asked: number): number {
    if (asked === declared) return declared;
    throw new InputError(
      "option",
      `${file}: declares its input "${name}" as ${told}, a size of ${asked} was asked for; leave out --batch and --size`,
    );
  }

  function openSize(one: string | null, axis: number): number {
    const named = one === null ? undefined : given.get(one)?.[0];
    const value = named ?? sizeAsked(axis, axes, size) ?? (axis === 0 ? batch : undefined);
    if (value !== undefined) return value;
    const sizes = shape?.map((s, k) => (typeof s === "number" ? s : k === 0 ? batch : 16));
    throw new InputError(
      "shape",
      `${file}: axis ${axis} of its input "${name}" is open (${told}); give it: ${one === null ? "" : `--shape ${one}=16, or `}--shape ${name}=${sizes?.join("x")}`,
    );
  }
}

function sizeAsked(
  axis: number,
  axes: ImageAxes | null,
  size: ResolvedOptions["size"],
): number | undefined {
  if (axes === null || size === null) return undefined;
  return axis === axes[0] ? size.height : axis === axes[1] ? size.width : undefined;
}

function refuseUnknownNames(
  file: string,
  declared: readonly DeclaredInput[],
  given: ReadonlyMap<string, readonly number[]>,
): void {
  const axes = declared
    .flatMap(({ shape }) => shape ?? [])
    .filter((one) => typeof one === "string");
  const known = [...new Set(["batch", ...axes, ...declared.map(({ name }) => name)])];
  for (const name of given.keys()) {
    if (known.includes(name)) continue;
    const near = nearest(name, known);
    throw new InputError(
      "option",
      `--shape ${name}: ${file} has no such axis or input, expected one of ${known.join(", ")}${near === undefined ? "" : `; did you mean ${near}?`}`,
    );
  }
}
