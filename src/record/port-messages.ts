import type { InputType } from "../architecture/architecture.js";
import type { Json } from "../formats/keras/config-types.js";
import type { BuildContext } from "../port/port.js";
import type { TapPlan } from "../references/tap-plan.js";
import type { Layout } from "../tensor/layout.js";
import type { WeightStoreDescription } from "../weights/weight-store.js";
import type { GivenTolerance, SentTap } from "./tap-examiner.js";

/** Which port: a built-in one by its id, a module, a program (`runner:COMMAND`), or TensorFlow.js itself. */
export type PortSource =
  | { readonly kind: "built-in" | "file" | "runner"; readonly name: string }
  | {
      readonly kind: "tfjs";
      /** What messages call it. */
      readonly name: string;
      /** A Keras model in TensorFlow.js' layers format, to be imported with the original's weights. */
      readonly topology: Json;
    }
  | {
      readonly kind: "tfjs-folder";
      readonly name: string;
      /** Of a converted model: `model.json` and its shards. */
      readonly folder: string;
      /** Ids of the original's layers. */
      readonly layers: readonly string[];
    };

/** What a worker is started with: it loads the module and waits for a {@link PortJob}. */
export interface PortStart {
  readonly source: PortSource;
  readonly backend: "wasm" | "node" | "cpu";
  /** For a program. */
  readonly runner: {
    /** Longest time of one call, in milliseconds. */
    readonly timeoutMs: number;
    /** Where its process id is put, an int32: who ends the thread ends the program too. */
    readonly pid: SharedArrayBuffer;
    /** The original's files, for programs that read them themselves. */
    readonly files: { readonly original?: string; readonly weights?: string };
  };
}

/** One run of the port. */
export interface PortJob {
  readonly mode: "isolated" | "cumulative";
  readonly context: BuildContext;
  readonly weights: WeightStoreDescription;
  /** Whether the port's variables are read back and compared with the file. */
  readonly verify: boolean;
  readonly plan: TapPlan;
  readonly states: SharedArrayBuffer;
  /** Where the port's values go: a {@link Handover}. */
  readonly handover: SharedArrayBuffer;
  readonly scratchFd: number;
  /** The model's inputs as the reference gets them, in the original's layout and order. */
  readonly inputs: readonly PortJobInput[];
  /** Layout of the original's rank-4 values. */
  readonly originalLayout: Layout;
  /** The decoded images, where the first input is made of such and the port may preprocess itself. */
  readonly images:
    | readonly { readonly data: Uint8Array; readonly width: number; readonly height: number }[]
    | null;
  readonly tolerance: GivenTolerance | null;
  readonly pairs: Readonly<Record<string, string>>;
  /** The port is built and its variables are compared; it is not run. */
  readonly buildOnly?: boolean;
}

/** One input of the model. */
export interface PortJobInput {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array;
  /** What the numbers mean: the port gets int32 or bool tensors for others than `float`. */
  readonly type: InputType;
  /** Order of its axes, where it has four. */
  readonly layout: Layout;
}

/** What the port's module says about itself, and what it did with the weights. */
export interface PortFacts {
  readonly name: string;
  readonly original: string;
  readonly layout: Layout;
  readonly runtime: "tfjs" | "plain";
  /** A program of its own: how well it computes exp and the like was not measured. */
  readonly foreign: boolean;
  readonly hasVariables: boolean;
  readonly hasPreprocess: boolean;
}

/** One variable of the port against the file. */
export interface WeightRecord {
  readonly name: string;
  /** `asked`: only that it was taken is known. `own`: the port brought its own in another form. */
  readonly state: "equal" | "differs" | "asked" | "own" | "never-asked" | "unknown-name" | "shape";
  readonly evidence: string;
  /** Number of floats. */
  readonly elements: number;
}

/** Messages of the worker. */
export type FromPort = RunMessage | { readonly type: "tap"; readonly sent: SentTap };

/** Those of which a run has one each. */
export type RunMessage =
  | { readonly type: "facts"; readonly facts: PortFacts }
  | { readonly type: "weights"; readonly records: readonly WeightRecord[] }
  | { readonly type: "pipeline"; readonly record: PipelineRecord }
  | {
      readonly type: "done";
      readonly forwardMs: number;
      readonly buildMs: number;
      readonly ignored: readonly string[];
      readonly provenance: Readonly<Record<string, readonly string[]>>;
    }
  | {
      readonly type: "failed";
      /** `forward`: the port's own exception while it ran, after the taps sent so far. */
      readonly kind: "input" | "forward" | "unavailable" | "weights" | "reference" | "bug";
      readonly code: string;
      readonly message: string;
      readonly stack: string;
      readonly place: string;
    };

/** The port's own preprocessing against the reference's input, in the original's layout. */
export interface PipelineRecord {
  readonly shape: readonly number[];
  readonly expectedShape: readonly number[];
  readonly values: Float32Array;
}
