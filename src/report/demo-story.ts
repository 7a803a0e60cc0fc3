import picocolors from "picocolors";
import type { Colors } from "picocolors/types.js";
import type { LayerByLayerResult, TapResult } from "../checks/result.js";
import type { Planted } from "../models/demo/planted.js";
import { hanging } from "./hanging.js";
import { tapTable } from "./tap-table.js";
import { faultsText, summaryText } from "./terminal.js";

/** Both runs of the demo, and what was planted in the second. */
export interface DemoRuns {
  readonly right: LayerByLayerResult;
  readonly faulty: LayerByLayerResult;
  readonly planted: readonly Planted[];
}

/** Rows around a row that matters. */
const AROUND = 1;
/** Rows at the start and at the end of a table in which nothing stands out. */
const EDGE = 3;

/** What is going to happen: printed before the first run. */
export function introText(paths: DemoPaths, colour: boolean): string {
  const colours = picocolors.createColors(colour);
  const rows: [string, string][] = [
    [
      "original",
      `${paths.original}: a small YOLOv3-tiny that Darknet trained to find circles, squares and triangles`,
    ],
    ["port", `${paths.right}: the same network written again by hand, on TensorFlow.js`],
    ["input", paths.input],
  ];
  return [
    colours.bold("A neural network, rewritten in TypeScript: does it still compute the same?"),
    rows.map(([name, text]) => hanging(name.padEnd(11), text)).join("\n"),
    "",
  ].join("\n\n");
}

/** Files of the demo as they are called on the command line. */
export interface DemoPaths {
  readonly original: string;
  readonly weights: string;
  readonly right: string;
  readonly faulty: string;
  readonly input: string;
}

/** First act: the port that is right. */
export function rightText({ right }: Pick<DemoRuns, "right">, colour: boolean): string {
  const colours = picocolors.createColors(colour);
  return [
    title(1, "A port that is right", colours),
    "Both run on the same weights and the same picture, and every step of one is compared with that of\nthe other.",
    command(right, colours),
    excerpt(right, colours),
    summaryText(right, colours),
    "error/bound says what a difference means: up to 1, it is what rounding does in that very step. drift\nis what all roundings have added up to by then.",
    "",
  ].join("\n\n");
}

/** Second act: the port with mistakes, and whether they were found. */
export function faultyText({ faulty, planted }: DemoRuns, colour: boolean): string {
  const colours = picocolors.createColors(colour);
  const verb = (place: string) =>
    faulty.faults.some((fault) => fault.place === place)
      ? colours.green("found")
      : colours.red("NOT found");
  return [
    title(2, "The same port with two mistakes", colours),
    planted.map(({ story }) => hanging("- ", story)).join("\n"),
    "All shapes fit, nothing fails, and the outputs look like those of a detector.",
    command(faulty, colours),
    excerpt(faulty, colours),
    faultsText(faulty.faults, colours),
    summaryText(faulty, colours),
    planted.map(({ layer, place }) => `${layer}: ${verb(place)} at ${place}`).join("\n"),
    "",
  ].join("\n\n");
}

/** What to do next. */
export function outroText(colour: boolean): string {
  const colours = picocolors.createColors(colour);
  const line =
    "difftest layer-by-layer --model ./my-port.ts --original my.cfg --weights my.weights --input photo.jpg";
  return `${colours.bold("Your own port:")}\n\n  ${line}\n`;
}

/**
 * Whether the story went as it is told; else what did not.
 *
 * @returns sentences, none when all is as it should be
 */
export function surprises({ right, faulty, planted }: DemoRuns): string[] {
  const found = faulty.faults.map(({ place }) => place);
  const unexplained = planted.filter(({ place, cause }) => {
    const fault = faulty.faults.find((one) => one.place === place);
    return fault !== undefined && !cause.test(fault.cause ?? "");
  });
  return [
    ...(right.verdict === "same" ? [] : ["the port without mistakes differs from the original"]),
    ...planted
      .filter(({ place }) => !found.includes(place))
      .map(({ place }) => `the mistake at ${place} was not found`),
    ...unexplained.map(({ place }) => `the cause of the fault at ${place} was not found`),
    ...found
      .filter((place) => !planted.some((one) => one.place === place))
      .map((place) => `${place} is accused, where no mistake is`),
  ];
}

function title(number: number, text: string, colours: Colors): string {
  return colours.bold(`${number}. ${text}`);
}

function command({ command: line }: LayerByLayerResult, colours: Colors): string {
  return `${colours.dim("$")} ${line}`;
}

/** The table's rows that matter, with a line for those left out. */
function excerpt({ taps, faults }: LayerByLayerResult, colours: Colors): string {
  const rows = taps.filter(({ mode }) => mode === "isolated");
  const [head = "", ...lines] = tapTable(taps, colours).split("\n");
  const shown = rows.map((_, at) => isShown(rows, at, faults.length === 0));
  const text = [head];
  for (let at = 0; at < lines.length; at++) {
    if (shown[at]) {
      text.push(lines[at] as string);
      continue;
    }
    const next = shown.indexOf(true, at);
    const count = (next < 0 ? lines.length : next) - at;
    text.push(colours.dim(`… ${count} ${count === 1 ? "row" : "rows"} …`));
    at += count - 1;
  }
  return text.join("\n");
}

function isShown(rows: readonly TapResult[], at: number, calm: boolean): boolean {
  if (calm) return at < EDGE || at >= rows.length - EDGE;
  const near = rows.slice(Math.max(at - AROUND, 0), at + AROUND + 1);
  return near.some(({ verdict }) => verdict !== "same") || at === rows.length - 1;
}
