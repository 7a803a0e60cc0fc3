/** How well a function of a transcendental is computed: |computed − exact| ≤ ulp·2⁻²⁴·|exact| + absolute. */
export interface MeasuredError {
  readonly ulp: number;
  readonly absolute: number;
}

/** Who computes: the reference, ONNX Runtime's own operators (an ONNX model as it is), a TensorFlow.js back-end, or a port's own loops in JavaScript. */
export type Computer = "reference" | "operators" | "wasm" | "cpu" | "node" | "plain";

/** Who computes a port; `foreign`: a program of which nothing was measured. */
export type PortComputer = Exclude<Computer, "reference" | "operators"> | "foreign";

type ErrorTable = Readonly<Record<string, MeasuredError>>;

/**
 * Printed by `npx tsx scripts/measure-rounding.ts functions`: 200,000 points a function, magnitudes
 * 1e-8 to 100, against its definition in float64; where ports write a function in several ways, the
 * worst of them. `plain` rounds to float32 after each step.
 */
export const FUNCTION_ERRORS: Readonly<Record<Computer, ErrorTable>> = {
  reference: {
    exp: { ulp: 1.3, absolute: 4.3e-20 },
    tanh: { ulp: 4.6, absolute: 0 },
    logistic: { ulp: 2, absolute: 8.1e-15 },
    softplus: { ulp: 4.3, absolute: 3.8e-10 },
    mish: { ulp: 4.5, absolute: 5.3e-20 },
    swish: { ulp: 2.4, absolute: 1.1e-10 },
    gelu: { ulp: 5.1, absolute: 1.6e-8 },
    elu: { ulp: 5.3, absolute: 0 },
    selu: { ulp: 6, absolute: 0 },
  },
  operators: {
    exp: { ulp: 1.3, absolute: 4.3e-20 },
    tanh: { ulp: 4.6, absolute: 0 },
    logistic: { ulp: 2.8, absolute: 1.4e-7 },
    softplus: { ulp: 4.3, absolute: 3.8e-10 },
    mish: { ulp: 7.5, absolute: 1.7e-19 },
    swish: { ulp: 3, absolute: 0.0000023 },
    gelu: { ulp: 2.9, absolute: 5.6e-7 },
    elu: { ulp: 0, absolute: 6.7e-8 },
    selu: { ulp: 7.3, absolute: 1.2e-7 },
  },
  plain: {
    exp: { ulp: 1, absolute: 2.8e-20 },
    tanh: { ulp: 1, absolute: 0 },
    logistic: { ulp: 2, absolute: 8.1e-15 },
    softplus: { ulp: 2, absolute: 3.6e-12 },
    mish: { ulp: 3.3, absolute: 4.9e-20 },
    swish: { ulp: 2.8, absolute: 2.2e-13 },
    gelu: { ulp: 2.2, absolute: 7.7e-8 },
    elu: { ulp: 1.5, absolute: 3e-8 },
    selu: { ulp: 4.9, absolute: 6.5e-8 },
  },
  wasm: {
    exp: { ulp: 1, absolute: 2.8e-20 },
    tanh: { ulp: 2.6, absolute: 0 },
    logistic: { ulp: 4.1, absolute: 7.5e-11 },
    softplus: { ulp: 2, absolute: 3.6e-12 },
    mish: { ulp: 6.5, absolute: 6.8e-12 },
    swish: { ulp: 4.4, absolute: 1.1e-10 },
    gelu: { ulp: 1.9, absolute: 7.7e-8 },
    elu: { ulp: 1.5, absolute: 3e-8 },
    selu: { ulp: 4.4, absolute: 6.2e-8 },
  },
  cpu: {
    exp: { ulp: 1, absolute: 2.8e-20 },
    tanh: { ulp: 1, absolute: 0 },
    logistic: { ulp: 2, absolute: 8.1e-15 },
    softplus: { ulp: 1.1, absolute: 4.2e-13 },
    mish: { ulp: 5.1, absolute: 2.3e-10 },
    swish: { ulp: 2.4, absolute: 1.1e-10 },
    gelu: { ulp: 2.2, absolute: 7.7e-8 },
    elu: { ulp: 1.5, absolute: 3e-8 },
    selu: { ulp: 1, absolute: 1.9e-15 },
  },
  node: {
    exp: { ulp: 2, absolute: 6.4e-20 },
    tanh: { ulp: 4.8, absolute: 0 },
    logistic: { ulp: 6.7, absolute: 1.7e-11 },
    softplus: { ulp: 4.3, absolute: 3.8e-10 },
    mish: { ulp: 7.8, absolute: 1.8e-10 },
    swish: { ulp: 7.3, absolute: 1.4e-11 },
    gelu: { ulp: 3.3, absolute: 6.6e-7 },
    elu: { ulp: 0, absolute: 6.7e-8 },
    selu: { ulp: 7.3, absolute: 1.2e-7 },
  },
};

/** Of a function that no table has: as bad as the worst that was measured. */
const WORST: MeasuredError = { ulp: 7.8, absolute: 6.6e-7 };

/**
 * The error of both sides together, a function of the transcendental's name.
 *
 * @param port - who computes the port; the other side is the reference
 */
export function functionErrorOf(port: PortComputer): (name: string) => MeasuredError {
  return (name) => {
    const own = (port === "foreign" ? undefined : FUNCTION_ERRORS[port][name]) ?? WORST;
    const reference = FUNCTION_ERRORS.reference[name] ?? WORST;
    return { ulp: own.ulp + reference.ulp, absolute: own.absolute + reference.absolute };
  };
}

/**
 * The same where the reference runs an ONNX model as it is: the runtime's own operators are less exact
 * than what we lower to, and no fault of a port.
 */
export function operatorErrors(
  both: (name: string) => MeasuredError,
): (name: string) => MeasuredError {
  return (name) => {
    const { ulp, absolute } = both(name);
    const own = FUNCTION_ERRORS.operators[name] ?? WORST;
    return { ulp: ulp + own.ulp, absolute: absolute + own.absolute };
  };
}
