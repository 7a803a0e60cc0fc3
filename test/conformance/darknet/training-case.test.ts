import { dirname } from "node:path";
import { describe, expect, it } from "vitest";
import { type DarknetManifest, readManifest } from "../../../src/conformance/darknet/manifest.js";
import { trainingCase } from "../../../src/conformance/darknet/training-case.js";
import { caseFile } from "../../checks/gradient/tampered.js";

/** Outcome of a committed case whose manifest is changed. */
function outcome(name: string, change: (manifest: DarknetManifest) => object = () => ({})) {
  const folder = dirname(caseFile(name, "net.cfg"));
  const manifest = readManifest(folder);
  return trainingCase(folder, { ...manifest, ...change(manifest) } as DarknetManifest);
}

const sound = (ok: boolean) => ({
  referenceBug: undefined,
  finiteDifference: { results: { alexeyab: { ok } } },
});

describe("a case of gradients in the conformance suite", () => {
  it("passes where they are right, or wrong as its manifest says", () => {
    expect(outcome("grad-conv")).toMatchObject({ status: "passed", detail: "" });
    expect(outcome("grad-crnn")).toMatchObject({ status: "passed", detail: "" });
    expect(outcome("update-sgd-momentum")).toMatchObject({ status: "passed" });
  });

  it("fails where they are right and its manifest calls them wrong", () => {
    expect(outcome("grad-conv", () => ({ referenceBug: "made up" }))).toMatchObject({
      status: "failed",
      detail: expect.stringContaining("the gradients are right, expected: made up"),
    });
  });

  it("fails where they are wrong and the suite's own check calls them right", () => {
    expect(outcome("grad-crnn", () => sound(true))).toMatchObject({
      status: "failed",
      detail: expect.stringContaining("input: element"),
    });
  });

  it("is not covered, never passed, where they are wrong and nobody has checked them", () => {
    expect(outcome("grad-crnn", () => sound(false))).toMatchObject({
      status: "not covered",
      detail: expect.stringContaining("the suite has not checked it"),
    });
  });
});
