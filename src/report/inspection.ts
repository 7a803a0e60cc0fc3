import picocolors from "picocolors";
import type { Json } from "../checks/result.js";
import { hanging } from "./hanging.js";
import { grouped, shapeText, shortNumber } from "./numbers.js";
import { type Column, tableText } from "./table.js";

/** Names the JSON of `difftest inspect` and its version. */
export const INSPECTION_SCHEMA = "difftest/inspect/1";

/** What is in a file, as plain data: the very object that `difftest inspect --json` writes. */
export interface Inspection {
  readonly schema: typeof INSPECTION_SCHEMA;
  /** The file as given. */
  readonly file: string;
  /** What it is, in words. */
  readonly format: string;
  /** Size of the file. */
  readonly bytes: number;
  /** Single facts by name, in the order they are told. */
  readonly facts: { readonly [name: string]: Json };
  readonly sections: readonly InspectionSection[];
  /** What looks wrong, one sentence each. */
  readonly warnings: readonly string[];
}

/** Things of one kind that a file holds: layers, tensors, taps. All rows have the same keys. */
export interface InspectionSection {
  readonly name: string;
  readonly rows: readonly { readonly [key: string]: Json }[];
}

/** An inspection as text, ending in a newline. */
export function formatInspection(inspection: Inspection, colour: boolean): string {
  const colours = picocolors.createColors(colour);
  const facts: [string, Json][] = [
    ["file", inspection.file],
    ["format", inspection.format],
    ["bytes", inspection.bytes],
    ...Object.entries(inspection.facts),
  ];
  const width = Math.max(...facts.map(([name]) => name.length)) + 2;
  const parts = [
    facts.map(([name, value]) => hanging(name.padEnd(width), cellText(value, name))).join("\n"),
    ...inspection.sections.map(sectionText),
    inspection.warnings.map((text) => hanging(colours.yellow("warning  "), text, 9)).join("\n"),
  ];
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

function sectionText({ name, rows }: InspectionSection): string {
  const [first] = rows;
  if (first === undefined) return `${name}: none`;
  const keys = Object.keys(first);
  const columns: Column[] = keys.map((key) => ({
    title: key,
    align: rows.every((row) => isAmount(row[key] ?? null)) ? "right" : "left",
  }));
  return tableText(
    columns,
    rows.map((row) => keys.map((key) => cellText(row[key] ?? null, key))),
  );
}

/** Numbers, and the words that stand for numbers that are none. */
function isAmount(value: Json): boolean {
  return value === null || typeof value === "number" || value === "NaN";
}

/** Keys under which an empty list is the shape of a scalar, not a list of nothing. */
const SHAPES = ["shape", "output", "input"];

/** Whole numbers are counts (indices stay as they are), others measurements, lists of sizes shapes. */
function cellText(value: Json, key: string): string {
  if (value === null) return "-";
  if (typeof value === "number") {
    return Number.isInteger(value) && key !== "min" && key !== "max"
      ? grouped(value)
      : shortNumber(value);
  }
  if (Array.isArray(value)) {
    if (value.length === 0 && !SHAPES.includes(key)) return "-";
    const sizes = value.every((size): size is number => Number.isInteger(size));
    return sizes ? shapeText(value) : value.map((item) => cellText(item, key)).join(", ");
  }
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
