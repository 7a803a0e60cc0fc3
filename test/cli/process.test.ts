import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const cli = resolve("src/cli.ts");
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "difftest-process-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Ended {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the command as a process of its own; `whileRunning` gets its id when it has started. */
function start(
  argv: readonly string[],
  options: { readonly file?: string; readonly whileRunning?: (pid: number) => Promise<void> } = {},
): Promise<Ended> {
  const args = ["--import", "tsx", options.file ?? cli, ...argv];
  const child = spawn(process.execPath, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, TMPDIR: folder },
  });
  let [out, err] = ["", ""];
  child.stdout.on("data", (data: Buffer) => {
    out += data.toString();
  });
  child.stderr.on("data", (data: Buffer) => {
    err += data.toString();
  });
  void options.whileRunning?.(child.pid as number).catch(() => child.kill());
  return new Promise((done, fail) => {
    child.on("error", fail);
    child.on("close", (status) => done({ status, out, err }));
  });
}

describe("the command as a process", () => {
  it("prints to standard output and ends with 0", async () => {
    const { status, out, err } = await start(["models"]);
    expect({ status, err }).toEqual({ status: 0, err: "" });
    expect(out).toContain("yolov4-tiny");
  });

  it("prints errors to standard error and ends with 2", async () => {
    const { status, out, err } = await start(["models", "--jsn"]);
    expect({ status, out, err }).toEqual({
      status: 2,
      out: "",
      err: "difftest: unknown option --jsn; did you mean --json?\n",
    });
  });

  it("runs through a link, as npx calls it", async () => {
    const link = join(folder, "difftest");
    symlinkSync(cli, link);
    const { status, out } = await start(["--version"], { file: link });
    expect({ status, out }).toEqual({ status: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
  });

  it("on Ctrl-C ends with 130 within seconds and leaves neither files nor processes behind", async () => {
    // The loader of TypeScript keeps its own cache beside.
    const files = () => readdirSync(folder).filter((name) => !name.startsWith("tsx-"));
    const before = files();
    const json = join(folder, "interrupted.json");
    let interrupted: { readonly children: readonly number[]; readonly at: number } | undefined;
    const { status, out, err } = await start(
      ["layer-by-layer", "--model", "yolov4", "--json", json],
      {
        whileRunning: async (pid) => {
          const children = await childrenOf(pid);
          // In the middle of the work: well behind the start of the reference's process.
          await sleep(500);
          process.kill(pid, "SIGINT");
          interrupted = { children, at: performance.now() };
        },
      },
    );
    expect({ status, out, err }).toEqual({ status: 130, out: "", err: "difftest: interrupted\n" });
    expect(performance.now() - (interrupted?.at ?? 0)).toBeLessThan(30_000);
    expect(files()).toEqual(before);
    expect(interrupted?.children.filter((child) => existsSync(`/proc/${child}`))).toEqual([]);
  });
});

/** Waits until a process has started others, and gives their ids (Linux). */
async function childrenOf(pid: number): Promise<number[]> {
  for (;;) {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
    if (text !== "") return text.split(" ").map(Number);
    await sleep(20);
  }
}
