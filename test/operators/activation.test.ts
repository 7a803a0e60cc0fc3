import { describe, expect, it } from "vitest";
import type {
  ActivationAttributes,
  ActivationFunction,
} from "../../src/architecture/attributes.js";
import type { LowerBounds } from "../../src/lower/lower.js";
import { ACTIVATIONS } from "../../src/operators/activation-functions.js";
import { TRIGGER_FACTOR } from "../../src/operators/rounding.js";
import { type Tensor, tensor } from "../../src/tensor/tensor.js";
import { modelOf, run } from "./harness.js";

const PARAMETERS: Readonly<Partial<Record<ActivationFunction, Record<string, number>>>> = {
  leaky: { slope: 0.1 },
  "clipped-relu": { minimum: 0, maximum: 6 },
  "hard-sigmoid": { slope: 0.2, offset: 0.5 },
  "gelu-tanh": { linear: 0.797885, cubic: 0.035677 },
  elu: { alpha: 1.3, gain: 1 },
  selu: { alpha: 1.6732, gain: 1.0507 },
  revleaky: { slope: 0.1 },
  relie: { slope: 0.01 },
  ramp: { slope: 0.1 },
  lhtan: { slope: 0.001 },
  plse: { slope: 0.01 },
};
const FUNCTIONS = Object.keys(ACTIVATIONS) as ActivationFunction[];
const attributesOf = (name: ActivationFunction): ActivationAttributes => ({
  function: name,
  parameters: PARAMETERS[name] ?? {},
});

/** Every size from 1e-8 to 60 on both sides, and the places where a function bends or jumps. */
const GRID = [
  ...Array.from({ length: 400 }, (_, k) => 60 * 1.06 ** -k),
  ...Array.from({ length: 200 }, (_, k) => k / 20 + 0.001),
].flatMap((x) => [x, -x]);
const POINTS = Float32Array.from([...GRID, 0, 1, -1, 2, -2, 4, -4, 6, 20, -20, 88, -88, -100, 104]);

/** A slope of 1 within the bound: functions of the port's back-end are as good as TensorFlow.js's. */
const functionError = (name: string) => ({ ulp: 8, absolute: name === "exp" ? 0 : 1e-7 });
const bounds = (mode: LowerBounds["mode"], cut: readonly string[] = []): LowerBounds => ({
  mode,
  cut: new Set(cut),
  functionError,
  outputs: ["x", "y"].map((tap) => ({ tap, name: `${tap}:bound` })),
});

/** input → a 1×1 convolution (so that there is a bound to pass on) → the activation. */
function modelWith(attributes: ActivationAttributes, size: number) {
  const attributesOfConv = {
    filters: 1,
    kernel: [1, 1],
    strides: [1, 1],
    pads: { top: 0, left: 0, bottom: 0, right: 0 },
    dilations: [1, 1],
    groups: 1,
    sampling: "grid",
  } as const;
  const kernel = tensor([1, 1, 1, 1], Float32Array.of(1));
  return modelOf({ input: [1, 1, 1, size] }, [
    { id: "x", kind: "conv", attributes: attributesOfConv, weights: { kernel } },
    { id: "y", kind: "activation", attributes },
  ]);
}

async function valuesOf(name: ActivationFunction, points: Float32Array, mode: "trigger" | "hard") {
  const input = tensor([1, 1, 1, points.length], points);
  const outputs = ["x", "y"].map((tap) => ({ tap, name: tap }));
  const options = { bounds: bounds(mode) };
  const result = await run(
    modelWith(attributesOf(name), points.length),
    { input },
    outputs,
    options,
  );
  const exact = (x: number) => ACTIVATIONS[name].exact(x, attributesOf(name).parameters);
  return { result, exact, of: (output: string) => (result[output] as Tensor).data };
}

/** Within 8 ulp except where the argument of e^… is itself rounded … */
const amplification = (name: ActivationFunction, x: number) =>
  name === "gelu-tanh" ? 1 + 0.1 * Math.abs(x) ** 3 : 1;
/** … and where a line crosses 0, or (Erf) ONNX Runtime is accurate only absolutely. */
const absolute = (name: ActivationFunction, x: number) =>
  ({ "hard-sigmoid": 6e-8, plse: 6e-8, "gelu-erf": 2e-7 * Math.abs(x) })[name as string] ?? 0;

