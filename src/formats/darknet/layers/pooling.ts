import type { PoolAttributes } from "../../../architecture/attributes.js";
import { asMap, mapOf, type NetworkBuilder } from "../network.js";
import type { SectionReader } from "../section-reader.js";

/** `[maxpool]`; `padding` is the total of both sides, the smaller half lies on the top and left. */
export function maxpool(network: NetworkBuilder, section: SectionReader, id: string): void {
  const modern = network.dialect === "alexeyab";
  const depth = modern && section.int("maxpool_depth", 0) !== 0;
  const channels = modern ? section.int("out_channels", 1, 1) : 1;
  if (modern && section.int("antialiasing", 0) !== 0) {
    throw section.error("unsupported", "antialiasing=1 makes the library itself crash on the CPU");
  }
  const window = readWindow(network, section, modern);
  if (!depth) pool(network, id, "max", window);
  else channelMax(network, id, channels);
}

/** `[local_avgpool]`: pixels outside the map do not count. */
export function localAvgpool(network: NetworkBuilder, section: SectionReader, id: string): void {
  pool(network, id, "average", readWindow(network, section, true));
}

/** `[avgpool]` */
export function avgpool(network: NetworkBuilder, _section: SectionReader, id: string): void {
  const input = asMap(network, network.previous, `${id}/map`);
  const [channels] = mapOf(input);
  network.add("global-pool", id, [input], { mode: "average" }, [network.batch, channels, 1, 1]);
}

interface Window {
  readonly size: number;
  readonly strides: readonly [height: number, width: number];
  readonly padding: number;
}

function readWindow(_network: NetworkBuilder, section: SectionReader, modern: boolean): Window {
  const stride = section.int("stride", 1, 1);
  const strideOf = (key: string): number => (modern ? section.int(key, stride, 1) : stride);
  const strides = [strideOf("stride_y"), strideOf("stride_x")] as const;
  const size = section.int("size", stride, 1, 1 << 20);
  return { size, strides, padding: section.int("padding", size - 1, 0, 1 << 20) };
}

function pool(
  network: NetworkBuilder,
  id: string,
  mode: "max" | "average",
  { size, strides, padding }: Window,
): void {
  const input = asMap(network, network.previous, `${id}/map`);
  const [channels, height, width] = mapOf(input);
  const before = Math.floor(padding / 2);
  const sides = [height, width].map((length, axis) => {
    const stride = strides[axis] ?? 1;
    const out = Math.floor((length + padding - size) / stride) + 1;
    const needed = (out - 1) * stride + size - before - length;
    return { out, after: Math.max(0, needed) };
  });
  const [y, x] = sides as [(typeof sides)[0], (typeof sides)[0]];
  const attributes: PoolAttributes = {
    mode,
    kernel: [size, size],
    strides,
    pads: { top: before, left: before, bottom: y.after, right: x.after },
    countPadding: false,
  };
  network.add("pool", id, [input], attributes, [network.batch, channels, y.out, x.out]);
}

function channelMax(network: NetworkBuilder, id: string, channels: number): void {
  const input = asMap(network, network.previous, `${id}/map`);
  const [all, height, width] = mapOf(input);
  if (channels > all) {
    throw network.error("shape", `out_channels=${channels} of ${all} input channels`);
  }
  const shape = [network.batch, channels, height, width];
  network.add("channel-max", id, [input], { channels }, shape);
}
