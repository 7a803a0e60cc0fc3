import { join } from "node:path";
import sharp from "sharp";

/** Draws a small picture of our own: sky, sun, hills, in full colour with smooth and sharp parts. */
export async function drawPhoto(folder: string): Promise<string> {
  const path = join(folder, "photo.png");
  await sharp(Buffer.from(PICTURE)).png().toFile(path);
  return path;
}

const PICTURE = `<svg xmlns="http://www.w3.org/2000/svg" width="230" height="170">
  <defs><linearGradient id="sky" x1="0" y1="0" x2="0" y2="1">
    <stop offset="0" stop-color="#1b4f9c"/><stop offset="1" stop-color="#f7c58a"/>
  </linearGradient></defs>
  <rect width="230" height="170" fill="url(#sky)"/>
  <circle cx="170" cy="60" r="24" fill="#ffef9e"/>
  <path d="M0 120 Q60 60 120 120 T230 100 V170 H0 Z" fill="#2c6e31"/>
  <path d="M0 150 L90 110 L150 170 H0 Z" fill="#7a2f1d"/>
  <rect x="40" y="95" width="30" height="40" fill="#d8d8e8" stroke="#101010" stroke-width="3"/>
</svg>`;
