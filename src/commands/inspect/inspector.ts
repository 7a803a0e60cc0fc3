import type { DarknetDialect } from "../../formats/darknet/dialect.js";
import type { Inspection } from "../../report/inspection.js";

/** What is to be looked at, and how. */
export interface InspectRequest {
  readonly path: string;
  /** Config that a weights file belongs to. */
  readonly original: string | null;
  /** List tap ids, shapes and weight names as well. */
  readonly taps: boolean;
  readonly dialect: DarknetDialect;
  readonly lenient: boolean;
}

/** One kind of file that `difftest inspect` knows. */
export interface Inspector {
  /** What it reads, for messages: `.cfg`. */
  readonly id: string;
  /** A cheap guess from the name and the first bytes (512 are given); cannot fail. */
  readonly claims: (path: string, head: Uint8Array) => boolean;
  /** @throws {InputError} when the file cannot be read as what it claims to be */
  readonly inspect: (request: InspectRequest) => Inspection | Promise<Inspection>;
}
