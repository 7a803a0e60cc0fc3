/** What is left of a run that was given up, or whose reference died: nothing (Linux: /proc is asked). */
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { layerByLayer } from "../../src/checks/layer-by-layer.js";
import { UnavailableError } from "../../src/errors.js";
import { runSmall } from "./run-small.js";

let folder: string;
const usual = process.env["TMPDIR"];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "difftest-lifetime-"));
  // Everything the run creates lands here and is counted.
  process.env["TMPDIR"] = folder;
});
afterAll(() => {
  if (usual === undefined) delete process.env["TMPDIR"];
  else process.env["TMPDIR"] = usual;
  rmSync(folder, { recursive: true });
});

/** References that this process has started and that still run. (The test's TypeScript loader has processes of its own.) */
function references(): number[] {
  return children().filter(isReference);
}

function children(): number[] {
  return readdirSync("/proc/self/task").flatMap((task) => {
    try {
      const text = readFileSync(`/proc/self/task/${task}/children`, "utf8").trim();
      return text === "" ? [] : text.split(" ").map(Number);
    } catch {
      // A thread that ended meanwhile.
      return [];
    }
  });
}

const isReference = (pid: number): boolean =>
  existsSync(`/proc/${pid}`) &&
  readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("onnxruntime");

/** Waits for the reference's process of a run that has begun. */
async function referenceOf(before: readonly number[]): Promise<number> {
  for (;;) {
    const found = references().find((pid) => !before.includes(pid));
    if (found !== undefined) return found;
    await sleep(10);
  }
}

/** Files with a name that a run has left. (`tsx-…` is the test's TypeScript loader.) */
function namedFiles(): string[] {
  return readdirSync(folder).filter((name) => !name.startsWith("tsx-"));
}

/** Open files of this process that have no name any more: scratch files. */
function scratchFiles(): string[] {
  return readdirSync("/proc/self/fd")
    .map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`);
      } catch {
        // The descriptor of this very listing.
        return "";
      }
    })
    .filter((target) => target.startsWith(folder) && target.endsWith("(deleted)"));
}

describe.skipIf(process.platform !== "linux")("a run that is given up (Linux)", () => {
  it.each(["never ends", "waits for ever"])(
    "ends a port that %s, with all it started",
    async (way) => {
      const before = references();
      const controller = new AbortController();
      const run = runSmall(way, { mode: "both", signal: controller.signal });
      const rejected = expect(run).rejects.toThrow("enough");
      const reference = await referenceOf(before);
      await sleep(300);
      const aborted = performance.now();
      controller.abort(new Error("enough"));
      await rejected;
      expect(performance.now() - aborted).toBeLessThan(8000);
      expect(existsSync(`/proc/${reference}`)).toBe(false);
      expect(references().filter((pid) => !before.includes(pid))).toEqual([]);
      expect(namedFiles()).toEqual([]);
      expect(scratchFiles()).toEqual([]);
    },
  );

  it("is not begun when the signal was given before", async () => {
    const before = references();
    const signal = AbortSignal.abort(new Error("not at all"));
    await expect(runSmall("", { signal })).rejects.toThrow("not at all");
    await sleep(300);
    expect(references().filter((pid) => !before.includes(pid))).toEqual([]);
    expect(namedFiles()).toEqual([]);
  });

  it("leaves nothing at whatever moment it is given up", async () => {
    const before = references();
    for (const ms of [5, 120, 400, 900]) {
      const signal = AbortSignal.timeout(ms);
      await runSmall("never ends", { signal }).catch(() => undefined);
    }
    expect(references().filter((pid) => !before.includes(pid))).toEqual([]);
    expect(namedFiles()).toEqual([]);
    expect(scratchFiles()).toEqual([]);
  });
});

describe.skipIf(process.platform !== "linux")("a reference that dies (Linux)", () => {
  it("ends the run as unavailable, and the port that waits for it as well", async () => {
    const before = references();
    const run = layerByLayer({ model: "yolov3-tiny", size: 416 });
    const failed = run.catch((error: unknown) => error);
    const reference = await referenceOf(before);
    process.kill(reference, "SIGKILL");
    const error = await failed;
    expect(error).toBeInstanceOf(UnavailableError);
    expect((error as UnavailableError).code).toBe("reference-crashed");
    expect((error as UnavailableError).message).toMatch(
      /^reference onnxruntime: its process ended with SIGKILL.*; run the command again/,
    );
    expect(references().filter((pid) => !before.includes(pid))).toEqual([]);
    expect(namedFiles()).toEqual([]);
  });
});
