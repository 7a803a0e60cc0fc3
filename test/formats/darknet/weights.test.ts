import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { InputError } from "../../../src/errors.js";
import {
  architectureFromDarknet,
  type DarknetArchitecture,
} from "../../../src/formats/darknet/architecture.js";
import { parseDarknetConfig } from "../../../src/formats/darknet/config.js";
import type { DarknetDialect } from "../../../src/formats/darknet/dialect.js";
import { inspectDarknetWeights } from "../../../src/formats/darknet/weights-inspect.js";
import {
  type DarknetVersion,
  writeDarknetWeights,
} from "../../../src/formats/darknet/weights-writer.js";
import { sizeOf } from "../../../src/tensor/tensor.js";
import { openDarknetWeights } from "../../../src/weights/darknet-weights.js";
import { openWeightStore } from "../../../src/weights/open-weight-store.js";
import { synthesizeWeights } from "../../../src/weights/synthetic.js";

const folder = mkdtempSync(join(tmpdir(), "darknet-weights-"));
afterAll(() => rmSync(folder, { recursive: true }));

const TWO_LAYERS =
  "[net]\nwidth=4\nheight=3\nchannels=2\n" +
  "[conv]\nbatch_normalize=1\nfilters=3\nsize=1\nactivation=leaky\n" +
  "[connected]\noutput=5\nactivation=linear\n";

function network(text = TWO_LAYERS, dialect: DarknetDialect = "alexeyab"): DarknetArchitecture {
  return architectureFromDarknet(parseDarknetConfig(text, "my.cfg"), { dialect });
}

/** A sound file of a network, synthetic values. */
function fileOf(architecture: DarknetArchitecture, version: DarknetVersion = {}): Uint8Array {
  const store = synthesizeWeights(architecture, { seed: 5 });
  const pieces: Uint8Array[] = [];
  const read = (name: string): Float32Array => store.read(name).data;
  writeDarknetWeights((bytes) => pieces.push(bytes.slice()), architecture, read, version);
  return Buffer.concat(pieces);
}

function floatAt(bytes: Uint8Array, offset: number, value: number): Uint8Array {
  const changed = Uint8Array.from(bytes);
  new DataView(changed.buffer).setFloat32(offset, value, true);
  return changed;
}

const sound = fileOf(network());
// 20 header, 3 bias, 3 scale, 3 mean, 3 variance, 6 kernel, 5 bias, 5 × 36 kernel
const CONV_END = 20 + 4 * 18;

