import type { Operation } from "../architecture/architecture.js";
import type { PortRun } from "../record/port-thread.js";
import type { TapRecord } from "../record/tap-examiner.js";
import { sizeOf } from "../tensor/tensor.js";

/** The records of a run by the reference tap they were held against. */
export function byId(run: PortRun): Map<string, TapRecord> {
  return new Map(
    run.taps.flatMap((record) => (record.id === null ? [] : [[record.id, record] as const])),
  );
}

/** Both shapes, and what may have happened where they have as many values. */
export function shapeNote(operation: Operation, record: TapRecord): string {
  const same = sizeOf(record.shape) === sizeOf(operation.shape);
  return `shape [${record.shape}], expected [${operation.shape}]${same ? "; same number of values, another order: is the layout declared right?" : ""}`;
}

/** A number of a result with so many digits. */
export function format(value: number | string | null, digits: number = 4): string {
  return typeof value === "number" ? String(Number(value.toPrecision(digits))) : String(value);
}
