import { definePort, type PlainTensor, type Tap } from "../../../src/port/port.js";
import { gruOverTime, lstmOverTime } from "./plain-recurrent.js";
import {
  at,
  each,
  made,
  makes,
  normed,
  type Plain,
  plain,
  product,
  rowByRow,
  sum,
  takeAll,
} from "./plain-tensors.js";

type Weights = Readonly<Record<string, Plain>>;
type Inputs = Readonly<Record<"row" | "map" | "volume" | "time" | "left" | "right", Plain>>;

/** Any rank, stride 1, zeros outside; `pad` on each side. */
function convolution(x: Plain, kernel: Plain, bias: Plain, pad: number): Plain {
  const [filters = 1, channels = 1, ...size] = kernel.shape;
  const space = x.shape.slice(2).map((n, axis) => n + 2 * pad - (size[axis] ?? 1) + 1);
  const taps = made(size, () => 0);
  return made([x.shape[0] ?? 1, filters, ...space], ([b = 0, o = 0, ...place]) => {
    let total = at(bias, [o]);
    for (let c = 0; c < channels; c++) {
      made(taps.shape, (tap) => {
        const from = tap.map((k, axis) => (place[axis] ?? 0) + k - pad);
        total += at(kernel, [o, c, ...tap]) * at(x, [b, c, ...from]);
        return 0;
      });
    }
    return total;
  });
}

/** Stride 2, no padding: each element adds its multiple of the kernel. */
function spread(x: Plain, kernel: Plain): Plain {
  const [, channels = 1, length = 1] = x.shape;
  const [, filters = 1, size = 1] = kernel.shape;
  return made([x.shape[0] ?? 1, filters, 2 * (length - 1) + size], ([b = 0, o = 0, y = 0]) =>
    sum(channels, (c) =>
      sum(size, (k) =>
        (y - k) % 2 === 0 ? at(kernel, [c, o, k]) * at(x, [b, c, (y - k) / 2]) : 0,
      ),
    ),
  );
}

/** Mean over a window of 3 with one zero on each side, which does not count. */
function averagePool(x: Plain): Plain {
  return made(x.shape, ([b = 0, c = 0, i = 0]) => {
    const inside = [i - 1, i, i + 1].filter((k) => k >= 0 && k < (x.shape[2] ?? 0));
    const count = makes("padding") ? 3 : inside.length;
    return inside.reduce((total, k) => total + at(x, [b, c, k]), 0) / count;
  });
}

/** Each group of channels by itself. */
function groupNorm(x: Plain, groups: number, epsilon: number): Plain {
  const [batch = 1] = x.shape;
  const flat = { data: x.data, shape: [batch * groups, x.data.length / batch / groups] };
  return { data: rowByRow(flat, (row) => normed(row, epsilon)).data, shape: x.shape };
}

/** To twice the width, places at half pixels. */
function resize(x: Plain): Plain {
  const [, , height = 1, width = 1] = x.shape;
  const corners = makes("corners");
  return made(
    [x.shape[0] ?? 1, x.shape[1] ?? 1, height, 2 * width],
    ([b = 0, c = 0, y = 0, i = 0]) => {
      const told = corners ? (i * (width - 1)) / (2 * width - 1) : (i + 0.5) / 2 - 0.5;
      const place = Math.min(Math.max(told, 0), width - 1);
      const first = Math.floor(place);
      const share = place - first;
      const second = Math.min(first + 1, width - 1);
      return (1 - share) * at(x, [b, c, y, first]) + share * at(x, [b, c, y, second]);
    },
  );
}

/** Over three channels, alpha divided by three. */
function localResponse(x: Plain): Plain {
  const alpha = makes("alpha") ? 0.3 : 0.3 / 3;
  return made(x.shape, ([b = 0, c = 0, y = 0, i = 0]) => {
    const squares = sum(3, (k) => at(x, [b, c + k - 1, y, i]) ** 2);
    return at(x, [b, c, y, i]) * (1 + alpha * squares) ** -0.75;
  });
}

