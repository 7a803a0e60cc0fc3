import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  architectureFromDarknet,
  type DarknetArchitecture,
} from "../../src/formats/darknet/architecture.js";
import { parseDarknetConfig, readDarknetConfig } from "../../src/formats/darknet/config.js";
import { type BuiltInModel, DARKNET_MODELS } from "../../src/models/registry.js";
import { configPath } from "./original.js";

const { DIFFTEST_SHARED: shared } = process.env;

/** Small and not square, the same for both. */
const SIZE = { width: 96, height: 64 };

/** Where the authors' own configs lie in the shared folder. YOLOv2-tiny's is not there. */
const UPSTREAM: Readonly<Record<string, string>> = {
  yolov4: "darknet-conformance/cfg-upstream/yolov4.cfg",
  "yolov4-tiny": "darknet-conformance/cfg-upstream/yolov4-tiny.cfg",
  yolov3: "darknet-conformance/cfg-upstream/yolov3.cfg",
  "yolov3-tiny": "darknet-conformance/cfg-upstream/yolov3-tiny.cfg",
  yolov2: "darknet-conformance/cfg-upstream/yolov2.cfg",
  "yolo-fastest-1.1": "originals/yolo-fastest-1.1/yolo-fastest-1.1.cfg",
};

/** Keys of a head that only data augmentation reads. */
const AUGMENTATION = new Set(["jitter", "random", "resize"]);

/** All that an architecture says but the file's name and what was wrong with it. */
function contentsOf({ layers, operations, outputs, weights, records, heads }: DarknetArchitecture) {
  return {
    layers,
    operations,
    outputs,
    weights,
    records,
    heads: heads.map(({ settings, ...head }) => ({
      ...head,
      // As numbers where they are numbers: 1 and 1.0 are the same setting.
      settings: Object.fromEntries(
        Object.entries(settings)
          .filter(([key]) => !AUGMENTATION.has(key))
          .map(([key, text]) => [key, Number.isNaN(Number(text)) ? text : Number(text)]),
      ),
    })),
  };
}

const read = (path: string): DarknetArchitecture =>
  architectureFromDarknet(readDarknetConfig(path), SIZE);

describe("references/darknet", () => {
  it.each(DARKNET_MODELS)("$config is read without a warning", (model) => {
    expect(read(configPath(model)).warnings).toEqual([]);
  });
});

describe.skipIf(shared === undefined)(
  "references/darknet against the authors' configs (skipped without DIFFTEST_SHARED)",
  () => {
    it.each(Object.keys(UPSTREAM))("%s describes the same network", (id) => {
      const model = DARKNET_MODELS.find((candidate) => candidate.id === id) as BuiltInModel;
      const expected = contentsOf(read(join(shared as string, UPSTREAM[id] as string)));
      expect(contentsOf(read(configPath(model)))).toEqual(expected);
    });

    it.each([
      ["layers=-6,-1", "layers=-1,-6"],
      ["group_id=1", "group_id=0"],
      ["activation=leaky", "activation=relu"],
      ["scale_x_y=1.05", "scale_x_y=1"],
      ["10,14", "14,10"],
    ])("would see %s written as %s", (text, planted) => {
      const path = configPath(
        DARKNET_MODELS.find(({ id }) => id === "yolov4-tiny") as BuiltInModel,
      );
      const wrong = readFileSync(path, "utf8").replace(text, planted);
      const actual = architectureFromDarknet(parseDarknetConfig(wrong, "planted.cfg"), SIZE);
      const expected = read(join(shared as string, UPSTREAM["yolov4-tiny"] as string));
      expect(contentsOf(actual)).not.toEqual(contentsOf(expected));
    });
  },
);
