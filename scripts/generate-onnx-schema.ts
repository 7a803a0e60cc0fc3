/**
 * Writes `src/formats/onnx/generated` from `onnx.proto`: a static reader and writer (pbjs) and its types.
 *
 * The types are our own, because those of pbjs need the package `long`; whole numbers are `number` here.
 */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import protobuf from "protobufjs";

const root = new URL("../", import.meta.url);
const folder = new URL("src/formats/onnx/generated/", root);
const proto = new URL("src/formats/onnx/onnx.proto", root);
const options =
  "--keep-case --no-create --no-verify --no-convert --no-delimited --no-typeurl".split(" ");

const scalars: Readonly<Record<string, string>> = {
  int32: "number",
  int64: "number",
  uint64: "number",
  float: "number",
  double: "number",
  string: "string",
  bytes: "Uint8Array",
};

/** The two generated files by name: what `onnx.proto` gives today. */
export function generateSchema(): Readonly<Record<string, string>> {
  const pbjs = fileURLToPath(new URL("node_modules/protobufjs-cli/bin/pbjs", root));
  const code = execFileSync(
    process.execPath,
    [pbjs, "-t", "static-module", "-w", "esm", "-r", "difftest", ...options, fileURLToPath(proto)],
    { encoding: "utf8", maxBuffer: 1 << 26 },
  );
  const header = "// Generated from onnx.proto by scripts/generate-onnx-schema.ts; do not edit.\n";
  return {
    "onnx.js": header + stripped(code),
    "onnx.d.ts": header + declarations(),
  };
}

/** Without comments (they repeat the types) and default values: what a file does not say is `undefined`. */
function stripped(code: string): string {
  return code
    .replaceAll(/^ *\/\*\*[\s\S]*?\*\/\n/gm, "")
    .replaceAll(/^ *[\w.]+\.prototype\.\w+ = (?!function).*;\n/gm, "")
    .replaceAll(/\n{2,}/g, "\n");
}

/** One interface a message, one codec each. */
function declarations(): string {
  const parsed = protobuf.parse(readFileSync(proto, "utf8"), { keepCase: true }).root;
  parsed.resolveAll();
  const lines = [
    'import type { Reader, Writer } from "protobufjs/minimal.js";',
    "interface Codec<T> {\n  encode(message: T, writer?: Writer): Writer;\n  decode(reader: Reader | Uint8Array, length?: number): T;\n}",
  ];
  const types: string[] = [];
  visit(parsed.lookup("onnx") as protobuf.Namespace, (type, path) => {
    const name = path.join("");
    const fields = type.fieldsArray.map((field) => `  ${field.name}?: ${typeOf(field)};`);
    lines.push(`export interface ${name} {\n${fields.join("\n")}\n  $unknowns?: Uint8Array[];\n}`);
    if (path.length === 1) types.push(`  ${name}: Codec<${name}>;`);
  });
  lines.push(`export const onnx: {\n${types.join("\n")}\n};`);
  return `${lines.join("\n\n")}\n`;
}

function visit(
  space: protobuf.NamespaceBase,
  found: (type: protobuf.Type, path: readonly string[]) => void,
  path: readonly string[] = [],
): void {
  for (const member of space.nestedArray) {
    if (!(member instanceof protobuf.Type)) continue;
    found(member, [...path, member.name]);
    visit(member, found, [...path, member.name]);
  }
}

function typeOf(field: protobuf.Field): string {
  const { resolvedType } = field;
  let name = scalars[field.type] ?? "number";
  if (resolvedType instanceof protobuf.Type) {
    name = resolvedType.fullName.replace(/^\.onnx\./, "").replaceAll(".", "");
  }
  return field.repeated ? `${name}[]` : name;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, text] of Object.entries(generateSchema()))
    writeFileSync(new URL(name, folder), text);
}
