import { createHash } from "node:crypto";
import { z } from "zod";

/** Names the format and its version. */
export const GOLDEN_SCHEMA = "difftest/golden/1";
/** How gradients are recorded: Darknet's own `delta` and `updates`, which it adds to the weights. */
export const GRADIENT_CONVENTION = "negative gradient, summed over the batch";

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const shape = z.array(z.number().int().nonnegative());
const file = z.strictObject({ bytes: z.number().int().nonnegative(), sha256 });

const number = z.union([z.number(), z.enum(["NaN", "Infinity", "-Infinity"])]);

const training = z.strictObject({
  convention: z.literal(GRADIENT_CONVENTION),
  /** Images trained on before: some losses begin gently. */
  seen: z.number().int().nonnegative(),
  /** Where `truth` in `gradients.npz` came from. */
  truth: z.strictObject({ source: z.string() }),
  /** Reported cost of each layer that has one, by its id; none where only steps were recorded. */
  costs: z.record(z.string(), number),
  /**
   * What `gradients.npz` holds: `truth`; `delta:<layer>`, a head's delta after the forward pass;
   * `update:<weight>` and `update:<input>`, gradients; `step:<n>`, all parameters in the order of the weights file after
   * that step of training.
   */
  values: z.array(z.strictObject({ name: z.string(), shape, sha256 })),
  /** Rate and cost of each step, where steps were recorded. */
  steps: z.array(z.strictObject({ rate: number, cost: number })).optional(),
});

const content = z.strictObject({
  schema: z.literal(GOLDEN_SCHEMA),
  /** The program that wrote the files. */
  recorder: z.strictObject({ name: z.string(), version: z.string() }),
  /** What computed the values. */
  reference: z.strictObject({
    name: z.string(),
    version: z.string(),
    commit: z.string().optional(),
    build: z.string().optional(),
    options: z.record(z.string(), z.json()),
  }),
  /** The file that describes the model: its name without folders, and what it held. */
  original: z.strictObject({ file: z.string(), sha256 }),
  /** Where the weights came from, and a hash of every name, shape and value ({@link weightsHash}). */
  weights: z.strictObject({ source: z.string(), sha256 }),
  inputs: z.array(z.strictObject({ name: z.string(), source: z.string(), shape, sha256 })),
  /** Of rank-4 values. */
  layout: z.enum(["nchw", "nhwc"]),
  taps: z.array(
    z.strictObject({ id: z.string(), layer: z.number(), kind: z.string(), shape, sha256 }),
  ),
  outputs: z.array(z.string()),
  /** Only of a training pass: then the taps are those of that pass, with the statistics of the batch. */
  training: training.optional(),
  files: z.record(z.string(), file),
  /** Why this golden is kept, for people. */
  note: z.string().optional(),
});

/** A golden's manifest without its own digest. */
export type GoldenContent = z.infer<typeof content>;

/** A golden's manifest: its content, and a hash of that. */
export const goldenManifest: z.ZodType<GoldenContent & { readonly digest: string }> =
  content.extend({ digest: sha256 });

/** What a manifest says of a training pass. */
export type GoldenTraining = z.infer<typeof training>;

/** A golden's manifest. */
export type GoldenManifest = z.infer<typeof goldenManifest>;

/** Hash of a manifest's content, in the order of its keys as they stand in the file. */
export function digestOf(manifest: GoldenContent): string {
  return hashOf(JSON.stringify({ ...manifest, digest: undefined }));
}

/** sha256 as the manifest writes it. */
export function hashOf(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** The bytes of a typed array. */
export function bytesOf(values: ArrayBufferView): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
