import type { AttributeProto, ModelProto, NodeProto } from "./schema.js";

/** Nodes that are not in the main graph: their values cannot be tapped, those of the node around them can. */
export type NestedCode =
  | {
      readonly kind: "body";
      /** The operator (`If`, `Loop`, `Scan`, …) and the attribute that holds the body (`then_branch`). */
      readonly opType: string;
      readonly attribute: string;
      /** Names of the outputs of the node of the main graph: these can be tapped. */
      readonly tappable: readonly string[];
      /** Number of nodes inside, bodies within it included. */
      readonly nodes: number;
    }
  | {
      readonly kind: "function";
      readonly domain: string;
      readonly name: string;
      /** Outputs of the nodes of the main graph that call it. */
      readonly tappable: readonly string[];
      readonly nodes: number;
    };

/** All control-flow bodies and functions of a model. */
export function nestedCode(proto: ModelProto): NestedCode[] {
  const nodes = proto.graph?.node ?? [];
  return [
    ...nodes.flatMap(bodiesOf),
    ...(proto.functions ?? []).map((definition): NestedCode => {
      const { name = "", domain = "", node = [] } = definition;
      const calls = nodes.filter((call) => call.op_type === name && (call.domain ?? "") === domain);
      return {
        kind: "function",
        domain,
        name,
        tappable: calls.flatMap(outputsOf),
        nodes: count(node),
      };
    }),
  ];
}

function bodiesOf(node: NodeProto): NestedCode[] {
  return (node.attribute ?? []).flatMap((attribute) =>
    graphsOf(attribute).map(
      (graph): NestedCode => ({
        kind: "body",
        opType: node.op_type ?? "",
        attribute: attribute.name ?? "",
        tappable: outputsOf(node),
        nodes: count(graph.node ?? []),
      }),
    ),
  );
}

function outputsOf(node: NodeProto): string[] {
  return (node.output ?? []).filter((name) => name !== "");
}

function graphsOf({ g, graphs }: AttributeProto) {
  return [...(g ? [g] : []), ...(graphs ?? [])];
}

/** Deep, but no deeper than protobufjs reads (100 messages). */
function count(nodes: readonly NodeProto[]): number {
  return nodes.reduce((sum, node) => {
    const inner = (node.attribute ?? []).flatMap(graphsOf);
    return sum + 1 + inner.reduce((total, graph) => total + count(graph.node ?? []), 0);
  }, 0);
}
