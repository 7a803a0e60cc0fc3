import { fitChannels } from "../../src/compare/channel-fit.js";
import { TRIGGER_FACTOR } from "../../src/operators/rounding.js";
import { OnnxRuntimeProcess } from "../../src/references/onnxruntime/onnxruntime-process.js";
import { functionErrorFor, startBackend } from "./backends.js";
import { type PortValues, plainPort, tfPort } from "./convolution-ports.js";
import {
  CONVOLUTIONS,
  convolutionProbe,
  EPSILON,
  INPUTS,
  SLOPE,
  termsOf,
} from "./convolution-probe.js";
import { type Expected, exactness, expectedOf } from "./measure.js";
import type { Probe } from "./probe.js";
import { markdownTable, quantile, shown, smallestSeen, sortedRatios } from "./statistics.js";

/** A case, what the reference says of it and what the port gives. */
interface Measured {
  readonly probe: Probe;
  readonly expected: ReadonlyMap<string, Expected>;
  readonly actual: PortValues;
}

/** How far right ports lie from the bounds of convolutions, and which faults show: Markdown. */
export async function convolutionReport(who: string): Promise<string> {
  await startBackend(who);
  const process = await OnnxRuntimeProcess.start();
  const distances = [DISTANCE_HEAD];
  const faults = [FAULT_HEAD];
  try {
    for (const sizes of CONVOLUTIONS) {
      const measured: Measured[] = [];
      for (const input of INPUTS) {
        const one = { ...sizes, input };
        const probe = convolutionProbe(one);
        const actual = who === "plain" ? plainPort(one, probe) : tfPort(one, probe);
        measured.push({
          probe,
          actual,
          expected: await expectedOf(process, probe, functionErrorFor(who)),
        });
      }
      const first = [sizes.title, String(termsOf(sizes))];
      distances.push([...first, ...distanceCells(measured)]);
      faults.push([...first, ...faultCells(measured)]);
    }
  } finally {
    await process.close();
  }
  return [
    `### ${who}: how far a right convolution lies from its bounds`,
    markdownTable(distances),
    `### ${who}: the smallest fault that shows behind it`,
    markdownTable(faults),
  ].join("\n\n");
}

const DISTANCE_HEAD = [
  "convolution",
  "K",
  ...INPUTS.map((input) => `max ÷ trigger, ${input}`),
  "median",
  "99.9 %",
  "max ÷ hard bound",
  "whole layer: max ÷ trigger",
  "RMS: port ÷ reference",
];

function distanceCells(measured: readonly Measured[]): string[] {
  const conv = measured.map(({ actual, expected }) => {
    const { values, trigger, hard } = expected.get("y/conv") as Expected;
    return {
      trigger: sortedRatios(actual["y/conv"], values.data, trigger),
      hard: sortedRatios(actual["y/conv"], values.data, hard),
    };
  });
  const layers = measured.map(({ actual, expected }) => {
    const { values, trigger } = expected.get("y") as Expected;
    return quantile(sortedRatios(actual.y, values.data, trigger), 1);
  });
  const exact = measured.map(({ actual, expected }) =>
    exactness(actual["y/conv"], expected.get("y/conv") as Expected),
  );
  const most = (of: (one: (typeof conv)[number]) => number) => shown(Math.max(...conv.map(of)));
  return [
    ...conv.map(({ trigger }) => shown(quantile(trigger, 1), 3)),
    most(({ trigger }) => quantile(trigger, 0.5)),
    most(({ trigger }) => quantile(trigger, 0.999)),
    most(({ hard }) => quantile(hard, 1)),
    shown(Math.max(...layers), 3),
    `${shown(Math.min(...exact))}–${shown(Math.max(...exact))}`,
  ];
}

const FAULT_HEAD = [
  "convolution",
  "K",
  "gain: element",
  "gain: channel fit",
  `slope ${SLOPE}: element`,
  "slope: channel fit",
  "ε ÷ variance: element",
  "ε: channel fit",
];

/** The worst of the inputs: what shows with any of them. */
function faultCells(measured: readonly Measured[]): string[] {
  const kinds = [withGain, withSlope, withEpsilon];
  return kinds.flatMap((fault) => {
    const sizes = measured.map((one) => [
      smallestSeen((size) => seenInElement(one, fault(one, size))),
      smallestSeen((size) => seenByFit(one, fault(one, size))),
    ]);
    return [0, 1].map((step) => {
      const found = sizes.map((pair) => pair[step] ?? null);
      return shown(found.includes(null) ? null : Math.max(...(found as number[])));
    });
  });
}

/** A layer that gives 1 + size times what is due. */
function withGain({ actual }: Measured, size: number): Float32Array {
  return actual.y.map((value) => value * (1 + size));
}

/** A slope that is 1 + size times what is due. */
function withSlope({ actual }: Measured, size: number): Float32Array {
  return actual.y.map((value) => (value < 0 ? value * (1 + size) : value));
}

/** An epsilon that is larger by `size` times the variance of the channel. */
function withEpsilon({ actual, probe }: Measured, size: number): Float32Array {
  const bias = probe.weights["y/norm/bias"] as Float32Array;
  const variance = probe.weights["y/norm/variance"] as Float32Array;
  const area = actual.y.length / bias.length;
  return actual["y/norm"].map((value, i) => {
    const channel = Math.floor(i / area);
    const [b, v] = [bias[channel] as number, variance[channel] as number];
    const norm = (value - b) * Math.sqrt((v + EPSILON) / (v + EPSILON + size * v)) + b;
    return norm < 0 ? SLOPE * norm : norm;
  });
}

/** Step 1 of the comparison. */
function seenInElement({ expected }: Measured, actual: Float32Array): boolean {
  const { values, trigger } = expected.get("y") as Expected;
  return quantile(sortedRatios(actual, values.data, trigger), 1) > TRIGGER_FACTOR;
}

/** The fit over whole channels that the command makes of every tap. */
function seenByFit({ expected }: Measured, actual: Float32Array): boolean {
  const { values, trigger } = expected.get("y") as Expected;
  const fit = fitChannels({
    actual,
    expected: values.data,
    bound: (trigger as Float32Array).map((bound) => TRIGGER_FACTOR * bound),
    shape: values.shape,
    channelAxis: 1,
    negativeSide: true,
  });
  return fit?.significant === true;
}
