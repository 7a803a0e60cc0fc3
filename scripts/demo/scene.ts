import type { Random } from "../fuzz/random.js";

/** What the demo's network tells apart; the index is Darknet's class number. */
export const CLASSES = ["circle", "square", "triangle"] as const;

/** Side of a picture in pixels: the network's input, so that nothing is resized. */
export const SIDE = 96;

type Rgb = readonly [number, number, number];

/** One drawn shape: pixels, colours 0…255. */
export interface Shape {
  /** Index in {@link CLASSES}. */
  readonly kind: number;
  readonly x: number;
  readonly y: number;
  /** Half the side of the box around the shape before it is turned. */
  readonly radius: number;
  /** Turn in radians, clockwise. */
  readonly angle: number;
  readonly colour: Rgb;
}

/** A picture before it is drawn: a background that fades from one colour to another, and shapes. */
export interface Scene {
  readonly from: Rgb;
  readonly to: Rgb;
  readonly shapes: readonly Shape[];
}

/** Smallest and largest radius of a shape. */
const RADIUS = [12, 25] as const;
/** Least distance between the colours of a shape and its background, in the sum of the channels. */
const CONTRAST = 160;
/** Samples a pixel along each axis: edges are smooth, as in a photograph. */
const SAMPLES = 3;

/** One to three shapes that do not touch each other. */
export function randomScene(random: Random): Scene {
  const from = colourOf(random);
  const to = from.map((value) => clamp(value + random.below(81) - 40)) as unknown as Rgb;
  const shapes: Shape[] = [];
  const wanted = 1 + random.below(3);
  for (let tries = 0; shapes.length < wanted && tries < 50; tries++) {
    const shape = randomShape(random, [from, to]);
    const free = shapes.every(
      ({ x, y, radius }) =>
        Math.hypot(x - shape.x, y - shape.y) > 1.45 * (radius + shape.radius) + 2,
    );
    if (free) shapes.push(shape);
  }
  return { from, to, shapes };
}

function randomShape(random: Random, background: readonly Rgb[]): Shape {
  const radius = RADIUS[0] + random.below(RADIUS[1] - RADIUS[0] + 1);
  const reach = Math.ceil(radius * Math.SQRT2);
  const place = () => Math.min(reach, SIDE / 2) + random.below(Math.max(SIDE - 2 * reach, 1));
  let colour = colourOf(random);
  while (background.some((other) => distance(colour, other) < CONTRAST)) colour = colourOf(random);
  return {
    kind: random.below(CLASSES.length),
    x: place(),
    y: place(),
    radius,
    angle: (random.below(31) - 15) * (Math.PI / 180),
    colour,
  };
}

/** The scene's pixels, row-major [SIDE, SIDE, 3], with a little noise. */
export function drawScene({ from, to, shapes }: Scene, random: Random): Uint8Array {
  const pixels = new Uint8Array(SIDE * SIDE * 3);
  for (let at = 0; at < SIDE * SIDE; at++) {
    const [x, y] = [at % SIDE, Math.floor(at / SIDE)];
    const fade = (x + y) / (2 * SIDE);
    let colour = from.map((value, k) => value + fade * ((to[k] as number) - value));
    for (const shape of shapes) {
      const share = covered(shape, x, y);
      colour = colour.map((value, k) => value + share * ((shape.colour[k] as number) - value));
    }
    const noise = random.below(9) - 4;
    for (const [k, value] of colour.entries()) pixels[at * 3 + k] = clamp(value + noise);
  }
  return pixels;
}

/** Lines of a Darknet label file: class, then centre and size of the box as parts of the picture. */
export function labelsOf({ shapes }: Scene): string {
  return shapes.map((shape) => `${[shape.kind, ...boxOf(shape)].join(" ")}\n`).join("");
}

/** Box around a shape: x and y of its centre, width, height, as parts of the picture's side. */
export function boxOf(shape: Shape): readonly [number, number, number, number] {
  const [xs, ys] = [0, 1].map((axis) => outline(shape).map((point) => point[axis] as number));
  const [left, right] = [Math.min(...(xs as number[])), Math.max(...(xs as number[]))];
  const [top, bottom] = [Math.min(...(ys as number[])), Math.max(...(ys as number[]))];
  const parts = [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top];
  return parts.map((value) => value / SIDE) as unknown as [number, number, number, number];
}

/** Corners of a shape; of a circle, the four points furthest out. */
function outline({ kind, x, y, radius, angle }: Shape): [number, number][] {
  const corners = {
    circle: [0, 1, 2, 3].map((k) => (k * Math.PI) / 2),
    square: [0, 1, 2, 3].map((k) => angle + Math.PI / 4 + (k * Math.PI) / 2),
    triangle: [0, 1, 2].map((k) => angle - Math.PI / 2 + (k * 2 * Math.PI) / 3),
  }[CLASSES[kind] as (typeof CLASSES)[number]];
  const reach = CLASSES[kind] === "square" ? radius * 1.25 : radius * (kind === 2 ? 1.3 : 1);
  return corners.map((turn) => [x + reach * Math.cos(turn), y + reach * Math.sin(turn)]);
}

/** Part of a pixel that lies inside a shape, 0…1. */
function covered(shape: Shape, px: number, py: number): number {
  if (Math.hypot(px - shape.x, py - shape.y) > 1.5 * shape.radius + 2) return 0;
  const corners = outline(shape);
  let inside = 0;
  for (let k = 0; k < SAMPLES * SAMPLES; k++) {
    const x = px + ((k % SAMPLES) + 0.5) / SAMPLES;
    const y = py + (Math.floor(k / SAMPLES) + 0.5) / SAMPLES;
    const hit =
      CLASSES[shape.kind] === "circle"
        ? Math.hypot(x - shape.x, y - shape.y) <= shape.radius
        : isInside(corners, x, y);
    if (hit) inside += 1;
  }
  return inside / (SAMPLES * SAMPLES);
}

/** Whether a point lies on the same side of every edge of a convex polygon. */
function isInside(corners: readonly (readonly [number, number])[], x: number, y: number): boolean {
  return corners.every(([ax, ay], k) => {
    const [bx, by] = corners[(k + 1) % corners.length] as readonly [number, number];
    return (bx - ax) * (y - ay) - (by - ay) * (x - ax) >= 0;
  });
}

function colourOf(random: Random): Rgb {
  return [random.below(256), random.below(256), random.below(256)];
}

function distance(a: Rgb, b: Rgb): number {
  return a.reduce((sum, value, k) => sum + Math.abs(value - (b[k] as number)), 0);
}

function clamp(value: number): number {
  return Math.min(Math.max(Math.round(value), 0), 255);
}
