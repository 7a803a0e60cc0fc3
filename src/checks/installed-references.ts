import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { UnavailableError } from "../errors.js";
import { runnerCommand } from "../references/runner/installed.js";
import { RunnerClient } from "../references/runner/runner-client.js";
import { isInstalled, TFJS_NODE } from "../runtime/backend.js";

/** A library that runs originals (or ports, for tfjs-node), and whether it is there. */
export interface InstalledReference {
  /** As options name it: `--reference keras`, `--backend node` for tfjs-node. */
  readonly name: string;
  readonly installed: boolean;
  readonly version: string | null;
  /** Compiler and flags, versions of what it stands on, or where it lies. */
  readonly build: string | null;
  /** Command that installs it; `null` for what comes with difftest. */
  readonly install: string | null;
  /** Why it cannot be used; `null` where it can. */
  readonly reason: string | null;
}

const INSTALL = "scripts/install-references.sh";
const RUNNERS = ["darknet", "keras", "pytorch"] as const;
const PACKAGES = createRequire(import.meta.url);

/**
 * What is installed: each runner is started and asked.
 *
 * @param timeoutMs - how long one may take to answer
 */
export async function installedReferences(
  timeoutMs: number,
): Promise<readonly InstalledReference[]> {
  const runners = await Promise.all(RUNNERS.map((name) => askedRunner(name, timeoutMs)));
  return [embedded(), ...runners, tfjsNode()];
}

function embedded(): InstalledReference {
  const version = versionOf("onnxruntime-node");
  const build = "comes with difftest; optimizations disabled, in a process of its own";
  return { name: "onnxruntime", installed: true, version, build, install: null, reason: null };
}

async function askedRunner(name: string, timeoutMs: number): Promise<InstalledReference> {
  const install = `${INSTALL} ${name}`;
  let client: RunnerClient | undefined;
  try {
    client = await RunnerClient.start(runnerCommand(name), { timeoutMs });
    const { version, build = null } = client.facts;
    return { name, installed: true, version, build, install, reason: null };
  } catch (error) {
    if (!(error instanceof UnavailableError)) throw error;
    return { name, installed: false, version: null, build: null, install, reason: error.message };
  } finally {
    await client?.close();
  }
}

function tfjsNode(): InstalledReference {
  const [name, install] = ["tfjs-node", `${INSTALL} tfjs-node`];
  if (isInstalled("node")) {
    const build = "TensorFlow as a back-end of ports: --backend node";
    return { name, installed: true, version: versionOf(TFJS_NODE), build, install, reason: null };
  }
  const reason = `${TFJS_NODE} is not installed`;
  return { name, installed: false, version: null, build: null, install, reason };
}

/** Version of an installed package, from the package.json above its entry. */
function versionOf(name: string): string | null {
  let folder = dirname(PACKAGES.resolve(name));
  while (folder !== dirname(folder)) {
    try {
      const found = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
      if (found.name === name) return found.version;
    } catch {
      // No package.json here: one folder up.
    }
    folder = dirname(folder);
  }
  return null;
}
