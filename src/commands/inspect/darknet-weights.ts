import { configPath } from "../../checks/original.js";
import { type Json, jsonNumber } from "../../checks/result.js";
import { type ByteSource, openSource, refuseForeignContent } from "../../formats/byte-source.js";
import { describeHeader } from "../../formats/darknet/weights-header.js";
import { inspectDarknetWeights } from "../../formats/darknet/weights-inspect.js";
import type { DarknetEntry } from "../../formats/darknet/weights-layout.js";
import { readDarknetWeights } from "../../formats/darknet/weights-reader.js";
import { type BuiltInModel, DARKNET_MODELS } from "../../models/registry.js";
import { INSPECTION_SCHEMA, type Inspection } from "../../report/inspection.js";
import { readArchitecture, storedParameters } from "./darknet-config.js";
import type { Inspector, InspectRequest } from "./inspector.js";
import { StatisticsCollector } from "./statistics.js";

/** A Darknet weights file: `.weights`, with its config or without. */
export const darknetWeightsInspector: Inspector = {
  id: ".weights",
  claims: (path, head) => /\.(weights|backup|conv\.\d+)$/i.test(path) || hasHeader(head),
  inspect: (request) =>
    request.original === null
      ? inspectAlone(request)
      : inspectWithConfig(request, request.original),
};

/** Floats read at a time. */
const CHUNK = 1 << 20;

/** The numbers all together: without a config nobody knows where one tensor ends. */
function inspectAlone({ path, dialect }: InspectRequest): Inspection {
  const { bytes, header, floats, statistics, warnings } = inspectDarknetWeights(path, dialect);
  const { minimum, maximum, mean, deviation, nan, infinite, zero } = statistics;
  return {
    schema: INSPECTION_SCHEMA,
    file: path,
    format: "Darknet weights",
    bytes,
    facts: {
      header: describeHeader(header),
      floats,
      "as many as": builtInModelsOf(floats),
      min: jsonNumber(minimum),
      max: jsonNumber(maximum),
      mean: jsonNumber(mean),
      std: jsonNumber(deviation),
      zeros: zero,
      nan,
      infinite,
    },
    sections: [],
    warnings,
  };
}

/** Built-in models whose originals have as many weights: a hint, no proof. */
function builtInModelsOf(floats: number): string[] {
  const read = (model: BuiltInModel) =>
    readArchitecture(configPath(model), { dialect: "alexeyab", lenient: false });
  return DARKNET_MODELS.filter((model) => storedParameters(read(model)) === floats).map(
    ({ id }) => id,
  );
}

/** Every tensor by name. What the reader would refuse is a warning here: one wants to see it all. */
function inspectWithConfig(request: InspectRequest, original: string): Inspection {
  const architecture = readArchitecture(original, request);
  const source = openSource(request.path);
  try {
    refuseForeignContent(source, "a Darknet weights file");
    const options = { partial: true, lenient: true };
    const contents = readDarknetWeights(request.path, architecture, options);
    const without = contents.layersWithout.join(", ");
    return {
      schema: INSPECTION_SCHEMA,
      file: source.name,
      format: "Darknet weights",
      bytes: source.byteLength,
      facts: {
        original,
        header: describeHeader(contents.header),
        floats: contents.entries.reduce((sum, { stored }) => sum + stored, 0),
        tensors: contents.entries.length,
      },
      sections: [
        { name: "tensors", rows: contents.entries.map((entry) => tensorRow(source, entry)) },
      ],
      warnings: [
        ...contents.warnings,
        ...(without === "" ? [] : [`no weights, or not all, for ${without}`]),
      ],
    };
  } finally {
    source.close();
  }
}

function tensorRow(source: ByteSource, entry: DarknetEntry): Record<string, Json> {
  const collector = new StatisticsCollector();
  addFloats(collector, source, entry.offset, entry.stored);
  const { zeros: _, ...statistics } = collector.result();
  return { weight: entry.name, shape: entry.shape, ...statistics };
}

function addFloats(
  collector: StatisticsCollector,
  source: ByteSource,
  offset: number,
  count: number,
): void {
  for (let at = 0; at < count; at += CHUNK) {
    const length = 4 * Math.min(CHUNK, count - at);
    const bytes = source.read(offset + 4 * at, length, "weights");
    collector.add(new Float32Array(bytes.buffer));
  }
}

/** Versions 0.1 and 0.2, which is what every library of today writes. */
function hasHeader(head: Uint8Array): boolean {
  if (head.byteLength < 16) return false;
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const [major, minor, revision] = [0, 4, 8].map((at) => view.getInt32(at, true));
  return major === 0 && (minor === 1 || minor === 2) && [0, 5].includes(revision ?? -1);
}
