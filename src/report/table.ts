import { stripVTControlCharacters } from "node:util";
import Table from "cli-table3";

/** How a column is written. */
export interface Column {
  readonly title: string;
  readonly align: "left" | "right";
}

/** Letters in a line: what a terminal of the usual width, a CI log and a README can show. */
export const PAGE_WIDTH = 100;

const NO_BORDERS = {
  top: "",
  "top-mid": "",
  "top-left": "",
  "top-right": "",
  bottom: "",
  "bottom-mid": "",
  "bottom-left": "",
  "bottom-right": "",
  left: "",
  "left-mid": "",
  mid: "",
  "mid-mid": "",
  right: "",
  "right-mid": "",
  middle: "  ",
};

/**
 * Rows in columns, two spaces apart, at most {@link PAGE_WIDTH} letters wide: when they need more,
 * the first column is wrapped, never cut (its ids are there to be copied).
 */
export function tableText(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): string {
  const widths = columns.map(({ title }, k) =>
    Math.max(title.length, ...rows.map((row) => visibleLength(row[k] ?? ""))),
  );
  const surplus = widths.reduce((sum, width) => sum + width + 2, -2) - PAGE_WIDTH;
  const first = widths[0] ?? 0;
  const colWidths = widths.with(0, surplus > 0 ? Math.max(first - surplus, 6) : first);
  const table = new Table({
    head: columns.map(({ title }) => title),
    colAligns: columns.map(({ align }) => align),
    colWidths,
    chars: NO_BORDERS,
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0, compact: true },
  });
  // Wrapped here: the library counts the codes of colours as letters when it wraps.
  for (const [id = "", ...cells] of rows) table.push([wrapped(id, colWidths[0] ?? 0), ...cells]);
  const lines = table.toString().split("\n");
  return lines.map((line) => line.trimEnd()).join("\n");
}

function wrapped(text: string, width: number): string {
  const lines: string[] = [];
  for (let at = 0; at < text.length; at += width) lines.push(text.slice(at, at + width));
  return lines.join("\n");
}

function visibleLength(text: string): number {
  return stripVTControlCharacters(text).length;
}
