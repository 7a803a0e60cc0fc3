import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { distance } from "../../src/conformance/keras/agreement.js";
import { runModel } from "../../src/conformance/keras/run-model.js";
import {
  architectureFromKeras,
  type KerasArchitecture,
} from "../../src/formats/keras/architecture.js";
import { readModelConfig } from "../../src/formats/keras/config.js";
import type { Json } from "../../src/formats/keras/config-types.js";
import { runnerCommand } from "../../src/references/runner/installed.js";
import { RunnerClient } from "../../src/references/runner/runner-client.js";
import { RunnerReference } from "../../src/references/runner/runner-reference.js";
import { type Tensor, tensor } from "../../src/tensor/tensor.js";
import { blankContent } from "../../src/weights/blank-content.js";
import { syntheticInput } from "../../src/weights/synthetic.js";
import { kerasModel, type RandomModel } from "./random-keras.js";

/** Of a layer's largest value (at least 1): seven layers of rounding; a wrong rule misses it by orders of magnitude. */
const TOLERANCE = 1e-4;
const BATCH = 2;

/** The embedded reference and live Keras, side by side: one process for all models. */
export class LiveKeras {
  #client: RunnerClient;
  readonly #folder = mkdtempSync(join(tmpdir(), "difftest-live-keras-"));

  private constructor(client: RunnerClient) {
    this.#client = client;
  }

  static async start(): Promise<LiveKeras> {
    return new LiveKeras(await RunnerClient.start(runnerCommand("keras")));
  }

  async close(): Promise<void> {
    await this.#client.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /**
   * Runs a model in both.
   *
   * @param planted - a change that only the embedded reference is given
   * @returns what differs first, or `null`
   */
  async difference(
    random: RandomModel,
    planted: (config: string) => string = (config) => config,
  ): Promise<string | null> {
    const config = JSON.stringify(
      kerasModel(random, (part, id) => shapeOf(embedded(part as Json, random), id)),
    );
    const own = embedded(JSON.parse(planted(config)) as Json, random);
    const input = drawn([BATCH, ...random.input], random.seed);
    const path = join(this.#folder, "model.json");
    writeFileSync(path, config);
    const weights = valuesOf(own);
    const live = await RunnerReference.open(
      this.#client,
      { original: path, batch: BATCH, options: { random: false } },
      weights,
    );
    const expected = await live.run(new Map([["input", input]]));
    const taps = live.description.taps.map(({ id }) => id);
    const known = new Set(own.architecture.operations.map(({ id }) => id));
    const missing = taps.find((id) => !known.has(id));
    if (missing !== undefined) return `the embedded reference has no tap ${missing}`;
    const [values] = await runModel(own, new Map([["input", input.data]]), taps, 1);
    for (const { id, kind } of live.description.taps) {
      const [ours, theirs] = [values?.get(id), expected.get(id)];
      if (`${ours?.shape}` !== `${theirs?.shape}`)
        return `${id} (${kind}): [${ours?.shape}], Keras has [${theirs?.shape}]`;
      const far = distance(ours?.data ?? [], theirs?.data ?? [], RULE);
      if (far > 1) return `${id} (${kind}): ${far.toPrecision(3)} times the tolerance`;
    }
    return null;
  }
}

const RULE = { relative: TOLERANCE, absolute: 0, relativeTo: "tap" } as const;

/** Our reading of a model, with weights drawn for it. */
function embedded(config: Json, { input, seed }: RandomModel): KerasArchitecture {
  const model = readModelConfig(config, 3, "model.json");
  const built = architectureFromKeras(
    { name: "model.json", model, content: blankContent },
    { shapes: { input: [BATCH, ...input] } },
  );
  const { entries } = built.weights;
  const bytes = new SharedArrayBuffer(
    entries.reduce((sum, { shape }) => sum + 4 * shape.reduce((a, b) => a * b, 1), 0),
  );
  let offset = 0;
  const placed = entries.map((entry, k) => {
    const { data } = drawn(entry.shape, seed + k + 1);
    const values = new Float32Array(bytes, offset, data.length);
    values.set(entry.role === "variance" ? data.map((x) => Math.abs(x) + 0.5) : data);
    const at = offset;
    offset += data.byteLength;
    return { ...entry, offset: at };
  });
  return { ...built, weights: { source: { kind: "memory", bytes }, entries: placed } };
}

function valuesOf({ weights }: KerasArchitecture): Map<string, Tensor> {
  const bytes = weights.source.kind === "memory" ? weights.source.bytes : new SharedArrayBuffer(0);
  return new Map(
    weights.entries.map(({ name, shape, offset }) => [
      name,
      tensor(
        shape,
        new Float32Array(
          bytes,
          offset,
          shape.reduce((a, b) => a * b, 1),
        ).slice(),
      ),
    ]),
  );
}

/** From −1 to 1. */
function drawn(shape: readonly number[], seed: number): Tensor {
  return tensor(
    shape,
    syntheticInput(shape, seed % 2 ** 32).data.map((u) => 2 * u - 1),
  );
}

function shapeOf({ architecture }: KerasArchitecture, id: string): readonly number[] {
  const found = architecture.operations.find((operation) => operation.id === id);
  if (found === undefined) throw new Error(`no operation ${id}`);
  return found.shape;
}
