import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Operation } from "../../src/architecture/architecture.js";
import type { AttributesByKind, OperationKind } from "../../src/architecture/attributes.js";
import {
  architectureFromDarknet,
  type DarknetArchitecture,
} from "../../src/formats/darknet/architecture.js";
import { parseDarknetConfig } from "../../src/formats/darknet/config.js";
import { readNpy } from "../../src/formats/npy/npy-reader.js";
import { familyOf } from "../../src/operators/families.js";
import { sizeOf, type Tensor, tensor } from "../../src/tensor/tensor.js";
import { distance } from "./family-laws.js";
import { judge, runFamily } from "./run-family.js";

const shared = process.env["DIFFTEST_SHARED"];
const root = join(shared ?? "", "darknet-conformance", "cases");

/** What this file is about: operations that only combine, move and normalise. */
const KINDS: ReadonlySet<OperationKind> = new Set([
  "pool",
  "global-pool",
  "channel-max",
  "concat",
  "slice",
  "merge",
  "linear-combination",
  "weighted-sum",
  "fit",
  "upsample",
  "sum-blocks",
  "resize",
  "reorg",
  "space-to-depth",
  "crop",
  "reshape",
  "transpose",
  "identity",
  "constant",
  "parameter",
  "softmax",
  "l2-norm",
  "lrn",
  "channel-normalize",
  "head",
]); // prettier-ignore

interface Manifest {
  readonly id: string;
  readonly area: string;
  readonly oracle: { readonly name: string };
  readonly referenceBug?: string;
  readonly inputs: readonly { readonly file: string }[];
  readonly weights?: { readonly floats: number };
  readonly layers: readonly { readonly index: number; readonly file?: string }[];
  readonly disagrees?: readonly {
    readonly oracle: string;
    readonly layers?: readonly { readonly index: number; readonly file?: string }[];
  }[];
}

/** One recording of a case: by its own oracle, or by the other library where that one differs. */
interface Recording {
  readonly id: string;
  readonly dialect: "alexeyab" | "pjreddie";
  readonly manifest: Manifest;
  readonly layers: Manifest["layers"];
}

function recordings(): Recording[] {
  if (shared === undefined) return [];
  return readdirSync(root).flatMap((id) => {
    const text = readFileSync(join(root, id, "manifest.json"), "utf8");
    const manifest = JSON.parse(text) as Manifest;
    if (!"AB".includes(manifest.area) || !existsSync(join(root, id, "net.cfg"))) return [];
    const others = manifest.disagrees?.filter(({ oracle }) => oracle === "pjreddie") ?? [];
    const own = { id, manifest, layers: manifest.layers };
    const other = others.flatMap(({ layers }) => (layers === undefined ? [] : [layers]));
    return [
      ...(manifest.referenceBug === undefined
        ? [
            {
              ...own,
              dialect: manifest.oracle.name === "pjreddie" ? "pjreddie" : "alexeyab",
            } as const,
          ]
        : []),
      ...other.map((layers) => ({ id, manifest, layers, dialect: "pjreddie" }) as const),
    ];
  });
}

function npy(id: string, file: string): Tensor {
  const value = readNpy(readFileSync(join(root, id, file)), file);
  if (value.dtype !== "float32") throw new Error(`${file}: ${value.dtype}`);
  return value;
}

/** Named weights of a file of the suite: a header of 20 bytes, then all floats in order. */
function weightsOf(id: string, architecture: DarknetArchitecture): Map<string, Tensor> {
  const bytes = readFileSync(join(root, id, "net.weights"));
  const floats = new Float32Array(
    bytes.buffer.slice(bytes.byteOffset + 20, bytes.byteOffset + bytes.byteLength),
  );
  const weights = new Map<string, Tensor>();
  let at = 0;
  for (const { name, shape } of architecture.weights) {
    weights.set(name, tensor(shape, floats.slice(at, at + sizeOf(shape))));
    at += sizeOf(shape);
  }
  return weights;
}