describe("a sound weights file", () => {
  it("has its tensors where the library reads them", () => {
    const { store, header, lastLayer, layersWithout, warnings } = openDarknetWeights(
      sound,
      network(),
    );
    const places = store.description.entries.map(({ name, offset }) => [name, offset]);
    expect(places).toEqual([
      ["conv_0/bias", 20],
      ["conv_0/scale", 32],
      ["conv_0/mean", 44],
      ["conv_0/variance", 56],
      ["conv_0/kernel", 68],
      ["connected_1/bias", CONV_END],
      ["connected_1/kernel", CONV_END + 20],
    ]);
    expect(header).toMatchObject({ major: 0, minor: 2, revision: 5, seen: 0n, bytes: 20 });
    expect({ lastLayer, layersWithout, warnings }).toEqual({
      lastLayer: 1,
      layersWithout: [],
      warnings: [],
    });
  });

  it("is read from the file itself, also by a store opened again elsewhere", () => {
    const path = join(folder, "sound.weights");
    writeFileSync(path, sound);
    const { store } = openDarknetWeights(path, network());
    const again = openWeightStore(JSON.parse(JSON.stringify(store.description)));
    const expected = synthesizeWeights(network(), { seed: 5 });
    for (const { name } of store.specs) {
      expect(store.read(name)).toEqual(expected.read(name));
      expect(again.read(name)).toEqual(expected.read(name));
    }
    expect(store.description.source).toEqual({ kind: "file", path });
    writeFileSync(path, sound.subarray(0, 100));
    expect(() => store.read("connected_1/kernel")).toThrow("it changed after it was opened");
    expect(() => store.read("conv_9/kernel")).toThrow('no weights named "conv_9/kernel"');
    store.close();
    again.close();
  });

  it("comes back bit for bit from what was read, whatever version and dialect", () => {
    const version = fc.record({
      major: fc.constantFrom(0, 1, 1000, 1001),
      minor: fc.constantFrom(0, 1, 2, 1001),
      revision: fc.nat(9),
      seen: fc.bigInt(0n, 2n ** 32n - 1n),
    });
    const layer = fc.constantFrom(
      "[conv]\nfilters=2\nsize=3\npad=1\nflipped=1\n",
      "[conv]\nbatch_normalize=1\nfilters=4\nsize=1\n",
      "[connected]\noutput=3\nbatch_normalize=1\n",
      "[gru]\noutput=2\n",
      "[lstm]\noutput=2\nbatch_normalize=1\n",
      "[conv]\nfilters=2\nsize=1\ndontload=1\n",
    );
    fc.assert(
      fc.property(
        version,
        fc.array(layer, { minLength: 1, maxLength: 4 }),
        fc.constantFrom<DarknetDialect>("alexeyab", "pjreddie"),
        (chosen, layers, dialect) => {
          const text = `[net]\nwidth=3\nheight=2\nchannels=2\n${layers.join("")}`;
          const architecture = network(text, dialect);
          const bytes = fileOf(architecture, chosen);
          const { store, header } = openDarknetWeights(bytes, architecture, { lenient: true });
          expect(header).toMatchObject(chosen);
          const source = synthesizeWeights(architecture, { seed: 5 });
          architecture.records.forEach(({ name, file }) => {
            if (file === "stored") expect(store.read(name)).toEqual(source.read(name));
          });
        },
      ),
      { numRuns: 60 },
    );
  });

  it("stores dense kernels transposed in files of version 1001, for both dialects", () => {
    const plain = fileOf(network());
    const old = fileOf(network(), { major: 1001 });
    const at = CONV_END + 20;
    const kernel = (bytes: Uint8Array): Float32Array =>
      new Float32Array(bytes.buffer.slice(bytes.byteOffset + at, bytes.byteOffset + at + 720));
    expect(kernel(old)[1]).toBe(kernel(plain)[36]);
    expect(kernel(old)[5]).toBe(kernel(plain)[1]);
  });
});

