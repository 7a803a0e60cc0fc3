import * as tf from "@tensorflow/tfjs-core";
import type { Tap } from "../../../port/port.js";
import { type Block, sequence } from "../blocks/block.js";
import { ConvBnAct } from "../blocks/conv-bn-act.js";
import { InvertedResidual, type InvertedResidualConfig } from "../blocks/inverted-residual.js";
import type { PortScope } from "../blocks/port-scope.js";

/** Feature maps of {@link FastestBackbone}. */
export interface FastestMaps {
  /** 1/16 of the image's side, 24 channels. */
  readonly fine: tf.Tensor4D;
  /** 1/32 of the image's side, 48 channels. */
  readonly coarse: tf.Tensor4D;
}

/** Blocks of one resolution: the first changes the shape, `repeats` more keep it. */
interface FastestStage {
  readonly first: InvertedResidualConfig;
  readonly repeats: number;
  /** Channels inside the repeated blocks. */
  readonly expanded: number;
}

const STAGES: readonly FastestStage[] = [
  { first: entry(8, 8, 4, 1), repeats: 1, expanded: 8 },
  { first: entry(4, 24, 8, 2), repeats: 2, expanded: 32 },
  { first: entry(8, 32, 8, 2), repeats: 2, expanded: 48 },
  { first: entry(8, 48, 16, 1), repeats: 4, expanded: 96 },
  { first: entry(16, 96, 24, 2), repeats: 4, expanded: 136 },
  { first: entry(24, 136, 48, 2), repeats: 5, expanded: 224 },
];

/**
 * Backbone of Yolo-Fastest 1.1: layers 0 to 108, MobileNetV2's blocks with very few channels
 * (dog-qiuqiu/Yolo-Fastest, 2020; Sandler et al. 2018, arXiv:1801.04381).
 */
export class FastestBackbone {
  readonly #fine: readonly Block[];
  readonly #coarse: readonly Block[];

  /** @param channels - channels of the image */
  constructor(scope: PortScope, channels: number) {
    const stem = new ConvBnAct(scope, { channels, filters: 8, size: 3, stride: 2 });
    const stages = STAGES.map((stage) => stageBlocks(scope, stage));
    this.#fine = [stem, ...stages.slice(0, -1).flat()];
    this.#coarse = stages.slice(-1).flat();
  }

  forward(image: tf.Tensor4D, tap: Tap): FastestMaps {
    return tf.tidy(() => {
      const fine = sequence(this.#fine, image, tap);
      return { fine, coarse: sequence(this.#coarse, fine, tap) };
    });
  }
}

/** The block that opens a stage: it changes the channels, so nothing can be added to it. */
function entry(
  channels: number,
  expanded: number,
  filters: number,
  stride: number,
): InvertedResidualConfig {
  return { channels, expanded, filters, stride, residual: false };
}

function stageBlocks(scope: PortScope, { first, repeats, expanded }: FastestStage): Block[] {
  const { filters } = first;
  const same = { channels: filters, filters, expanded, stride: 1, residual: true };
  const opening = new InvertedResidual(scope, first);
  return [opening, ...Array.from({ length: repeats }, () => new InvertedResidual(scope, same))];
}
