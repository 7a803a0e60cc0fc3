import type { Architecture, Operation, WeightSpec } from "../architecture/architecture.js";
import type { WeightLayout } from "../tensor/layout.js";

/**
 * The order of axes in which an architecture of Keras' kinds stores its kernels, by weight name: what
 * a port's `take(name, { layout })` and `variables()` convert from and to. Kernels without such an
 * order (one or three space axes, attention's) are missing.
 */
export function storedLayouts(architecture: Architecture): ReadonlyMap<string, WeightLayout> {
  const layouts = new Map<string, WeightLayout>();
  for (const operation of architecture.operations) {
    const kernel = operation.weights["kernel"];
    const layout = kernelLayout(operation);
    if (kernel !== undefined && layout !== undefined) layouts.set(kernel, layout);
  }
  return layouts;
}

function kernelLayout(operation: Operation): WeightLayout | undefined {
  switch (operation.kind) {
    case "conv-nd": {
      const { kernel, kernelOrder, filters, groups } = operation.attributes;
      if (kernel.length !== 2) return undefined;
      if (kernelOrder === "in-out") return "hwio";
      // With one filter a channel the channels are the outputs; with more the axes have no such names.
      return filters === groups ? "hwoi" : undefined;
    }
    case "conv-transpose-nd":
      return operation.attributes.kernel.length === 2 ? "hwio" : undefined;
    case "contract":
      return matrixLayout(operation.attributes.equation, operation.attributes.kernel);
    default:
      return undefined;
  }
}

/** Of a matrix that is the last factor: `io` where the result lacks its first axis. */
function matrixLayout(
  equation: string,
  kernel: readonly number[] | null,
): WeightLayout | undefined {
  const [factors = "", result = ""] = equation.split("->");
  const axes = factors.split(",").at(-1) ?? "";
  if (kernel?.length !== 2 || axes.length !== 2) return undefined;
  const [first, second] = [...axes].map((axis) => result.includes(axis));
  if (first === second) return undefined;
  return first ? "oi" : "io";
}

/** The specs with the order of their axes. */
export function withLayouts<T extends WeightSpec>(
  specs: readonly T[],
  layouts: ReadonlyMap<string, WeightLayout>,
): T[] {
  return specs.map((spec) => {
    const layout = layouts.get(spec.name);
    return layout === undefined ? spec : { ...spec, layout };
  });
}