type Run = (operation: Operation, inputs: readonly Tensor[]) => Promise<Tensor>;

/** Runs one layer from what the library recorded of the layers before it. */
async function layerValue(
  operations: readonly Operation[],
  recorded: ReadonlyMap<string, Tensor>,
  run: Run,
): Promise<Tensor> {
  const values = new Map(recorded);
  let last: Tensor | undefined;
  for (const operation of operations) {
    const inputs = operation.inputs.map((name) => values.get(name) as Tensor);
    last = await run(operation, inputs);
    expect(last.shape, operation.id).toEqual(operation.shape);
    values.set(operation.id, last);
  }
  return last as Tensor;
}

type Edit = (operation: Operation) => Operation;

/** Layers of a recording with an operation of {@link KINDS}: how many, how far off, of which kinds. */
async function checkRecording(
  { id, dialect, manifest, layers }: Recording,
  edit: Edit = (operation) => operation,
): Promise<{ checked: OperationKind[][]; worst: number }> {
  const config = parseDarknetConfig(readFileSync(join(root, id, "net.cfg")), "net.cfg");
  const input = npy(id, manifest.inputs[0]?.file ?? "");
  const architecture = architectureFromDarknet(config, { dialect, batch: input.shape[0] ?? 1 });
  const weights = weightsOf(id, architecture);
  const recorded = new Map([["input", input]]);
  const files = new Map([...manifest.layers, ...layers].map(({ index, file }) => [index, file]));
  const byId = new Map(architecture.operations.map((operation) => [operation.id, operation]));
  const caseOf = (operation: Operation, inputs: readonly Tensor[]) => ({
    family: familyOf(operation.kind),
    attributes: operation.attributes,
    inputs,
    weights: Object.fromEntries(
      Object.entries(operation.weights).map(([role, name]) => [role, weights.get(name) as Tensor]),
    ),
  });
  const nodes: Run = (operation, inputs) => runFamily(caseOf(operation, inputs));
  const definition: Run = async (operation, inputs) =>
    tensor(operation.shape, Float32Array.from(judge(caseOf(operation, inputs))));
  const checked: OperationKind[][] = [];
  let worst = 0;
  for (const layer of architecture.layers) {
    const file = files.get(layer.index);
    if (file === undefined) break;
    const expected = npy(id, file);
    const operations = layer.operations.map((name) => edit(byId.get(name) as Operation));
    if (operations.some(({ kind }) => KINDS.has(kind))) {
      for (const run of [nodes, definition]) {
        const value = await layerValue(operations, recorded, run);
        worst = Math.max(worst, distance(value.data, expected.data));
      }
      checked.push(operations.map(({ kind }) => kind));
    }
    const shape = operations.at(-1)?.shape ?? expected.shape;
    recorded.set(layer.id, tensor(shape, expected.data));
  }
  return { checked, worst };
}

/** "Judging" in the suite's README. */
const TOLERANCE = 2e-5;

interface Fault {
  readonly kind: OperationKind;
  readonly words: string;
  readonly edit: Edit;
}

/** A mistake in the attributes of one kind of operation. */
function fault<K extends OperationKind>(
  kind: K,
  words: string,
  change: (attributes: AttributesByKind[K]) => object,
): Fault {
  const edit: Edit = (operation) => {
    if (operation.kind !== kind) return operation;
    const attributes = operation.attributes as AttributesByKind[K];
    return { ...operation, attributes: { ...attributes, ...change(attributes) } } as Operation;
  };
  return { kind, words, edit };
}

