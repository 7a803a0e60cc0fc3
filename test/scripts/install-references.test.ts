import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { whenInstalled } from "../references/installed.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

function install(
  root: string,
  names: readonly string[],
  env: Readonly<Record<string, string>> = {},
) {
  const script = join(root, "scripts", "install-references.sh");
  const options = { encoding: "utf8", env: { ...process.env, ...env } } as const;
  const { status, stdout, stderr } = spawnSync(script, names, options);
  return { status, out: stdout, err: stderr };
}

describe("scripts/install-references.sh", () => {
  /** The scripts without anything that was installed before. */
  let bare: string;

  beforeAll(() => {
    bare = mkdtempSync(join(tmpdir(), "difftest-install-"));
    for (const folder of ["scripts", "references/darknet", "references/keras"]) {
      mkdirSync(join(bare, folder), { recursive: true });
    }
    cpSync(
      join(ROOT, "scripts/install-references.sh"),
      join(bare, "scripts/install-references.sh"),
    );
    cpSync(join(ROOT, "references/darknet/build.sh"), join(bare, "references/darknet/build.sh"));
    cpSync(
      join(ROOT, "references/keras/requirements.txt"),
      join(bare, "references/keras/requirements.txt"),
    );
  });
  afterAll(() => rmSync(bare, { recursive: true, force: true }));

  it("refuses what it does not know", () => {
    const { status, err } = install(ROOT, ["jax"]);
    expect(status).toBe(2);
    expect(err).toContain(
      'unknown reference "jax", expected darknet, keras, pytorch, tfjs-node or onnx',
    );
  });

  it("says what is missing, and goes on to the next", () => {
    const { status, out, err } = install(bare, ["darknet", "keras"], {
      DARKNET_HOME: "/no/such/checkout",
      PYTHON: "/no/such/python",
    });
    expect(err).toContain("references: darknet is missing: references/darknet/build.sh failed");
    expect(err).toContain(
      "references: Python is missing: /no/such/python cannot make an environment",
    );
    expect({ status, out }).toEqual({ status: 3, out: "" });
  });

  it.each(["darknet", "keras", "pytorch", "onnx"] as const)(
    "is quick where %s is installed",
    (name) => {
      if (!whenInstalled(name) || process.env["DIFFTEST_PYTHON"] !== undefined) return;
      // Builds it anew where its sources have changed since.
      install(ROOT, [name]);
      const started = performance.now();
      const { status, out } = install(ROOT, [name]);
      expect(out).toMatch(new RegExp(`^references: ${name}: (installed|built) already`));
      expect(status).toBe(0);
      expect(performance.now() - started).toBeLessThan(20_000);
    },
  );
});
