import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { writeFileAtomic } from "../../src/formats/atomic-file.js";

const folder = mkdtempSync(join(tmpdir(), "difftest-atomic-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("writeFileAtomic", () => {
  it("writes the bytes, replaces what was there and leaves nothing else", () => {
    const path = join(folder, "a.npz");
    writeFileAtomic(path, Uint8Array.of(1, 2, 3));
    writeFileAtomic(path, Uint8Array.of(4));
    expect([...readFileSync(path)]).toEqual([4]);
    expect(readdirSync(folder)).toEqual(["a.npz"]);
  });

  it("leaves no temporary file behind when it fails", () => {
    const target = join(folder, "taken");
    mkdirSync(target);
    writeFileSync(join(target, "inside"), "");
    // A folder that is not empty cannot be replaced by a file.
    expect(() => writeFileAtomic(target, Uint8Array.of(1))).toThrow();
    expect(existsSync(join(target, "inside"))).toBe(true);
    expect(readdirSync(folder).filter((name) => name.endsWith(".tmp"))).toEqual([]);
    expect(() => writeFileAtomic(join(folder, "none", "b"), Uint8Array.of(1))).toThrow("ENOENT");
  });
});
