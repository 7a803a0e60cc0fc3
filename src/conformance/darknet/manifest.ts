import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { InputError } from "../../errors.js";

const layer = z.looseObject({
  index: z.number(),
  type: z.string(),
  shape: z.array(z.number()),
  file: z.string().optional(),
  key: z.string().optional(),
  stored: z.enum(["full", "subsample4096"]).optional(),
});

const disagreement = z.looseObject({
  oracle: z.string(),
  cause: z.string().optional(),
  layers: z.array(layer).optional(),
  files: z.array(z.string()).optional(),
});

const parameters = z.looseObject({
  layersLoadedMessage: z.number().nullish(),
  seen: z.number().nullable().optional(),
  /** Absent where the library did not survive the file. */
  parametersAfterLoading: z.looseObject({ file: z.string() }).optional(),
  equalToIntended: z.number().optional(),
  total: z.number().optional(),
});

const manifest = z.looseObject({
  id: z.string(),
  area: z.string(),
  title: z.string(),
  oracle: z.looseObject({ name: z.string() }),
  alsoAgrees: z.array(
    z.looseObject({ oracle: z.string(), maxAbs: z.union([z.number(), z.string()]).optional() }),
  ),
  disagrees: z.array(disagreement),
  notSupportedBy: z.record(z.string(), z.unknown()),
  referenceBug: z.string().optional(),
  layers: z.array(layer),
  secondCall: z
    .union([z.looseObject({ same: z.boolean(), layers: z.array(layer).optional() }), z.null()])
    .optional(),
  perOracle: z.record(z.string(), parameters).optional(),
  weights: z
    .looseObject({
      file: z.string().optional(),
      seed: z.number().optional(),
      gain: z.number().optional(),
      shortcutGain: z.number().optional(),
    })
    .optional(),
  cfg: z.looseObject({ file: z.string() }).optional(),
  input: z.looseObject({ seed: z.number().optional() }).optional(),
  expected: z.string().optional(),
  files: z.record(z.string(), z.string()),
});

/** A case of the Darknet conformance suite, as its manifest tells it. */
export type DarknetManifest = z.infer<typeof manifest>;
/** One layer of a manifest. */
export type ManifestLayer = z.infer<typeof layer>;

/**
 * Reads a case's manifest and checks the hashes of the files it lists.
 *
 * @throws {InputError} `format` or `corrupt`, naming the file
 */
export function readManifest(folder: string): DarknetManifest {
  const path = join(folder, "manifest.json");
  const parsed = manifest.safeParse(JSON.parse(readFileSync(path, "utf8")));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new InputError("format", `${path}: ${issue?.path.join(".")}: ${issue?.message}`);
  }
  for (const [file, expected] of Object.entries(parsed.data.files)) {
    const found = createHash("sha256")
      .update(readFileSync(join(folder, file)))
      .digest("hex");
    if (found !== expected)
      throw new InputError(
        "corrupt",
        `${join(folder, file)}: sha256 ${found}, expected ${expected}`,
      );
  }
  return parsed.data;
}
