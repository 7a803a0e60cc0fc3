import { Presets, SingleBar } from "cli-progress";
import type { ProgressEvent } from "../checks/options.js";
import type { Io } from "./command.js";

/** Milliseconds before a bar appears: what is done sooner needs none. */
const PATIENCE_MS = 1000;

/** A bar on standard error, for people only: nothing is drawn where that is not a terminal. */
export function progressBar(io: Io): {
  readonly show: (event: ProgressEvent) => void;
  readonly stop: () => void;
} {
  if (!io.interactive) return { show: () => undefined, stop: () => undefined };
  const started = performance.now();
  const bar = new SingleBar(
    {
      format: "{stage} [{bar}] {value}/{total} {label}",
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
    bar.update(done, { stage: stage.padEnd(9), label });
  };
  return { show, stop: () => running && bar.stop() };
}
