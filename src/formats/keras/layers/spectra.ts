import type { LinearMap } from "../../../architecture/attributes.js";
import { range } from "../ops.js";
import type { Value } from "../value.js";
import { type Call, inputOf, type LayerDefinition } from "./call.js";
import { convolve, padsOf } from "./convolution.js";

/** Below this Keras takes a power or a magnitude for this (`backend.epsilon()`). */
const EPSILON = 1e-7;
/** Mel scale: 1127·ln(1 + f/700). */
const MEL_FACTOR = 1127;
const MEL_BREAK_HERTZ = 700;

/** Frames of a signal times stored cosines and sines: a convolution of each channel by itself. */
function stftSpectrogram(call: Call): Value {
  const { layer, ops } = call;
  const x = inputOf(call);
  if (x.rank !== 3) throw layer.refused("shape", `reads [${x.shape}], expected 3 axes`);
  const mode = layer.choice("mode", ["log", "magnitude", "psd", "real", "imag", "stft"], "log");
  const frame = layer.count("frame_length", 256);
  const step = layer.raw("frame_step") ? layer.count("frame_step") : Math.floor(frame / 2);
  const length = layer.raw("fft_length")
    ? layer.count("fft_length")
    : 2 ** Math.ceil(Math.log2(frame));
  const padding = layer.choice("padding", ["valid", "same"], "valid");
  const wide = layer.flag("expand_dims");
  const first = layer.channelsFirst();
  // They say how the kernels were made, which are stored.
  layer.ignore("window", "periodic", "scaling");
  const bins = Math.floor(length / 2) + 1;
  const signal = first ? x : ops.transpose(x, [0, 2, 1]);
  const [batch = 1, channels = 1, time = 1] = signal.shape;
  const rows = ops.view(signal, [batch * channels, time, 1]);
  const { before, after } = padsOf(padding, [time], [frame], [step], [1]);
  const transformed = (role: string): Value => {
    const kernel = layer.weight(role, [frame, 1, bins]);
    const attributes = {
      filters: bins,
      kernel: [frame],
      strides: [step],
      padsBefore: before,
      padsAfter: after,
      dilations: [1],
      groups: 1,
      channelAxis: 2,
      kernelOrder: "in-out",
    } as const;
    const value = ops.transpose(convolve(ops, rows, attributes, kernel, null, role), [0, 2, 1]);
    return ops.view(value, [batch, channels, bins, value.size(2)]);
  };
  const real = mode === "imag" ? null : transformed("real_kernel");
  const imaginary = mode === "real" ? null : transformed("imag_kernel");
  if (real === null || imaginary === null)
    return arrange(call, (real ?? imaginary) as Value, wide, first);
  if (mode === "stft") return arrange(call, ops.concat([real, imaginary], 2), wide, first);
  const square = (value: Value) => ops.unary("power", value, { exponent: 2 });
  const power = ops.add(square(real), square(imaginary), "power");
  if (mode === "psd") {
    // Both halves of the spectrum: all bins but the first and the last count twice.
    const twice = ops.fill(
      [bins, 1],
      range(0, bins).map((k) => (k === 0 || k === bins - 1 ? 1 : 2)),
    );
    return arrange(call, ops.multiply(power, twice), wide, first);
  }
  const magnitude = ops.unary("sqrt", ops.binary("maximum", power, ops.scalar(EPSILON)));
  const value = arrange(call, magnitude, wide, first);
  if (mode === "magnitude") return value;
  return ops.unary("log", ops.binary("maximum", value, ops.scalar(EPSILON)));
}

/** [batch, channels, bins, time] in the order of axes that the layer returns. */
function arrange({ ops }: Call, x: Value, wide: boolean, first: boolean): Value {
  if (wide) return ops.transpose(x, first ? [0, 1, 3, 2] : [0, 3, 2, 1]);
  const [batch = 1, channels = 1, bins = 1, time = 1] = x.shape;
  const flat = ops.view(x, [batch, channels * bins, time]);
  return first ? flat : ops.transpose(flat, [0, 2, 1]);
}

