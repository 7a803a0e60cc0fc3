import picocolors from "picocolors";
import type { Colors } from "picocolors/types.js";
import type { Coverage, Fault, LayerByLayerResult } from "../checks/result.js";
import { backendTable } from "./backend-table.js";
import { hanging } from "./hanging.js";
import { counted, grouped, shapeText } from "./numbers.js";
import { tableText } from "./table.js";
import { tapTable } from "./tap-table.js";

/** How a result is written for people. */
export interface TerminalStyle {
  readonly colour: boolean;
  /** Only faults, warnings and the last line. */
  readonly quiet: boolean;
}

/** A whole result as text, at most 100 letters wide but for paths and command lines, ending in a newline. */
export function formatResult(result: LayerByLayerResult, style: TerminalStyle): string {
  const colours = picocolors.createColors(style.colour);
  const parts = [
    ...(style.quiet ? [] : [headText(result), referencesText(result), tableOf(result, colours)]),
    ...(style.quiet ? [] : [notesText(result, colours)]),
    faultsText(result.faults, colours),
    warningsText(result.warnings, colours),
    ...(style.quiet ? [] : [coverageText(result)]),
    summaryText(result, colours),
  ];
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

function tableOf({ taps, backends }: LayerByLayerResult, colours: Colors): string {
  return backends === undefined ? tapTable(taps, colours) : backendTable(taps, backends, colours);
}

/** Where several references were held against each other: who they are, and whether one is at fault. */
function referencesText({ references }: LayerByLayerResult): string {
  if (references === undefined) return "";
  const rows = references.map(({ name, library, version, taps, faults }) => [
    name,
    name === library ? version : `${library} ${version}`,
    fraction(taps),
    faults === 0 ? "none" : String(faults),
  ]);
  return tableText(
    [
      { title: "reference", align: "left" },
      { title: "version", align: "left" },
      { title: "taps held", align: "right" },
      { title: "faults", align: "right" },
    ],
    rows,
  );
}

/** `wasm`, or all the back-ends that ran. */
function backendText({ backend, backends }: LayerByLayerResult): string {
  const ran = (backends ?? []).filter(({ verdict }) => verdict !== "unavailable");
  return backends === undefined ? backend : ran.map((one) => one.backend).join(", ");
}

/** What was compared with what, on what. */
function headText(result: LayerByLayerResult): string {
  const options = Object.entries(result.options).map(([k, v]) => `${k} ${JSON.stringify(v)}`);
  const { reference, alignment } = result;
  // Of a file of weights alone nothing is run.
  const ran = reference.name !== "none";
  const rows: [string, string][] = [
    ["port", `${result.model} on ${backendText(result)}`],
    ["original", ran ? `${result.original} on ${reference.name} ${reference.version}` : ""],
    ["weights", result.weights],
    ["input", ran ? `${result.inputs.join(", ")} as ${inputText(result.inputShapes)}` : ""],
    ["options", options.join(", ")],
    ["tolerance", result.tolerance === "bound" ? "" : result.tolerance],
    ["aligned", alignment.by === "id" ? "" : `by ${alignment.by}, not by names`],
  ];
  return rows
    .filter(([, value]) => value !== "")
    .map(([name, value]) => hanging(name.padEnd(11), value))
    .join("\n");
}

/** `1x3x416x416`, or of several inputs each with its name. */
function inputText(shapes: LayerByLayerResult["inputShapes"]): string {
  const all = Object.entries(shapes);
  if (all.length === 1) return shapeText(all[0]?.[1] ?? []);
  return all.map(([name, shape]) => `${name} ${shapeText(shape)}`).join(", ");
}

/** The notes of taps, each with its tap; what a fault tells as its evidence is not told twice. */
function notesText({ taps, faults }: LayerByLayerResult, colours: Colors): string {
  const told = (note: string) => faults.some(({ evidence }) => evidence.includes(note));
  const lines = taps.flatMap(({ id, notes }) =>
    notes.filter((note) => !told(note)).map((note) => `${id}: ${note}`),
  );
  return [...new Set(lines)].map((line) => hanging(colours.dim("note  "), line, 6)).join("\n");
}

/** Each fault: where, what was seen, why, and the line that shows it again. */
export function faultsText(faults: readonly Fault[], colours: Colors): string {
  return faults
    .map(({ component, reference, layer, place, evidence, cause, reproduce }) => {
      const who = reference === undefined ? component : `${component} ${reference}`;
      const where = layer === null ? who : `${who}, layer ${layer}`;
      return [
        `${colours.red(colours.bold(`fault at ${place}`))} (${where})`,
        hanging("  evidence  ", evidence),
        hanging("  cause     ", cause ?? "unknown"),
        `  again     ${reproduce}`,
      ].join("\n");
    })
    .join("\n\n");
}

function warningsText(warnings: readonly string[], colours: Colors): string {
  return warnings.map((text) => hanging(colours.yellow("warning  "), text, 9)).join("\n");
}

function coverageText(result: LayerByLayerResult): string {
  const { coverage } = result;
  const checked =
    result.weightsChecked === "verified" ? "equal bit for bit" : "asked for, not verified";
  const lists: [keyof Coverage & string, string][] = [
    ["covered", "no tap of their own, but a later one depends on them"],
    ["uncovered", "NOT compared: no compared tap depends on them"],
    ["unpaired", "port taps WITHOUT a partner in the original"],
    ["excluded", "left out on request"],
  ];
  return [
    `compared   ${fraction(coverage.taps)} taps, ${fraction(coverage.elements)} elements`,
    `weights    ${fraction(coverage.weights)} ${checked}`,
    ...lists.flatMap(([key, meaning]) => {
      const names = coverage[key] as readonly string[];
      return names.length === 0 ? [] : [hanging("           ", `${meaning}: ${names.join(", ")}`)];
    }),
  ].join("\n");
}

function fraction({ compared, total }: { compared: number; total: number }): string {
  return `${grouped(compared)} of ${grouped(total)}`;
}

/** Whether the references alone are to blame: the port agrees with the one that is trusted. */
function onlyReferences({ faults, taps }: LayerByLayerResult): boolean {
  return (
    faults.length > 0 &&
    faults.every(({ component }) => component === "reference") &&
    taps.every(({ verdict }) => verdict === "same" || verdict === "not-exercised")
  );
}

/** The last line: the verdict and what it rests on. */
export function summaryText(result: LayerByLayerResult, colours: Colors): string {
  const seconds = `${(result.timings.total / 1000).toFixed(1)} s`;
  const peak = result.memory.peak;
  const memory = peak === null ? "" : `, ${Math.round(peak / 2 ** 20)} MiB at most`;
  const { taps, weights } = result.coverage;
  const compared =
    result.taps.length > 0 ? counted(taps.compared, "tap") : counted(weights.compared, "weight");
  if (result.verdict === "same") {
    return `${colours.green(colours.bold("same"))}: ${compared} agree (${seconds}${memory})`;
  }
  const places = result.faults.map(({ place }) => place);
  const named = places.slice(0, 5).join(", ") + (places.length > 5 ? ", …" : "");
  const at = places.length === 0 ? "" : ` at ${named}`;
  const faults = counted(result.faults.length, "fault");
  const whose = onlyReferences(result) ? " of a reference, none of the port," : "";
  return `${colours.red(colours.bold("differs"))}: ${faults}${whose}${at} (${compared} compared, ${seconds}${memory})`;
}
