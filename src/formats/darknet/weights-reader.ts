import { InputError } from "../../errors.js";
import { sizeOf } from "../../tensor/tensor.js";
import { type ByteSource, openSource, sourceFromBytes } from "../byte-source.js";
import type { DarknetArchitecture } from "./architecture.js";
import type { DarknetDialect } from "./dialect.js";
import { refuseNoWeights } from "./weights-damage.js";
import {
  type DarknetHeader,
  describeHeader,
  implausibleHeader,
  readHeader,
} from "./weights-header.js";
import {
  type DarknetEntry,
  type DarknetLayout,
  layOutWeights,
  wrongLength,
} from "./weights-layout.js";
import { scanValues, type ValueFault, type ValueNote } from "./weights-scan.js";

/** How a .weights file is to be read. */
export interface DarknetWeightsOptions {
  /** Which library's rules; default that of the architecture. */
  readonly dialect?: DarknetDialect;
  /** A file that ends after a whole layer is accepted: a backbone. */
  readonly partial?: boolean;
  /** Read on as the library does; everything that would be an error becomes a warning. */
  readonly lenient?: boolean;
}

/** A tensor of which the file has not everything: the library keeps its start values there. */
export interface MissingWeights {
  readonly name: string;
  /** Leading values that the file has. */
  readonly stored: number;
  readonly count: number;
}

/** What a .weights file holds for a network: where, not the values. */
export interface DarknetWeightsContents {
  readonly header: DarknetHeader;
  readonly entries: readonly DarknetEntry[];
  /** Index of the last layer up to which the file has everything; −1 for none. */
  readonly lastLayer: number;
  /** Ids of the layers that have weights of which the file has none or not all. */
  readonly layersWithout: readonly string[];
  readonly missing: readonly MissingWeights[];
  readonly warnings: readonly string[];
}

/**
 * Checks a .weights file against a network: every float is accounted for and every value looked at,
 * in pieces; nothing stays in memory.
 *
 * @param file - path, or the bytes themselves
 * @param name - what messages call the bytes
 * @throws {InputError} naming layer, field, offset, need and rest; with `lenient` only where there is nothing to read
 */
export function readDarknetWeights(
  file: string | Uint8Array,
  architecture: DarknetArchitecture,
  options: DarknetWeightsOptions = {},
  name = "weights",
): DarknetWeightsContents {
  const source = typeof file === "string" ? openSource(file) : sourceFromBytes(file, name);
  try {
    return readSource(source, architecture, options);
  } finally {
    source.close();
  }
}

function readSource(
  source: ByteSource,
  architecture: DarknetArchitecture,
  { dialect = architecture.dialect, partial = false, lenient = false }: DarknetWeightsOptions,
): DarknetWeightsContents {
  const complaints = new Complaints(lenient);
  complaints.try(() => refuseNoWeights(source));
  const header = readHeader(source, dialect);
  const odd = implausibleHeader(header);
  if (odd) {
    const at = `${source.name}: header at offset 0 is ${describeHeader(header)}: ${odd}`;
    complaints.add(new InputError("corrupt", at));
  }
  const layout = layOutWeights(architecture, header, source.byteLength);
  const backbone = partial && layout.rest < 0 && layout.endsAtLayer;
  if (layout.rest !== 0 && !backbone) {
    complaints.add(wrongLength(source.name, architecture, header, layout, source.byteLength));
  }
  const { faults, notes } = scanValues(source, layout.entries);
  for (const fault of faults) complaints.add(valueError(source.name, fault));
  complaints.warnings.push(...notes.map((note) => describeNote(source.name, note)));
  complaints.warnings.push(...absentWarnings(source.name, architecture));
  return {
    header,
    entries: layout.entries,
    lastLayer: layout.lastLayer,
    layersWithout: layout.layersWithout,
    missing: missingOf(layout),
    warnings: complaints.warnings,
  };
}

/** Throws the first complaint, or keeps all as warnings. */
class Complaints {
  readonly warnings: string[] = [];
  readonly #lenient: boolean;

  constructor(lenient: boolean) {
    this.#lenient = lenient;
  }

  add(error: InputError): void {
    if (!this.#lenient) throw error;
    this.warnings.push(error.message);
  }

  try(check: () => void): void {
    try {
      check();
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      this.add(error);
    }
  }
}

function valueError(
  file: string,
  { entry, kind, count, index, offset, value }: ValueFault,
): InputError {
  const what = {
    nan: "not a number",
    infinite: `${value}`,
    "negative-variance": `${value}, expected a variance of at least 0`,
  }[kind];
  const more = count > 1 ? ` (and ${count - 1} more of its ${entry.stored} values)` : "";
  return new InputError(
    "corrupt",
    `${file}: layer ${entry.layer} ${entry.name}[${index}] at offset ${offset} is ${what}${more}; the file is damaged or belongs to another configuration`,
  );
}

function describeNote(file: string, { entry, kind, count }: ValueNote): string {
  const where = `${file}: layer ${entry.layer} ${entry.name}`;
  switch (kind) {
    case "all-zero":
      return `${where} is 0 everywhere: was it trained?`;
    case "zero-variance":
      return `${where} has ${count} values of exactly 0: the normalisation divides by the root of its epsilon there`;
    case "huge":
      return `${where} has ${count} values beyond ±1e15`;
  }
}

function absentWarnings(file: string, architecture: DarknetArchitecture): string[] {
  const absent = architecture.records.filter((record) => record.file === "absent");
  if (absent.length === 0) return [];
  const names = absent.map(({ name }) => name).join(", ");
  return [`${file}: by the configuration (dontload) it has no values for ${names}`];
}

function missingOf({ entries }: DarknetLayout): MissingWeights[] {
  return entries
    .map(({ name, shape, stored }) => ({ name, stored, count: sizeOf(shape) }))
    .filter(({ stored, count }) => stored < count);
}
