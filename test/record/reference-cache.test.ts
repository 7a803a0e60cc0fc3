import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { GoldenParts } from "../../src/record/golden-writer.js";
import { ReferenceCache } from "../../src/record/reference-cache.js";
import { cacheFolder } from "../../src/runtime/cache-folder.js";
import { tensor } from "../../src/tensor/tensor.js";

let root = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "difftest-cache-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const keyOf = (letter: string) => letter.repeat(64);

function parts(values: number): GoldenParts {
  const sha256 = "0".repeat(64);
  return {
    recorder: { name: "difftest", version: "0" },
    reference: { name: "a library", version: "1", options: {} },
    original: { file: "net.cfg", sha256 },
    weights: { source: "synthetic:1", sha256 },
    inputs: [],
    layout: "nchw",
    taps: [
      {
        id: "conv_0",
        layer: 0,
        kind: "conv",
        value: tensor([values], new Float32Array(values).fill(7)),
      },
    ],
    outputs: ["conv_0"],
  };
}

/** Makes an entry look as if it had been used so many minutes ago. */
function age(name: string, minutes: number): void {
  const then = new Date(Date.now() - 60_000 * minutes);
  utimesSync(join(root, name), then, then);
}

describe("ReferenceCache", () => {
  it("gives back what was kept under a key, and nothing under another", () => {
    const cache = new ReferenceCache(root);
    expect(cache.read(keyOf("a"))).toBeNull();
    cache.write(keyOf("a"), parts(3));
    expect([...(cache.read(keyOf("a"))?.read("conv_0")?.data ?? [])]).toEqual([7, 7, 7]);
    expect(cache.read(keyOf("b"))).toBeNull();
  });

  it.each(["trace.npz", "manifest.json"])("removes an entry whose %s was changed", (file) => {
    const cache = new ReferenceCache(root);
    cache.write(keyOf("a"), parts(3));
    const path = join(root, keyOf("a"), file);
    const bytes = readFileSync(path);
    const middle = Math.floor(bytes.length / 2);
    bytes[middle] = (bytes[middle] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    expect(cache.read(keyOf("a"))).toBeNull();
    expect(readdirSync(root)).toEqual([]);
  });

  it("removes what was not used for longest when there is no room", () => {
    const size = 8_000;
    const cache = new ReferenceCache(root, 2.5 * size);
    for (const [letter, minutes] of [
      ["a", 30],
      ["b", 20],
    ] as const) {
      cache.write(keyOf(letter), parts(size / 4));
      age(keyOf(letter), minutes);
    }
    expect(cache.read(keyOf("a"))).not.toBeNull();
    cache.write(keyOf("c"), parts(size / 8));
    expect(readdirSync(root).sort()).toEqual([keyOf("a"), keyOf("c")]);
  });

  it("keeps nothing that has no room at all", () => {
    new ReferenceCache(root, 100).write(keyOf("a"), parts(1000));
    expect(readdirSync(root)).toEqual([]);
  });

  it("removes what killed runs have left, and nothing that is not its own", () => {
    const leftover = `.${keyOf("a")}.0123456789ab.tmp`;
    for (const name of [leftover, "thesis", `.${keyOf("b")}.0123456789ab.tmp`]) {
      mkdirSync(join(root, name));
      writeFileSync(join(root, name, "file"), "x".repeat(100));
    }
    age(leftover, 120);
    age("thesis", 120);
    new ReferenceCache(root, 10_000).write(keyOf("c"), parts(3));
    expect(readdirSync(root).sort()).toEqual([
      `.${keyOf("b")}.0123456789ab.tmp`,
      keyOf("c"),
      "thesis",
    ]);
  });

  it("does without a folder that cannot be written", () => {
    const file = join(root, "file");
    writeFileSync(file, "");
    const cache = new ReferenceCache(join(file, "cache"));
    cache.write(keyOf("a"), parts(3));
    expect(cache.read(keyOf("a"))).toBeNull();
  });
});

describe("cacheFolder", () => {
  const own = process.env["DIFFTEST_CACHE"];
  afterEach(() => {
    process.env["DIFFTEST_CACHE"] = own;
  });

  it("is where DIFFTEST_CACHE says, or nowhere, or a folder of ours", () => {
    process.env["DIFFTEST_CACHE"] = "/somewhere/else";
    expect(cacheFolder()).toBe("/somewhere/else");
    process.env["DIFFTEST_CACHE"] = "off";
    expect(cacheFolder()).toBeNull();
    delete process.env["DIFFTEST_CACHE"];
    expect(cacheFolder()).toMatch(/difftest/);
  });
});
