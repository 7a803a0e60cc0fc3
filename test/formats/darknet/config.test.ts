import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InputError } from "../../../src/errors.js";
import { architectureFromDarknet } from "../../../src/formats/darknet/architecture.js";
import { parseDarknetConfig, readDarknetConfig } from "../../../src/formats/darknet/config.js";

const parse = (text: string) => parseDarknetConfig(text, "my.cfg");

describe("a Darknet configuration", () => {
  it("loses blanks and tabs everywhere, comment lines and empty lines", () => {
    const config = parse(
      "\uFEFF[network]\r\n width = 9\r\n# a comment\r\n; another\r\n\r\n [ conv ]\r\nactivation\t= lea ky\r\n",
    );
    expect(config.net.name).toBe("network");
    expect(config.net.values.get("width")).toEqual({ value: "9", line: 2 });
    expect(config.layers[0]?.name).toBe("conv");
    expect(config.layers[0]?.line).toBe(6);
    expect(config.layers[0]?.values.get("activation")?.value).toBe("leaky");
  });

  it("keeps the first of two equal keys and says so when they differ", () => {
    const config = parse("[net]\n[conv]\nfilters=3\nfilters=5\nsize=1\nsize=1\n");
    expect(config.layers[0]?.values.get("filters")?.value).toBe("3");
    expect(config.warnings).toEqual([
      'my.cfg line 4: filters="5" is ignored, [conv] has filters="3" on line 3',
    ]);
  });

  it("ignores a key without value, with a warning, as the library does", () => {
    expect(parse("[net]\nangle=\n[conv]\n").warnings).toEqual([
      'my.cfg line 2: "angle=" has no value and is ignored',
    ]);
  });

  it.each([
    ["", "empty file"],
    ["\n\n# nothing\n", "no [section] found"],
    ["[conv]\nsize=1\n", "my.cfg line 1: first section is [conv], expected [net]"],
    ["[net]\nwidth=3\n", "[net] has no layers"],
    ["width=3\n[net]\n", 'my.cfg line 1: "width=3" stands before the first section'],
    ["[net]\nhello\n", 'my.cfg line 2: "hello" is neither [section] nor key=value'],
    ["[net\nwidth=3\n", 'my.cfg line 1: "[net" is not a section'],
    ["<!DOCTYPE html><html>", "this is an HTML page"],
    ["\n  <html lang=en>", "this is an HTML page"],
    ["<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>", "XML error page"],
    ["version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git-LFS pointer"],
    ["404: Not Found", "an HTTP error message"],
    ["[net]\nwidth=3\n\u0000\u0001", "byte 0 at offset 14 is not text"],
    ["PK\u0003\u0004", "a zip archive"],
  ])("%j is refused in one line", (text, message) => {
    expect(() => parse(text)).toThrow(message);
    expect(() => parse(text)).toThrow(InputError);
  });

  it("refuses a weights file in its place", () => {
    const weights = Uint8Array.of(0, 0, 0, 0, 2, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2);
    expect(() => parseDarknetConfig(weights, "x.cfg")).toThrow("is this the weights file?");
  });

  it("refuses what is too long before it looks at it", () => {
    expect(() => parseDarknetConfig(new Uint8Array(9_000_000), "x.cfg")).toThrow(
      "expected at most",
    );
  });

  it("says that a file or folder is not there", () => {
    expect(() => readDarknetConfig("test/no-such.cfg")).toThrow("no such file");
    expect(() => readDarknetConfig("test")).toThrow("is a folder");
  });

  it("never throws anything but one-line InputErrors, whatever the text", () => {
    const words = ["[net]", "[conv]", "[yolo]", "[route]", "[shortcut]", "[maxpool]", "[upsample]"];
    const keys = ["width", "height", "channels", "filters", "size", "stride", "layers", "from"];
    const line = fc.oneof(
      fc.constantFrom(...words),
      fc
        .tuple(fc.constantFrom(...keys), fc.oneof(fc.integer(), fc.string()))
        .map((p) => p.join("=")),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
        const text = ["[net]", "width=4", "height=4", "channels=2", ...lines].join("\n");
        try {
          architectureFromDarknet(parse(text));
        } catch (error) {
          expect(error).toBeInstanceOf(InputError);
          expect((error as Error).message).not.toContain("\n");
        }
      }),
      { numRuns: 300 },
    );
  });
});
