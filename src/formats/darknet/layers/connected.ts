import { sizeOf } from "../../../tensor/tensor.js";
import type { DarknetActivation } from "../activation.js";
import { asMap, mapOf, type NetworkBuilder, readActivation, type Value } from "../network.js";
import type { SectionReader } from "../section-reader.js";
import { darknetBatchNorm } from "./convolutional.js";

/** Everything a dense layer of Darknet is told. */
export interface ConnectedSpec {
  readonly units: number;
  readonly batchNormalize: boolean;
  readonly activation: DarknetActivation;
  readonly dontLoad?: boolean;
  readonly dontLoadScales?: boolean;
}

/** `[connected]` */
export function connected(network: NetworkBuilder, section: SectionReader, id: string): void {
  dense(network, id, network.previous, {
    units: section.int("output", 1, 1),
    batchNormalize: section.int("batch_normalize", 0) !== 0,
    activation: readActivation(section, network.dialect, "logistic"),
    dontLoad: section.int("dontload", 0) !== 0,
    dontLoadScales: section.int("dontloadscales", 0) !== 0,
  });
}

/** Names of a dense layer's tensors by role. */
export type ConnectedWeights = Record<"kernel" | "bias", string> & Record<string, string>;

/**
 * Registers the tensors of a dense layer in the order of the file: bias, kernel, and *then* scale,
 * mean and variance, the reverse of a convolution.
 */
export function connectedWeights(
  network: NetworkBuilder,
  id: string,
  inputs: number,
  { units, batchNormalize, dontLoad, dontLoadScales }: ConnectedSpec,
): ConnectedWeights {
  const file = dontLoad ? "absent" : "stored";
  const bias = network.weight(id, "bias", [units], { file });
  const kernel = network.weight(id, "kernel", [units, inputs], { file, transposed: "dense" });
  if (!batchNormalize) return { bias, kernel };
  const absent = dontLoad || dontLoadScales ? "absent" : "stored";
  const of = (role: string): string => network.weight(id, role, [units], { file: absent });
  return { bias, kernel, scale: of("scale"), mean: of("mean"), variance: of("variance") };
}

/**
 * Matrix product, batch normalisation and activation; the last is named `id`.
 *
 * @param weights - names registered before, where the file's order is not that of the operations
 */
export function dense(
  network: NetworkBuilder,
  id: string,
  input: Value,
  spec: ConnectedSpec,
  weights: ConnectedWeights = connectedWeights(network, id, sizeOf(input.shape.slice(1)), spec),
): Value {
  const { units, batchNormalize, activation } = spec;
  const { kernel, ...others } = weights;
  const linear = activation.kind === "none";
  const shape = [network.batch, units];
  const denseId = batchNormalize || !linear ? `${id}/dense` : id;
  const own = batchNormalize ? { kernel } : { kernel, bias: weights.bias };
  let value = network.add("dense", denseId, [input], { units }, shape, own);
  if (batchNormalize) {
    const attributes = darknetBatchNorm(network.dialect);
    const normId = linear ? id : `${id}/norm`;
    value = network.add("batch-norm", normId, [value], attributes, shape, others);
  }
  return network.activate(id, value, activation);
}

/** `[batchnorm]`: pjreddie's file has no biases for it. */
export function batchnorm(network: NetworkBuilder, section: SectionReader, id: string): void {
  const input = network.previous;
  const [channels] = mapOf(input);
  const file = section.int("dontload", 0) !== 0 ? "absent" : "stored";
  const roles = ["bias", "scale", "mean", "variance"].slice(network.dialect === "pjreddie" ? 1 : 0);
  const weights = Object.fromEntries(
    roles.map((role) => [role, network.weight(id, role, [channels], { file })]),
  );
  const attributes = darknetBatchNorm(network.dialect);
  network.add("batch-norm", id, [input], attributes, input.shape, weights);
}

/** `[local]`: a kernel a place. */
export function local(network: NetworkBuilder, section: SectionReader, id: string): void {
  const filters = section.int("filters", 1, 1);
  const size = section.int("size", 1, 1, 4096);
  const stride = section.int("stride", 1, 1);
  const pad = section.int("pad", 0, 0, 4096);
  const activation = readActivation(section, network.dialect, "logistic");
  const input = asMap(network, network.previous, `${id}/map`);
  const [channels, height, width] = mapOf(input);
  const out = (side: number): number => Math.floor((side - (pad ? 1 : size)) / stride) + 1;
  const after = (side: number): number => Math.max(0, (out(side) - 1) * stride + size - pad - side);
  const places = out(height) * out(width);
  const shape = [network.batch, filters, out(height), out(width)];
  const file = section.int("dontload", 0) !== 0 ? "absent" : "stored";
  const operation = activation.kind === "none" ? id : `${id}/local`;
  if (out(height) < 1 || out(width) < 1) {
    throw section.error("shape", `size=${size} does not fit a ${height}×${width} map`);
  }
  if (Math.floor((height + 2 * pad - size) / stride) + 1 !== out(height)) {
    section.warn(`size=${size} with pad=${pad} mixes up memory in the library itself`);
  }
  const bias = network.weight(id, "bias", shape.slice(1), { file });
  const kernelShape = [places, filters, channels * size * size];
  const kernel = network.weight(id, "kernel", kernelShape, { file });
  const value = network.add(
    "local",
    operation,
    [input],
    {
      filters,
      kernel: [size, size],
      strides: [stride, stride],
      pads: { top: pad, left: pad, bottom: after(height), right: after(width) },
    },
    shape,
    { bias, kernel },
  );
  network.activate(id, value, activation);
}