/** Porting mistakes that leave the shapes as they are: the comparison must see each of them. */
const FAULTS: readonly Fault[] = [
  fault("pool", "pads on the other side", ({ pads: { top, left, bottom, right } }) => ({
    pads: { top: bottom, left: right, bottom: top, right: left },
  })),
  fault("pool", "padding counted", () => ({ countPadding: true })),
  fault("global-pool", "maximum for mean", () => ({ mode: "max" })),
  fault("slice", "the other group", ({ start, end }) =>
    start === 0 ? { start: end, end: 2 * end } : { start: 0, end: end - start },
  ),
  fault("merge", "maximum for sum or product", () => ({ mode: "maximum" })),
  fault("linear-combination", "no alpha and beta", () => ({ coefficients: [1, 1] })),
  fault("weighted-sum", "weights not normalised", () => ({ normalization: "none" })),
  fault("weighted-sum", "no epsilon", () => ({ epsilon: 0 })),
  fault("fit", "the other library's rule", ({ rule }) => ({
    rule: rule === "flat" ? "grid" : "flat",
  })),
  fault("upsample", "no gain", ({ gain }) => ({ gain: gain === 1 ? 2 : 1 })),
  fault("sum-blocks", "mean for sum", () => ({ gain: 0.25 })),
  fault("softmax", "other temperature", ({ temperature }) => ({ temperature: temperature + 1 })),
  fault("l2-norm", "epsilon", () => ({ epsilon: 0.01 })),
  fault("lrn", "the paper's window", () => ({ rule: "exact" })),
  fault("channel-normalize", "no epsilon", () => ({ epsilon: 0 })),
  fault("crop", "no adjustment", () => ({ gain: 1, offset: 0 })),
  fault("head", "one logistic plane less", ({ logistic }) => ({ logistic: logistic.slice(1) })),
  fault("head", "no scale_x_y", ({ affine }) => ({ affine: { ...affine, scale: 1, offset: 0 } })),
  fault("head", "softmax forgotten", () => ({ softmaxClasses: false })),
  fault("head", "cells and planes exchanged", ({ order }) => ({
    order: order === "cells" ? "planes" : "cells",
  })),
  {
    kind: "concat",
    words: "reversed",
    edit: (operation) =>
      operation.kind === "concat"
        ? { ...operation, inputs: operation.inputs.toReversed() }
        : operation,
  },
  {
    kind: "reorg",
    words: "space-to-depth instead",
    edit: (operation) =>
      operation.kind === "reorg" && !operation.attributes.reverse
        ? {
            ...operation,
            kind: "space-to-depth",
            attributes: { stride: operation.attributes.stride },
          }
        : operation,
  },
];

/** Kinds of operations that a recording has. */
function kindsOf({ id, dialect }: Recording): ReadonlySet<OperationKind> {
  const config = parseDarknetConfig(readFileSync(join(root, id, "net.cfg")), "net.cfg");
  return new Set(architectureFromDarknet(config, { dialect }).operations.map(({ kind }) => kind));
}

describe.skipIf(shared === undefined)("recorded Darknet layers (needs DIFFTEST_SHARED)", () => {
  const all = recordings();

  it.each(all.map((recording) => [recording.id, recording.dialect, recording] as const))(
    "%s by %s",
    async (_, __, recording) => {
      const { checked, worst } = await checkRecording(recording);
      const wanted = [...kindsOf(recording)].filter((kind) => KINDS.has(kind));
      expect(checked.flat()).toEqual(expect.arrayContaining(wanted));
      expect(worst).toBeLessThanOrEqual(TOLERANCE);
    },
  );

  it("are there for every kind that Darknet has", () => {
    const recorded = new Set(all.flatMap((recording) => [...kindsOf(recording)]));
    expect([...KINDS].filter((kind) => !recorded.has(kind))).toEqual(["resize", "transpose"]);
  });

  it.each(FAULTS.map(({ kind, words, edit }) => [kind, words, edit] as const))(
    "show a fault in %s: %s",
    async (kind, _, edit) => {
      const distances = [];
      for (const recording of all.filter((candidate) => kindsOf(candidate).has(kind)))
        distances.push((await checkRecording(recording, edit)).worst);
      expect(Math.max(...distances)).toBeGreaterThan(10 * TOLERANCE);
    },
  );
});
