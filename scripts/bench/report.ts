import { markdownTable, shown } from "../rounding/statistics.js";

/** What one side alone took, in milliseconds. */
export interface Forwards {
  /** Everything before the first pass. */
  readonly load: number;
  readonly ms: readonly number[];
}

/** What comparing all taps took. */
export interface Comparison {
  /** Of both sides. */
  readonly bytes: number;
  /** Milliseconds, some times over, for copying both sides: the machine's own limit. */
  readonly copy: readonly number[];
  /** For all metrics. */
  readonly metrics: readonly number[];
  /** With bounds, and a line fitted through each channel. */
  readonly examination: readonly number[];
}

/** What one run of the whole command took. */
export interface CommandRun {
  /** Milliseconds from its start to its end, as its caller sees it. */
  readonly ms: number;
  /** Most bytes of all its processes together. */
  readonly peak: number | null;
}

/** One round: everything once, one after the other, so that all saw the same machine. */
export interface Round {
  readonly reference: Forwards;
  readonly port: Forwards;
  readonly isolated: CommandRun;
  readonly both: CommandRun;
}

/** What a model came to on one back-end. */
export interface Column {
  readonly backend: string;
  readonly rounds: readonly Round[];
}

/** The aims: times the sum of both sides' forward passes, bytes, and GB/s. */
export const AIMS = { isolated: 1.5, both: 2, peak: 2.5e9, comparison: 6 } as const;

/** The middle value, the mean of both where there are two; `NaN` of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return (
    ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle)] ?? Number.NaN)) / 2
  );
}

/**
 * Which of a side's passes: the `first` of its process, which packs kernels and touches memory that nobody
 * used before, as every pass of the command does; or the best of the `later` ones.
 */
export type Pass = "first" | "later";

/** Milliseconds of one side's pass. */
function passOf({ ms: [first = Number.NaN, ...later] }: Forwards, pass: Pass): number {
  return pass === "first" || later.length === 0 ? first : Math.min(...later);
}

/** A command's time ÷ (reference forward + port forward) of the same round. */
export function ratioOf(round: Round, mode: "isolated" | "both", pass: Pass): number {
  return round[mode].ms / (passOf(round.reference, pass) + passOf(round.port, pass));
}

/** A model's table: one column a back-end, medians over the rounds. */
export function modelReport(
  title: string,
  comparison: Comparison,
  columns: readonly Column[],
): string {
  const row = (name: string, of: (round: Round) => number, text: (value: number) => string) => [
    name,
    ...columns.map(({ rounds }) => text(median(rounds.map(of)))),
  ];
  const seconds = (ms: number) => `${shown(ms / 1000, 3)} s`;
  const against = (aim: number) => (ratio: number) =>
    `${shown(ratio, 3)} × (aim ${aim}: ${ratio <= aim ? "met" : "missed"})`;
  const [isolatedAim, bothAim] = [against(AIMS.isolated), against(AIMS.both)];
  const peak = (round: Round) => Math.max(round.isolated.peak ?? 0, round.both.peak ?? 0);
  const rows = [
    [title, ...columns.map(({ backend }) => backend)],
    row("reference, outputs only: first forward", (one) => passOf(one.reference, "first"), seconds),
    row("reference: later forward", (one) => passOf(one.reference, "later"), seconds),
    row("port in one thread: first forward", (one) => passOf(one.port, "first"), seconds),
    row("port: later forward", (one) => passOf(one.port, "later"), seconds),
    row("whole command, isolated", ({ isolated }) => isolated.ms, seconds),
    row("whole command, both modes", ({ both }) => both.ms, seconds),
    row("isolated ÷ first forwards", (one) => ratioOf(one, "isolated", "first"), isolatedAim),
    row("both ÷ first forwards", (one) => ratioOf(one, "both", "first"), bothAim),
    row("isolated ÷ later forwards", (one) => ratioOf(one, "isolated", "later"), isolatedAim),
    row("both ÷ later forwards", (one) => ratioOf(one, "both", "later"), bothAim),
    row(
      "peak memory of all processes",
      peak,
      (bytes) =>
        `${shown(bytes / 1e9, 3)} GB (aim ${AIMS.peak / 1e9}: ${bytes <= AIMS.peak ? "met" : "missed"})`,
    ),
  ];
  const speed = (ms: readonly number[]) =>
    `${shown(comparison.bytes / 1e6 / Math.min(...ms), 2)} GB/s`;
  const alone = [
    `All its layers alone, ${Math.round(comparison.bytes / 1e6)} MB of both sides, one thread: metrics ${speed(comparison.metrics)}`,
    `(aim ${AIMS.comparison}; copying both sides ${speed(comparison.copy)}), with bounds and fits ${speed(comparison.examination)}.`,
  ].join("\n");
  return `${markdownTable(rows)}\n\n${alone}`;
}
