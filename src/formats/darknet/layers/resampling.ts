import { sizeOf } from "../../../tensor/tensor.js";
import { asFlat, asMap, mapOf, type NetworkBuilder, type Value } from "../network.js";
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
  const [outHeight, outWidth] = [Math.floor(height / -stride), Math.floor(width / -stride)];
  const whole = [channels, outHeight * -stride, outWidth * -stride] as const;
  const blocks = cutMemory(network, section, id, input, whole);
  const shape = [network.batch, channels, outHeight, outWidth];
  network.add("sum-blocks", id, [blocks], { factor, gain }, shape);
}

/**
 * A map whose sides are no multiples of the stride: the library takes its memory for that of the
 * next smaller map whose sides are.
 */
function cutMemory(
  network: NetworkBuilder,
  section: SectionReader,
  id: string,
  input: Value,
  shape: readonly [channels: number, height: number, width: number],
): Value {
  if (`${mapOf(input)}` === `${shape}`) return input;
  if (network.batch > 1) section.warn("mixes up the images of a batch in the library itself");
  const end = sizeOf(shape);
  const flat = asFlat(network, input, `${id}/row`);
  const slice = { axis: 1, start: 0, end };
  const cut = network.add("slice", `${id}/cut`, [flat], slice, [network.batch, end]);
  return network.add("reshape", `${id}/blocks`, [cut], { shape }, [network.batch, ...shape]);
}