describe.each(FUNCTIONS)("activation %s", (name) => {
  it("is lowered to what its definition says", async () => {
    const { exact, of } = await valuesOf(name, POINTS, "trigger");
    const wrong = [...POINTS].flatMap((x, k) => {
      const [value, expected] = [of("y")[k] as number, exact(x)];
      const allowed =
        5e-7 * Math.abs(expected) * amplification(name, x) + absolute(name, x) + 2e-38;
      return Math.abs(value - expected) <= allowed || value === Math.fround(expected)
        ? []
        : [{ x, value, expected }];
    });
    expect(wrong).toEqual([]);
  });

  it("keeps NaN and the signs of what is very large", async () => {
    const extremes = Float32Array.of(Number.NaN, 1e30, -1e30, 3e38, -3e38);
    const { exact, of } = await valuesOf(name, extremes, "trigger");
    const kind = (x: number) => (Number.isNaN(x) ? "NaN" : Math.abs(x) > 1e19 ? Math.sign(x) : 0);
    expect([...of("y")].map(kind)).toEqual([...extremes].map((x) => kind(Math.fround(exact(x)))));
  });

  it("passes an error of its input on: what it gives within the bound of x is within that of y", async () => {
    const { exact, of } = await valuesOf(name, POINTS, "hard");
    const beyond = [...POINTS].flatMap((x, k) => {
      const [ex, ey] = [of("x:bound")[k] as number, of("y:bound")[k] as number];
      const moved = Math.max(...[x - ex, x + ex].map((at) => Math.abs(exact(at) - exact(x))));
      return moved <= ey * (1 + 1e-6) ? [] : [{ x, ex, ey, moved }];
    });
    expect(beyond).toEqual([]);
  });

  it("has a bound that is rounding, and none of it where nothing rounds", async () => {
    const { of } = await valuesOf(name, POINTS, "trigger");
    const size = (x: number) => Math.max(1, Math.abs(x));
    const loose = [...of("y:bound")].filter(
      (bound, k) => !(bound <= 4e-6 * size(POINTS[k] as number) * size(of("y")[k] as number)),
    );
    expect(loose).toEqual([]);
  });
});

const f = Math.fround;
/** How ports compute them in float32, each step rounded: other formulas than the lowering's. */
const PORTS: Readonly<Record<string, readonly [ActivationFunction, (x: number) => number]>> = {
  "leaky as max(x, 0.1x)": ["leaky", (x) => f(Math.max(x, f(0.1 * x)))],
  "leaky as 0.55x + 0.45|x|": ["leaky", (x) => f(f(f(0.55) * x) + f(f(0.45) * Math.abs(x)))],
  "logistic with expf": ["logistic", (x) => f(1 / f(1 + f(Math.exp(f(-x)))))],
  "logistic by e^x": [
    "logistic",
    (x) => {
      const n = f(Math.exp(Math.min(x, 80)));
      return f(n / f(1 + n));
    },
  ],
  "tanh by e^-2x": ["tanh", (x) => f(f(2 / f(1 + f(Math.exp(f(-2 * x))))) - 1)],
  "loggy as Darknet has it": ["loggy", (x) => f(f(2 / f(1 + f(Math.exp(f(-x))))) - 1)],
  "mish by log, tanh": [
    "mish",
    (x) => f(x * f(Math.tanh(f(x > 20 ? x : Math.log(f(1 + f(Math.exp(x)))))))),
  ],
  "swish as x·σ(x)": ["swish", (x) => f(x * f(1 / f(1 + f(Math.exp(f(-x))))))],
  "elu as e^x − 1": ["elu", (x) => (x >= 0 ? x : f(f(1.3) * f(f(Math.exp(x)) - 1)))],
  "selu as e^x − 1": [
    "selu",
    (x) => f(f(1.0507) * (x >= 0 ? x : f(f(1.6732) * f(f(Math.exp(x)) - 1)))),
  ],
  "gelu by tanh": [
    "gelu-tanh",
    (x) => {
      const z = f(f(f(0.797885) * x) + f(f(0.035677) * f(f(x * x) * x)));
      return f(f(0.5 * x) * f(1 + f(Math.tanh(z))));
    },
  ],
  "softplus by log": ["softplus", (x) => (x > 20 ? x : f(Math.log(f(1 + f(Math.exp(x))))))],
  "stair as Darknet has it": [
    "stair",
    (x) => {
      const n = Math.floor(x);
      return n % 2 === 0 ? Math.floor(x / 2) : f(f(x - n) + Math.floor(x / 2));
    },
  ],
  "plse as Darknet has it": [
    "plse",
    (x) =>
      x < -4 ? f(f(0.01) * f(x + 4)) : x > 4 ? f(f(f(0.01) * f(x - 4)) + 1) : f(f(0.125 * x) + 0.5),
  ],
  "lhtan as Darknet has it": [
    "lhtan",
    (x) => (x < 0 ? f(f(0.001) * x) : x > 1 ? f(f(f(0.001) * f(x - 1)) + 1) : x),
  ],
  "hard mish as Darknet has it": [
    "hard-mish",
    (x) => (x > 0 ? x : x > -2 ? f(f(f(x * x) / 2) + x) : 0),
  ],
  "hard sigmoid": ["hard-sigmoid", (x) => Math.min(Math.max(f(f(f(0.2) * x) + 0.5), 0), 1)],
  "ramp as Darknet has it": ["ramp", (x) => f(f(x * (x > 0 ? 1 : 0)) + f(f(0.1) * x))],
};

