/** Writes `schema/layer-by-layer.schema.json` from the zod schema (`npm run schema`); a test checks that it is current. */
import { mkdirSync, writeFileSync } from "node:fs";
import { layerByLayerJsonSchemaText } from "../src/report/result-schema.js";

mkdirSync("schema", { recursive: true });
writeFileSync("schema/layer-by-layer.schema.json", layerByLayerJsonSchemaText());
