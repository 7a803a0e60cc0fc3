import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import protobuf from "protobufjs";
import { beforeAll, describe, expect, it } from "vitest";
import { pythonPath } from "../../../src/references/runner/installed.js";
import { whenInstalled } from "../../references/installed.js";

type Descriptor = Readonly<
  Record<string, Readonly<Record<string, [number, number | string, boolean]>>>
>;

/** What the Python package `onnx` says. */
function official(): Descriptor {
  const script = fileURLToPath(new URL("descriptor.py", import.meta.url));
  return JSON.parse(execFileSync(pythonPath(), [script], { encoding: "utf8", stdio: "pipe" }));
}

/** Numbers of protobuf's scalar types in descriptors; 14 is an enumeration. */
const TYPES: Readonly<Record<string, number>> = {
  double: 1,
  float: 2,
  int64: 3,
  uint64: 4,
  int32: 5,
  string: 9,
  bytes: 12,
};

/** The same of our own onnx.proto. */
function ours(): Descriptor {
  const path = new URL("../../../src/formats/onnx/onnx.proto", import.meta.url);
  const { root } = protobuf.parse(readFileSync(path, "utf8"), { keepCase: true });
  root.resolveAll();
  const found: Record<string, Record<string, [number, number | string, boolean]>> = {};
  const visit = (space: protobuf.NamespaceBase): void => {
    for (const member of space.nestedArray) {
      if (!(member instanceof protobuf.Type)) continue;
      const fields = member.fieldsArray.map((field) => {
        const message = field.resolvedType instanceof protobuf.Type;
        const type = message
          ? (field.resolvedType?.fullName.replace(".onnx.", "") ?? "")
          : (TYPES[field.type] ?? 14);
        return [field.name, [field.id, type, field.repeated]] as [
          string,
          [number, number | string, boolean],
        ];
      });
      found[member.fullName.replace(".onnx.", "")] = Object.fromEntries(fields);
      visit(member);
    }
  };
  visit(root.lookup("onnx") as protobuf.Namespace);
  return found;
}

describe.skipIf(!whenInstalled("onnx"))(
  "onnx.proto against the Python package onnx (needs scripts/install-references.sh onnx)",
  () => {
    let descriptor: Descriptor = {};
    beforeAll(() => {
      descriptor = official();
    });

    it.each(Object.entries(ours()))(
      "%s has the specification's numbers and types",
      (name, fields) => {
        for (const [field, properties] of Object.entries(fields)) {
          expect([name, field, descriptor[name]?.[field]]).toEqual([name, field, properties]);
        }
      },
    );

    it("lacks no message of the specification but the distribution over devices", () => {
      const known = ours();
      const lacking = Object.keys(descriptor).filter((name) => known[name] === undefined);
      expect(
        lacking.filter((name) => !/Device|Shard|Opaque|SimpleShardedDim|IntIntList/.test(name)),
      ).toEqual([]);
    });
  },
);
