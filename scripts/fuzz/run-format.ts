import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { FuzzOrder, FuzzReport } from "./worker.js";

/** A file that was not answered with a value or one clear error. */
interface Finding {
  readonly k: number;
  readonly kind: "hang" | "crash" | "unclean" | "memory";
  readonly detail: string;
}

/** What came of the files of one format. */
export interface FuzzResult {
  readonly read: number;
  readonly refused: number;
  readonly findings: readonly Finding[];
}

/** How long the child may take to start, in milliseconds. */
const START_MS = 60_000;

/** Findings after which a format is given up: the rest is the same fault again. */
const MAX_FINDINGS = 10;

/**
 * Reads the files `[from, to)` of a format in a child process; a child that hangs or dies is replaced
 * and goes on after the file that did it.
 *
 * @param limitMs longest time for one file
 * @param worker the child's module, for tests of the fuzzer itself
 */
export async function runFormat(
  order: FuzzOrder,
  limitMs: number,
  worker: string = fileURLToPath(new URL("./worker.ts", import.meta.url)),
): Promise<FuzzResult> {
  const tally = { read: 0, refused: 0 };
  const findings: Finding[] = [];
  for (let from = order.from; from < order.to && findings.length < MAX_FINDINGS; ) {
    const stopped = await runChild({ ...order, from }, limitMs, worker, (report) => {
      if (report.type === "unclean" || report.type === "memory") {
        findings.push({ k: report.k, kind: report.type, detail: report.detail });
      } else if (report.type !== "begin") tally[report.type] += 1;
    });
    if (stopped.finding !== undefined) findings.push(stopped.finding);
    from = stopped.next;
  }
  return { ...tally, findings };
}

/** Where the next child begins, and what stopped this one. */
interface Stopped {
  readonly next: number;
  readonly finding?: Finding;
}

function runChild(
  order: FuzzOrder,
  limitMs: number,
  worker: string,
  onReport: (report: FuzzReport) => void,
): Promise<Stopped> {
  const child = fork(worker, [], {
    execArgv: ["--import", "tsx"],
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  return new Promise((resolve) => {
    let current = order.from;
    let pending = false;
    let stderr = "";
    let timer = watch(child, START_MS);
    child.stderr?.on("data", (chunk: Buffer) => {
      stderr = (stderr + chunk.toString()).slice(-2000);
    });
    child.on("message", (report: FuzzReport) => {
      clearTimeout(timer);
      timer = watch(child, limitMs);
      pending = report.type === "begin";
      current = report.k;
      onReport(report);
    });
    child.on("exit", (code, signal) => {
      clearTimeout(timer);
      if (!pending) {
        const ended = code === 0 ? current + 1 : order.to;
        const finding = code === 0 ? undefined : crash(current, code, signal, stderr);
        resolve({ next: ended, ...(finding && { finding }) });
        return;
      }
      const hang: Finding = { k: current, kind: "hang", detail: `longer than ${limitMs} ms` };
      const finding = signal === "SIGKILL" ? hang : crash(current, code, signal, stderr);
      resolve({ next: current + 1, finding });
    });
    child.send(order);
  });
}

function watch(child: ChildProcess, ms: number): NodeJS.Timeout {
  return setTimeout(() => child.kill("SIGKILL"), ms);
}

function crash(k: number, code: number | null, signal: string | null, stderr: string): Finding {
  return { k, kind: "crash", detail: `${signal ?? `status ${code}`}: ${stderr.trim()}` };
}
