import { basename } from "node:path";
import type { Json } from "../../checks/result.js";
import { type OnnxModel, openOnnxModel } from "../../formats/onnx/model-reader.js";
import {
  INSPECTION_SCHEMA,
  type Inspection,
  type InspectionSection,
} from "../../report/inspection.js";
import type { Inspector, InspectRequest } from "./inspector.js";
import { lookedAt, TensorLook } from "./tensor-look.js";

/** `.onnx`, with or without external data. */
export const onnxInspector: Inspector = {
  id: ".onnx",
  claims: (path) => /\.onnx$/i.test(path),
  inspect,
};

function inspect({ path, taps }: InspectRequest): Inspection {
  const model = openOnnxModel(path);
  const look = new TensorLook();
  for (const tensor of model.weights.tensors) look.add(lookedAt(tensor, path));
  look.finish();
  const opsets = [...model.opsets].map(([domain, version]) => `${domain || "ai.onnx"} ${version}`);
  return {
    schema: INSPECTION_SCHEMA,
    file: path,
    format: "ONNX model",
    bytes: model.bytes.byteLength,
    facts: {
      ...(model.producer === "" ? {} : { "written by": model.producer }),
      "IR version": model.irVersion,
      opsets,
      inputs: model.inputs.map(valueText),
      outputs: model.outputs.map(valueText),
      nodes: model.proto.graph?.node?.length ?? 0,
      tensors: model.weights.tensors.length,
      parameters: look.elements,
    },
    sections: [
      operatorSection(model),
      ...(taps ? [tapSection(model)] : []),
      { name: "tensors", rows: look.rows },
    ],
    warnings: [
      ...model.nested.map(nestedText),
      ...model.unreadable.map(
        ({ name, dataType }) => `${name}: its element type ${dataType} cannot be read here`,
      ),
      ...look.warnings,
    ],
  };
}

function valueText({ name, shape, dtype }: OnnxModel["inputs"][number]): string {
  const sizes = shape === null ? "any shape" : shape.map((size) => size ?? "?").join("x");
  return `${name} ${sizes === "" ? "scalar" : sizes} ${dtype ?? "no tensor"}`;
}

function operatorSection(model: OnnxModel): InspectionSection {
  const counts = new Map<string, number>();
  for (const { op_type: type = "", domain = "" } of model.proto.graph?.node ?? []) {
    const name = domain === "" || domain === "ai.onnx" ? type : `${domain}.${type}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const rows = [...counts].sort().map(([operator, nodes]) => ({ operator, nodes }));
  return { name: "operators", rows };
}

function tapSection({ taps }: OnnxModel): InspectionSection {
  const rows = taps
    .filter(({ tensor }) => tensor)
    .map(
      ({ name, opType, nodeName, graphOutput }): Record<string, Json> => ({
        tap: name,
        operator: opType,
        node: nodeName,
        output: graphOutput ? "yes" : "",
      }),
    );
  return { name: "taps", rows };
}

/** What lies where no tap reaches. */
export function nestedText(code: OnnxModel["nested"][number]): string {
  const [what, where] =
    code.kind === "body"
      ? [`the ${code.attribute} of ${code.opType}`, code.tappable]
      : [`the function ${basename(code.name)}`, code.tappable];
  const reach = where.length === 0 ? "" : `; ${where.slice(0, 5).join(", ")} can`;
  return `${code.nodes} nodes lie inside ${what} and cannot be tapped${reach}`;
}
