import type { Architecture } from "../../architecture/architecture.js";
import { openSource } from "../../formats/byte-source.js";
import {
  architectureFromDarknet,
  type DarknetArchitecture,
} from "../../formats/darknet/architecture.js";
import { readDarknetConfig } from "../../formats/darknet/config.js";
import {
  INSPECTION_SCHEMA,
  type Inspection,
  type InspectionSection,
} from "../../report/inspection.js";
import { grouped } from "../../report/numbers.js";
import { sizeOf } from "../../tensor/tensor.js";
import type { Inspector, InspectRequest } from "./inspector.js";

/** A Darknet configuration: `.cfg`. */
export const darknetConfigInspector: Inspector = {
  id: ".cfg",
  claims: (path, head) => /\.cfg$/i.test(path) || looksLikeSections(head),
  inspect: (request) => {
    const source = openSource(request.path);
    source.close();
    const architecture = readArchitecture(request.path, request);
    return {
      schema: INSPECTION_SCHEMA,
      file: request.path,
      format: "Darknet configuration",
      bytes: source.byteLength,
      facts: architectureFacts(architecture),
      sections: [
        layerSection(architecture),
        ...(request.taps ? [tapSection(architecture), weightSection(architecture)] : []),
      ],
      warnings: architecture.warnings,
    } satisfies Inspection;
  },
};

/** @throws {InputError} naming file and line */
export function readArchitecture(
  path: string,
  { dialect, lenient }: Pick<InspectRequest, "dialect" | "lenient">,
): DarknetArchitecture {
  return architectureFromDarknet(readDarknetConfig(path), { dialect, lenient });
}

function architectureFacts(architecture: DarknetArchitecture): Inspection["facts"] {
  const stored = storedParameters(architecture);
  const heads = architecture.heads.map(
    ({ id, classes, boxes }) => `${id} (${classes} classes, ${boxes} boxes a cell)`,
  );
  return {
    input: architecture.inputs[0]?.shape ?? [],
    layers: architecture.layers.length,
    outputs: architecture.outputs,
    ...(heads.length === 0 ? {} : { heads }),
    parameters: parametersIn(architecture, () => true),
    "weights file": `${grouped(4 * stored + 20)} bytes (${grouped(4 * stored + 16)} with the old header)`,
  };
}

/** Floats that a .weights file of this architecture holds. */
export function storedParameters({ weights, records }: DarknetArchitecture): number {
  return weights.reduce(
    (sum, { shape }, k) => sum + (records[k]?.file === "absent" ? 0 : sizeOf(shape)),
    0,
  );
}

function layerSection(architecture: Architecture): InspectionSection {
  const shapeOf = new Map(architecture.operations.map(({ id, shape }) => [id, shape]));
  const rows = architecture.layers.map(({ id, index, kind }) => ({
    layer: id,
    kind,
    output: shapeOf.get(id) ?? [],
    parameters: parametersIn(architecture, (layer) => layer === index),
  }));
  return { name: "layers", rows };
}

/** What a port's author needs first: every name that `tap` may be called with. */
function tapSection(architecture: Architecture): InspectionSection {
  const rows = architecture.operations.map(({ id, kind, shape, weights }) => ({
    tap: id,
    kind,
    shape,
    weights: Object.values(weights),
  }));
  return { name: "taps", rows };
}

function weightSection(architecture: Architecture): InspectionSection {
  const rows = architecture.weights.map(({ name, shape }) => ({ weight: name, shape }));
  return { name: "weights", rows };
}

function parametersIn(architecture: Architecture, wanted: (layer: number) => boolean): number {
  return architecture.weights
    .filter(({ layer }) => wanted(layer))
    .reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}

/** Comments and blank lines, then a section. */
function looksLikeSections(head: Uint8Array): boolean {
  return /^(\s|#.*\n|;.*\n)*\[[a-z0-9_]+\]\s*\n/i.test(Buffer.from(head).toString("latin1"));
}
