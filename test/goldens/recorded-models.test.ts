import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { layerByLayer } from "../../src/checks/layer-by-layer.js";
import { recordGolden } from "../../src/checks/record-golden.js";
import { verifyGolden } from "../../src/references/golden/open-golden.js";
import { whenInstalled } from "../references/installed.js";

const FOLDER = "goldens/darknet";
const MODELS = readdirSync(FOLDER);

/** Side of the input that a golden was recorded with. */
function sizeOf(model: string): number {
  return verifyGolden(join(FOLDER, model)).inputs.get("input")?.shape[3] ?? 0;
}

describe.each(MODELS)("the recording of %s", (model) => {
  it("is what its manifest says, and says who made it from what", () => {
    const { manifest } = verifyGolden(join(FOLDER, model));
    expect(manifest).toMatchObject({
      reference: { name: "darknet", options: { darknet: "pjreddie" } },
      original: { file: `${model}.cfg` },
      outputs: expect.arrayContaining([expect.any(String)]),
    });
  });

  it("is what the built-in port computes, in every layer, with nothing installed", async () => {
    const reference = `golden:${join(FOLDER, model)}`;
    const result = await layerByLayer({ model, size: sizeOf(model), reference });
    expect(result).toMatchObject({ verdict: "same", faults: [], warnings: [] });
    expect(result.reference.name).toBe(reference);
    expect(result.coverage.taps.compared).toBe(result.coverage.taps.total);
  });

  it("is refused at another size, and by other weights or another input", async () => {
    const reference = `golden:${join(FOLDER, model)}`;
    const run = (options: object) =>
      layerByLayer({ model, size: sizeOf(model), reference, mode: "isolated", ...options });
    await expect(run({ size: 2 * sizeOf(model) })).rejects.toThrow(`${reference}: `);
    await expect(run({ weights: "synthetic:2" })).rejects.toThrow("other weights");
    await expect(run({ inputs: ["random:2"] })).rejects.toThrow("another input");
  });
});

describe.skipIf(!whenInstalled("darknet"))(
  "the library that recorded them (needs references/darknet/build.sh)",
  () => {
    let root = "";
    beforeAll(() => {
      root = mkdtempSync(join(tmpdir(), "difftest-again-"));
    });
    afterAll(() => rmSync(root, { recursive: true, force: true }));

    it.each(MODELS)("gives the same values of %s again", async (model) => {
      const { manifest } = verifyGolden(join(FOLDER, model));
      const out = join(root, model);
      const options = { size: sizeOf(model), darknet: "pjreddie", reference: "darknet" } as const;
      const again = await recordGolden({ model, ...options, out, note: manifest.note ?? "" });
      expect(again.taps.map(({ id }) => id)).toEqual(manifest.taps.map(({ id }) => id));
      // Another compiler or library may round in another way.
      const { build, version } = manifest.reference;
      if (again.reference.build !== build || again.reference.version !== version) return;
      for (const file of readdirSync(out)) {
        expect(readFileSync(join(out, file)).equals(readFileSync(join(FOLDER, model, file)))).toBe(
          true,
        );
      }
    });
  },
);
