import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { caseFile } from "../checks/gradient/tampered.js";
import { runMain } from "../cli/run-main.js";
import { whenInstalled } from "./installed.js";

const CASE = "grad-conv-bn";
const FILES = [
  ...["--original", caseFile(CASE, "net.cfg")],
  ...["--weights", caseFile(CASE, "net.weights")],
];
const PASS = ["--input", caseFile(CASE, "input.npy"), "--truth", caseFile(CASE, "truth.npy")];
const LIVE = ["record", "--reference", "darknet", "--darknet", "pjreddie", ...FILES];

let root = "";
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "difftest-training-"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe.skipIf(!whenInstalled("darknet"))(
  "a training pass of a live Darknet (needs references/darknet/build.sh)",
  () => {
    it("is recorded, the same bytes each time, and judged: its approximation is told", async () => {
      const [one, other] = [join(root, "one"), join(root, "other")];
      const recorded = await runMain([...LIVE, ...PASS, "--out", one]);
      expect(recorded).toMatchObject({ status: 0, err: "" });
      await runMain([...LIVE, ...PASS, "--out", other]);
      for (const file of readdirSync(one)) {
        expect(readFileSync(join(other, file)), file).toEqual(readFileSync(join(one, file)));
      }
      const { status, out } = await runMain(["goldens", "judge", one, ...FILES]);
      expect(status).toBe(0);
      expect(out).toContain("conv_0/kernel: a known approximation, small here");
      expect(out).toMatch(/^judged {5}4 of 4 gradients/m);
      expect((await runMain(["goldens", "verify", one])).out).toContain(
        "2 taps and 5 gradients of",
      );
    });
  },
);

describe("difftest record --truth", () => {
  it.each<[string, () => string[], string]>([
    [
      "the embedded reference",
      () => ["record", ...FILES, ...PASS],
      "--truth: the embedded reference has no training pass",
    ],
    [
      "a file that is not there",
      () => [...LIVE, "--truth", "no.npy"],
      "--truth no.npy: there is no such file",
    ],
    [
      "a file that is no array",
      () => {
        const file = join(root, "text.npy");
        writeFileSync(file, "1 2 3");
        return [...LIVE, "--truth", file];
      },
      "text.npy",
    ],
    [
      "an original that is no Darknet configuration",
      () => [
        "record",
        "--reference",
        "keras",
        "--original",
        "references/keras/mnist-cnn.json",
        "--truth",
        "x.npy",
      ],
      "gradients can be judged of Darknet configurations only",
    ],
  ])("refuses %s", async (_title, call, words) => {
    const { status, err } = await runMain([...call(), "--out", join(root, "refused")]);
    expect(err).toContain(words);
    expect(status).toBe(2);
  });
});
