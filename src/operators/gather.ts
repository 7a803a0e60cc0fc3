import { copied } from "./bound-nodes.js";
import type { OperatorFamily } from "./family.js";
import { castTo } from "./nodes-nd.js";

/** Rows of a table chosen by whole numbers: embeddings. The table is the weight, or the first of two inputs. */
export const gatherFamily: OperatorFamily<"gather"> = {
  kind: "gather",
  shape: (_attributes, inputs) => {
    const [table, rows] = inputs;
    if (table === undefined || rows === undefined || table.length === 0) {
      throw new RangeError(`gather: ${inputs.length} inputs, expected a table and row numbers`);
    }
    return [...rows, ...table.slice(1)];
  },
  lower: (_operation, { graph, inputs: [table = "", rows = ""], output }) => {
    graph.node("Gather", [table, castTo(graph, rows, "int64")], { axis: { int: 0 } }, output);
  },
  bound: (_operation, context) => {
    const rows = castTo(context.graph, context.inputs[1] ?? "", "int64");
    return copied(context, (bound) =>
      context.graph.node("Gather", [bound, rows], { axis: { int: 0 } }),
    );
  },
  element: (_operation, index, { inputShapes: [, rows = []], read }) => {
    const row = Math.trunc(read(1, index.slice(0, rows.length)));
    return read(0, [row, ...index.slice(rows.length)]);
  },
  cost: () => 1,
};
