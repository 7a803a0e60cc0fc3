import type { Architecture, ArchitectureInput } from "../../architecture/architecture.js";
import type { ModelSpec } from "../../formats/keras/config-types.js";
import type { ReadOptions } from "../../inputs/read-inputs.js";
import type { BuiltInModel } from "../../models/registry.js";
import type { EmbeddedReference } from "../../references/onnxruntime/embedded-reference.js";
import type { OnnxRuntimeProcess } from "../../references/onnxruntime/onnxruntime-process.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { WeightStore } from "../../weights/weight-store.js";
import type { ResolvedOptions } from "../options.js";
import type { Json } from "../result.js";

/** The weights and what reading them said. */
export interface OpenedWeights {
  readonly store: WeightStore;
  /** As it is told in the result: the file, or `synthetic:SEED,gain=G`. */
  readonly name: string;
  readonly warnings: readonly string[];
  /** With `--partial`: index of the last layer the file has weights for; else `null`. */
  readonly lastLayer: number | null;
}

/** The original as its files describe it. */
export interface Original {
  readonly architecture: Architecture;
  /** Its file, as a user would name it. */
  readonly name: string;
  readonly model: BuiltInModel | null;
  /** Of the first input that can be an image, in pixels; zeros where there is none. */
  readonly network: { readonly width: number; readonly height: number; readonly channels: number };
  /** What changes the port's shapes: classes, anchors, masks. */
  readonly portOptions: Readonly<Record<string, Json>>;
  /** What the reference was told, for the result. */
  readonly referenceOptions: Readonly<Record<string, Json>>;
  readonly warnings: readonly string[];
  /** What a Keras file says of its model, for TensorFlow.js' importer. */
  readonly keras?: { readonly model: ModelSpec; readonly config: Json };
  /** How sources of an input are read. */
  readonly inputOptions: (input: ArchitectureInput) => ReadOptions;
  /**
   * The weights asked for with `--weights`, else the original's own, else made-up ones.
   *
   * @throws {InputError} when the file is missing, damaged or of another model
   */
  readonly openWeights: () => OpenedWeights | Promise<OpenedWeights>;
  /**
   * Runs the original as it is, where it is not lowered: only then its layers and shapes are known, and
   * the architecture above has none.
   *
   * @throws {InputError} when the runtime cannot run it, or not on these inputs
   */
  readonly run?: (
    process: OnnxRuntimeProcess,
    inputs: ReadonlyMap<string, Tensor>,
  ) => Promise<OriginalRun>;
}

/** What is known of an original once it can be asked. */
export interface OriginalRun {
  readonly architecture: Architecture;
  readonly reference: EmbeddedReference;
  readonly warnings: readonly string[];
}

/** What to open, and how. */
export interface OpenRequest {
  /** A path as given, or that of a built-in model's own file. */
  readonly path: string;
  /** What messages call it. */
  readonly name: string;
  readonly model: BuiltInModel | null;
  readonly options: ResolvedOptions;
}

/** One kind of file that describes a model. */
export interface OriginalFormat {
  /** For messages: `Keras model (.keras, .h5, .json)`. */
  readonly id: string;
  /** A cheap guess from the name and the first bytes (4096 are given); cannot fail. Exactly one format may claim a file. */
  readonly claims: (path: string, head: Uint8Array) => boolean;
  /** @throws {InputError} when the file cannot be read as what it claims to be */
  readonly open: (request: OpenRequest) => Original | Promise<Original>;
}
