import { asMap, mapOf, type NetworkBuilder, readActivation } from "../network.js";
import type { SectionReader } from "../section-reader.js";
import { darknetBatchNorm, readPadding } from "./convolutional.js";

/** `[deconvolutional]` (pjreddie): transposed convolution, kernel [in, out, k, k]. */
export function deconvolutional(network: NetworkBuilder, section: SectionReader, id: string): void {
  const filters = section.int("filters", 1, 1);
  const size = section.int("size", 1, 1, 4096);
  const stride = section.int("stride", 1, 1, 4096);
  const padding = readPadding(section, size);
  const activation = readActivation(section, network.dialect, "logistic");
  const batchNormalize = section.int("batch_normalize", 0) !== 0;
  const input = asMap(network, network.previous, `${id}/map`);
  const [channels, height, width] = mapOf(input);
  const file = section.int("dontload", 0) !== 0 ? "absent" : "stored";
  const roles = batchNormalize ? ["bias", "scale", "mean", "variance"] : ["bias"];
  const weights = Object.fromEntries(
    roles.map((role) => [role, network.weight(id, role, [filters], { file })]),
  );
  const kernel = network.weight(id, "kernel", [channels, filters, size, size], { file });
  const out = (side: number): number => (side - 1) * stride + size - 2 * padding;
  const shape = [network.batch, filters, out(height), out(width)];
  const linear = activation.kind === "none";
  let value = network.add(
    "conv-transpose",
    batchNormalize || !linear ? `${id}/conv` : id,
    [input],
    {
      filters,
      kernel: [size, size],
      strides: [stride, stride],
      pads: { top: padding, left: padding, bottom: padding, right: padding },
      dilations: [1, 1],
      groups: 1,
      sampling: "grid",
      outputPadding: [0, 0],
    },
    shape,
    batchNormalize ? { kernel } : { kernel, ...weights },
  );
  if (batchNormalize) {
    const attributes = darknetBatchNorm(network.dialect);
    const normId = linear ? id : `${id}/norm`;
    value = network.add("batch-norm", normId, [value], attributes, shape, weights);
  }
  network.activate(id, value, activation);
}
