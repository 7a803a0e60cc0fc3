/** Builds `dist`: compiled sources, the ONNX schema module and the executable bit of the command. */
import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, rmSync } from "node:fs";

rmSync("dist", { recursive: true, force: true });
execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json"], {
  stdio: "inherit",
});
// Generated JavaScript lies beside its declarations; the compiler copies neither.
const generated = "src/formats/onnx/generated";
if (existsSync(generated)) cpSync(generated, "dist/formats/onnx/generated", { recursive: true });
if (existsSync("dist/cli.js")) chmodSync("dist/cli.js", 0o755);
