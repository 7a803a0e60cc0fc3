import { InputError } from "../errors.js";
import { openSource } from "../formats/byte-source.js";
import type { RgbImage } from "../port/port.js";

/** Formats that are decoded; others (SVG, PDF) may point to further files and are not opened. */
const FORMATS = ["jpeg", "png", "webp", "gif", "tiff"];

/** Most pixels of an image: a 100-megapixel photograph; a file of a few kB can claim any number. */
const MAX_PIXELS = 100_000_000;

/**
 * Decodes an image file to RGB, 8 bits a channel: grey becomes RGB, transparency is dropped, 16 bits
 * are cut to the upper 8. Colour profiles and EXIF rotation are ignored, as Darknet's decoder does.
 *
 * JPEG decoders differ by up to 3 levels of 255: this one equals libjpeg-turbo bit for bit, not the
 * stb_image inside Darknet. PNG is exact everywhere.
 *
 * @throws {InputError} when there is no such file, it is no image of a known format, truncated or
 *   damaged, or has more than 100 megapixels
 */
export async function decodeImage(path: string): Promise<RgbImage> {
  const source = openSource(path);
  const bytes = source.read(0, source.byteLength, "the image");
  source.close();
  const { format, depth, pixels } = await describe(bytes, path);
  if (!FORMATS.includes(format)) {
    throw new InputError(
      "unsupported",
      `${path}: format ${format}, expected ${FORMATS.join(", ")}`,
    );
  }
  if (pixels > MAX_PIXELS) {
    throw new InputError("limit", `${path}: ${pixels} pixels, expected at most ${MAX_PIXELS}`);
  }
  const wide = depth === "ushort";
  const sharp = await loadSharp();
  const image = sharp(bytes, { failOn: "error", ignoreIcc: true, limitInputPixels: MAX_PIXELS })
    .removeAlpha()
    .toColourspace(wide ? "rgb16" : "srgb")
    .raw(wide ? { depth: "ushort" } : {});
  const { data, info } = await image.toBuffer({ resolveWithObject: true }).catch((cause) => {
    throw unreadable(path, cause);
  });
  const values = wide ? upperBytes(data) : new Uint8Array(data);
  const { width, height, channels } = info;
  return { width, height, data: channels === 1 ? repeated(values) : values };
}

/** Loaded with the first image: most runs have none, and it takes a tenth of a second. */
async function loadSharp() {
  const { default: sharp } = await import("sharp");
  return sharp;
}

async function describe(bytes: Uint8Array, path: string) {
  const sharp = await loadSharp();
  try {
    const { format, depth, width, height } = await sharp(bytes, {
      limitInputPixels: false,
    }).metadata();
    return { format: String(format), depth, pixels: (width ?? 0) * (height ?? 0) };
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

function unreadable(path: string, cause: unknown): InputError {
  const reason = cause instanceof Error ? cause.message.split("\n", 1)[0] : String(cause);
  return new InputError(
    "corrupt",
    `${path}: no image that can be read (${reason}), expected ${FORMATS.join(", ")}`,
    { cause },
  );
}

/** 16-bit samples, in this machine's byte order, to their upper halves. */
function upperBytes(data: Uint8Array): Uint8Array {
  const samples = new Uint16Array(Uint8Array.from(data).buffer);
  return Uint8Array.from(samples, (sample) => sample >> 8);
}

/** Each grey value three times. */
function repeated(grey: Uint8Array): Uint8Array {
  const data = new Uint8Array(3 * grey.length);
  for (let i = 0; i < data.length; i++) data[i] = grey[Math.trunc(i / 3)] as number;
  return data;
}
