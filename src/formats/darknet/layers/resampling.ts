import { asMap, mapOf, type NetworkBuilder } from "../network.js";
import type { SectionReader } from "../section-reader.js";

/** `[upsample]`: nearest; a negative stride sums blocks instead. */
export function upsample(network: NetworkBuilder, section: SectionReader, id: string): void {
  const stride = section.int("stride", 2, -4096, 4096);
  const gain = section.float("scale", 1);
  if (stride === 0) throw section.error("limit", "stride=0, expected another number");
  const input = asMap(network, network.previous, `${id}/map`);
  const [channels, height, width] = mapOf(input);
  const factor = [Math.abs(stride), Math.abs(stride)] as const;
  if (stride > 0) {
    const shape = [network.batch, channels, height * stride, width * stride];
    network.add("upsample", id, [input], { factor, gain }, shape);
    return;
  }
  const small = [height, width].map((side) => Math.floor(side / -stride));
  const shape = [network.batch, channels, ...small];
  network.add("sum-blocks", id, [input], { factor, gain }, shape);
}
