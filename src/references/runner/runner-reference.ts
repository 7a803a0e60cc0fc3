import { InputError } from "../../errors.js";
import type { Layout } from "../../tensor/layout.js";
import { type AnyTensor, type DType, sizeOf, type Tensor } from "../../tensor/tensor.js";
import { ELEMENT_BYTES, type NamedTensors } from "./protocol.js";
import type { RunnerAnswer, RunnerClient } from "./runner-client.js";

/** An original a runner shall open. */
export interface RunnerOriginal {
  /** Paths; absolute, since the runner may stand elsewhere. */
  readonly original: string;
  readonly weights?: string;
  readonly batch?: number;
  readonly width?: number;
  readonly height?: number;
  /** Whole shapes of inputs by name, for originals that leave them open. */
  readonly shapes?: Readonly<Record<string, readonly number[]>>;
  /** Code inside the file may run. */
  readonly trust?: boolean;
  readonly options?: Readonly<Record<string, unknown>>;
}

/** An input of the opened original. */
export interface RunnerInput {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: DType;
}

/** A tap the runner can record. */
export interface RunnerTap {
  readonly id: string;
  /** Index of the layer in the original. */
  readonly layer: number;
  readonly kind: string;
  readonly shape: readonly number[];
}

/** What a runner says of an opened original. */
export interface RunnerDescription {
  readonly inputs: readonly RunnerInput[];
  readonly taps: readonly RunnerTap[];
  readonly outputs: readonly string[];
  readonly weights: readonly { readonly name: string; readonly shape: readonly number[] }[];
  readonly layout: Layout;
  readonly warnings: readonly string[];
}

/** Loss and gradients, ∂loss/∂x. */
export interface RunnerGradient {
  readonly loss: { readonly total: number; readonly parts: Readonly<Record<string, number>> };
  readonly tensors: NamedTensors;
}

/** An original opened in a runner: calls with what they demand checked. */
export class RunnerReference {
  readonly client: RunnerClient;
  readonly description: RunnerDescription;

  private constructor(client: RunnerClient, description: RunnerDescription) {
    this.client = client;
    this.description = description;
  }

  /**
   * Opens an original.
   *
   * @param weights - instead of a file of weights: every one, in the original's order
   * @throws {InputError} when the runner refuses it
   * @throws {UnavailableError} when it crashes or describes it incompletely
   */
  static async open(
    client: RunnerClient,
    original: RunnerOriginal,
    weights?: NamedTensors,
  ): Promise<RunnerReference> {
    const answer = await client.call("describe", { ...original }, weights);
    return new RunnerReference(client, descriptionIn(client, answer));
  }

  /**
   * A forward pass.
   *
   * @param taps - ids to record; default all
   * @returns the values of the taps asked for, by id
   */
  async run(
    inputs: NamedTensors,
    options: {
      readonly taps?: readonly string[];
      readonly state?: "reset" | "keep";
      readonly train?: boolean;
    } = {},
  ): Promise<ReadonlyMap<string, Tensor>> {
    this.#checkInputs(inputs);
    const known = new Map(this.description.taps.map((tap) => [tap.id, tap]));
    const wanted = options.taps ?? [...known.keys()];
    const unknown = wanted.find((id) => !known.has(id));
    if (unknown !== undefined) {
      throw new InputError("name", `${this.client.label}: has no tap ${unknown}`);
    }
    const { tensors } = await this.client.call("run", { ...options }, inputs);
    for (const id of wanted) {
      this.#checkTap(id, known.get(id)?.shape ?? [], tensors.get(id));
    }
    return tensors as ReadonlyMap<string, Tensor>;
  }

