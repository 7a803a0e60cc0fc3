import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { confinedPath } from "../../src/formats/confined-path.js";

const root = mkdtempSync(join(tmpdir(), "confined-"));
afterAll(() => rmSync(root, { recursive: true }));
const model = join(root, "model");
mkdirSync(join(model, "sub"), { recursive: true });
writeFileSync(join(model, "sub", "w.bin"), "x");
writeFileSync(join(root, "secret"), "x");
symlinkSync(join(root, "secret"), join(model, "link"));
symlinkSync(join(model, "sub", "w.bin"), join(model, "inner"));
symlinkSync(root, join(model, "up"));

describe("confinedPath", () => {
  it("gives paths below the folder, also by a link that stays there", () => {
    expect(confinedPath(model, "sub/w.bin", "m")).toBe(join(model, "sub", "w.bin"));
    expect(confinedPath(model, "./inner", "m")).toBe(join(model, "inner"));
  });

  it.each([
    "../secret",
    "sub/../../secret",
    "sub\\..\\..\\secret",
    join(root, "secret"),
    "",
    "w\0.bin",
    "link",
    "up/secret",
  ])("refuses %j", (name) => {
    const unsafe = { name: "InputError", code: "unsafe" };
    expect(() => confinedPath(model, name, "m")).toThrow(expect.objectContaining(unsafe));
  });

  it("says when there is no such file", () => {
    expect(() => confinedPath(model, "none", "model.onnx")).toThrow(
      /model\.onnx: names the file .*none, which is not there/,
    );
  });
});
