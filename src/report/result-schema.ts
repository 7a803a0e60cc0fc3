import { z } from "zod";
import {
  type ErrorResult,
  type JsonNumber,
  type LayerByLayerResult,
  RESULT_SCHEMA,
} from "../checks/result.js";

const jsonNumber: z.ZodType<JsonNumber> = z
  .union([z.number(), z.enum(["NaN", "Infinity", "-Infinity"])])
  .describe("a number; the non-finite ones are words");
const measured = jsonNumber.nullable();
const index = z.int().nonnegative();
const shape = z.array(index);
const names = z.array(z.string());
const options = z.record(z.string(), z.json());
const count = z.strictObject({ compared: index, total: index });
const milliseconds = z.number().nonnegative();

const sensitivity = z.strictObject({
  slope: measured.describe("change of the negative slope of an activation"),
  epsilon: measured.describe("change of a normalisation's epsilon"),
  gain: measured.describe("relative change of the gain of one channel"),
});

const tap = z.strictObject({
  id: z.string().describe("tap id in the reference"),
  port: z.string().nullable().describe("the port's own name of this tap"),
  layer: index.describe("index of the layer in the original"),
  kind: z.string().describe("kind of the operation"),
  shape: shape.describe("shape of the reference's values, batch included, in its layout"),
  actualShape: shape.nullable().describe("shape of the port's values where it is another one"),
  mode: z.enum(["isolated", "cumulative"]),
  maxAbs: measured.describe("largest |actual - expected|"),
  maxRel: measured.describe("largest |actual - expected| / |expected| where expected is not 0"),
  rmse: measured.describe("root of the mean squared difference"),
  cosine: measured.describe("cosine between actual and expected as vectors"),
  ratio: measured.describe("largest error / bound; null where the bound is 0 and values are equal"),
  worst: shape.nullable().describe("multi-index of the element with the largest ratio"),
  bound: measured.describe("bound at the worst index"),
  actual: measured.describe("the port's value at the worst index"),
  expected: measured.describe("the reference's value at the worst index"),
  verdict: z.enum(["same", "differs", "shape", "non-finite", "missing", "not-exercised"]),
  basis: z
    .enum(["exact", "trigger", "hard", "judge", "given", "noise"])
    .nullable()
    .describe("which tolerance decided"),
  sensitivity: sensitivity.nullable().describe("smallest change that would have been seen"),
  notes: names,
  backend: z
    .string()
    .exactOptional()
    .describe(
      "with --backend all: the back-end these numbers are from, where the tap is furthest off",
    ),
});

const backendOutcome = z.strictObject({
  backend: z.string(),
  verdict: z.enum(["same", "differs", "failed", "unavailable"]),
  reason: z.string().nullable().describe("why it failed or is unavailable"),
  taps: z.array(tap.pick({ id: true, mode: true, verdict: true, maxAbs: true, ratio: true })),
});

const fault = z.strictObject({
  component: z.enum([
    "pipeline",
    "weights",
    "model",
    "loss",
    "post",
    "integration",
    "framework",
    "reference",
  ]),
  reference: z
    .string()
    .exactOptional()
    .describe("with component reference: which reference is accused"),
  layer: index.nullable().describe("index of the layer in the original"),
  place: z.string().describe("tap id, weight name or stage"),
  evidence: z.string(),
  cause: z
    .string()
    .nullable()
    .describe("a hypothesis that was tried and made the difference vanish"),
  reproduce: z.string().describe("command line that shows this fault again"),
});

const coverage = z.strictObject({
  taps: count,
  elements: count,
  weights: count,
  covered: names.describe("layers without a tap of their own on which a compared tap depends"),
  uncovered: names.describe("layers that no compared tap depends on"),
  unpaired: names.describe("port taps without a partner"),
  excluded: names.describe("layers left out on request"),
});

/** Schema of the object that `layer-by-layer --json` writes when it could compare. */
export const layerByLayerResultSchema: z.ZodType<LayerByLayerResult> = z.strictObject({
  schema: z.literal(RESULT_SCHEMA),
  verdict: z.enum(["same", "differs"]),
  command: z.string().describe("command line that repeats the run"),
  model: z.string(),
  original: z.string(),
  weights: z.string(),
  inputs: names,
  size: z.strictObject({ width: index, height: index, channels: index, batch: index }),
  inputShapes: z.record(z.string(), shape).describe("every input of the original by name"),
  options: options.describe("options of the port that were taken from the original"),
  reference: z
    .strictObject({ name: z.string(), version: z.string(), options })
    .describe("what the port was compared with: the first reference that is not accused itself"),
  references: z
    .array(
      z.strictObject({
        name: z.string(),
        library: z.string(),
        version: z.string(),
        taps: z.strictObject({ compared: index, total: index }),
        faults: index,
      }),
    )
    .exactOptional()
    .describe("with --reference: every reference, held against the others"),
  backend: z.string(),
  backends: z
    .array(backendOutcome)
    .exactOptional()
    .describe("with --backend all: what each back-end came to"),
  tolerance: z.string(),
  coverage,
  weightsChecked: z.enum(["verified", "asked-for"]),
  alignment: z.strictObject({
    by: z.enum(["id", "provenance", "shape"]),
    pairs: z.array(z.strictObject({ port: z.string(), reference: z.string() })),
  }),
  taps: z.array(tap),
  faults: z.array(fault),
  warnings: names,
  timings: z
    .strictObject({
      read: milliseconds,
      lower: milliseconds,
      reference: milliseconds,
      port: milliseconds,
      compare: milliseconds,
      total: milliseconds,
    })
    .describe("milliseconds"),
  memory: z.strictObject({
    peak: index.nullable().describe("bytes of all processes together"),
  }),
});

/** Schema of what is written on exit status 2 and 3. */
export const errorResultSchema: z.ZodType<ErrorResult> = z.strictObject({
  schema: z.literal(RESULT_SCHEMA),
  verdict: z.literal("error"),
  error: z.strictObject({ code: z.string(), message: z.string() }),
});

/** Schema of everything that `layer-by-layer --json` writes. */
export const layerByLayerJsonSchema: z.ZodType<LayerByLayerResult | ErrorResult> = z
  .union([layerByLayerResultSchema, errorResultSchema])
  .meta({ title: "Result of difftest layer-by-layer" });

/** The JSON Schema (draft 2020-12) of {@link layerByLayerJsonSchema}, as it lies in `schema/`. */
export function layerByLayerJsonSchemaText(): string {
  return `${JSON.stringify(z.toJSONSchema(layerByLayerJsonSchema), null, 2)}\n`;
}
