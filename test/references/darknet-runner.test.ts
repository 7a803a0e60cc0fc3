import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runLive } from "../../src/conformance/darknet/live/live-suite.js";
import type { CaseResult } from "../../src/conformance/suite.js";
import { runnerCommand } from "../../src/references/runner/installed.js";
import { RunnerClient } from "../../src/references/runner/runner-client.js";
import { RunnerReference } from "../../src/references/runner/runner-reference.js";
import { tensor } from "../../src/tensor/tensor.js";
import { whenInstalled } from "./installed.js";

const SMALL = fileURLToPath(new URL("../../goldens/darknet-conformance", import.meta.url));
const SHARED = process.env["DIFFTEST_SHARED"];
const installed = whenInstalled("darknet");
const start = () => RunnerClient.start(runnerCommand("darknet"));

async function liveResults(directory: string): Promise<readonly CaseResult[]> {
  const results: CaseResult[] = [];
  for await (const result of runLive(directory, {}, start)) results.push(result);
  return results;
}

describe.skipIf(!installed)("the Darknet runner (needs references/darknet/build.sh)", () => {
  let folder = "";
  let client: RunnerClient;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "difftest-darknet-"));
    client = await start();
  });
  afterAll(async () => {
    await client.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const config = (text: string): string => {
    const path = join(folder, `${Math.random()}.cfg`);
    writeFileSync(path, text);
    return path;
  };

  it("gives what was recorded from the same library, in every committed case", async () => {
    const results = await liveResults(SMALL);
    expect(results.filter(({ status }) => status === "failed")).toEqual([]);
    expect(results.filter(({ status }) => status === "passed").length).toBeGreaterThan(40);
  }, 120_000);

  it("takes batch and size from the call instead of the file", async () => {
    const original = config(
      "# a comment\n[net]\nbatch=4\nsubdivisions=2\nwidth=8\nheight=8\nchannels=2\n[maxpool]\nsize=2\nstride=2\n",
    );
    const opened = await RunnerReference.open(client, { original, batch: 3, width: 6, height: 10 });
    expect(opened.description.inputs[0]?.shape).toEqual([3, 2, 10, 6]);
    expect(opened.description.taps).toEqual([
      { id: "maxpool_0", layer: 0, kind: "maxpool", shape: [3, 2, 5, 3] },
    ]);
  });

  it("sends only the taps asked for", async () => {
    const original = config(
      "[net]\nwidth=2\nheight=2\nchannels=1\nbatch=1\n[upsample]\nstride=2\n[maxpool]\nsize=4\nstride=4\npadding=0\n",
    );
    const opened = await RunnerReference.open(client, { original });
    const input = new Map([["input", tensor([1, 1, 2, 2], Float32Array.of(1, 5, 3, 2))]]);
    const taps = await opened.run(input, { taps: ["maxpool_1"] });
    expect([...taps].map(([id, { data }]) => [id, [...data]])).toEqual([["maxpool_1", [5]]]);
  });

  it("survives [local], whose library reserves a quarter of the memory it writes", async () => {
    const original = config(
      "[net]\nwidth=9\nheight=9\nchannels=4\nbatch=1\n[local]\nsize=3\nfilters=2\npad=1\n",
    );
    const opened = await RunnerReference.open(client, { original });
    const input = new Map([["input", tensor([1, 4, 9, 9], new Float32Array(324).fill(1))]]);
    for (let run = 0; run < 20; run++) await opened.run(input);
    expect(opened.description.weights.map(({ shape }) => shape)).toEqual([
      [2 * 9 * 9],
      [81, 2, 4, 3, 3],
    ]);
  });

  it("takes a row of values where the network has inputs= and no map", async () => {
    const original = config(
      "[net]\ninputs=3\nbatch=1\n[connected]\noutput=2\nactivation=linear\n[softmax]\n",
    );
    const opened = await RunnerReference.open(client, { original });
    expect(opened.description.inputs[0]?.shape).toEqual([1, 3]);
    const input = new Map([["input", tensor([1, 3], Float32Array.of(1, -2, 3))]]);
    const [first = 0, second = 0] = (await opened.run(input)).get("softmax_1")?.data ?? [];
    expect(first + second).toBeCloseTo(1, 5);
  });

  it.each([
    [
      "[mish]",
      "[net]\nwidth=2\nheight=2\nchannels=1\n[mish]\n",
      "[mish] is not known to pjreddie's library",
    ],
    [
      "a stand-alone [batchnorm]",
      "[net]\nwidth=2\nheight=2\nchannels=1\n[batchnorm]\n",
      "crashes on a [batchnorm]",
    ],
  ])("refuses %s before the library ends the process, and goes on", async (_, text, words) => {
    const { pid } = client;
    await expect(client.call("describe", { original: config(text) })).rejects.toThrow(words);
    await expect(client.call("describe", { original: "/no/such.cfg" })).rejects.toThrow(
      "no such file",
    );
    expect(client.pid).toBe(pid);
    expect((await client.call("version")).fields["ok"]).toBe(true);
  });

  it("recurrent layers begin anew with each run, or go on when told to", async () => {
    const original = config(
      "[net]\nwidth=1\nheight=1\nchannels=3\nbatch=1\n[rnn]\noutput=4\nhidden=4\nactivation=tanh\n",
    );
    const opened = await RunnerReference.open(client, { original });
    const input = new Map([["input", tensor([1, 3, 1, 1], Float32Array.of(1, -2, 3))]]);
    const values = async (state: "reset" | "keep") => [
      ...((await opened.run(input, { state })).get("rnn_0")?.data ?? []),
    ];
    const first = await values("reset");
    expect(await values("keep")).not.toEqual(first);
    expect(await values("reset")).toEqual(first);
  });

  it("notices a recording that was changed (a planted fault)", async () => {
    const { cpSync, readFileSync } = await import("node:fs");
    const { createHash } = await import("node:crypto");
    const suite = join(folder, "suite");
    const name = "conv-3x3-stride2-even";
    const from = SHARED === undefined ? SMALL : join(SHARED, "darknet-conformance");
    if (!existsSync(join(from, "cases", name))) return;
    cpSync(join(from, "cases", name), join(suite, "cases", name), { recursive: true });
    const manifest = join(suite, "cases", name, "manifest.json");
    const described = JSON.parse(readFileSync(manifest, "utf8"));
    const file = join(suite, "cases", name, described.layers[0].file);
    const bytes = readFileSync(file);
    bytes.writeFloatLE(bytes.readFloatLE(bytes.length - 4) + 0.01, bytes.length - 4);
    writeFileSync(file, bytes);
    described.files[described.layers[0].file] = createHash("sha256").update(bytes).digest("hex");
    writeFileSync(manifest, JSON.stringify(described));
    const [result] = await liveResults(suite);
    expect(result?.status).toBe("failed");
    expect(result?.detail).toContain("layer 0 (convolutional)");
  });
});

describe.skipIf(!installed || SHARED === undefined)(
  "the whole public suite live (needs the runner and DIFFTEST_SHARED)",
  () => {
    it("agrees with its recording in every case the library supports", async () => {
      const results = await liveResults(join(SHARED ?? "", "darknet-conformance"));
      expect(results.filter(({ status }) => status === "failed")).toEqual([]);
      const passed = (area: string) =>
        results.filter((one) => one.area === area && one.status === "passed").length;
      expect(["A", "B", "C", "D", "E", "F"].map(passed)).toEqual([109, 23, 59, 14, 37, 8]);
    }, 180_000);
  },
);
