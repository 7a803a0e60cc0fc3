/** An attribute of an ONNX node. Integers and floats are told apart by the key of the union. */
export type NodeAttribute =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly string: string }
  | { readonly ints: readonly number[] }
  | { readonly floats: readonly number[] };

/** One ONNX node, before it is serialized. */
export interface GraphNode {
  readonly opType: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, NodeAttribute>>;
}

/** A small constant that lies inside the graph. */
export interface GraphConstant {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array | BigInt64Array | Uint8Array;
}

/** Collects the nodes of one ONNX graph; names are unique within it. Values are named by strings. */
export class GraphBuilder {
  readonly nodes: GraphNode[] = [];
  readonly constants: GraphConstant[] = [];
  #count = 0;

  /**
   * Adds a node with one output and returns the output's name.
   *
   * @param output - name of the output; without it a fresh one
   */
  node(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, NodeAttribute>> = {},
    output?: string,
  ): string {
    const name = output ?? this.fresh(opType.toLowerCase());
    this.nodes.push({ opType, inputs, outputs: [name], attributes });
    return name;
  }

  /** A float32 constant; a number becomes a scalar. */
  float(values: number | readonly number[] | Float32Array, shape?: readonly number[]): string {
    const data = typeof values === "number" ? Float32Array.of(values) : Float32Array.from(values);
    const name = this.fresh("const");
    this.constants.push({
      name,
      shape: shape ?? (typeof values === "number" ? [] : [data.length]),
      data,
    });
    return name;
  }

  /** An int64 constant, one axis unless a shape is given. */
  ints(values: readonly number[], shape: readonly number[] = [values.length]): string {
    const name = this.fresh("const");
    this.constants.push({ name, shape, data: BigInt64Array.from(values.map(BigInt)) });
    return name;
  }

  /** A name that no other value of this graph has. */
  fresh(hint: string): string {
    this.#count += 1;
    return `${hint}#${this.#count}`;
  }
}
