import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readNpy } from "../../src/formats/npy/npy-reader.js";
import { decodeImage } from "../../src/inputs/image-file.js";
import { planarFromRgb } from "../../src/inputs/network-input.js";
import { letterboxDarknet, resizeDarknet } from "../../src/inputs/resize.js";
import { type Tensor, tensor } from "../../src/tensor/tensor.js";

interface Manifest {
  readonly id: string;
  readonly area: string;
  readonly mode: string;
  readonly op?: { readonly name: string; readonly args: readonly number[] };
  readonly scan?: string;
  readonly inputs: readonly { readonly file: string }[];
  readonly layers: readonly { readonly file: string }[];
}

type ImageFunction = (image: Tensor, width: number, height: number) => Tensor;

const FUNCTIONS: Readonly<Record<string, ImageFunction>> = {
  load: (image) => image,
  load_color_wh: resizeDarknet,
  resize: resizeDarknet,
  letterbox: letterboxDarknet,
};

const shared = process.env["DIFFTEST_SHARED"];
const root = join(shared ?? "", "darknet-conformance", "cases");
const manifests: Manifest[] =
  shared === undefined
    ? []
    : readdirSync(root)
        .map((id) => join(root, id, "manifest.json"))
        .filter((path) => existsSync(path))
        .map((path) => JSON.parse(readFileSync(path, "utf8")) as Manifest)
        .filter(({ area }) => area === "E");

const functions = manifests.filter(({ op }) => op !== undefined && op.name in FUNCTIONS);
const scans = manifests.filter(({ scan }) => scan !== undefined);

/** Whether the last row (or column) of a white image of that height (or width) becomes black. */
function endsBlack(tall: boolean, from: number, to: number): boolean {
  const white = new Float32Array(2 * from).fill(1);
  const image = tensor(tall ? [1, from, 2] : [1, 2, from], white);
  const { data } = resizeDarknet(image, tall ? 2 : to, tall ? to : 2);
  // The last element of the last row, or of the first row's last column.
  return (data[tall ? data.length - 1 : to - 1] as number) < 0.5;
}

describe.skipIf(shared === undefined)(
  "image functions against the library (needs DIFFTEST_SHARED)",
  () => {
    it("finds its cases", () => {
      expect(functions.length).toBeGreaterThan(20);
      expect(scans.length).toBeGreaterThan(0);
    });

    it.each(functions.map((manifest) => [manifest.id, manifest] as const))(
      "%s: equal bit for bit (JPEG: within three levels)",
      async (id, { op, inputs, layers }) => {
        const file = inputs[0]?.file ?? "";
        const image = planarFromRgb(await decodeImage(join(root, id, file)));
        const run = FUNCTIONS[op?.name ?? ""] as ImageFunction;
        const [width = 0, height = 0] = op?.args ?? [];
        const found = run(image, width, height);
        const expected = readNpy(readFileSync(join(root, id, layers[0]?.file ?? "")), id) as Tensor;
        expect([1, ...found.shape]).toEqual(expected.shape);
        const most = /\.jpe?g$/.test(file) ? 3 / 255 + 1e-6 : 0;
        const wrong = expected.data.findIndex((e, i) => {
          const a = found.data[i] as number;
          return !Object.is(a, e) && !(Math.abs(a - e) <= most);
        });
        expect(wrong).toBe(-1);
      },
    );

    it.each(scans.map(({ id, scan }) => [id, scan] as const))(
      "%s: the same sizes give a black last row or column",
      (id, scan) => {
        const { results } = JSON.parse(readFileSync(join(root, id, scan ?? ""), "utf8")) as {
          results: Record<string, number[]>;
        };
        for (const [name, wanted] of Object.entries(results)) {
          const [axis, text] = name.split("-");
          const sizes = Array.from({ length: 1001 }, (_, k) => 100 + k);
          const black = sizes.filter((from) => endsBlack(axis === "height", from, Number(text)));
          expect([name, ...black]).toEqual([name, ...wanted]);
        }
      },
    );
  },
);
