/** A reference that is killed, at every moment of a run: status 3 and one line. */
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { REFERENCES_FOLDER } from "../../src/references/runner/installed.js";
import { runMain } from "../cli/run-main.js";

const DIES = fileURLToPath(new URL("./fakes/dies.mjs", import.meta.url));
const SMALL = fileURLToPath(new URL("../record/ports/example.mjs", import.meta.url));
const CFG = `${REFERENCES_FOLDER}python/example.cfg`;
const CALLS = ["version", "describe", "run"];
const MOMENTS = [
  "at once",
  ...CALLS.map((call) => `when asked for ${call}`),
  ...CALLS.map((call) => `halfway through ${call}`),
  "after version",
  "after describe",
];

function compared(moment: string, ...more: readonly string[]) {
  const reference = `runner:"${process.execPath}" "${DIES}" "${moment}"`;
  return runMain([
    "layer-by-layer",
    "--model",
    SMALL,
    "--original",
    CFG,
    "--reference",
    reference,
    ...more,
  ]);
}

describe("a reference that is killed", () => {
  it.each(MOMENTS)("%s ends the command with status 3 and one line", async (moment) => {
    const { status, out, err } = await compared(moment);
    expect(err).toMatch(/^difftest: runner:.*: was killed by SIGKILL[^\n]*\n$/);
    expect({ status, out }).toEqual({ status: 3, out: "" });
  });

  it.each(CALLS)(
    "that hangs at %s ends at the time limit, with status 3 and one line",
    async (call) => {
      const { status, out, err } = await compared(`hangs at ${call}`, "--timeout", "2");
      expect(err).toMatch(/^difftest: runner:.*: did not answer within 2 s during "\w+"\n$/);
      expect({ status, out }).toEqual({ status: 3, out: "" });
    },
  );

  it("at no moment is compared with: what it gave is wrong, and the port is told apart from it", async () => {
    expect((await compared("never")).status).toBe(1);
  });
});