function logSoftmax(x: Plain): Plain {
  return rowByRow(x, (row) => {
    const largest = Math.max(...row);
    const log = Math.log(sum(row.length, (k) => Math.exp((row[k] ?? 0) - largest)));
    return row.map((value) => value - largest - log);
  });
}

/** What each node gives, by the definition of its operator. */
function values(
  w: Weights,
  { row, map, volume, time, left, right }: Inputs,
): Record<string, Plain> {
  const of = (name: string) => w[name] as Plain;
  const epsilon = makes("epsilon") ? 1e-3 : 1e-5;
  const channel = (value: Plain, name: string, change: (v: number, weight: number) => number) => {
    const inner = value.shape.slice(2).reduce((a, b) => a * b, 1);
    const vector = of(name).data;
    return each(value, (v, k) => change(v, vector[Math.floor(k / inner) % vector.length] ?? 0));
  };
  const slopes = makes("slope") ? "bias.4" : "slope";
  const grouped = groupNorm(map, makes("groups") ? 4 : 2, epsilon);
  return {
    conv_row: convolution(row, of("kernel.row"), of("bias.4"), 1),
    conv_volume: convolution(volume, of("kernel.volume"), of("bias.2"), 0),
    spread_row: spread(row, of("kernel.spread")),
    pooled_row: averagePool(row),
    unseen: channel(map, slopes, (v, slope) => (v < 0 ? slope * v : v)),
    prelu: channel(
      each(map, (v) => v - 0.5),
      slopes,
      (v, slope) => (v < 0 ? slope * v : v),
    ),
    group_norm: channel(
      channel(grouped, "slope", (v, s) => v * s),
      "bias.4",
      (v, b) => v + b,
    ),
    instance_norm: channel(
      channel(groupNorm(map, 4, epsilon), "slope", (v, s) => v * s),
      "bias.4",
      (v, b) => v + b,
    ),
    scores: made([2, 2, 3, 3], ([b = 0, h = 0, i = 0, j = 0]) =>
      sum(4, (d) => at(left, [b, i, h, d]) * at(right, [b, j, h, d])),
    ),
    stacked: made([2, 3, 2, 5], ([a = 0, b = 0, i = 0, j = 0]) =>
      sum(4, (d) => at(left, [a, b, i, d]) * at(of("matrices"), [0, b, d, j])),
    ),
    gemm: {
      ...each(product(left, of("square")), (v, k) => 0.5 * v + 2 * (of("bias.4").data[k % 4] ?? 0)),
      shape: [12, 4],
    },
    resized: resize(map),
    lrn: localResponse(map),
    norm: rowByRow(map, (r) => [Math.hypot(...r)]),
    log_softmax: logSoftmax(time),
    reduced: made([2, 3, 1, 1], ([b = 0, i = 0]) => {
      const powers = (h: number) => sum(4, (d) => Math.exp(at(left, [b, i, h, d])));
      return Math.log(sum(makes("axis") ? 1 : 2, powers));
    }),
    lstm: lstmOverTime(w, time, 3),
    gru: gruOverTime(w, time, 3),
  };
}

/** Every operator of the model in `onnx-operators.test.ts`, by plain loops. */
export default definePort<Weights, PlainTensor>({
  name: "onnx-operators",
  original: "written by the test",
  layout: "nchw",
  runtime: "plain",
  build: takeAll,
  forward: (weights, inputs, tap: Tap) => {
    const given = Object.fromEntries(Object.entries(inputs).map(([name, x]) => [name, plain(x)]));
    const gain = makes("gain") ? 1.001 : 1;
    for (const [name, value] of Object.entries(values(weights, given as Inputs))) {
      tap(
        name,
        each(value, (v) => gain * v),
        { layout: "nchw" },
      );
    }
  },
});
