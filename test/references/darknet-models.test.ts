import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { layerByLayer } from "../../src/checks/layer-by-layer.js";
import { darknetRunnerPath } from "../../src/references/runner/installed.js";

/** As small as their strides allow: the reference computes on one core. */
const SIZE = 64;

describe.skipIf(!existsSync(darknetRunnerPath()))(
  "built-in models against the live Darknet library (needs references/darknet/build.sh)",
  () => {
    it.each(["yolov3-tiny", "yolov2-tiny", "yolo-fastest-1.1"])(
      "%s agrees in every layer, by the rules of the library that is installed",
      async (model) => {
        const result = await layerByLayer({ model, size: SIZE, reference: "darknet" });
        expect(result).toMatchObject({ verdict: "same", faults: [], warnings: [] });
        expect(result.reference.name).toBe("darknet");
        expect(result.references?.map(({ faults }) => faults)).toEqual([0, 0]);
        expect(result.coverage.taps.compared).toBe(result.coverage.taps.total);
      },
      60_000,
    );

    it("a port with the other library's epsilon is seen, and the library is not accused", async () => {
      const result = await layerByLayer({
        model: "./examples/tfjs-port.ts",
        original: "examples/small.cfg",
        reference: "darknet",
        mode: "isolated",
      });
      expect(result.verdict).toBe("differs");
      expect(new Set(result.faults.map(({ component }) => component))).toEqual(new Set(["model"]));
      expect(result.faults[0]?.cause).toMatch(/epsilon/);
    }, 60_000);

    it.each(["yolov4-tiny", "yolov4"])(
      "%s is refused where the library would compute another network",
      async (model) => {
        const run = layerByLayer({ model, size: SIZE, reference: "darknet" });
        await expect(run).rejects.toThrow(
          /pjreddie's, which computes another network \(.+\); build/,
        );
      },
    );
  },
);
