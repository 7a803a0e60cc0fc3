import { range } from "../ops.js";
import type { Value } from "../value.js";
import { type Call, inputOf, inputsOf, type LayerDefinition, tensorArgument } from "./call.js";

/** Whole numbers as positions in rows of 0 and 1, or counts of them, as the layers of categories offer it. */
function encode(call: Call, ids: Value, depth: number): Value {
  const { layer, ops } = call;
  const mode = layer.choice("output_mode", ["int", "one_hot", "multi_hot", "count"], "int");
  if (layer.flag("sparse")) {
    throw layer.refused(
      "unsupported",
      "makes sparse tensors, which are not read; set sparse to false",
    );
  }
  if (mode === "int") return ids;
  const column = ids.rank > 1 && ids.size(-1) === 1;
  const source = mode === "one_hot" && column ? ops.squeeze(ids, -1) : ids;
  const rows = ops
    .binary("equal", ops.expandDims(source, -1), ops.fill([depth], range(0, depth)), "one_hot")
    .as("float");
  if (mode === "one_hot") return rows;
  const axis = source.rank > 1 ? 1 : 0;
  if (mode === "multi_hot") return ops.reduce("maximum", rows, [axis]);
  const weights = tensorArgument(call, "count_weights");
  const counted = weights === undefined ? rows : ops.multiply(rows, ops.expandDims(weights, -1));
  return ops.reduce("sum", counted, [axis], false, "count");
}

function categoryEncoding(call: Call): Value {
  return encode(call, inputOf(call), call.layer.count("num_tokens"));
}

/** Number of boundaries that are not above the value. */
function discretization(call: Call): Value {
  const { layer, ops } = call;
  const x = inputOf(call);
  layer.ignore("num_bins", "epsilon");
  const boundaries = layer.numbers("bin_boundaries");
  const above = ops.binary(
    "greater-equal",
    ops.expandDims(x, -1),
    ops.fill([boundaries.length], boundaries),
  );
  const bins = ops.reduce("sum", above.as("int"), [above.rank - 1], false, "bin");
  return encode(call, bins, boundaries.length + 1);
}

/** Place of a whole number in the vocabulary, behind the places for masked and unknown ones. */
function integerLookup(call: Call): Value {
  const { layer, ops } = call;
  const x = inputOf(call);
  const unknown = layer.count("num_oov_indices", 1, 0);
  const maskToken = layer.optionalNumber("mask_token");
  layer.ignore(
    "vocabulary_dtype",
    "vocabulary_size",
    "salt",
    "idf_weights",
    "encoding",
    "max_values",
  );
  const invert = layer.flag("invert");
  const unknownToken = layer.number("oov_token", -1);
  if (layer.string("oov_method", "floormod") !== "floormod") {
    throw layer.refused(
      "unsupported",
      "spreads unknown numbers by a hash, which is not read; use one place for them",
    );
  }
  const given = layer.raw("vocabulary");
  if (given === null || given === undefined) {
    throw layer.refused(
      "unsupported",
      "keeps its vocabulary outside the configuration, which is not read; give it as a list",
    );
  }
  const vocabulary = layer.numbers("vocabulary");
  if (invert) {
    const masked = maskToken === null ? [] : [maskToken];
    const oov = new Array<number>(unknown).fill(unknownToken);
    return tokensAt(call, x, [...masked, ...oov, ...vocabulary], unknownToken);
  }
  const start = maskToken === null ? 0 : 1;
  const places = vocabulary.map((_, k) => start + unknown + k);
  const same = ops.binary(
    "equal",
    ops.expandDims(x, -1),
    ops.fill([vocabulary.length], vocabulary),
  );
  const found = ops.reduce("any", same, [same.rank - 1], false, "found");
  const place = ops.reduce(
    "sum",
    ops.multiply(same.as("int"), ops.fill([places.length], places, "int")),
    [same.rank - 1],
    false,
    "place",
  );
  const other =
    unknown > 1
      ? ops.add(ops.binary("modulo", x, ops.scalar(unknown, "int")), ops.scalar(start, "int"))
      : ops.scalar(unknown === 0 ? -1 : start, "int");
  const looked = ops.where(found, place, other);
  const masked =
    maskToken === null
      ? looked
      : ops.where(
          ops.binary("equal", x, ops.scalar(maskToken, "int")),
          ops.scalar(0, "int"),
          looked,
        );
  const most = layer.optionalNumber("max_tokens");
  const full = layer.flag("pad_to_max_tokens") && most !== null;
  return encode(call, masked, full ? most : start + unknown + vocabulary.length);
}

/** The other way round: the number at each place, the token for unknown ones beyond the table. */
function tokensAt(
  { layer, ops }: Call,
  x: Value,
  table: readonly number[],
  unknown: number,
): Value {
  layer.ignore("output_mode", "sparse", "max_tokens", "pad_to_max_tokens");
  const last = table.length - 1;
  const inside = ops.binary(
    "and",
    ops.binary("greater-equal", x, ops.scalar(0)),
    ops.binary("less-equal", x, ops.scalar(last)),
  );
  const place = ops.where(inside, x, ops.scalar(0, "int"));
  return ops.where(
    inside,
    ops.gather(ops.fill([table.length], table, "int"), place),
    ops.scalar(unknown, "int"),
  );
}

/** FarmHash of the decimal digits, the rest by the number of bins; a mask value has bin 0 to itself. */
function hashing(call: Call): Value {
  const { layer, ops } = call;
  const x = inputOf(call);
  const bins = layer.count("num_bins");
  const maskValue = layer.optionalNumber("mask_value");
  if (layer.raw("salt") !== null && layer.raw("salt") !== undefined) {
    throw layer.refused(
      "unsupported",
      "hashes with a salt (SipHash), which is not read; leave the salt out",
    );
  }
  const ids = x.type === "float" ? ops.cast(x, "integer", "int") : x;
  const masked = maskValue !== null && bins > 1;
  const hash = ops.emit("farm-hash", [ids], { bins: masked ? bins - 1 : bins }, ids.shape, {
    part: "hash",
    type: "int",
  });
  if (!masked) return encode(call, hash, bins);
  const same = ops.binary("equal", ids, ops.scalar(maskValue, "int"));
  return encode(call, ops.where(same, ops.scalar(0, "int"), ops.affine(hash, 1, 1)), bins);
}

/** One bin for what several features are together. */
function hashedCrossing(call: Call): Value {
  const { layer, ops } = call;
  const inputs = inputsOf(call);
  const [first] = inputs;
  const bins = layer.count("num_bins");
  if (first === undefined || inputs.some(({ type }) => type === "float")) {
    throw layer.refused("format", "crosses something other than whole numbers");
  }
  const hash = ops.emit("cross-hash", inputs, { bins }, first.shape, { part: "hash", type: "int" });
  return encode(call, hash, bins);
}

export const categoryLayers: Readonly<Record<string, LayerDefinition>> = {
  CategoryEncoding: { call: categoryEncoding },
  Discretization: { call: discretization },
  IntegerLookup: { call: integerLookup },
  Hashing: { call: hashing },
  HashedCrossing: { call: hashedCrossing },
};
