import type { Colors } from "picocolors/types.js";
import type { BackendOutcome, BackendTap, TapResult } from "../checks/result.js";
import { shapeText, shortNumber } from "./numbers.js";
import { type Column, tableText } from "./table.js";

/**
 * One row a tap, in the original's order, and error ÷ bound on each back-end that ran; of the
 * cumulative run where there is no isolated one.
 */
export function backendTable(
  taps: readonly TapResult[],
  outcomes: readonly BackendOutcome[],
  colours: Colors,
): string {
  const mode = taps.some((tap) => tap.mode === "isolated") ? "isolated" : "cumulative";
  const ran = outcomes.filter(({ taps }) => taps.length > 0);
  const columns: Column[] = [
    { title: "layer", align: "left" },
    { title: "kind", align: "left" },
    { title: "shape", align: "left" },
    ...ran.map(({ backend }) => ({ title: `error/bound ${backend}`, align: "right" as const })),
    { title: "verdict", align: "left" },
  ];
  const found = ran.map(
    ({ taps }) => new Map(taps.filter((tap) => tap.mode === mode).map((tap) => [tap.id, tap])),
  );
  const rows = taps
    .filter((tap) => tap.mode === mode)
    .map((tap) => {
      const each = found.map((known) => known.get(tap.id));
      return [
        tap.port === null || tap.port === tap.id ? tap.id : `${tap.id} (${tap.port})`,
        tap.kind,
        shapeText(tap.shape),
        ...each.map((one) => shortNumber(one?.ratio ?? null)),
        verdictText(ran, each, colours),
      ];
    });
  return tableText(columns, rows);
}

/** One word where all back-ends say the same; else what those say that do not say "same". */
function verdictText(
  ran: readonly BackendOutcome[],
  each: readonly (BackendTap | undefined)[],
  colours: Colors,
): string {
  const words = new Map<string, string[]>();
  for (const [k, { backend }] of ran.entries()) {
    const verdict = each[k]?.verdict ?? "missing";
    words.set(verdict, [...(words.get(verdict) ?? []), backend]);
  }
  const texts = [...words].map(([verdict, backends]) => {
    if (verdict === "same") return words.size === 1 ? colours.green("same") : "";
    const paint = verdict === "not-exercised" ? colours.yellow : colours.red;
    return paint(words.size === 1 ? verdict : `${verdict} on ${backends.join(", ")}`);
  });
  return texts.filter((text) => text !== "").join(", ");
}