describe("a damaged weights file is refused in one line that names the place", () => {
  const bad: [string, Uint8Array, string | RegExp][] = [
    ["empty", new Uint8Array(), "weights: is empty"],
    ["shorter than its header", sound.subarray(0, 7), "header at offset 0 needs 16 bytes, 7 left"],
    [
      "a header cut in its last field",
      sound.subarray(0, 18),
      "header at offset 0 needs 20 bytes, 18 left",
    ],
    ["a header alone", sound.subarray(0, 20), /conv_0\/bias at offset 20 .*header without weights/],
    [
      "cut inside a tensor",
      sound.subarray(0, 300),
      "layer 1 connected_1/kernel at offset 112 needs 720 bytes, 188 left: my.cfg needs 832 bytes, the file has 300",
    ],
    ["cut inside a float", sound.subarray(0, 830), "length is no whole number of floats"],
    ["a backbone", sound.subarray(0, CONV_END), "if only the backbone is meant, use --partial"],
    [
      "too long by a float",
      Buffer.concat([sound, Buffer.alloc(4)]),
      "4 bytes left at offset 832 after the last tensor connected_1/kernel",
    ],
    ["too long by a byte", Buffer.concat([sound, Buffer.alloc(1)]), "no whole number of floats"],
    [
      "an old header of 16 bytes under a new version",
      Buffer.concat([sound.subarray(0, 12), Buffer.from([9, 0, 0, 0]), sound.subarray(20)]),
      /so many images cannot be|it would fit with a header of 16 bytes/,
    ],
    [
      "a wide header under version 0.1.0",
      Buffer.concat([Buffer.from([0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]), sound.subarray(12)]),
      "it would fit with a header of 20 bytes, but its version 0.1.0 has 16",
    ],
    [
      "a version never written",
      Buffer.concat([Buffer.from([1, 2, 3, 4]), sound.subarray(4)]),
      "version 67305985.2.5 was never written by Darknet",
    ],
    [
      "NaN in a kernel",
      floatAt(sound, 72, Number.NaN),
      "layer 0 conv_0/kernel[1] at offset 72 is not a number",
    ],
    [
      "infinity in a bias",
      floatAt(sound, CONV_END, Number.NEGATIVE_INFINITY),
      "connected_1/bias[0] at offset 92 is -Infinity",
    ],
    [
      "a negative variance",
      floatAt(sound, 60, -0.5),
      "conv_0/variance[1] at offset 60 is -0.5, expected a variance of at least 0",
    ],
    ["an HTML page", Buffer.from("<!doctype html><html><body>Sign in"), "is an HTML page"],
    ["an XML error", Buffer.from("<?xml version='1.0'?>\n<Error>"), "XML error page"],
    ["a Git-LFS pointer", Buffer.from("version https://git-lfs.github.com/spec/v1\n"), "Git-LFS"],
    [
      "copied as UTF-8 text",
      Buffer.from(Buffer.from(sound).toString("utf8")),
      /times the bytes EF BF BD.*copied as text/,
    ],
    [
      "copied with line ends changed",
      Buffer.from(
        Buffer.concat([sound, Buffer.from("\n1\n2\n3\n4")])
          .toString("latin1")
          .replaceAll("\n", "\r\n"),
        "latin1",
      ),
      "has a 0D before it",
    ],
  ];
  it.each(bad)("%s", (_, bytes, message) => {
    const open = (): unknown => openDarknetWeights(bytes, network());
    expect(open).toThrow(InputError);
    expect(open).toThrow(message);
    try {
      open();
    } catch (error) {
      expect((error as Error).message).not.toContain("\n");
    }
  });

  it("counts what else is wrong in the same tensor", () => {
    const twice = floatAt(floatAt(sound, 72, Number.NaN), 80, Number.NaN);
    expect(() => openDarknetWeights(twice, network())).toThrow("(and 1 more of its 6 values)");
  });

  it("no single changed length goes unnoticed", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: sound.length + 40 }), (length) => {
        fc.pre(length !== sound.length);
        const bytes = new Uint8Array(length);
        bytes.set(sound.subarray(0, length));
        expect(() => openDarknetWeights(bytes, network())).toThrow(InputError);
      }),
    );
  });
});

