import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { darknetRunnerPath, pythonPath } from "../../src/references/runner/installed.js";

/** Modules that a Python reference, or a test of ours, imports. */
const MODULES = {
  keras: ["keras", "tensorflow", "h5py"],
  pytorch: ["torch", "safetensors"],
  python: ["numpy"],
  onnx: ["onnx"],
} as const;

/** Whether a reference, or a package that tests read, is there; where all of them must be (DIFFTEST_REFERENCES=required), its tests run and fail instead. */
export function whenInstalled(reference: "darknet" | keyof typeof MODULES): boolean {
  if (process.env["DIFFTEST_REFERENCES"] === "required") return true;
  if (reference === "darknet") return existsSync(darknetRunnerPath());
  const found = `import importlib.util as i, sys; sys.exit(any(i.find_spec(m) is None for m in ${JSON.stringify(MODULES[reference])}))`;
  return spawnSync(pythonPath(), ["-c", found]).status === 0;
}
