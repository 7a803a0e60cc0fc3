import type { WeightSpec } from "../../architecture/architecture.js";
import { InputError } from "../../errors.js";
import { sizeOf } from "../../tensor/tensor.js";
import type { DarknetArchitecture } from "./architecture.js";
import type { DarknetHeader } from "./weights-header.js";

/** One tensor of a network and where (and how much of it) a .weights file has it. */
export interface DarknetEntry extends WeightSpec {
  /** Byte offset in the file. */
  readonly offset: number;
  readonly storage: "plain" | "transposed";
  /** Values that are in the file, the leading ones in the file's order; the rest is `fill`. */
  readonly stored: number;
  /** Bytes of the next value before the file ends inside it; 0 where the library starts with random numbers. */
  readonly torn: number;
  /** What the library starts with: 1 for scales, else 0 (kernels: random numbers, here 0). */
  readonly fill: number;
}

/** How a network's tensors lie in one file. */
export interface DarknetLayout {
  readonly entries: readonly DarknetEntry[];
  /** Bytes after the last tensor; negative when some are missing. */
  readonly rest: number;
  /** Layer index up to and including which the file has everything; −1 for nothing. */
  readonly lastLayer: number;
  /** Ids of the layers that have weights of which the file has not all. */
  readonly layersWithout: readonly string[];
  /** Whether the file ends exactly between two layers. */
  readonly endsAtLayer: boolean;
}

/** Roles that the library starts with random numbers: without the file nobody knows their values. */
const RANDOM_START: ReadonlySet<string> = new Set(["kernel", "weights", "value"]);

/** Lays the tensors of a network over a file of so many bytes. */
export function layOutWeights(
  architecture: DarknetArchitecture,
  header: Pick<DarknetHeader, "bytes" | "transposed">,
  byteLength: number,
): DarknetLayout {
  const entries: DarknetEntry[] = [];
  const missing = new Set<number>();
  const boundaries = new Set<number>([header.bytes]);
  let offset: number = header.bytes;
  let layer = -1;
  architecture.weights.forEach((spec, k) => {
    const record = architecture.records[k];
    if (spec.layer !== layer) boundaries.add(offset);
    layer = spec.layer;
    const size = record?.file === "absent" ? 0 : sizeOf(spec.shape);
    const stored = Math.max(0, Math.min(size, Math.floor((byteLength - offset) / 4)));
    const cut = stored < size && !RANDOM_START.has(spec.role);
    const torn = cut ? Math.max(0, byteLength - offset - 4 * stored) : 0;
    const transposed =
      record?.transposed === "flipped" || (record?.transposed === "dense" && header.transposed);
    const storage = transposed ? "transposed" : "plain";
    const fill = spec.role === "scale" ? 1 : 0;
    entries.push({ ...spec, offset, storage, stored, torn, fill });
    const known = record?.file === "absent" && !RANDOM_START.has(spec.role);
    if (stored < sizeOf(spec.shape) && !known) missing.add(spec.layer);
    offset += 4 * size;
  });
  return {
    entries,
    rest: byteLength - offset,
    lastLayer: lastCompleteLayer(entries, missing),
    layersWithout: architecture.layers.filter(({ index }) => missing.has(index)).map((l) => l.id),
    endsAtLayer: boundaries.has(byteLength) || offset === byteLength,
  };
}

function lastCompleteLayer(entries: readonly DarknetEntry[], missing: ReadonlySet<number>): number {
  let last = -1;
  for (const { layer } of entries) {
    if (missing.has(layer)) break;
    last = layer;
  }
  return last;
}

/**
 * The error for a file that does not have as many bytes as the network needs.
 *
 * @param name - the file, for the message
 */
export function wrongLength(
  name: string,
  architecture: DarknetArchitecture,
  header: DarknetHeader,
  layout: DarknetLayout,
  byteLength: number,
): InputError {
  const floats = layout.entries.at(-1);
  const end = byteLength - layout.rest;
  const needs = `${architecture.name} needs ${end} bytes`;
  const hint = lengthHint(architecture, header, layout, byteLength);
  if (layout.rest > 0) {
    return new InputError(
      "trailing-bytes",
      `${name}: ${layout.rest} bytes left at offset ${end} after the last tensor ${floats?.name ?? "(none)"}: ${needs}, the file has ${byteLength}; ${hint}`,
    );
  }
  const short = firstShort(layout, byteLength);
  return new InputError(
    "truncated",
    `${name}: layer ${short.layer} ${short.name} at offset ${short.offset} needs ${short.need} bytes, ${short.left} left: ${needs}, the file has ${byteLength}; ${hint}`,
  );
}

function firstShort(
  layout: DarknetLayout,
  byteLength: number,
): { layer: number; name: string; offset: number; need: number; left: number } {
  const at = layout.entries.findIndex(
    ({ offset, shape, stored }, k) =>
      stored < sizeOf(shape) && (layout.entries[k + 1]?.offset ?? Infinity) > offset,
  );
  const { layer, name, offset, shape } = layout.entries[at] as DarknetEntry;
  const left = Math.max(0, byteLength - offset);
  return { layer, name, offset, need: 4 * sizeOf(shape), left };
}

function lengthHint(
  architecture: DarknetArchitecture,
  header: DarknetHeader,
  layout: DarknetLayout,
  byteLength: number,
): string {
  const other = header.bytes === 20 ? 16 : 20;
  if (layout.rest === other - header.bytes) {
    const old = header.transposed ? ", read it with --darknet pjreddie" : "";
    return `it would fit with a header of ${other} bytes, but its version ${header.major}.${header.minor}.${header.revision} has ${header.bytes}${old}`;
  }
  if (byteLength === header.bytes) return "it is a header without weights";
  if (layout.rest < 0 && layout.endsAtLayer) {
    return "it ends after a whole layer: if only the backbone is meant, use --partial";
  }
  if ((byteLength - header.bytes) % 4 !== 0) {
    return "its length is no whole number of floats: it was cut off or added to";
  }
  const another = `the weights of another configuration than ${architecture.name}`;
  return layout.rest > 0 ? another : `cut off, or ${another}`;
}
