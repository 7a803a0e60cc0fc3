import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { layerByLayer } from "../../src/checks/layer-by-layer.js";
import { recordGolden } from "../../src/checks/record-golden.js";
import { verifyGolden } from "../../src/references/golden/open-golden.js";
import { whenInstalled } from "../references/installed.js";

const ORIGINAL = "examples/small.cfg";
const MODULE = "examples/torch_small.py";
const folder = mkdtempSync(join(tmpdir(), "difftest-small-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const check = (references: string, model = "examples/plain-port.mjs") =>
  layerByLayer({ model, original: ORIGINAL, reference: references });

describe("what PyTorch and ONNX Runtime were recorded to give for the examples' original", () => {
  it.each(["pytorch", "onnxruntime"])(
    "%s: is whole, and the example's port agrees with it",
    async (library) => {
      const golden = `goldens/${library}/small`;
      expect(verifyGolden(golden).manifest.reference.name).toBe(library);
      const { verdict, faults } = await check(`onnxruntime,golden:${golden}`);
      expect({ verdict, faults }).toEqual({ verdict: "same", faults: [] });
    },
  );
});

describe.skipIf(!whenInstalled("pytorch"))(
  "a PyTorch module as a reference (needs scripts/install-references.sh)",
  () => {
    it("gets the original's weights and agrees with the embedded reference", async () => {
      const { verdict, faults } = await check(`onnxruntime,pytorch:${MODULE}:build`);
      expect({ verdict, faults }).toEqual({ verdict: "same", faults: [] });
    });

    it("is the one at fault where it was written wrongly", async () => {
      const wrong = join(folder, "wrong_slope.py");
      const text = readFileSync(MODULE, "utf8");
      writeFileSync(wrong, text.replace(/leaky_relu\((.*), 0\.1\)/, "leaky_relu($1, 0.11)"));
      const { verdict, faults } = await check(`onnxruntime,pytorch:${wrong}:build`);
      expect(verdict).toBe("differs");
      expect(
        faults.map(({ component, place, reference }) => ({ component, place, reference })),
      ).toEqual(
        ["conv_0", "conv_2"].map((place) => ({
          component: "reference",
          place,
          reference: `pytorch:${wrong}:build`,
        })),
      );
    });

    it("records the same bytes twice", async () => {
      const recorded = async (name: string) => {
        const out = join(folder, name);
        await recordGolden({ reference: `pytorch:${MODULE}:build`, original: ORIGINAL, out });
        return ["manifest.json", "trace.npz", "inputs.npz"].map((file) =>
          readFileSync(join(out, file)),
        );
      };
      expect(await recorded("second")).toEqual(await recorded("first"));
    });

    it("says what it lacks", async () => {
      await expect(check("pytorch:examples/none.py:build")).rejects.toThrow(
        /none\.py: there is no such file/,
      );
      const unnamed = join(folder, "unnamed.py");
      writeFileSync(
        unnamed,
        "import torch\n\n\ndef build(weights):\n    return torch.nn.Conv2d(3, 8, 3)\n",
      );
      await expect(check(`pytorch:${unnamed}:build`)).rejects.toThrow(
        /has none of the original's \d+ taps/,
      );
    });
  },
);
