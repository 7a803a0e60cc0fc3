import type { OperationKind } from "../architecture/attributes.js";
import { activationFamily } from "./activation.js";
import { batchNormFamily } from "./batch-norm.js";
import { binaryFamily } from "./binary.js";
import { blurFamily } from "./blur.js";
import { castFamily } from "./cast.js";
import { channelMaxFamily } from "./channel-max.js";
import { channelNormalizeFamily } from "./channel-normalize.js";
import { concatFamily } from "./concat.js";
import { constantFamily } from "./constant.js";
import { contractFamily } from "./contract.js";
import { convFamily } from "./conv.js";
import { convNdFamily } from "./conv-nd.js";
import { convTransposeFamily } from "./conv-transpose.js";
import { convTransposeNdFamily } from "./conv-transpose-nd.js";
import { cropFamily } from "./crop.js";
import { crossHashFamily } from "./cross-hash.js";
import { denseFamily } from "./dense.js";
import { elementwiseFamily } from "./elementwise.js";
import { expandFamily } from "./expand.js";
import type { OperatorFamily } from "./family.js";
import { farmHashFamily } from "./farm-hash.js";
import { fillFamily } from "./fill.js";
import { fitFamily } from "./fit.js";
import { gatherFamily } from "./gather.js";
import { globalPoolFamily } from "./global-pool.js";
import { headFamily } from "./head.js";
import { identityFamily } from "./identity.js";
import { l2NormFamily } from "./l2-norm.js";
import { linearCombinationFamily } from "./linear-combination.js";
import { localFamily } from "./local.js";
import { lrnFamily } from "./lrn.js";
import { mergeFamily } from "./merge.js";
import { padFamily } from "./pad.js";
import { parameterFamily } from "./parameter.js";
import { poolFamily } from "./pool.js";
import { poolNdFamily } from "./pool-nd.js";
import { reduceFamily } from "./reduce.js";
import { reorgFamily } from "./reorg.js";
import { resampleFamily } from "./resample.js";
import { reshapeFamily } from "./reshape.js";
import { resizeFamily } from "./resize.js";
import { sliceFamily } from "./slice.js";
import { softmaxFamily } from "./softmax.js";
import { sortFamily } from "./sort.js";
import { spaceToDepthFamily } from "./space-to-depth.js";
import { stateFamily } from "./state.js";
import { sumBlocksFamily } from "./sum-blocks.js";
import { takeFamily } from "./take.js";
import { transposeFamily } from "./transpose.js";
import { upsampleFamily } from "./upsample.js";
import { viewFamily } from "./view.js";
import { weightFamily } from "./weight.js";
import { weightedSumFamily } from "./weighted-sum.js";
import { whereFamily } from "./where.js";

/** Every family by its kind: the one list of what difftest can lower, bound and judge. */
export const FAMILIES: { readonly [K in OperationKind]?: OperatorFamily<K> } = {
  activation: activationFamily,
  "batch-norm": batchNormFamily,
  binary: binaryFamily,
  blur: blurFamily,
  cast: castFamily,
  "channel-max": channelMaxFamily,
  "channel-normalize": channelNormalizeFamily,
  concat: concatFamily,
  constant: constantFamily,
  contract: contractFamily,
  conv: convFamily,
  "conv-nd": convNdFamily,
  "conv-transpose": convTransposeFamily,
  "conv-transpose-nd": convTransposeNdFamily,
  crop: cropFamily,
  "cross-hash": crossHashFamily,
  dense: denseFamily,
  elementwise: elementwiseFamily,
  expand: expandFamily,
  "farm-hash": farmHashFamily,
  fill: fillFamily,
  fit: fitFamily,
  gather: gatherFamily,
  "global-pool": globalPoolFamily,
  head: headFamily,
  identity: identityFamily,
  "l2-norm": l2NormFamily,
  "linear-combination": linearCombinationFamily,
  local: localFamily,
  lrn: lrnFamily,
  merge: mergeFamily,
  pad: padFamily,
  parameter: parameterFamily,
  pool: poolFamily,
  "pool-nd": poolNdFamily,
  reduce: reduceFamily,
  reorg: reorgFamily,
  resample: resampleFamily,
  reshape: reshapeFamily,
  resize: resizeFamily,
  slice: sliceFamily,
  softmax: softmaxFamily,
  sort: sortFamily,
  "space-to-depth": spaceToDepthFamily,
  state: stateFamily,
  "sum-blocks": sumBlocksFamily,
  take: takeFamily,
  transpose: transposeFamily,
  upsample: upsampleFamily,
  view: viewFamily,
  weight: weightFamily,
  "weighted-sum": weightedSumFamily,
  where: whereFamily,
};

/**
 * The family of a kind, typed for an operation whose kind is not known to the compiler.
 *
 * @throws {RangeError} for a kind without a family
 */
export function familyOf(kind: OperationKind): OperatorFamily<OperationKind> {
  const family = FAMILIES[kind];
  if (family === undefined) throw new RangeError(`operations of kind ${kind} cannot be computed`);
  // A family takes operations of its own kind only; the key of the table is that kind.
  return family as unknown as OperatorFamily<OperationKind>;
}
