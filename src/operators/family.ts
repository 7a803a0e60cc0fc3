import type { OperationOf } from "../architecture/architecture.js";
import type { OperationKind } from "../architecture/attributes.js";
import type { GraphBuilder } from "./graph.js";

/** What a family needs to add its ONNX nodes to a graph. Values are NCHW or flat, float32. */
export interface LowerContext {
  readonly graph: GraphBuilder;
  /** Names of the input values, in the order of the operation's inputs. */
  readonly inputs: readonly string[];
  /** Shapes of the inputs, batch included. */
  readonly inputShapes: readonly (readonly number[])[];
  /** Name of the initializer that holds a weight of this operation; throws for a role it does not have. */
  readonly weight: (role: string) => string;
  /** Name the output must get: the operation's id. */
  readonly output: string;
}

/** How well a back-end computes a function: |computed − exact| ≤ ulp·u·|exact| + absolute. Measured. */
export interface FunctionError {
  readonly ulp: number;
  readonly absolute: number;
}

/** What a family needs to add the nodes that compute a rounding bound for each element of its output. */
export interface BoundContext {
  readonly graph: GraphBuilder;
  readonly inputs: readonly string[];
  readonly inputShapes: readonly (readonly number[])[];
  readonly weight: (role: string) => string;
  /** Name of the value that the operation itself computed. */
  readonly output: string;
  /** Bound of each input, a value of the input's shape, or `null` where the input is exact (it is tapped, or only copied from such). */
  readonly bounds: readonly (string | null)[];
  /**
   * `trigger`: the size rounding has by chance, √K·u·(√Σ(wx)² + |y|) and its like, bounds of inputs added as
   * independent errors; `hard`: what rounding can never exceed, K·u·Σ|w||x| and its like, worst case.
   */
  readonly mode: "trigger" | "hard";
  /** Error of a transcendental on the port's back-end together with the reference's own. */
  readonly functionError: (name: string) => FunctionError;
}

/** Reads values in float64 for the judge. */
export interface ElementContext {
  readonly inputShapes: readonly (readonly number[])[];
  /** Value of input `input` at a multi-index. */
  readonly read: (input: number, index: readonly number[]) => number;
  /** Values of a weight, C order as declared in the attributes. */
  readonly weight: (role: string) => ArrayLike<number>;
}

/** All that is known about one operation. To add an operation is to add such a file and its cases. */
export interface OperatorFamily<K extends OperationKind> {
  readonly kind: K;
  /**
   * Shape of the output, batch included.
   *
   * @throws {RangeError} when the inputs do not fit the attributes
   */
  readonly shape: (
    attributes: OperationOf<K>["attributes"],
    inputs: readonly (readonly number[])[],
  ) => readonly number[];
  /** Adds the ONNX nodes; the last one's output is `context.output`. */
  readonly lower: (operation: OperationOf<K>, context: LowerContext) => void;
  /** Adds the nodes of the bound and returns its name, of the output's shape; `null` where the output is exact because inputs are and nothing rounds. */
  readonly bound: (operation: OperationOf<K>, context: BoundContext) => string | null;
  /** One output element by its definition, in float64: the judge. A few lines anyone can check. */
  readonly element: (
    operation: OperationOf<K>,
    index: readonly number[],
    context: ElementContext,
  ) => number;
  /** About how many float64 multiplications one element costs: the judge's limit. */
  readonly cost: (operation: OperationOf<K>, inputShapes: readonly (readonly number[])[]) => number;
}

/** u: half the distance from 1 to the next float32. */
export const UNIT_ROUNDOFF: number = 2 ** -24;
