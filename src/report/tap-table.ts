import type { Colors } from "picocolors/types.js";
import type { TapResult, TapVerdict } from "../checks/result.js";
import { shapeText, shortNumber } from "./numbers.js";
import { type Column, tableText } from "./table.js";

/**
 * One row a tap, in the original's order. Where it ran in both modes, the numbers are those of the
 * isolated run and `drift` is the largest error of the cumulative one.
 */
export function tapTable(taps: readonly TapResult[], colours: Colors): string {
  const rows = tapRows(taps);
  const both = rows.some(({ drift }) => drift !== undefined);
  const columns: Column[] = [
    { title: "layer", align: "left" },
    { title: "kind", align: "left" },
    { title: "shape", align: "left" },
    { title: "max abs", align: "right" },
    { title: "max rel", align: "right" },
    { title: "error/bound", align: "right" },
    ...(both ? [{ title: "drift", align: "right" as const }] : []),
    { title: "verdict", align: "left" },
  ];
  const cells = rows.map(({ tap, drift, word }) => [
    tap.port === null || tap.port === tap.id ? tap.id : `${tap.id} (${tap.port})`,
    tap.kind,
    shapeText(tap.shape),
    shortNumber(tap.maxAbs),
    shortNumber(tap.maxRel),
    shortNumber(tap.ratio),
    ...(both ? [shortNumber(drift?.maxAbs ?? null)] : []),
    coloured(word, colours),
  ]);
  return tableText(columns, cells);
}

interface TapRow {
  readonly tap: TapResult;
  readonly drift: TapResult | undefined;
  readonly word: TapVerdict | "drift";
}

function tapRows(taps: readonly TapResult[]): TapRow[] {
  const isolated = taps.filter(({ mode }) => mode === "isolated");
  const cumulative = taps.filter(({ mode }) => mode === "cumulative");
  if (isolated.length === 0) {
    return cumulative.map((tap) => ({ tap, drift: undefined, word: tap.verdict }));
  }
  const driftOf = new Map(cumulative.map((tap) => [tap.id, tap]));
  return isolated.map((tap) => {
    const drift = driftOf.get(tap.id);
    // The step itself is right and still the values are off: errors of layers before it.
    const drifted = tap.verdict === "same" && drift !== undefined && drift.verdict !== "same";
    return { tap, drift, word: drifted ? "drift" : tap.verdict };
  });
}

function coloured(word: TapRow["word"], colours: Colors): string {
  if (word === "same") return colours.green(word);
  return word === "drift" || word === "not-exercised" ? colours.yellow(word) : colours.red(word);
}
