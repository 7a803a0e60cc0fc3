import { memoryOf } from "./process-memory.js";

/** How often the memory of all processes is looked at, in milliseconds. */
const INTERVAL_MS = 50;

/** Watches how much memory this process and its children hold together. */
export class MemoryWatch {
  #peak = 0;
  readonly #pids: () => readonly (number | undefined)[];
  readonly #timer: NodeJS.Timeout;

  /** @param pids - children to count; asked again at every look */
  constructor(pids: () => readonly (number | undefined)[]) {
    this.#pids = pids;
    this.#timer = setInterval(() => this.#look(), INTERVAL_MS);
    this.#timer.unref();
  }

  /** Bytes resident at the highest point seen; a child's are only known where /proc is. */
  stop(): number {
    this.#look();
    clearInterval(this.#timer);
    return this.#peak;
  }

  #look(): void {
    const children = this.#pids().reduce(
      (sum: number, pid) => sum + (memoryOf(pid)?.resident ?? 0),
      0,
    );
    this.#peak = Math.max(this.#peak, process.memoryUsage.rss() + children);
  }
}
