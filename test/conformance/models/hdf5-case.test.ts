import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { judgeHdf5 } from "../../../src/conformance/models/hdf5-case.js";
import { type ModelsManifest, readManifest } from "../../../src/conformance/models/manifest.js";

const folder = join(process.env["DIFFTEST_SHARED"] ?? "", "models-conformance/cases/h5-weights");

/** Beta and gamma of one layer exchanged: two tensors of one shape. */
const swapped = (manifest: ModelsManifest): ModelsManifest => {
  const keys: Readonly<Record<string, string>> = { t000: "t001", t001: "t000" };
  return {
    ...manifest,
    taps: manifest.taps.map((tap) => ({ ...tap, key: keys[tap.key] ?? tap.key })),
  };
};
const reordered = (manifest: ModelsManifest): ModelsManifest => ({
  ...manifest,
  layerNames: ["bn", "conv", "flatten", "fc"],
});
const shortened = (manifest: ModelsManifest): ModelsManifest => ({
  ...manifest,
  taps: manifest.taps.filter(({ name }) => name !== "fc/fc/bias:0"),
});

describe.skipIf(!existsSync(folder))(
  "an HDF5 file of weights in the models suite (skipped without DIFFTEST_SHARED)",
  () => {
    it("is read bit for bit, in the order of its layers", async () => {
      const verdict = await judgeHdf5(folder, readManifest(folder), "weights.h5");
      expect(verdict).toEqual({ status: "passed", detail: "8 tensors, equal bit for bit" });
    });

    it("may be refused where it is damaged, and must be where the library refuses it", async () => {
      const manifest = readManifest(folder);
      const oracleSays = { open: "OSError: truncated file" };
      const broken = mkdtempSync(join(tmpdir(), "difftest-hdf5-case-"));
      try {
        const bytes = readFileSync(join(folder, "weights.h5"));
        writeFileSync(join(broken, "weights.h5"), bytes.subarray(0, bytes.length / 2));
        const refused = (damaged: boolean) =>
          judgeHdf5(broken, { ...manifest, damaged, oracleSays }, "weights.h5");
        expect((await refused(true)).status).toBe("passed");
        expect((await refused(false)).status).toBe("failed");
      } finally {
        rmSync(broken, { recursive: true });
      }
      const read = await judgeHdf5(
        folder,
        { ...manifest, damaged: true, oracleSays },
        "weights.h5",
      );
      expect(read).toEqual({
        status: "failed",
        detail: `read, the library says ${oracleSays.open}`,
      });
    });

    it.each([
      ["values of another tensor", swapped, /"bn\/bn\/beta:0": /],
      ["another order of layers", reordered, /^layers conv/],
      ["a tensor that nobody recorded", shortened, /fc\/fc\/bias:0/],
    ])("fails with %s", async (_, change, detail) => {
      const verdict = await judgeHdf5(folder, change(readManifest(folder)), "weights.h5");
      expect(verdict.status).toBe("failed");
      expect(verdict.detail).toMatch(detail);
    });
  },
);
