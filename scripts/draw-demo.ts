/**
 * Draws docs/demo.svg, the README's picture: what `npx difftest demo` prints for the port with
 * mistakes. Runs the built command (`npm run build` first).
 */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { terminalPicture } from "./demo/terminal-picture.js";

const COLUMNS = 100;

const output = execFileSync(process.execPath, ["dist/cli.js", "demo"], {
  encoding: "utf8",
  env: { ...process.env, FORCE_COLOR: "1" },
});
const second = output.search(/^.*2\. The same port/m);
const end = output.search(/^.*Your own port/m);
if (second < 0 || end < second) throw new Error(`the demo prints something else:\n${output}`);
const shown = `$ npx difftest demo\n…\n\n${output.slice(second, end)}`;
writeFileSync("docs/demo.svg", terminalPicture(shown, COLUMNS));
