import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { jsonNumber, numberFromJson, RESULT_SCHEMA } from "../../src/checks/result.js";
import {
  layerByLayerJsonSchema,
  layerByLayerJsonSchemaText,
} from "../../src/report/result-schema.js";
import { sampleResult, sampleTap } from "./sample-result.js";

const file = new URL("../../schema/layer-by-layer.schema.json", import.meta.url);
const committed = readFileSync(file, "utf8");
const validate = new Ajv2020().compile(JSON.parse(committed));
const error = { schema: RESULT_SCHEMA, verdict: "error", error: { code: "option", message: "m" } };

describe("schema/layer-by-layer.schema.json", () => {
  it("is what scripts/generate-schema.ts writes", () => {
    expect(committed).toBe(layerByLayerJsonSchemaText());
  });

  it.each([
    ["a result", sampleResult()],
    ["a tap with numbers that are none", sampleResult({ taps: [sampleTap({ maxAbs: "NaN" })] })],
    ["an error", error],
  ])("accepts %s, as the zod schema does", (_, json) => {
    expect(validate(JSON.parse(JSON.stringify(json)))).toBe(true);
    expect(layerByLayerJsonSchema.safeParse(json).success).toBe(true);
  });

  it.each([
    ["an unknown verdict", { ...sampleResult(), verdict: "fine" }],
    ["a missing field", { ...sampleResult(), coverage: undefined }],
    ["a field that nobody documented", { ...sampleResult(), extra: 1 }],
    ["a NaN that JSON made null", { ...sampleResult(), timings: { total: Number.NaN } }],
    ["another version", { ...error, schema: "difftest/layer-by-layer/0" }],
  ])("refuses %s, as the zod schema does", (_, json) => {
    expect(validate(JSON.parse(JSON.stringify(json)))).toBe(false);
    expect(layerByLayerJsonSchema.safeParse(json).success).toBe(false);
  });
});

describe("jsonNumber", () => {
  it("survives JSON for every float", () => {
    fc.assert(
      fc.property(fc.double(), (value) => {
        const back = numberFromJson(JSON.parse(JSON.stringify(jsonNumber(value))));
        expect(back).toBe(value === 0 ? 0 : value);
      }),
    );
  });
});
