import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { goldenFromCase } from "../../scripts/goldens/recorded-case.js";
import { caseFile } from "../checks/gradient/tampered.js";
import { runMain } from "../cli/run-main.js";

let root = "";
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "difftest-judge-"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

function golden(name: string, oracle: string): string {
  const out = join(root, name);
  goldenFromCase(caseFile(name, "."), oracle, out);
  return out;
}

function files(name: string): string[] {
  return ["--original", caseFile(name, "net.cfg"), "--weights", caseFile(name, "net.weights")];
}

describe("difftest goldens judge", () => {
  it("prints every gradient, names the wrong ones, and ends with status 1", async () => {
    const folder = golden("grad-crnn", "alexeyab");
    const { status, out, err } = await runMain(["goldens", "judge", folder, ...files("grad-crnn")]);
    expect({ status, err }).toEqual({ status: 1, err: "" });
    expect(out).toMatch(/^input +-0\.313 +-3\.13 .* differs$/m);
    expect(out).toContain(`fault at input (reference golden:${folder})`);
    expect(out.replaceAll(/\s+/g, " ")).toContain("not recorded: crnn_0/input/bias");
    expect(out).toContain("differs: the reference is at fault, darknet alexeyab, at input");
  });

  it("writes JSON whose command line repeats it", async () => {
    const [folder, file] = [golden("grad-batchnorm", "alexeyab"), join(root, "result.json")];
    const call = ["goldens", "judge", folder, ...files("grad-batchnorm"), "--json", file];
    expect((await runMain(call)).status).toBe(1);
    const result = JSON.parse(readFileSync(file, "utf8"));
    expect(result).toMatchObject({
      schema: "difftest/goldens-judge/1",
      verdict: "differs",
      reference: { name: "darknet", version: "alexeyab" },
      coverage: { compared: 5, total: 5 },
    });
    expect(result.faults[0]).toMatchObject({
      component: "reference",
      reference: `golden:${folder}`,
    });
    const again = await runMain(result.command.split(" ").slice(1));
    expect(again.status).toBe(1);
  });

  it("says which step of training went wrong", async () => {
    const name = "update-conv-bn";
    const { out } = await runMain(["goldens", "judge", golden(name, "alexeyab"), ...files(name)]);
    expect(out).toMatch(/evidence .*step 1, element/s);
    expect(out).toContain("the library has left it at 0");
  });

  it.each<[string, () => string[], RegExp]>([
    [
      "no original",
      () => ["goldens", "judge", golden("grad-conv", "alexeyab")],
      /--original is missing/,
    ],
    [
      "another original",
      () => ["goldens", "judge", golden("grad-conv", "alexeyab"), ...files("grad-conv-bn")],
      /was recorded with another original/,
    ],
    [
      "a golden without gradients",
      () => ["goldens", "judge", golden("act-leaky", "alexeyab"), ...files("act-leaky")],
      /holds no gradients; difftest record --truth FILE records them/,
    ],
    ["another action", () => ["goldens", "jugde", root], /expected verify or judge/],
  ])("refuses %s", async (_title, call, words) => {
    const { status, err } = await runMain(call());
    expect(err).toMatch(words);
    expect(status).toBe(2);
  });

  it("writes errors as JSON too", async () => {
    const { out, status } = await runMain(["goldens", "judge", root, "--json", "-"]);
    expect(status).toBe(2);
    expect(JSON.parse(out)).toMatchObject({ verdict: "error", error: { code: "option" } });
  });
});
