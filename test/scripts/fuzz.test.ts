import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { damaged } from "../../scripts/fuzz/damage.js";
import { FORMATS } from "../../scripts/fuzz/formats.js";
import { Random } from "../../scripts/fuzz/random.js";
import { runFormat } from "../../scripts/fuzz/run-format.js";
import { InputError } from "../../src/errors.js";

describe("the fuzzer", () => {
  it("finds a hang, a crash, an exit and an unclean error, and goes on behind each", async () => {
    const worker = fileURLToPath(new URL("./fuzz-worker-faulty.ts", import.meta.url));
    const order = { format: "any", seed: 1, from: 0, to: 9 };
    const { read, refused, findings } = await runFormat(order, 1500, worker);
    expect(findings.map(({ k, kind }) => [k, kind])).toEqual([
      [2, "hang"],
      [4, "crash"],
      [5, "crash"],
      [6, "unclean"],
    ]);
    expect([read, refused]).toEqual([2, 3]);
  });

  it("makes the same files from the same seed and others from another", () => {
    const bytes = Uint8Array.from({ length: 200 }, (_, k) => k);
    const make = (seed: number) => damaged(bytes, new Random(seed, "npy", 3));
    expect(make(1)).toEqual(make(1));
    expect(make(1)).not.toEqual(make(2));
  });

  it("knows each format once", () => {
    const ids = FORMATS.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it.each([...FORMATS])(
    "gets a value or one clear error from damaged files of $id",
    async ({ id, read, slow = false }) => {
      const count = slow ? 20 : 200;
      let refused = 0;
      for (let k = 0; k < count; k++) {
        try {
          await read(new Random(20, id, k));
        } catch (error) {
          expect(error, `file ${k}`).toBeInstanceOf(InputError);
          refused += 1;
        }
      }
      // Damage that nothing notices would mean that the files are not the ones that are read.
      expect(refused).toBeGreaterThan(count / 4);
    },
  );
});
