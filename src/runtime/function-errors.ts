/** How well a function of a transcendental is computed: |computed − exact| ≤ ulp·2⁻²⁴·|exact| + absolute. */
export interface MeasuredError {
  readonly ulp: number;
  readonly absolute: number;
}

const DEFAULT: MeasuredError = { ulp: 8, absolute: 1e-7 };

/** Placeholder until measured. */
export function functionErrorOf(_backend: string): (name: string) => MeasuredError {
  return () => DEFAULT;
}
