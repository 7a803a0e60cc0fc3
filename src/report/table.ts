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

/** Items of a list stand apart; a single one is never broken. */
const AFTER_COMMA = /(?<=,) /;

/** Narrowest that the first column is made so that the others fit. */
const NARROW = 6;

/**
 * Rows in columns, two spaces apart, at most {@link PAGE_WIDTH} letters wide: when they need more,
 * ids in the first column and lists in the others are wrapped, the widest first, and nothing is cut (they are there to be copied).
 */
export function tableText(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): string {
  const colWidths = fitted(
    columns.map(({ title }, k) => ({
      width: Math.max(title.length, ...rows.map((row) => visibleLength(row[k] ?? ""))),
      least: k === 0 ? NARROW : Math.max(title.length, ...rows.map((row) => longestItem(row[k]))),
    })),
  );
  const table = new Table({
    head: columns.map(({ title }) => title),
    colAligns: columns.map(({ align }) => align),
    colWidths,
    chars: NO_BORDERS,
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0, compact: true },
  });
  // Wrapped here: the library counts the codes of colours as letters when it wraps.
  for (const row of rows) table.push(row.map((cell, k) => wrapped(cell, colWidths[k] ?? 0)));
  const lines = table.toString().split("\n");
  return lines.map((line) => line.trimEnd()).join("\n");
}

/** Widths that fit on the page: always the widest column that may still give way becomes narrower. */
function fitted(columns: readonly { readonly width: number; readonly least: number }[]): number[] {
  const widths = columns.map(({ width }) => width);
  let surplus = widths.reduce((sum, width) => sum + width + 2, -2) - PAGE_WIDTH;
  for (; surplus > 0; surplus--) {
    const most = Math.max(...widths.filter((width, k) => width > (columns[k]?.least ?? 0)));
    const widest = widths.findIndex(
      (width, k) => width === most && width > (columns[k]?.least ?? 0),
    );
    if (widest < 0) break;
    widths[widest] = most - 1;
  }
  return widths;
}

/** In lines of at most `width` letters: between the items of a list, ids are broken where the line ends. */
function wrapped(text: string, width: number): string {
  if (visibleLength(text) <= width) return text;
  const lines = [""];
  for (const item of text.split(AFTER_COMMA)) {
    const last = lines.at(-1) ?? "";
    const joined = last === "" ? item : `${last} ${item}`;
    if (joined.length <= width) {
      lines[lines.length - 1] = joined;
      continue;
    }
    if (last !== "") lines.push("");
    for (let at = 0; at < item.length; at += width) {
      lines[lines.length - 1] = item.slice(at, at + width);
      if (at + width < item.length) lines.push("");
    }
  }
  return lines.join("\n");
}

function longestItem(text = ""): number {
  return Math.max(...text.split(AFTER_COMMA).map(visibleLength));
}

function visibleLength(text: string): number {
  return stripVTControlCharacters(text).length;
}
