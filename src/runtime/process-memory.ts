import { readFileSync } from "node:fs";
import { totalmem } from "node:os";

/** What a process holds, in bytes. */
export interface ProcessMemory {
  /** Address space that it asked for, whether it was touched or not. */
  readonly virtual: number;
  readonly resident: number;
}

/** Bytes of a page of memory, as /proc counts them. */
const PAGE = 4096;

/** What another process holds; `null` where the system has no /proc, or no such process. */
export function memoryOf(pid: number | undefined): ProcessMemory | null {
  if (pid === undefined) return null;
  try {
    const [size, resident] = readFileSync(`/proc/${pid}/statm`, "utf8").split(" ").map(Number);
    if (!Number.isFinite(size) || !Number.isFinite(resident)) return null;
    return { virtual: PAGE * (size as number), resident: PAGE * (resident as number) };
  } catch {
    return null;
  }
}

/** Part of the machine's memory that a reference may take: the port, the system and others need some too. */
const SHARE = 0.8;

/**
 * How much a reference's process may hold, in bytes: DIFFTEST_MEMORY (in GiB), else four fifths of what this machine, or the
 * container that it runs in, has.
 */
export function memoryLimit(): number {
  const told = Number(process.env["DIFFTEST_MEMORY"] || Number.NaN);
  if (told > 0) return told * 2 ** 30;
  const constrained = process.constrainedMemory();
  return SHARE * Math.min(totalmem(), constrained > 0 ? constrained : Number.POSITIVE_INFINITY);
}
