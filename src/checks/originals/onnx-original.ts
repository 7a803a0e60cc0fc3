import type {
  Architecture,
  ArchitectureInput,
  InputType,
} from "../../architecture/architecture.js";
import { InputError } from "../../errors.js";
import { architectureFromOnnx, type OnnxTrace } from "../../formats/onnx/architecture.js";
import { type OnnxModel, openOnnxModel } from "../../formats/onnx/model-reader.js";
import { refuseSizeBombs } from "../../formats/onnx/size-bombs.js";
import { weightsFromOnnx } from "../../formats/onnx/weights.js";
import { readTensor } from "../../formats/tensor-file.js";
import { OnnxModelReference } from "../../references/onnxruntime/onnx-model-reference.js";
import { OnnxModelRun } from "../../references/onnxruntime/onnx-model-run.js";
import type { Layout } from "../../tensor/layout.js";
import { sizeOf } from "../../tensor/tensor.js";
import { onnxWeights } from "../../weights/onnx-weights.js";
import { openWeightStore } from "../../weights/open-weight-store.js";
import { EMBEDDED } from "../embedded.js";
import { refuseOptions } from "./foreign-options.js";
import { imageReader, imageSizeOf } from "./image-input.js";
import { type DeclaredInput, inputShapes } from "./input-shapes.js";
import type { OpenedWeights, OpenRequest, Original } from "./original.js";

/** An ONNX model: it is run as it is. */
export function openOnnx({ path, name, model: builtIn, options }: OpenRequest): Original {
  refuseOptions(options, ["partial", "lenient", "letterbox", "byName"], "an ONNX model");
  refuseOtherReferences(options.references);
  const model = openOnnxModel(path);
  refuseSizeBombs(model);
  if (
    options.weights !== null &&
    !(options.weights.kind === "file" && options.weights.path === path)
  ) {
    throw new InputError(
      "option",
      `--weights: an ONNX model holds its weights; leave it out, or convert the weights into ${name}`,
    );
  }
  const shapes = inputShapes(name, declaredInputs(model), options, imageAxes);
  const inputs = model.inputs.map(
    (input): ArchitectureInput => ({
      name: input.name,
      shape: shapes[input.name] ?? [],
      type: typeOf(input, name),
      layout: layoutOf(input),
    }),
  );
  const weights = weightsFromOnnx(model);
  const image = inputs
    .map((input) => imageSizeOf(input, input.layout ?? "nchw"))
    .find((size) => size !== null);
  return {
    architecture: {
      name,
      inputs,
      layout: "nchw",
      layers: [],
      operations: [],
      outputs: [],
      weights,
    },
    name,
    model: builtIn,
    network: image ?? { width: 0, height: 0, channels: 0 },
    portOptions: {},
    referenceOptions: { graphOptimizationLevel: "disabled", onnx: producerOf(model) },
    warnings: model.nested.map(nestedText),
    inputOptions: (input) => ({
      letterbox: false,
      type: input.type ?? "float",
      range: rangeOf(model, input.name),
      image: imageReader(input, input.layout ?? "nchw", options.preprocess),
    }),
    openWeights: () => openWeights(path, model, weights),
    run: async (process, values) => {
      const run = await OnnxModelRun.record(process, model, values);
      const numbers = (value: string) => numbersOf(model, run, value);
      const architecture: Architecture = {
        ...architectureFromOnnx(model, inputs, { values: tensorsOf(run), numbers }),
        name,
      };
      const reference = new OnnxModelReference(process, run, architecture);
      return { architecture, reference, warnings: precisionWarnings(name, run) };
    },
  };
}

/** Values that are numbers: text cannot be compared. */
function tensorsOf({ values }: OnnxModelRun): OnnxTrace["values"] {
  return new Map([...values].filter(([, { type }]) => type !== "string"));
}

/** What runs it is the runtime of its own format, or somebody's program that reads it; the libraries of other formats do not. */
function refuseOtherReferences(references: readonly string[]): void {
  const other = references.find((name) => name !== EMBEDDED && !/^(golden|runner):/.test(name));
  if (other === undefined) return;
  throw new InputError(
    "option",
    `--reference ${other}: does not read ONNX models; leave it out (ONNX Runtime runs the model as it is), or give golden:DIR or runner:COMMAND`,
  );
}

