import type { OperationKind } from "../architecture/attributes.js";
import { activationFamily } from "./activation.js";
import { batchNormFamily } from "./batch-norm.js";
import { channelMaxFamily } from "./channel-max.js";
import { channelNormalizeFamily } from "./channel-normalize.js";
import { concatFamily } from "./concat.js";
import { constantFamily } from "./constant.js";
import { convFamily } from "./conv.js";
import { cropFamily } from "./crop.js";
import { expandFamily } from "./expand.js";
import type { OperatorFamily } from "./family.js";
import { fillFamily } from "./fill.js";
import { fitFamily } from "./fit.js";
import { gatherFamily } from "./gather.js";
import { globalPoolFamily } from "./global-pool.js";
import { headFamily } from "./head.js";
import { identityFamily } from "./identity.js";
import { l2NormFamily } from "./l2-norm.js";
import { linearCombinationFamily } from "./linear-combination.js";
import { lrnFamily } from "./lrn.js";
import { mergeFamily } from "./merge.js";
import { padFamily } from "./pad.js";
import { parameterFamily } from "./parameter.js";
import { poolFamily } from "./pool.js";
import { reorgFamily } from "./reorg.js";
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
  "channel-max": channelMaxFamily,
  "channel-normalize": channelNormalizeFamily,
  concat: concatFamily,
  constant: constantFamily,
  conv: convFamily,
  crop: cropFamily,
  expand: expandFamily,
  fill: fillFamily,
  fit: fitFamily,
  gather: gatherFamily,
  "global-pool": globalPoolFamily,
  head: headFamily,
  identity: identityFamily,
  "l2-norm": l2NormFamily,
  "linear-combination": linearCombinationFamily,
  lrn: lrnFamily,
  merge: mergeFamily,
  pad: padFamily,
  parameter: parameterFamily,
  pool: poolFamily,
  reorg: reorgFamily,
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

/** The family of a kind, typed for an operation whose kind is not known to the compiler. */
export function familyOf(kind: OperationKind): OperatorFamily<OperationKind> {
  // A family takes operations of its own kind only; the key of the table is that kind.
  return FAMILIES[kind] as unknown as OperatorFamily<OperationKind>;
}