describe("partial and lenient reading", () => {
  it("--partial accepts a file that ends after a whole layer, and says what has no weights", () => {
    const opened = openDarknetWeights(sound.subarray(0, CONV_END), network(), { partial: true });
    expect(opened.lastLayer).toBe(0);
    expect(opened.layersWithout).toEqual(["connected_1"]);
    expect(opened.missing).toEqual([
      { name: "connected_1/bias", stored: 0, count: 5 },
      { name: "connected_1/kernel", stored: 0, count: 180 },
    ]);
  });

  it("--partial refuses a file that ends inside a layer, or is too long", () => {
    const open = (bytes: Uint8Array) => () =>
      openDarknetWeights(bytes, network(), { partial: true });
    expect(open(sound.subarray(0, CONV_END + 20))).toThrow("connected_1/kernel at offset 112");
    expect(open(Buffer.concat([sound, Buffer.alloc(8)]))).toThrow("8 bytes left");
  });

  it("--lenient keeps start values for what is missing: scale 1, everything else 0", () => {
    const opened = openDarknetWeights(sound.subarray(0, 36), network(), { lenient: true });
    const { data } = opened.store.read("conv_0/scale");
    expect(data[0]).toBe(synthesizeWeights(network(), { seed: 5 }).read("conv_0/scale").data[0]);
    expect([...data.subarray(1)]).toEqual([1, 1]);
    expect(opened.store.read("conv_0/variance").data).toEqual(new Float32Array(3));
    expect(opened.lastLayer).toBe(-1);
    expect(opened.missing[0]).toEqual({ name: "conv_0/scale", stored: 1, count: 3 });
    expect(opened.warnings.join()).toContain("conv_0/scale at offset 32 needs 12 bytes, 4 left");
  });

  it("--lenient lays the first bytes of a value that is cut in two over its start value, as fread does", () => {
    const bytes = Uint8Array.from(sound.subarray(0, 38));
    bytes.set([0x34, 0x12], 36);
    const opened = openDarknetWeights(bytes, network(), { lenient: true });
    const expected = new Float32Array(Uint32Array.of(0x3f80_1234).buffer)[0];
    expect([...opened.store.read("conv_0/scale").data].slice(1)).toEqual([expected, 1]);
  });

  it("--lenient warns of each thing that is wrong", () => {
    const wrong = Buffer.concat([floatAt(floatAt(sound, 60, -1), 72, Number.NaN), Buffer.alloc(4)]);
    const { warnings } = openDarknetWeights(wrong, network(), { lenient: true });
    expect(warnings).toHaveLength(3);
  });

  it("warns of zero variances and of kernels that are all zero, strictly too", () => {
    let bytes = floatAt(sound, 56, 0);
    for (let offset = 68; offset < CONV_END; offset += 4) bytes = floatAt(bytes, offset, 0);
    const { warnings } = openDarknetWeights(bytes, network());
    expect(warnings.join(" ")).toMatch(
      /variance has 1 values of exactly 0.*kernel is 0 everywhere/,
    );
  });
});

describe("writing", () => {
  it("leaves nothing behind when it fails, and the old file as it was", () => {
    const path = join(folder, "kept.weights");
    writeFileSync(path, "old");
    const write = (): void =>
      writeDarknetWeights(path, network(), (name) => new Float32Array(name.length));
    expect(write).toThrow("conv_0/bias: 11 values given, expected 3 for [3]");
    expect(readFileSync(path, "utf8")).toBe("old");
    expect(readdirSync(folder).filter((file) => file.endsWith(".tmp"))).toEqual([]);
  });

  it("writes a file that reads back", () => {
    const path = join(folder, "new.weights");
    const source = synthesizeWeights(network(), { seed: 5 });
    writeDarknetWeights(path, network(), (name) => source.read(name).data, { seen: 77n });
    const { store, header } = openDarknetWeights(path, network());
    expect(header.seen).toBe(77n);
    expect(store.read("connected_1/kernel")).toEqual(source.read("connected_1/kernel"));
    store.close();
  });

  it("refuses a header whose numbers do not fit", () => {
    const write = (version: DarknetVersion) => (): Uint8Array => fileOf(network(), version);
    expect(write({ minor: 1, seen: 2n ** 32n })).toThrow("does not fit its fields");
    expect(write({ major: 0.5 })).toThrow("does not fit its fields");
  });
});

describe("inspecting without a network", () => {
  it("counts, measures and says what looks wrong", () => {
    const clean = inspectDarknetWeights(sound);
    expect(clean.floats).toBe(203);
    expect(clean.warnings).toEqual([]);
    const odd = inspectDarknetWeights(
      Buffer.concat([floatAt(sound, 72, Number.NaN), Buffer.alloc(2)]),
    );
    expect(odd.warnings).toEqual([
      "2 bytes after the last whole float: cut off or added to",
      "1 values are not a number",
    ]);
    expect(odd.statistics.nan).toBe(1);
  });

  it("agrees with the plain formulas", () => {
    const values = [1, 2, 3, 4, 0, 0, 1e16];
    const bytes = new Uint8Array(20 + 4 * values.length);
    bytes.set(sound.subarray(0, 20));
    new Float32Array(bytes.buffer, 20).set(values);
    const { statistics } = inspectDarknetWeights(bytes);
    const mean = [...new Float32Array(values)].reduce((a, b) => a + b) / 7;
    expect(statistics).toMatchObject({ minimum: 0, zero: 2, longestZeroRun: 2, huge: 1 });
    expect(statistics.mean).toBeCloseTo(mean, -2);
  });
});