function producerOf({ producer, opsets }: OnnxModel): string {
  const set = opsets.get("");
  return [producer, set === undefined ? "" : `operator set ${set}`].filter(Boolean).join(", ");
}

function declaredInputs(model: OnnxModel): DeclaredInput[] {
  return model.inputs.map(({ name, shape }) => ({ name, shape }));
}

/** Where an image has its height and width. */
function imageAxes(input: DeclaredInput): readonly [number, number] | null {
  if (input.shape?.length !== 4) return null;
  return layoutOf(input) === "nhwc" ? [1, 2] : [2, 3];
}

/** Channels are behind the batch, or last where only the last axis can be theirs (models converted from TensorFlow). */
function layoutOf({ shape }: Pick<DeclaredInput, "shape">): Layout {
  const isChannels = (size: number | string | null | undefined) => size === 1 || size === 3;
  return shape?.length === 4 && isChannels(shape[3]) && !isChannels(shape[1]) ? "nhwc" : "nchw";
}

function typeOf({ name, dtype }: OnnxModel["inputs"][number], file: string): InputType {
  if (dtype === null || dtype === "string") {
    throw new InputError(
      "unsupported",
      `${file}: its input "${name}" is ${dtype === null ? "no tensor" : "text"}, which a port cannot be given; start the model behind it`,
    );
  }
  if (dtype === "bool") return "bool";
  return /^u?int/.test(dtype) ? "int" : "float";
}

/** Rows of the table that an input's whole numbers choose from. */
function rangeOf(model: OnnxModel, input: string): number | null {
  const shapes = new Map(model.weights.tensors.map(({ name, shape }) => [name, shape]));
  const rows = (model.proto.graph?.node ?? []).flatMap(({ op_type, input: names = [] }) =>
    op_type === "Gather" && names[1] === input ? [shapes.get(names[0] ?? "")?.[0] ?? null] : [],
  );
  const known = rows.filter((one) => one !== null);
  return known.length === 0 ? null : Math.min(...known);
}

function openWeights(
  path: string,
  model: OnnxModel,
  weights: ReturnType<typeof weightsFromOnnx>,
): OpenedWeights {
  const store = openWeightStore(onnxWeights(model, path, weights));
  return { store, name: path, warnings: [], lastLayer: null };
}

/** Most numbers of one tensor that are read for what they say: axes, sizes, small tables. */
const MAX_NUMBERS = 65_536;

function numbersOf(
  model: OnnxModel,
  run: OnnxModelRun,
  name: string,
): readonly number[] | undefined {
  const value = run.values.get(name);
  if (value !== undefined) {
    return sizeOf(value.shape) > MAX_NUMBERS ? undefined : Array.from(run.read(name)?.data ?? []);
  }
  const stored = model.weights.tensors.find((one) => one.name === name);
  if (stored === undefined || sizeOf(stored.shape) > MAX_NUMBERS || stored.dtype === "string") {
    return undefined;
  }
  return Array.from(readTensor(stored, model.name).data as ArrayLike<number>, Number);
}

/** Models of half precision and quantized ones: what the comparison can mean there. */
function precisionWarnings(name: string, run: OnnxModelRun): string[] {
  const types = [...run.values.values()].map(({ type }) => type);
  const count = (...wanted: string[]) => types.filter((type) => wanted.includes(type)).length;
  const half = count("float16", "bfloat16");
  const bytes = count("int8", "uint8");
  const of = `of its ${types.length} values are`;
  return [
    ...(half === 0
      ? []
      : [
          `${name}: ${half} ${of} of half precision (float16, bfloat16): ONNX Runtime rounds each of them, the port is compared to within the measured noise of that`,
        ]),
    ...(bytes === 0
      ? []
      : [
          `${name}: ${bytes} ${of} quantized: they are compared as whole numbers (equal, or one step apart where rounding may fall either way), what is computed from them as any other value`,
        ]),
  ];
}

function nestedText(code: OnnxModel["nested"][number]): string {
  const what =
    code.kind === "body" ? `the ${code.attribute} of ${code.opType}` : `the function ${code.name}`;
  const reach = code.tappable.length === 0 ? "" : `; ${code.tappable.slice(0, 5).join(", ")} can`;
  return `${code.nodes} nodes lie inside ${what} and cannot be tapped${reach}`;
}
