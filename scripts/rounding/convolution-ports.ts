import * as tf from "@tensorflow/tfjs-core";
import { darknetPadding } from "../../src/models/yolo/blocks/darknet-padding.js";
import { convertLayout, kernelFromOihw } from "../../src/tensor/layout.js";
import { type Tensor, tensor } from "../../src/tensor/tensor.js";
import { type ConvolutionCase, EPSILON, FILTERS, SLOPE } from "./convolution-probe.js";
import type { Probe } from "./probe.js";

/** What a port computes of a convolution probe, NCHW: by tap. */
export type PortValues = Readonly<Record<"y/conv" | "y/norm" | "y", Float32Array>>;

/** A port in TensorFlow.js, on the current back-end. */
export function tfPort(one: ConvolutionCase, probe: Probe): PortValues {
  return tf.tidy(() => {
    const { data, shape } = convertLayout(probe.inputs.get("input") as Tensor, "nchw", "nhwc");
    const x = tf.tensor4d(data, shape as [number, number, number, number]);
    const conv = convolve(one, probe, x);
    const [mean, variance, scale, bias] = ["mean", "variance", "scale", "bias"].map((role) =>
      tf.tensor1d(probe.weights[`y/norm/${role}`] as Float32Array),
    ) as [tf.Tensor1D, tf.Tensor1D, tf.Tensor1D, tf.Tensor1D];
    const norm = tf.batchNorm(conv, mean, variance, bias, scale, EPSILON);
    const y = tf.leakyRelu(norm, SLOPE);
    return { "y/conv": values(conv), "y/norm": values(norm), y: values(y) };
  });
}

function convolve(one: ConvolutionCase, probe: Probe, x: tf.Tensor4D): tf.Tensor4D {
  const { kernel: size, channels, stride, depthwise } = one;
  const weights = probe.weights["y/conv/kernel"] as Float32Array;
  const stored = tensor([FILTERS, depthwise ? 1 : channels, size, size], weights);
  const { data, shape } = kernelFromOihw(stored, depthwise ? "hwoi" : "hwio");
  const kernel = tf.tensor4d(data, shape as [number, number, number, number]);
  const { map, pad } = darknetPadding(x, size, stride);
  return depthwise
    ? tf.depthwiseConv2d(map, kernel, stride, pad)
    : tf.conv2d(map, kernel, stride, pad);
}

function values(map: tf.Tensor4D): Float32Array {
  const shape = map.shape as readonly number[];
  return convertLayout(tensor(shape, map.dataSync() as Float32Array), "nhwc", "nchw").data;
}

/** A port in plain loops: each sum from its first term to its last, everything rounded to float32. */
export function plainPort(one: ConvolutionCase, probe: Probe): PortValues {
  const conv = plainConvolution(one, probe);
  const of = (role: string, channel: number) =>
    (probe.weights[`y/norm/${role}`] as Float32Array)[channel] as number;
  const f32 = Math.fround;
  const area = conv.length / FILTERS;
  const norm = conv.map((value, i) => {
    const channel = Math.floor(i / area);
    const gain = f32(of("scale", channel) / f32(Math.sqrt(of("variance", channel) + EPSILON)));
    return f32(f32(value - of("mean", channel)) * gain) + of("bias", channel);
  });
  return { "y/conv": conv, "y/norm": norm, y: norm.map((v) => (v < 0 ? SLOPE * v : v)) };
}

function plainConvolution(one: ConvolutionCase, probe: Probe): Float32Array {
  const { kernel, map, stride, channels, depthwise } = one;
  const { data } = probe.inputs.get("input") as Tensor;
  const weights = probe.weights["y/conv/kernel"] as Float32Array;
  const side = map * stride;
  const pad = (kernel - 1) / 2;
  const own = depthwise ? 1 : channels;
  const result = new Float32Array(FILTERS * map * map);
  const cell = new Float32Array(1);
  for (let i = 0; i < result.length; i++) {
    const [filter, row, column] = [
      Math.floor(i / map ** 2),
      Math.floor(i / map) % map,
      i % map,
    ] as const;
    cell[0] = 0;
    for (let c = 0; c < own; c++) {
      const from = (depthwise ? filter : c) * side * side;
      for (let k = 0; k < kernel * kernel; k++) {
        const y = row * stride + Math.floor(k / kernel) - pad;
        const x = column * stride + (k % kernel) - pad;
        if (y < 0 || y >= side || x < 0 || x >= side) continue;
        const w = weights[(filter * own + c) * kernel * kernel + k] as number;
        cell[0] += Math.fround(w * (data[from + y * side + x] as number));
      }
    }
    result[i] = cell[0];
  }
  return result;
}