const suite = process.env["DIFFTEST_SHARED"]
  ? join(process.env["DIFFTEST_SHARED"], "darknet-conformance", "cases")
  : undefined;

/** float32 values of a small .npy file. */
function npy(path: string): Float32Array {
  const bytes = readFileSync(path);
  const start = 10 + bytes.readUInt16LE(8);
  return new Float32Array(
    bytes.buffer.slice(bytes.byteOffset + start, bytes.byteOffset + bytes.length),
  );
}

describe.skipIf(suite === undefined)(
  "weights files of the conformance suite (needs DIFFTEST_SHARED)",
  () => {
    const root = suite ?? "";
    const manifests = (suite ? readdirSync(root) : [])
      .map((id) => JSON.parse(readFileSync(join(root, id, "manifest.json"), "utf8")))
      .filter((manifest) => existsSync(join(root, manifest.id, "net.weights")));
    const loading = manifests.filter((manifest) => manifest.area === "D");
    const dialects: DarknetDialect[] = ["alexeyab", "pjreddie"];
    const files = loading.flatMap((m) =>
      dialects.filter((d) => m.perOracle[d]).map((d) => [m.id, d, m] as const),
    );

    it.each(files)(
      "%s read leniently by %s's rules is what that library held",
      (id, dialect, m) => {
        const config = parseDarknetConfig(readFileSync(join(root, id, "net.cfg")), "net.cfg");
        const architecture = architectureFromDarknet(config, { dialect });
        const path = join(root, id, "net.weights");
        const { store, missing } = openDarknetWeights(path, architecture, {
          dialect,
          lenient: true,
        });
        const loaded = npy(join(root, id, m.perOracle[dialect].parametersAfterLoading.file));
        let at = 0;
        let compared = 0;
        for (const { name, shape, role } of store.specs) {
          const values = store.read(name).data;
          const entry = store.description.entries.find((one) => one.name === name);
          const gap = missing.find((one) => one.name === name);
          for (let k = 0; k < sizeOf(shape); k++, at++) {
            // NaN: the library's random start value. A transposed kernel's missing end lies anywhere.
            const unknown = Number.isNaN(loaded[at]) || (gap && entry?.storage === "transposed");
            if (unknown || (gap && k >= gap.stored && role === "kernel")) continue;
            if (values[k] !== loaded[at])
              expect.fail(`${name}[${k}]: ${values[k]} ≠ ${loaded[at]}`);
            compared += 1;
          }
        }
        expect(at).toBe(loaded.length);
        expect(compared).toBeGreaterThanOrEqual(12);
      },
    );

    it.each(files)("%s: strictly by %s's rules only what is sound is read", (id, dialect, m) => {
      const config = parseDarknetConfig(readFileSync(join(root, id, "net.cfg")), "net.cfg");
      const architecture = architectureFromDarknet(config, { dialect });
      const open = (): unknown => openDarknetWeights(join(root, id, "net.weights"), architecture);
      const { equalToIntended, total } = m.perOracle[dialect];
      const overlong = m.weights.bytes > 20 + 4 * m.weights.floatsNeeded;
      const byConfiguration = architecture.records.some(({ file }) => file === "absent");
      if ((equalToIntended === total && !overlong) || byConfiguration) expect(open).not.toThrow();
      else expect(open).toThrow(InputError);
    });

    const others = manifests.filter(({ area }) => ["A", "B", "C"].includes(area));
    it(`${others.length} other files are sound`, () => {
      for (const { id, oracle } of others) {
        const config = parseDarknetConfig(readFileSync(join(root, id, "net.cfg")), id);
        const dialect = oracle.name === "pjreddie" ? "pjreddie" : "alexeyab";
        const architecture = architectureFromDarknet(config, { dialect });
        const path = join(root, id, "net.weights");
        const { store, layersWithout } = openDarknetWeights(path, architecture);
        expect(layersWithout).toEqual([]);
        store.close();
      }
    });
  },
);
