import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { architectureFromDarknet } from "../../../src/formats/darknet/architecture.js";
import { readDarknetConfig } from "../../../src/formats/darknet/config.js";
import { sizeOf } from "../../../src/tensor/tensor.js";
import { expectLaws } from "./laws.js";

const suite = process.env["DIFFTEST_SHARED"]
  ? join(process.env["DIFFTEST_SHARED"], "darknet-conformance")
  : undefined;

describe.skipIf(suite === undefined)(
  "every configuration of the conformance suite (needs DIFFTEST_SHARED)",
  () => {
    const root = suite ?? "";
    const manifests = (suite ? readdirSync(join(root, "cases")) : [])
      .map((id) => JSON.parse(readFileSync(join(root, "cases", id, "manifest.json"), "utf8")))
      .filter((m) => (m.cfg?.file || m.files["net.cfg"]) && m.layers && m.area !== "E");

    it.each(manifests.map((m) => [m.id, m]))(
      "%s has the recorded shapes and parameters",
      (id, m) => {
        const path = m.cfg?.file ? join(root, m.cfg.file) : join(root, "cases", id, "net.cfg");
        const dialect = m.oracle.name === "pjreddie" ? "pjreddie" : "alexeyab";
        const batch = (m.inputs?.[0] ?? m.input)?.shape?.[0] ?? 1;
        const built = architectureFromDarknet(readDarknetConfig(path), { dialect, batch });
        expectLaws(built);
        const shapes = new Map(built.operations.map((one) => [one.id, one.shape]));
        for (const { index, type, shape } of m.layers) {
          const layer = built.layers[index];
          if (type === "parameters" || !layer) continue;
          expect(shapes.get(layer.id), `layer ${index} ${type}`).toEqual(shape);
        }
        const floats = built.weights.reduce((sum, spec) => sum + sizeOf(spec.shape), 0);
        expect(floats).toBe(m.weights?.floats ?? m.weights?.floatsNeeded ?? floats);
      },
    );
  },
);
