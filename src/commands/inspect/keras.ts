import { readFileSync, statSync } from "node:fs";
import { isHdf5, isKerasArchive, isModelJson } from "../../checks/originals/file-kinds.js";
import type { Json } from "../../checks/result.js";
import { InputError } from "../../errors.js";
import { architectureFromKeras, type KerasArchitecture } from "../../formats/keras/architecture.js";
import { dialectOfConfig, readModelConfig } from "../../formats/keras/config.js";
import type { Json as KerasJson, ModelSpec } from "../../formats/keras/config-types.js";
import type { Hdf5Content, Hdf5Weight } from "../../formats/keras/hdf5-protocol.js";
import { openKerasFile } from "../../formats/keras/keras-file.js";
import { readHdf5 } from "../../formats/keras/read-hdf5.js";
import {
  INSPECTION_SCHEMA,
  type Inspection,
  type InspectionSection,
} from "../../report/inspection.js";
import { sizeOf } from "../../tensor/tensor.js";
import { blankContent } from "../../weights/blank-content.js";
import type { Inspector, InspectRequest } from "./inspector.js";
import { TensorLook } from "./tensor-look.js";

/** Keras: `.keras`, `.h5` with a model or weights alone, `.weights.h5`, or `model.to_json()`. */
export const kerasInspector: Inspector = {
  id: ".keras, .h5",
  claims: (path, head) =>
    isHdf5(head) || isKerasArchive(path, head) || (/\.json$/i.test(path) && isModelJson(head)),
  inspect,
};

/** What is in the file: a model, weights, or both. */
interface Contents {
  readonly model: ModelSpec | null;
  readonly content: Hdf5Content | null;
  readonly kerasVersion: string | null;
}

async function inspect(request: InspectRequest): Promise<Inspection> {
  const { path } = request;
  const { model, content, kerasVersion } = await contentsOf(path);
  const built = model === null ? null : architectureOf(path, model, content);
  const look = new TensorLook();
  for (const weight of weightsOf(content)) look.add(lookedAt(weight, content as Hdf5Content));
  look.finish();
  const stored = weightsOf(content);
  return {
    schema: INSPECTION_SCHEMA,
    file: path,
    format: formatOf(model, content),
    bytes: statSync(path).size,
    facts: {
      ...(kerasVersion === null ? {} : { "written by Keras": kerasVersion }),
      ...(model === null ? {} : { dialect: `Keras ${model.dialect}` }),
      ...architectureFacts(built),
      ...(content === null ? {} : { tensors: stored.length, parameters: look.elements }),
    },
    sections: [
      ...(model === null ? [] : [layerSection(model, built)]),
      ...(request.taps && built !== null && "architecture" in built ? tapSections(built) : []),
      ...(content === null ? [] : [{ name: "tensors", rows: look.rows }]),
    ],
    warnings: [...(built !== null && "refused" in built ? [built.refused] : []), ...look.warnings],
  };
}

async function contentsOf(path: string): Promise<Contents> {
  const head = readFileSync(path).subarray(0, 4096);
  if (isModelJson(head)) {
    const json = JSON.parse(readFileSync(path, "utf8")) as KerasJson;
    return {
      model: readModelConfig(json, dialectOfConfig(json), path),
      content: null,
      kerasVersion: null,
    };
  }
  if (isHdf5(head)) {
    const byteLength = statSync(path).size;
    const content = await readHdf5({ source: { kind: "file", path }, name: path, byteLength });
    const kerasVersion = content.attributes["keras_version"] ?? null;
    if (content.attributes["model_config"] === undefined) {
      return { model: null, content, kerasVersion };
    }
  }
  const { model, content, kerasVersion } = await openKerasFile(path);
  return { model, content, kerasVersion };
}

/** The model as operations, or why it cannot be read as such: one still wants to see the rest. */
function architectureOf(
  path: string,
  model: ModelSpec,
  content: Hdf5Content | null,
): KerasArchitecture | { readonly refused: string } {
  try {
    return architectureFromKeras({ name: path, model, content: content ?? blankContent });
  } catch (error) {
    if (error instanceof InputError) return { refused: error.message };
    throw error;
  }
}

function weightsOf(content: Hdf5Content | null): readonly Hdf5Weight[] {
  if (content === null) return [];
  return content.layout === "layers"
    ? content.layers.flatMap(({ name, weights }) =>
        weights.map((weight) => ({ ...weight, name: qualified(name, weight.name) })),
      )
    : content.store;
}

/** Keras' own names begin with the layer's; where they do not, it is put before. */
function qualified(layer: string, name: string): string {
  return name.startsWith(`${layer}/`) ? name : `${layer}/${name}`;
}

function lookedAt({ name, shape, dtype, offset }: Hdf5Weight, { values }: Hdf5Content) {
  return {
    name,
    shape,
    dtype,
    values: () => new Float32Array(values, 4 * offset, sizeOf(shape)),
  };
}

function formatOf(model: ModelSpec | null, content: Hdf5Content | null): string {
  if (model === null) return "Keras weights (HDF5)";
  return content === null ? "Keras model, architecture alone" : "Keras model";
}

function architectureFacts(
  built: KerasArchitecture | { readonly refused: string } | null,
): Record<string, Json> {
  if (built === null || !("architecture" in built)) return {};
  const { architecture, inputTypes } = built;
  const inputs = architecture.inputs.map(
    ({ name, shape }) => `${name} ${shape.join("x")} ${inputTypes[name] ?? "float"}`,
  );
  return { inputs, layers: architecture.layers.length, outputs: architecture.outputs };
}

function layerSection(
  model: ModelSpec,
  built: KerasArchitecture | { readonly refused: string } | null,
): InspectionSection {
  if (built === null || !("architecture" in built)) {
    const rows = model.layers.map(({ name, className }) => ({ layer: name, kind: className }));
    return { name: "layers", rows };
  }
  const { architecture } = built;
  const shapes = new Map(architecture.operations.map(({ id, shape }) => [id, shape]));
  const specs = new Map(architecture.weights.map((spec) => [spec.name, sizeOf(spec.shape)]));
  const rows = architecture.layers.map(({ id, kind, operations }) => {
    const own = new Set(operations);
    const names = architecture.operations
      .filter((operation) => own.has(operation.id))
      .flatMap(({ weights }) => Object.values(weights));
    const parameters = [...new Set(names)].reduce((sum, name) => sum + (specs.get(name) ?? 0), 0);
    return { layer: id, kind, output: shapes.get(id) ?? [], parameters };
  });
  return { name: "layers", rows };
}

function tapSections({ architecture }: KerasArchitecture): InspectionSection[] {
  return [
    {
      name: "taps",
      rows: architecture.operations.map(({ id, kind, shape, weights }) => ({
        tap: id,
        kind,
        shape,
        weights: Object.values(weights),
      })),
    },
    {
      name: "weights",
      rows: architecture.weights.map(({ name, shape, role }) => ({ weight: name, shape, role })),
    },
  ];
}
