import { closeSync, existsSync, fstatSync, openSync, readFileSync, readSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { InputError } from "../../errors.js";
import { confinedPath } from "../confined-path.js";
import type { Json } from "../keras/config-types.js";

/** A model that TensorFlow.js' converter wrote: `model.json` and the shards beside it. */
export interface ConvertedModel {
  readonly kind: "layers" | "graph";
  readonly topology: Json;
  /** As TensorFlow.js wants them: name, shape, dtype, quantization. */
  readonly specs: readonly WeightSpec[];
  /** The shards one after the other. */
  readonly data: ArrayBuffer;
  /** Of graph models: which node is which input and output. */
  readonly signature: Json;
}

const SPEC = z.looseObject({
  name: z.string(),
  shape: z.array(z.int().nonnegative()),
  dtype: z.string(),
});
type WeightSpec = z.infer<typeof SPEC>;

const MODEL = z.looseObject({
  format: z.string().optional(),
  modelTopology: z.record(z.string(), z.unknown()),
  weightsManifest: z.array(z.looseObject({ paths: z.array(z.string()), weights: z.array(SPEC) })),
  signature: z.unknown().optional(),
});

/** TensorFlow.js holds a model's weights in one ArrayBuffer. */
const MAX_BYTES = 2 ** 31;

/**
 * Reads a converted model's folder.
 *
 * @throws {InputError} `not-found`, `corrupt`, `unsafe` or `limit`, naming the file
 */
export function readConvertedModel(folder: string): ConvertedModel {
  const path = join(folder, "model.json");
  if (!existsSync(path)) {
    throw new InputError(
      "not-found",
      `--model tfjs:${folder}: has no model.json, expected the folder of a converted model`,
    );
  }
  const model = parseModel(path);
  const paths = model.weightsManifest.flatMap((group) => group.paths);
  return {
    kind: isGraph(model) ? "graph" : "layers",
    topology: model.modelTopology as Json,
    specs: model.weightsManifest.flatMap((group) => group.weights),
    data: readShards(
      paths.map((name) => confinedPath(folder, name, path)),
      path,
    ),
    signature: (model.signature ?? null) as Json,
  };
}

function parseModel(path: string): z.infer<typeof MODEL> {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    // biome-ignore lint/style/useErrorCause: the cause is the third argument
    throw new InputError("corrupt", `${path}: is no JSON: ${reason}`, { cause });
  }
  const model = MODEL.safeParse(json);
  if (model.success) return model.data;
  const [issue] = model.error.issues;
  throw new InputError(
    "format",
    `${path}: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}; expected what tensorflowjs_converter writes`,
  );
}

/** Old converters wrote no `format`; only graphs have nodes. */
function isGraph({ format, modelTopology }: z.infer<typeof MODEL>): boolean {
  return format === undefined ? "node" in modelTopology : format === "graph-model";
}

function readShards(paths: readonly string[], where: string): ArrayBuffer {
  const shards = paths.map((path) => ({ path, fd: openSync(path, "r") }));
  try {
    const sizes = shards.map(({ fd }) => fstatSync(fd).size);
    const total = sizes.reduce((sum, size) => sum + size, 0);
    if (total > MAX_BYTES) {
      throw new InputError(
        "limit",
        `${where}: its weights have ${total} bytes, expected at most ${MAX_BYTES}`,
      );
    }
    const bytes = new Uint8Array(total);
    let at = 0;
    for (const [k, { fd }] of shards.entries()) at += readSync(fd, bytes, at, sizes[k] ?? 0, 0);
    return bytes.buffer;
  } finally {
    for (const { fd } of shards) closeSync(fd);
  }
}
