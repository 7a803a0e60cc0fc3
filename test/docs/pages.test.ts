import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";

const pages = [
  ...["README.md", "CONTRIBUTING.md", "CHANGELOG.md"],
  ...readdirSync("docs")
    .filter((name) => name.endsWith(".md"))
    .map((name) => join("docs", name)),
];
const text = (path: string) => readFileSync(path, "utf8");

describe.each(pages)("%s", (page) => {
  it("links only to files that exist", () => {
    const links = [...text(page).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)].map(([, link]) => link);
    const local = links.filter((link) => link !== undefined && !/^https?:/.test(link));
    const broken = local.filter((link) => !existsSync(join(dirname(page), link as string)));
    expect(broken).toEqual([]);
  });

  it("shows files as they are", () => {
    const shown = [...text(page).matchAll(/<!-- (\S+) -->\n```\w+\n(.*?)```\n/gs)];
    for (const [, file, code] of shown) expect(code).toBe(text(file as string));
  });
});

describe("README.md", () => {
  it("starts with the two commands", () => {
    const blocks = [...text("README.md").matchAll(/```\n(.*?)```/gs)].map(([, code]) => code);
    expect(blocks[0]).toBe(
      "npm ci && npx difftest layer-by-layer --model yolov4-tiny\nnpm ci && npm test\n",
    );
  });

  it("names only options that exist", async () => {
    const { COMMANDS } = await import("../../src/commands/commands.js");
    const known = COMMANDS.flatMap(({ options }) =>
      options.map(({ flags }) => flags.split(" ")[0]),
    );
    const calls = text("README.md").match(/difftest .*/g) ?? [];
    const named = calls.flatMap((call) => call.match(/(?<=\s)--[a-z-]+/g) ?? []);
    const unknown = named.filter((flag) => !known.includes(flag));
    expect(unknown.filter((flag) => !["--help", "--version"].includes(flag))).toEqual([]);
  });
});