/** Spectrum of overlapping frames, gathered into bands of the mel scale, in decibels if told. */
function melSpectrogram(call: Call): Value {
  const { layer, ops } = call;
  const x = inputOf(call);
  const length = layer.count("fft_length", 2048);
  const step = layer.count("sequence_stride", 512);
  const frame = layer.raw("sequence_length") ? layer.count("sequence_length") : length;
  const window = layer.choice("window", ["hann", "hamming"], "hann");
  const rate = layer.number("sampling_rate", 16000);
  const bands = layer.count("num_mel_bins", 128);
  const low = layer.number("min_freq", 20);
  const high = layer.optionalNumber("max_freq") ?? rate / 2;
  const exponent = layer.number("mag_exp", 2);
  const decibels = layer.flag("power_to_db", true);
  const topDecibels = layer.number("top_db", 80);
  const least = layer.number("min_power", 1e-10);
  const reference = layer.number("ref_power", 1);
  const frames = framesOf(call, x, length, step);
  const axis = frames.rank - 1;
  const weights = windowOf(window, frame, length);
  const part = (wave: (angle: number) => number, name: string) =>
    ops.resample(frames, axis, spectrum(length, weights, wave), name);
  const square = (value: Value) => ops.unary("power", value, { exponent: 2 });
  const power = ops.add(
    square(part(Math.cos, "cosines")),
    square(part((angle) => -Math.sin(angle), "sines")),
  );
  const spectral =
    exponent === 2 ? power : ops.unary("power", ops.unary("sqrt", power), { exponent });
  const mel = ops.resample(
    spectral,
    axis,
    melBands(bands, Math.floor(length / 2) + 1, rate, low, high),
    "bands",
  );
  const value = decibels ? toDecibels(call, mel, least, reference, topDecibels) : mel;
  return ops.transpose(value, [...range(0, value.rank - 2), value.rank - 1, value.rank - 2]);
}

/** Frames that overlap, of a signal mirrored at both ends: `[…, frames, length]`. */
function framesOf(call: Call, x: Value, length: number, step: number): Value {
  const { ops, layer } = call;
  const axis = x.rank - 1;
  const size = x.size(axis);
  const half = Math.floor(length / 2);
  if (size <= half)
    throw layer.refused("shape", `reads ${size} samples, expected more than ${half}`);
  const padded = size + 2 * half;
  const mirrored = (at: number) => {
    const k = at - half;
    return k < 0 ? -k : k >= size ? 2 * (size - 1) - k : k;
  };
  const count = Math.max(0, Math.floor((padded - length) / step) + 1);
  const indices = range(0, count).flatMap((frame) =>
    range(frame * step, frame * step + length).map(mirrored),
  );
  const taken = ops.take(x, axis, indices, "frames");
  return ops.view(taken, [...x.shape.slice(0, axis), count, length]);
}

/** A periodic window of the frame's length, in the middle of the transform's. */
function windowOf(name: "hann" | "hamming", frame: number, length: number): number[] {
  const [base, swing] = name === "hann" ? [0.5, 0.5] : [0.54, 0.46];
  const left = Math.floor((length - frame) / 2);
  return range(0, length).map((k) => {
    const at = k - left;
    return at < 0 || at >= frame ? 0 : base - swing * Math.cos((2 * Math.PI * at) / frame);
  });
}

/** One row a frequency: the wave at each sample, windowed. */
function spectrum(
  length: number,
  window: readonly number[],
  wave: (angle: number) => number,
): LinearMap {
  const rows = Math.floor(length / 2) + 1;
  const values = range(0, rows).flatMap((bin) =>
    // Whole turns are taken off first: the angle stays exact for long transforms.
    window.map((weight, k) => weight * wave((2 * Math.PI * ((bin * k) % length)) / length)),
  );
  return { rows, columns: length, values };
}

/** One row a band: a triangle on the mel scale, in float32 as Keras computes it; the constant part belongs to none. */
function melBands(bands: number, bins: number, rate: number, low: number, high: number): LinearMap {
  const f32 = Math.fround;
  const mel = (hertz: number) =>
    f32(MEL_FACTOR * f32(Math.log(f32(1 + f32(f32(hertz) / MEL_BREAK_HERTZ)))));
  const [from, to] = [mel(low), mel(high)];
  const step = f32(f32(to - from) / (bands + 1));
  const edges = range(0, bands + 2).map((k) => (k === bands + 1 ? to : f32(from + f32(step * k))));
  const spacing = f32(f32(rate / 2) / (bins - 1));
  const places = range(0, bins).map((bin) => mel(f32(spacing * bin)));
  const values = range(0, bands).flatMap((band) => {
    const [left = 0, centre = 0, right = 0] = edges.slice(band, band + 3);
    return places.map((at, bin) => {
      if (bin === 0) return 0;
      const rising = f32(f32(at - left) / f32(centre - left));
      const falling = f32(f32(right - at) / f32(right - centre));
      return Math.max(0, Math.min(rising, falling));
    });
  });
  return { rows: bands, columns: bins, values };
}

/** 10·log10 of the power over the reference, at most so far below the loudest of the whole batch. */
function toDecibels(call: Call, x: Value, least: number, reference: number, top: number): Value {
  const { ops } = call;
  const log = ops.unary("log", ops.binary("maximum", x, ops.scalar(least)));
  const offset = -10 * Math.log10(Math.max(Math.abs(reference), least));
  const level = ops.affine(log, 10 / Math.LN10, offset, "decibels");
  const loudest = ops.reduce("maximum", level, range(0, level.rank));
  return ops.binary("maximum", level, ops.affine(loudest, 1, -top));
}

export const spectrumLayers: Readonly<Record<string, LayerDefinition>> = {
  STFTSpectrogram: { call: stftSpectrogram },
  MelSpectrogram: { call: melSpectrogram },
};
