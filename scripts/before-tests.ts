/**
 * Runs before `npm test`: where no test may be skipped (`DIFFTEST_REFERENCES=required`, as in CI), it
 * installs the libraries that the originals were made with. A test whose library could not be
 * installed then fails by itself.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

if (process.env["DIFFTEST_REFERENCES"] === "required") {
  const script = fileURLToPath(new URL("install-references.sh", import.meta.url));
  const { error } = spawnSync(script, { stdio: "inherit" });
  if (error !== undefined) console.error(`${script}: ${error.message}`);
}
