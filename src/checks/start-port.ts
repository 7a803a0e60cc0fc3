import { resolve } from "node:path";
import type { PortSource } from "../record/port-messages.js";
import { PortThread } from "../record/port-thread.js";
import { prepareBackend } from "../runtime/backend.js";
import type { ResolvedOptions } from "./options.js";

/** Starts a port in a thread of its own. */
export function startPort(resolved: ResolvedOptions, source: PortSource): PortThread {
  prepareBackend(resolved.backend);
  return new PortThread({
    source,
    backend: resolved.backend,
    runner: {
      timeoutMs: resolved.timeoutMs,
      pid: new SharedArrayBuffer(4),
      files: filesOf(resolved),
    },
  });
}

/** Absolute paths, since a program may stand elsewhere. */
function filesOf({ original, weights }: ResolvedOptions): { original?: string; weights?: string } {
  return {
    ...(original === null ? {} : { original: resolve(original) }),
    ...(weights?.kind === "file" ? { weights: resolve(weights.path) } : {}),
  };
}
