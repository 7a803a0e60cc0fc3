import { beforeAll, describe, expect, it } from "vitest";
import { plainPort, tfPort } from "../../../scripts/rounding/convolution-ports.js";
import {
  CONVOLUTIONS,
  convolutionProbe,
  INPUTS,
  termsOf,
} from "../../../scripts/rounding/convolution-probe.js";
import { judgeOf } from "../../../src/operators/evaluate.js";
import { loadBackend } from "../../../src/runtime/load-backend.js";
import { indexOf, sizeOf } from "../../../src/tensor/tensor.js";

const small = CONVOLUTIONS.filter((sizes) => termsOf(sizes) <= 144);

describe("the ports whose rounding is measured", () => {
  beforeAll(async () => {
    await loadBackend("wasm");
  });

  it.each(small)("compute what the definition says: $title", (sizes) => {
    for (const input of INPUTS) {
      const one = { ...sizes, input };
      const probe = convolutionProbe(one);
      const exactly = judgeOf({
        architecture: probe.architecture,
        known: (id) => probe.inputs.get(id),
        weights: (name) => probe.weights[name] as Float32Array,
      });
      for (const port of [plainPort, tfPort]) {
        const values = port(one, probe);
        for (const { id, shape } of probe.architecture.operations) {
          const actual = values[id as "y"];
          expect(actual).toHaveLength(sizeOf(shape));
          for (let at = 0; at < actual.length; at += 997) {
            expect(actual[at]).toBeCloseTo(exactly(id, indexOf(at, shape)) as number, 4);
          }
        }
      }
    }
  });
});
