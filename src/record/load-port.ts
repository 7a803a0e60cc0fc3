import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { extname, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { createJiti } from "jiti";
import { InputError } from "../errors.js";
import type { Port } from "../port/port.js";

/** What the recorder needs to know of a port: a built-in one, or a module's default export. */
export type LoadedPort = Port<unknown, never>;

const EXTENSIONS = [".ts", ".mts", ".js", ".mjs"];

/**
 * Loads a port's module: TypeScript or JavaScript, its default export is the port.
 *
 * @param file - as the user wrote it, relative to the working directory
 * @throws {InputError} `not-found` or `port`, naming the file and what is wrong with it
 */
export async function loadPort(file: string): Promise<LoadedPort> {
  const path = resolve(file);
  if (!existsSync(path)) {
    throw new InputError(
      "not-found",
      `--model ${file}: there is no such file, nor a built-in model of that name; "difftest models" lists those`,
    );
  }
  if (!EXTENSIONS.includes(extname(path))) {
    throw new InputError(
      "port",
      `--model ${file}: a port is a module ending in ${EXTENSIONS.join(", ")}`,
    );
  }
  let module: unknown;
  try {
    module = await importModule(path);
  } catch (error) {
    throw unloadable(file, path, error);
  }
  return checkPort((module as { default?: unknown }).default, file);
}

function unloadable(file: string, path: string, cause: unknown): InputError {
  const place = placeIn(cause, path) || syntaxPlace(cause, path);
  // What Node says of `export` in a file that its package.json makes CommonJS.
  const commonJs = /Unexpected token 'export'|Cannot use import statement/.test(oneLine(cause));
  const hint = commonJs
    ? '; name the file .mjs, or put "type": "module" into its package.json'
    : "";
  const reason = `${oneLine(cause)}${place}${hint}`;
  return new InputError("port", `${file}: cannot be loaded: ${reason}`, { cause });
}

/** Node keeps the line of a syntax error in a module to itself, unless it is asked to check that file. */
function syntaxPlace(cause: unknown, path: string): string {
  if (!(cause instanceof SyntaxError) || !/\.m?js$/.test(path)) return "";
  const checked = spawnSync(process.execPath, ["--check", path], {
    encoding: "utf8",
    timeout: 5000,
  });
  const line = /:(\d+)$/.exec(checked.stderr.split("\n", 1)[0] ?? "")?.[1];
  return line === undefined ? "" : ` (at ${path}:${line})`;
}

async function importModule(path: string): Promise<unknown> {
  // Plain JavaScript goes through Node's own loader: a port may rely on import.meta, or on modules it shares with us.
  if (/\.m?js$/.test(path)) return await import(pathToFileURL(path).href);
  const jiti = createJiti(import.meta.url, {
    moduleCache: true,
    fsCache: false,
    interopDefault: false,
    // Large, and JavaScript already: to translate TensorFlow.js took 3 s of every run.
    nativeModules: ["@tensorflow", "difftest"],
  });
  return await jiti.import(path);
}

/**
 * Checks that a value is a port, all fields at once.
 *
 * @throws {InputError} `port`, listing every field that is missing or of the wrong type
 */
export function checkPort(value: unknown, file: string): LoadedPort {
  if (typeof value !== "object" || value === null) {
    throw new InputError(
      "port",
      `${file}: default export is ${value === undefined ? "missing" : typeof value}, expected a port { name, original, layout, runtime, build, forward }`,
    );
  }
  const port = value as Record<string, unknown>;
  const wrong = [
    field(port, "name", "a string", (x) => typeof x === "string" && x !== ""),
    field(port, "original", "a string", (x) => typeof x === "string"),
    field(port, "layout", '"nhwc" or "nchw"', (x) => x === "nhwc" || x === "nchw"),
    field(port, "runtime", '"tfjs" or "plain"', (x) => x === "tfjs" || x === "plain"),
    field(port, "build", "a function", isFunction),
    field(port, "forward", "a function", isFunction),
    field(port, "variables", "a function", (x) => x === undefined || isFunction(x)),
    field(port, "preprocess", "a function", (x) => x === undefined || isFunction(x)),
    field(port, "ownWeights", "a boolean", (x) => x === undefined || typeof x === "boolean"),
    field(port, "inputs", "an array", (x) => x === undefined || Array.isArray(x)),
  ].filter((message) => message !== undefined);
  if (wrong.length > 0) throw new InputError("port", `${file}: ${wrong.join("; ")}`);
  return value as LoadedPort;
}

function field(
  port: Record<string, unknown>,
  name: string,
  expected: string,
  ok: (x: unknown) => boolean,
): string | undefined {
  const value = port[name];
  if (ok(value)) return undefined;
  const found =
    value === undefined
      ? "is missing"
      : `is ${typeof value === "string" ? `"${value}"` : typeof value}`;
  return `${name} ${found}, expected ${expected}`;
}

const isFunction = (x: unknown): boolean => typeof x === "function";

/** First line of an error's message. */
export function oneLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split("\n")[0] ?? text;
}

/** Where difftest itself lies: a port may be beside it, in a checkout. */
const DIFFTEST = fileURLToPath(new URL("..", import.meta.url));

/** ` (at file:line:column)` of the first stack line that lies in the port's own folder, or nothing. */
export function placeIn(error: unknown, path: string): string {
  const folder = path.slice(0, path.lastIndexOf("/") + 1);
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  const lines = stack.split("\n").filter((line) => /:\d+:\d+\)?$/.test(line));
  const foreign = (line: string) => line.includes("node_modules") || line.includes(DIFFTEST);
  const own = lines.find((line) => line.includes(folder) && !foreign(line));
  const place = own?.match(/((?:file:\/\/)?\/[^()]*?:\d+:\d+)\)?$/)?.[1]?.replace("file://", "");
  return place === undefined ? "" : ` (at ${place})`;
}
