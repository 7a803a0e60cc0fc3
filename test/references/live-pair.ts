import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { distance } from "../../src/conformance/darknet/agreement.js";
import { callOriginal } from "../../src/conformance/darknet/original-run.js";
import { architectureFromDarknet } from "../../src/formats/darknet/architecture.js";
import { readDarknetConfig } from "../../src/formats/darknet/config.js";
import { writeDarknetWeights } from "../../src/formats/darknet/weights-writer.js";
import { OnnxRuntimeProcess } from "../../src/references/onnxruntime/onnxruntime-process.js";
import { runnerCommand } from "../../src/references/runner/installed.js";
import { RunnerClient } from "../../src/references/runner/runner-client.js";
import { RunnerReference } from "../../src/references/runner/runner-reference.js";
import { sizeOf } from "../../src/tensor/tensor.js";
import { synthesizeWeights, syntheticInput } from "../../src/weights/synthetic.js";
import type { RandomNetwork } from "./random-darknet.js";

/**
 * Of the largest value of a layer (at least 1): ten layers of rounding. The suite allows 2e-5 for
 * small networks and 1e-4 for whole models; a wrong rule misses both by orders of magnitude.
 */
const TOLERANCE = 1e-4;
/** A small network takes milliseconds; what takes this long hangs. */
const LIMIT = { timeoutMs: 60_000 };

/** The embedded reference and a live library, side by side. */
export class LivePair {
  readonly #embedded: OnnxRuntimeProcess;
  #library: RunnerClient;
  readonly #folder: string;

  private constructor(embedded: OnnxRuntimeProcess, library: RunnerClient) {
    this.#embedded = embedded;
    this.#library = library;
    this.#folder = mkdtempSync(join(tmpdir(), "difftest-pair-"));
  }

  static async start(): Promise<LivePair> {
    return new LivePair(
      await OnnxRuntimeProcess.start(),
      await RunnerClient.start(runnerCommand("darknet"), LIMIT),
    );
  }

  async close(): Promise<void> {
    await this.#embedded.close();
    await this.#library.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /**
   * Runs a network in both.
   *
   * @returns what differs first, or `null`
   */
  async difference(
    { cfg, batch, seed }: RandomNetwork,
    planted: { readonly librarySeed?: number } = {},
  ): Promise<string | null> {
    const [original, weights] = [join(this.#folder, "net.cfg"), join(this.#folder, "net.weights")];
    writeFileSync(original, cfg);
    const architecture = architectureFromDarknet(readDarknetConfig(original), {
      dialect: "pjreddie",
      batch,
    });
    const store = synthesizeWeights(architecture, { seed });
    const given = synthesizeWeights(architecture, { seed: planted.librarySeed ?? seed });
    writeDarknetWeights(weights, architecture, (name) => given.read(name).data);
    given.close();
    const input = syntheticInput(architecture.inputs[0]?.shape ?? [], seed + 1);
    const ours = await callOriginal(this.#embedded, architecture, input, store);
    try {
      const reference = await RunnerReference.open(this.#library, { original, weights, batch });
      const theirs = await reference.run(new Map([["input", input]]));
      for (const { id } of architecture.layers) {
        const [own, other] = [ours.layers.get(id), theirs.get(id)];
        if (!sameShape(own?.shape ?? [], other?.shape ?? []))
          return `${id}: shape [${own?.shape}], the library has [${other?.shape}]`;
        const rule = { tolerance: TOLERANCE, relativeTo: "layer" } as const;
        const far = distance(own?.data ?? [], other?.data ?? [], rule);
        if (far > 1) return `${id}: ${far.toPrecision(3)} times the tolerance`;
        // The library is compiled for arithmetic without NaN: what becomes of one is nobody's rule.
        if (own?.data.some((value) => !Number.isFinite(value))) return null;
      }
      return null;
    } catch (error) {
      await this.#library.close();
      this.#library = await RunnerClient.start(runnerCommand("darknet"), LIMIT);
      throw error;
    } finally {
      store.close();
    }
  }
}

/** The library knows no ranks: where one side has a row of values and the other a map, their number must be the same. */
function sameShape(own: readonly number[], other: readonly number[]): boolean {
  if (own.length === other.length) return `${own}` === `${other}`;
  return own.length > 0 && other.length > 0 && sizeOf(own) === sizeOf(other);
}
