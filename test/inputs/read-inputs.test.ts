import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, describe, expect, it } from "vitest";
import { writeNpy } from "../../src/formats/npy/npy-writer.js";
import { type InputSource, readInputs } from "../../src/inputs/read-inputs.js";
import { type AnyTensor, sizeOf, tensor } from "../../src/tensor/tensor.js";
import { syntheticInput } from "../../src/weights/synthetic.js";

const folder = mkdtempSync(join(tmpdir(), "difftest-inputs-"));
afterAll(() => rmSync(folder, { recursive: true }));

const random = (seed: number): InputSource => ({ kind: "random", seed });

function npy(name: string, value: AnyTensor): InputSource {
  const path = join(folder, name);
  writeFileSync(path, writeNpy(value));
  return { kind: "npy", path };
}

const counted = (...shape: number[]) =>
  tensor(
    shape,
    Float32Array.from({ length: sizeOf(shape) }, (_, i) => i / sizeOf(shape)),
  );

async function image(name: string, width: number, height: number): Promise<InputSource> {
  const path = join(folder, name);
  const background = { r: 255, g: 0, b: 51 };
  await sharp({ create: { width, height, channels: 3, background } })
    .png()
    .toFile(path);
  return { kind: "image", path };
}

const stretched = { letterbox: false };
const shape = [2, 3, 4, 6];

describe("readInputs", () => {
  it("makes a whole batch of one seed, each image different", async () => {
    const { tensor: made, images } = await readInputs([random(7)], shape, stretched);
    expect(made).toEqual(syntheticInput(shape, 7));
    expect(made.data.slice(0, 72)).not.toEqual(made.data.slice(72));
    expect(images).toBeNull();
  });

  it("puts seeds, arrays and images one behind the other", async () => {
    const array = npy("one.npy", counted(1, 3, 4, 6));
    const { tensor: made } = await readInputs([array, random(3)], shape, stretched);
    expect(made.data.slice(0, 72)).toEqual(counted(1, 3, 4, 6).data);
    expect(made.data.slice(72)).toEqual(syntheticInput([1, 3, 4, 6], 3).data);
  });

  it("takes an array for the whole batch, or for one image without batch axis", async () => {
    const both = await readInputs([npy("both.npy", counted(2, 3, 4, 6))], shape, stretched);
    expect(both.tensor).toEqual(counted(2, 3, 4, 6));
    const plain = await readInputs([npy("plain.npy", counted(3, 4, 6))], [1, 3, 4, 6], stretched);
    expect(plain.tensor.data).toEqual(counted(3, 4, 6).data);
  });

  it("takes arrays for networks whose input is no image", async () => {
    const { tensor: made } = await readInputs([npy("flat.npy", counted(2, 5))], [2, 5], stretched);
    expect(made).toEqual(counted(2, 5));
  });

  it("resizes or letterboxes images, RGB, 0 to 1, and hands the decoded ones on", async () => {
    const red = await image("red.png", 12, 4);
    const plain = await readInputs([red], [1, 3, 4, 6], stretched);
    expect([...new Set(plain.tensor.data.slice(0, 24))]).toEqual([1]);
    expect(plain.tensor.data[71]).toBeCloseTo(0.2, 7);
    expect(plain.images).toMatchObject([{ width: 12, height: 4 }]);
    const boxed = await readInputs([red], [1, 3, 6, 6], { letterbox: true });
    expect([...boxed.tensor.data.slice(0, 36)]).toEqual([
      ...new Array(12).fill(0.5),
      ...new Array(12).fill(1),
      ...new Array(12).fill(0.5),
    ]);
  });

  it("lists what was found where it does not make the batch", async () => {
    const one = npy("one.npy", counted(1, 3, 4, 6));
    await expect(readInputs([one], shape, stretched)).rejects.toThrow(
      /--input: .*one\.npy \(1\) make a batch of 1, expected 2; give --input once for each image, or --batch 1/,
    );
    await expect(readInputs([random(1), random(2), one], shape, stretched)).rejects.toThrow(
      "batch of 3, expected 2",
    );
  });

  it("names found and expected shape, and the order where only that is wrong", async () => {
    const nhwc = npy("nhwc.npy", counted(1, 4, 6, 3));
    await expect(readInputs([nhwc], [1, 3, 4, 6], stretched)).rejects.toThrow(
      "shape [1,4,6,3], expected [1,3,4,6]; the sizes fit in NHWC order",
    );
    const other = npy("other.npy", counted(1, 3, 5, 6));
    await expect(readInputs([other], [1, 3, 4, 6], stretched)).rejects.toThrow(
      /shape \[1,3,5,6\], expected \[1,3,4,6\]$/,
    );
  });

  it("refuses integers and NaN, rounds float64 and wonders at values up to 255", async () => {
    const bytes = npy("bytes.npy", { shape: [3, 1, 2], dtype: "uint8", data: new Uint8Array(6) });
    await expect(readInputs([bytes], [1, 3, 1, 2], stretched)).rejects.toThrow("uint8 values");
    const nan = npy("nan.npy", tensor([3, 1, 1], Float32Array.of(0, Number.NaN, 1)));
    await expect(readInputs([nan], [1, 3, 1, 1], stretched)).rejects.toThrow("value 1 is NaN");
    const wide = npy("f8.npy", {
      shape: [3, 1, 1],
      dtype: "float64",
      data: Float64Array.of(0.1, 255, 1),
    });
    const { tensor: made, warnings } = await readInputs([wide], [1, 3, 1, 1], stretched);
    expect(made.data[0]).toBe(Math.fround(0.1));
    expect(warnings.map((line) => line.replace(/^.*npy: /, ""))).toEqual([
      "float64 values were rounded to float32",
      "values reach 255; Darknet's images are 0…1",
    ]);
  });

  it("refuses images for other numbers of channels, and those too flat for the frame", async () => {
    const red = await image("red.png", 12, 4);
    await expect(readInputs([red], [1, 1, 4, 6], stretched)).rejects.toThrow(
      "an image has 3 channels, the network's input is [1,1,4,6]; give a .npy",
    );
    const flat = await image("flat.png", 100, 3);
    await expect(readInputs([flat], [1, 3, 32, 64], { letterbox: true })).rejects.toThrow(
      "image of 100x3 fits into 64x32 with --letterbox with a height of one pixel or none",
    );
  });
});
