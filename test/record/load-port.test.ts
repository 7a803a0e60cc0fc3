import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InputError } from "../../src/errors.js";
import { checkPort, loadPort } from "../../src/record/load-port.js";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "difftest-load-port-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const RIGHT = `{
  name: "mine", original: "its.cfg", layout: "nhwc", runtime: "plain",
  build: () => ({}), forward: () => undefined,
}`;

const BROKEN = "export default {\n  name: 'x',\n  build( {\n};\n";

/** Writes a module and gives its path. */
function moduleOf(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

async function refusal(path: string): Promise<string> {
  const error: unknown = await loadPort(path).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(InputError);
  const { message } = error as InputError;
  expect(message).not.toContain("\n");
  return message.replaceAll(folder, "…");
}

describe("loadPort", () => {
  it.each(["right.mjs", "right.ts", "right.mts"])("loads %s", async (name) => {
    const typed = name.endsWith(".mjs") ? "" : "const answer: number = 42; void answer;\n";
    const port = await loadPort(moduleOf(name, `${typed}export default ${RIGHT};\n`));
    expect(port.name).toBe("mine");
  });

  it("names a module without a default export, and what is expected", async () => {
    const path = moduleOf("no-default.mjs", `export const port = ${RIGHT};\n`);
    expect(await refusal(path)).toBe(
      "…/no-default.mjs: default export is missing, expected a port { name, original, layout, runtime, build, forward }",
    );
  });

  it("lists every field that is missing or of the wrong type", async () => {
    const text = 'export default { name: "", layout: "chw", runtime: "tfjs", forward: 3 };\n';
    expect(await refusal(moduleOf("fields.mjs", text))).toBe(
      '…/fields.mjs: name is "", expected a string; original is missing, expected a string; ' +
        'layout is "chw", expected "nhwc" or "nchw"; build is missing, expected a function; ' +
        "forward is number, expected a function",
    );
  });

  it("tells a syntax error in TypeScript in one line", async () => {
    const message = await refusal(moduleOf("broken.ts", BROKEN));
    expect(message).toMatch(/^…\/broken\.ts: cannot be loaded: ParseError: .*Unexpected token/);
  });

  it("names the line of an exception in the module itself", async () => {
    const path = moduleOf("throws.mjs", `const x = null;\n\nx.field;\nexport default ${RIGHT};\n`);
    expect(await refusal(path)).toMatch(
      /^…\/throws\.mjs: cannot be loaded: Cannot read properties of null .* \(at …\/throws\.mjs:3:3\)$/,
    );
  });

  it("says which import is missing", async () => {
    const path = moduleOf("lost.mjs", `import "./not-there.mjs";\nexport default ${RIGHT};\n`);
    expect(await refusal(path)).toMatch(/cannot be loaded: Cannot find module .*not-there\.mjs/);
  });

  it("refuses what is not there and what is no module", async () => {
    expect(await refusal(join(folder, "gone.ts"))).toMatch(/there is no such file/);
    expect(await refusal(moduleOf("port.py", "pass\n"))).toMatch(
      /a port is a module ending in \.ts, \.mts, \.js, \.mjs$/,
    );
  });
});

describe("checkPort", () => {
  it.each([
    [null, "object"],
    ["text", "string"],
    [42, "number"],
    [() => undefined, "function"],
  ])("refuses %j as a port", (value, word) => {
    expect(() => checkPort(value, "p.mjs")).toThrow(`p.mjs: default export is ${word}, expected`);
  });
});
