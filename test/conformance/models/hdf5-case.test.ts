import { existsSync } from "node:fs";
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
