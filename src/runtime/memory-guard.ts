import { memoryOf } from "./process-memory.js";

/** How often the process is looked at, in milliseconds: a gigabyte is filled in some hundred. */
const INTERVAL_MS = 20;

/**
 * Watches a process while it works, and tells once when it takes more memory than it may: when that much is filled, or as
 * soon as it is asked for. A model of a few bytes can ask for a terabyte, and sizes that are computed nobody knows before.
 * Where the system has no /proc nothing is seen.
 */
export class MemoryGuard {
  readonly #limit: number;
  readonly #onExcess: (bytes: number) => void;
  #timer: NodeJS.Timeout | undefined;

  /** @param limit - in bytes, of what is resident, and of what is asked for beyond what was held when the watch began */
  constructor(limit: number, onExcess: (bytes: number) => void) {
    this.#limit = limit;
    this.#onExcess = onExcess;
  }

  /** Begins to watch; a watch that runs goes on. */
  start(pid: number | undefined): void {
    const before = memoryOf(pid)?.virtual;
    if (before === undefined || this.#timer !== undefined) return;
    this.#timer = setInterval(() => {
      const now = memoryOf(pid);
      const held = now === null ? 0 : Math.max(now.resident, now.virtual - before);
      if (held <= this.#limit) return;
      this.stop();
      this.#onExcess(held);
    }, INTERVAL_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
