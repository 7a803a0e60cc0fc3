import { homedir, platform } from "node:os";
import { join, resolve } from "node:path";

/**
 * Where this user's recordings of references are kept: DIFFTEST_CACHE, else a folder of ours where the system wants
 * caches to be. `null` where DIFFTEST_CACHE is `off`.
 */
export function cacheFolder(): string | null {
  const { DIFFTEST_CACHE: own, XDG_CACHE_HOME: xdg, LOCALAPPDATA: local } = process.env;
  if (own === "off") return null;
  if (own !== undefined && own !== "") return resolve(own);
  switch (platform()) {
    case "win32":
      return join(local ?? join(homedir(), "AppData", "Local"), "difftest", "Cache");
    case "darwin":
      return join(homedir(), "Library", "Caches", "difftest");
    default:
      return join(xdg || join(homedir(), ".cache"), "difftest");
  }
}
