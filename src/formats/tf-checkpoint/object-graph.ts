import { InputError } from "../../errors.js";
import { bytesField, int32Field, readMessage, stringField } from "./protobuf.js";

/** The tensor that holds the object graph. */
export const OBJECT_GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH";

/**
 * One object that was saved: a model, a layer, an optimizer, a variable.
 *
 * @see tensorflow/core/protobuf/trackable_object_graph.proto
 */
interface GraphNode {
  /** Attribute name → position of the object in the list; an object may have several parents. */
  readonly children: ReadonlyMap<string, number>;
  readonly attributes: readonly GraphAttribute[];
  readonly slots: readonly GraphSlot[];
}

/** One tensor of an object. */
interface GraphAttribute {
  /** `VARIABLE_VALUE` for a variable. */
  readonly name: string;
  /** The variable's own name (`conv/kernel`). */
  readonly fullName: string;
  /** Its name in the checkpoint. */
  readonly key: string;
}

/** An optimizer's variable for another variable; nodes by position. */
interface GraphSlot {
  readonly original: number;
  readonly slot: string;
  readonly node: number;
}

/** All objects; the first is the root. */
export type ObjectGraph = readonly GraphNode[];

/**
 * Decodes a `TrackableObjectGraph`.
 *
 * @throws {InputError} `corrupt`, also when a node names one that is not there
 */
export function objectGraph(bytes: Uint8Array, source: string): ObjectGraph {
  const where = `${source}: object graph`;
  const { nodes } = readMessage(bytes, where, { nodes: bytesField(1) });
  return nodes.map((node) => graphNode(node, nodes.length, where));
}

function graphNode(bytes: Uint8Array, count: number, where: string): GraphNode {
  const node = readMessage(bytes, where, {
    children: bytesField(1),
    attributes: bytesField(2),
    slots: bytesField(3),
  });
  const position = (values: readonly number[]): number => {
    const id = values.at(-1) ?? 0;
    if (id >= 0 && id < count) return id;
    throw new InputError("corrupt", `${where}: names node ${id}, expected one of ${count}`);
  };
  return {
    children: new Map(
      node.children.map((child) => {
        const { id, name } = readMessage(child, where, { id: int32Field(1), name: stringField(2) });
        return [name.at(-1) ?? "", position(id)];
      }),
    ),
    attributes: node.attributes.map((attribute) => {
      const fields = { name: stringField(1), fullName: stringField(2), key: stringField(3) };
      const { name, fullName, key } = readMessage(attribute, where, fields);
      return {
        name: name.at(-1) ?? "",
        fullName: fullName.at(-1) ?? "",
        key: key.at(-1) ?? "",
      };
    }),
    slots: node.slots.map((slot) => {
      const fields = { original: int32Field(1), slot: stringField(2), node: int32Field(3) };
      const { original, slot: name, node: id } = readMessage(slot, where, fields);
      return { original: position(original), slot: name.at(-1) ?? "", node: position(id) };
    }),
  };
}