/** Elements of the grid where a port is further off than the bound of an exact input allows. */
async function over(
  name: ActivationFunction,
  port: (x: number) => number,
  mode: "trigger" | "hard",
) {
  const input = tensor([1, 1, 1, POINTS.length], POINTS);
  const model = modelWith(attributesOf(name), POINTS.length);
  const options = { bounds: bounds(mode, ["x"]) };
  const result = await run(model, { input }, [{ tap: "y", name: "y" }], options);
  const factor = mode === "trigger" ? TRIGGER_FACTOR : 1;
  return [...POINTS].filter((x, k) => {
    const error = Math.abs(port(x) - (result["y"]?.data[k] as number));
    return error > factor * (result["y:bound"]?.data[k] ?? 0);
  });
}

describe.each(Object.entries(PORTS))("a correct port: %s", (_, [name, port]) => {
  it("stays within the trigger and the hard bound", async () => {
    expect(await over(name, port, "trigger")).toEqual([]);
    expect(await over(name, port, "hard")).toEqual([]);
  });
});

describe("a wrong port", () => {
  it.each<[string, ActivationFunction, (x: number) => number]>([
    ["slope 0.102 instead of 0.1", "leaky", (x) => f(x < 0 ? 0.102 * x : x)],
    ["relu6 without the 6", "clipped-relu", (x) => Math.max(x, 0)],
    [
      "hard sigmoid of another library",
      "hard-sigmoid",
      (x) => Math.min(Math.max(x / 6 + 0.5, 0), 1),
    ],
    [
      "selu with the exact constants",
      "selu",
      (x) => 1.05070098 * (x > 0 ? x : 1.67326324 * Math.expm1(x)),
    ],
    ["gelu by erf for gelu by tanh", "gelu-tanh", (x) => ACTIVATIONS["gelu-erf"].exact(x, {})],
    ["swish for mish", "mish", (x) => ACTIVATIONS.swish.exact(x, {})],
  ])("is seen: %s", async (_, name, port) => {
    const affected = [...POINTS].filter((x) => Math.abs(x) > 0.5 && Math.abs(x) < 9);
    const seen = new Set(await over(name, port, "hard"));
    const visible = affected.filter((x) => {
      const exact = ACTIVATIONS[name].exact(x, attributesOf(name).parameters);
      return Math.abs(port(x) - exact) > 1e-5;
    });
    expect(visible.length).toBeGreaterThan(20);
    expect(visible.filter((x) => !seen.has(x))).toEqual([]);
  });
});

it("is NaN where the original's own arithmetic overflows, if the attributes say so", async () => {
  const attributes = { function: "tanh", parameters: { nanFrom: 355 } } as const;
  const input = tensor([1, 1, 1, 3], Float32Array.of(1, 354, 356));
  const { y } = await run(modelWith(attributes, 3), { input }, [{ tap: "y", name: "y" }]);
  expect([...(y as Tensor).data].map((value) => value.toFixed(3))).toEqual([
    "0.762",
    "1.000",
    "NaN",
  ]);
});

it("refuses an activation without a parameter that formats disagree on", () => {
  const attributes = { function: "leaky", parameters: {} } as const;
  expect(() => modelWith(attributes, 3)).toThrow("activation leaky needs its parameter slope");
});
