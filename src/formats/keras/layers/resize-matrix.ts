import type { LinearMap } from "../../../architecture/attributes.js";

/** Ways to resize an axis, as TensorFlow's `tf.image.resize` has them (half-pixel centres). */
export type Interpolation =
  | "nearest"
  | "bilinear"
  | "bicubic"
  | "area"
  | "lanczos3"
  | "lanczos5"
  | "gaussian"
  | "mitchellcubic";

/**
 * The weights by which each element of a resized axis is made of the elements before.
 *
 * Sources: TensorFlow's kernels `resize_nearest_neighbor`, `resize_bilinear`, `resize_bicubic`,
 * `resize_area` (without antialias) and `scale_and_translate` (with it, and for the last four).
 */
export function resizeMatrix(
  size: number,
  target: number,
  interpolation: Interpolation,
  antialias: boolean,
): LinearMap {
  const values = new Array<number>(size * target).fill(0);
  for (let row = 0; row < target; row++) {
    for (const [column, weight] of rowOf(row, size, target, interpolation, antialias)) {
      const at = row * size + column;
      values[at] = (values[at] ?? 0) + weight;
    }
  }
  return { rows: target, columns: size, values };
}

type Row = (readonly [column: number, weight: number])[];

function rowOf(
  row: number,
  size: number,
  target: number,
  interpolation: Interpolation,
  antialias: boolean,
): Row {
  if (interpolation === "area") return areaRow(row, size, target);
  if (interpolation === "nearest") return nearestRow(row, size, target);
  if (interpolation === "bilinear" && !antialias) return bilinearRow(row, size, target);
  if (interpolation === "bicubic" && !antialias) return bicubicRow(row, size, target);
  return filteredRow(row, size, target, FILTERS[interpolation], antialias);
}

function nearestRow(row: number, size: number, target: number): Row {
  const at = Math.floor(Math.fround((row + 0.5) * Math.fround(size / target)));
  return [[Math.min(at, size - 1), 1]];
}

function bilinearRow(row: number, size: number, target: number): Row {
  const at = (row + 0.5) * (size / target) - 0.5;
  const low = Math.floor(at);
  const part = at - low;
  return [
    [Math.max(low, 0), 1 - part],
    [Math.min(low + 1, size - 1), part],
  ];
}

/** Steps in which TensorFlow tabulates the cubic kernel. */
const TABLE = 1024;

/** Keys' cubic (a = −0.5), its argument rounded to a table; what lies outside has no weight and the rest is scaled up. */
function bicubicRow(row: number, size: number, target: number): Row {
  const at = Math.fround(Math.fround((row + 0.5) * Math.fround(size / target)) - 0.5);
  const low = Math.floor(at);
  const step = roundHalfEven((at - low) * TABLE) / TABLE;
  const taps: Row = [-1, 0, 1, 2].map(
    (offset) => [low + offset, keysCubic(Math.abs(offset - step))] as const,
  );
  return normalized(taps.filter(([column]) => column >= 0 && column < size));
}

function roundHalfEven(x: number): number {
  const below = Math.floor(x);
  if (x - below !== 0.5) return Math.round(x);
  return below % 2 === 0 ? below : below + 1;
}

function normalized(row: Row): Row {
  const sum = row.reduce((total, [, weight]) => total + weight, 0);
  return Math.abs(sum) < 1e-35
    ? row
    : row.map(([column, weight]) => [column, weight / sum] as const);
}

/** The share of each element in the interval that becomes one. */
function areaRow(row: number, size: number, target: number): Row {
  const scale = size / target;
  const from = row * scale;
  const to = (row + 1) * scale;
  const result: Row = [];
  for (let k = Math.floor(from); k < Math.ceil(to - 1e-9); k++) {
    const share = Math.min(k + 1, to) - Math.max(k, from);
    result.push([Math.min(k, size - 1), share / scale]);
  }
  return result;
}

interface Filter {
  readonly radius: number;
  readonly weight: (x: number) => number;
}

const FILTERS: Readonly<Record<Exclude<Interpolation, "area" | "nearest">, Filter>> = {
  bilinear: { radius: 1, weight: (x) => Math.max(0, 1 - x) },
  bicubic: { radius: 2, weight: keysCubic },
  lanczos3: { radius: 3, weight: (x) => lanczos(x, 3) },
  lanczos5: { radius: 5, weight: (x) => lanczos(x, 5) },
  gaussian: { radius: 1.5, weight: (x) => (x >= 1.5 ? 0 : Math.exp((-x * x) / (2 * 0.5 * 0.5))) },
  mitchellcubic: { radius: 2, weight: mitchell },
};

function keysCubic(x: number): number {
  if (x >= 2) return 0;
  return x >= 1 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : (1.5 * x - 2.5) * x * x + 1;
}

function lanczos(x: number, radius: number): number {
  if (x > radius) return 0;
  if (x <= 1e-3) return 1;
  const angle = Math.PI * x;
  return (radius * Math.sin(angle) * Math.sin(angle / radius)) / (angle * angle);
}

function mitchell(x: number): number {
  if (x > 2) return 0;
  if (x > 1) return (((-7 / 18) * x + 2) * x - 10 / 3) * x + 16 / 9;
  return ((7 / 6) * x - 2) * x * x + 8 / 9;
}

/** A filter around the place an element comes from, widened by the shrinking where it antialiases. */
function filteredRow(
  row: number,
  size: number,
  target: number,
  { radius, weight }: Filter,
  antialias: boolean,
): Row {
  const inverse = size / target;
  const width = antialias ? Math.max(inverse, 1) : 1;
  const centre = (row + 0.5) * inverse;
  if (centre < 0 || centre > size) return [];
  const clamp = (k: number) => Math.min(size - 1, Math.max(0, k));
  const first = clamp(Math.ceil(centre - radius * width - 0.5));
  const last = clamp(Math.floor(centre + radius * width - 0.5));
  const taps: Row = [];
  for (let k = first; k <= last; k++) taps.push([k, weight(Math.abs((k + 0.5 - centre) / width))]);
  return normalized(taps);
}
