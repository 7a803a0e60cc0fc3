import { statSync } from "node:fs";
import type { Json } from "../../checks/result.js";
import { openSafetensors, type SafetensorsFile } from "../../formats/safetensors/reader.js";
import { openTfCheckpoint } from "../../formats/tf-checkpoint/reader.js";
import type { TensorRole } from "../../formats/tf-checkpoint/roles.js";
import { INSPECTION_SCHEMA, type Inspection } from "../../report/inspection.js";
import { isCheckpoint } from "../../weights/named-tensors.js";
import type { Inspector } from "./inspector.js";
import { lookedAt, TensorLook } from "./tensor-look.js";

/** `.safetensors`. */
export const safetensorsInspector: Inspector = {
  id: ".safetensors",
  claims: (path, head) =>
    /\.safetensors$/i.test(path) ||
    (head.length > 9 && head[8] === 0x7b && head[7] === 0 && head[6] === 0),
  inspect: ({ path }) => {
    const file = openSafetensors(path);
    try {
      return inspectSafetensors(path, file);
    } finally {
      file.close();
    }
  },
};

function inspectSafetensors(path: string, file: SafetensorsFile): Inspection {
  const look = new TensorLook();
  for (const tensor of file.tensors) look.add(lookedAt(tensor, path));
  look.finish();
  return {
    schema: INSPECTION_SCHEMA,
    file: path,
    format: "safetensors",
    bytes: statSync(path).size,
    facts: {
      tensors: file.tensors.length,
      parameters: look.elements,
      ...Object.fromEntries([...file.metadata].map(([key, value]) => [`metadata ${key}`, value])),
    },
    sections: [{ name: "tensors", rows: look.rows }],
    warnings: look.warnings,
  };
}

/** A TensorFlow checkpoint: its prefix, `.index` or a data file, its folder, or a SavedModel's folder. */
export const checkpointInspector: Inspector = {
  id: "a TensorFlow checkpoint or SavedModel",
  claims: (path) => isCheckpoint(path),
  inspect: ({ path }) => {
    const file = openTfCheckpoint(path);
    try {
      const roles = file.roles();
      const roleOf = (name: string) => roles.get(name) ?? ({ kind: "weight" } as const);
      const look = new TensorLook((name) => ({ role: roleText(roleOf(name)) }));
      let parameters = 0;
      for (const tensor of file.tensors) {
        const before = look.elements;
        look.add(lookedAt(tensor, path), shortName(tensor.name));
        if (roleOf(tensor.name).kind === "weight") parameters += look.elements - before;
      }
      look.finish();
      const kinds = [...roles.values()].map(({ kind }) => kind);
      return {
        schema: INSPECTION_SCHEMA,
        file: path,
        format: `TensorFlow checkpoint, ${file.format === "v1" ? "V1" : "V2"}`,
        bytes: file.tensors.reduce((sum, { byteLength }) => sum + byteLength, 0),
        facts: {
          shards: file.shards,
          kind: file.objectGraph() === null ? "name based" : "object based",
          tensors: file.tensors.length,
          parameters,
          ...countsOf(kinds),
        },
        sections: [{ name: "tensors", rows: look.rows }],
        warnings: [
          ...look.warnings,
          ...averageWarning(roles),
          ...file.unreadable.map(({ name }) => `${name}: holds values that cannot be read`),
        ],
      };
    } finally {
      file.close();
    }
  },
};

function countsOf(kinds: readonly TensorRole["kind"][]): Record<string, Json> {
  const words = { slot: "optimizer slots", average: "moving averages" } as const;
  return Object.fromEntries(
    Object.entries(words)
      .map(([kind, text]) => [text, kinds.filter((one) => one === kind).length] as const)
      .filter(([, count]) => count > 0),
  );
}

function averageWarning(roles: ReadonlyMap<string, TensorRole>): string[] {
  const averages = [...roles].filter(([, { kind }]) => kind === "average");
  const [first] = averages;
  const raw = [...roles.values()].some(({ kind }) => kind === "weight");
  // The look at the names has told it already where the names say so.
  if (first === undefined || !raw || /ExponentialMovingAverage/.test(first[0])) return [];
  return [
    `${averages.length} moving averages lie beside the weights themselves (${first[0]}): which of both were evaluated?`,
  ];
}

/** Every variable of a checkpoint of objects ends so: nothing is lost without it. */
function shortName(name: string): string {
  return name.replace(/\/\.ATTRIBUTES\/VARIABLE_VALUE$/, "");
}

function roleText(role: TensorRole): string {
  return role.kind === "slot" ? `slot ${role.slot}` : role.kind;
}