  /** Loss and gradients of one training pass. */
  async gradient(
    inputs: NamedTensors,
    fields: { readonly seen?: number } = {},
  ): Promise<RunnerGradient> {
    const { fields: answer, tensors } = await this.client.call("gradient", fields, inputs);
    const loss = answer["loss"] as Readonly<Record<string, unknown>> | undefined;
    if (typeof loss !== "object" || loss === null || !("total" in loss)) {
      throw this.client.refuse(`answered without "loss": {"total", "parts"} to "gradient"`);
    }
    const parts = Object.entries((loss["parts"] ?? {}) as Readonly<Record<string, unknown>>);
    return {
      loss: {
        total: numberOf(loss["total"]),
        parts: Object.fromEntries(parts.map(([name, value]) => [name, numberOf(value)])),
      },
      tensors,
    };
  }

  /** Any other call. */
  call(
    name: string,
    fields: Readonly<Record<string, unknown>>,
    tensors?: NamedTensors,
  ): Promise<RunnerAnswer> {
    return this.client.call(name, fields, tensors);
  }

  #checkInputs(inputs: NamedTensors): void {
    for (const { name, shape } of this.description.inputs) {
      const given = inputs.get(name);
      if (given === undefined || `${given.shape}` !== `${shape}`) {
        const found = given === undefined ? "nothing" : `shape [${given.shape}]`;
        throw new InputError(
          "shape",
          `${this.client.label}: input ${name} got ${found}, expected shape [${shape}]`,
        );
      }
    }
  }

  #checkTap(id: string, shape: readonly number[], value: AnyTensor | undefined): void {
    if (value === undefined)
      throw this.client.refuse(`left out the tap ${id} in its answer to "run"`);
    if (value.dtype !== "float32") {
      throw this.client.refuse(`sent the tap ${id} as ${value.dtype}, expected float32`);
    }
    if (`${value.shape}` !== `${shape}`) {
      throw this.client.refuse(
        `sent the tap ${id} with shape [${value.shape}], it had described [${shape}]`,
      );
    }
  }
}

/** A number of the protocol, of which those that are not finite are words. */
function numberOf(value: unknown): number {
  return typeof value === "number" || typeof value === "string" ? Number(value) : Number.NaN;
}

function descriptionIn(client: RunnerClient, { fields }: RunnerAnswer): RunnerDescription {
  const { inputs, taps, outputs, weights = [], layout = "nchw", warnings = [] } = fields;
  const named = (list: unknown, key: string) =>
    Array.isArray(list) &&
    list.every((one) => typeof one?.[key] === "string" && isShape(one?.shape));
  const usable =
    named(inputs, "name") &&
    named(taps, "id") &&
    named(weights, "name") &&
    isTexts(outputs) &&
    isTexts(warnings) &&
    (layout === "nchw" || layout === "nhwc");
  if (!usable) {
    throw client.refuse(
      `answered "describe" without usable inputs, taps and outputs (lists with name or id, and shape)`,
    );
  }
  const list = taps as readonly RunnerTap[];
  const twice = list.find(({ id }, at) => list.findIndex((tap) => tap.id === id) !== at);
  if (twice !== undefined) throw client.refuse(`described the tap ${twice.id} twice`);
  return {
    inputs: (inputs as readonly RunnerInput[]).map((one) => ({
      ...one,
      dtype: dtypeOf(one.dtype),
    })),
    taps: list,
    outputs: outputs as readonly string[],
    weights: weights as RunnerDescription["weights"],
    layout: layout as Layout,
    warnings: warnings as readonly string[],
  };
}

function dtypeOf(dtype: unknown): DType {
  return typeof dtype === "string" && Object.hasOwn(ELEMENT_BYTES, dtype)
    ? (dtype as DType)
    : "float32";
}

function isTexts(list: unknown): boolean {
  return Array.isArray(list) && list.every((one) => typeof one === "string");
}

function isShape(shape: unknown): boolean {
  return (
    Array.isArray(shape) &&
    shape.every((size) => Number.isSafeInteger(size) && size >= 0) &&
    Number.isSafeInteger(sizeOf(shape))
  );
}
