import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import sharp from "sharp";
import { afterAll, describe, expect, it } from "vitest";
import { InputError } from "../../src/errors.js";
import { decodeImage } from "../../src/inputs/image-file.js";

const folder = mkdtempSync(join(tmpdir(), "difftest-image-"));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, bytes: Uint8Array | string): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

/** Pixels [2 high, 3 wide] with as many channels as values divide by six. */
const raw = (...values: number[]) => {
  const channels = (values.length / 6) as 1 | 2 | 3 | 4;
  return sharp(Uint8Array.from(values), { raw: { width: 3, height: 2, channels } });
};

async function errorOf(path: string): Promise<InputError> {
  try {
    await decodeImage(path);
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("decodeImage", () => {
  const levels = Array.from({ length: 18 }, (_, i) => 14 * i);

  it("reads PNG exactly", async () => {
    const path = file(
      "rgb.png",
      await raw(...levels)
        .png()
        .toBuffer(),
    );
    expect(await decodeImage(path)).toEqual({ width: 3, height: 2, data: Uint8Array.from(levels) });
  });

  it("makes RGB of grey, and drops transparency without mixing it in", async () => {
    const grey = [0, 50, 100, 150, 200, 250];
    const path = file(
      "grey.png",
      await raw(...grey)
        .toColourspace("b-w")
        .png()
        .toBuffer(),
    );
    const { data } = await decodeImage(path);
    expect([...data]).toEqual(grey.flatMap((v) => [v, v, v]));
    const clear = grey.flatMap((v) => [v, 1, 2, 0]);
    const rgba = file(
      "rgba.png",
      await raw(...clear)
        .png()
        .toBuffer(),
    );
    expect([...(await decodeImage(rgba)).data]).toEqual(grey.flatMap((v) => [v, 1, 2]));
  });

  it("cuts 16 bits to the upper 8", async () => {
    const samples = Uint16Array.from(levels, (v) => 256 * v + 199);
    const png = await sharp(samples, { raw: { width: 3, height: 2, channels: 3 } })
      .toColourspace("rgb16")
      .png()
      .toBuffer();
    expect((await sharp(png).metadata()).depth).toBe("ushort");
    expect([...(await decodeImage(file("wide.png", png))).data]).toEqual(levels);
  });

  it("ignores EXIF rotation", async () => {
    const jpeg = await raw(...levels)
      .withMetadata({ orientation: 6 })
      .jpeg()
      .toBuffer();
    expect(await decodeImage(file("turned.jpg", jpeg))).toMatchObject({ width: 3, height: 2 });
  });

  it("refuses a truncated JPEG, another file and no file", async () => {
    const noise = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 7919) % 251);
    const image = sharp(noise, { raw: { width: 64, height: 64, channels: 3 } });
    const jpeg = await image.jpeg().toBuffer();
    const cut = await errorOf(file("cut.jpg", jpeg.subarray(0, jpeg.length / 2)));
    expect(cut.code).toBe("corrupt");
    expect(cut.message).toMatch(/cut\.jpg: no image that can be read \(.+\), expected jpeg/);
    expect((await errorOf(file("page.jpg", "<!DOCTYPE html>"))).code).toBe("corrupt");
    expect((await errorOf(file("empty.jpg", ""))).code).toBe("corrupt");
    expect((await errorOf(join(folder, "none.jpg"))).code).toBe("not-found");
  });

  it("does not open formats that may point to other files", async () => {
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>`;
    const error = await errorOf(file("drawing.png", svg));
    expect(error.message).toContain("format svg, expected jpeg, png, webp, gif, tiff");
  });

  it("refuses an image bomb by its header", async () => {
    const png = Uint8Array.from(
      await raw(...levels)
        .png()
        .toBuffer(),
    );
    const view = new DataView(png.buffer);
    view.setUint32(16, 12_000);
    view.setUint32(20, 9000);
    view.setUint32(29, crc32(png.subarray(12, 29)));
    const error = await errorOf(file("bomb.png", png));
    expect(error.message).toContain("108000000 pixels, expected at most 100000000");
    expect(error.code).toBe("limit");
  });
});
