import { type Options, type Params, Presets, SingleBar } from "cli-progress";
import type { ProgressEvent } from "../checks/options.js";
import type { Io } from "./command.js";

/** Milliseconds before a bar appears: what is done sooner needs none. */
const PATIENCE_MS = 1000;

/** `port [====----] 38/76 isolated`, and no bar where the number of steps is not known. */
function line(
  { barsize = 30 }: Options,
  { progress, value, total }: Params,
  { stage, label }: Pick<ProgressEvent, "stage" | "label">,
): string {
  if (total === 0) return `${stage} …`;
  const done = Math.round(progress * barsize);
  return `${stage} [${"=".repeat(done)}${"-".repeat(barsize - done)}] ${value}/${total} ${label ?? ""}`;
}

/** A bar on standard error, for people only: nothing is drawn where that is not a terminal. */
export function progressBar(io: Io): {
  readonly show: (event: ProgressEvent) => void;
  readonly stop: () => void;
} {
  if (!io.interactive) return { show: () => undefined, stop: () => undefined };
  const started = performance.now();
  const bar = new SingleBar(
    {
      format: line,
      // Ctrl-C is ours: the run cleans up, and with it the bar.
      gracefulExit: false,
      clearOnComplete: true,
      hideCursor: true,
      barsize: 30,
      linewrap: false,
    },
    Presets.legacy,
  );
  let running = false;
  const show = ({ stage, done, total, label = "" }: ProgressEvent) => {
    if (performance.now() - started < PATIENCE_MS) return;
    if (!running) bar.start(total, done, { stage, label });
    running = true;
    bar.setTotal(total);
    bar.update(done, { stage, label });
  };
  return { show, stop: () => running && bar.stop() };
}
