// A small runner that misbehaves on demand: `node runner.mjs BEHAVIOUR`. Without one it keeps to the protocol.
// Its model has one input of four numbers and one tap that doubles them.
import { closeSync } from "node:fs";
import { readCalls, writeAll } from "./messages.mjs";

const behaviour = process.argv[2] ?? "good";
const send = (fields, ...bytes) => {
  const line = `${JSON.stringify({ difftest: 1, ...fields })}\n`;
  writeAll(Buffer.concat([Buffer.from(line), ...bytes, Buffer.from("end\n")]));
};

const floats = (values) => Buffer.from(Float32Array.from(values).buffer);
const tensor = (name, shape) => ({ name, dtype: "float32", shape });

readCalls(answer);
if (behaviour === "never ends") setInterval(() => undefined, 1000);
else process.stdin.on("end", () => process.exit(0));

function answer(call, values) {
  if (call.call === "version") version(call);
  else if (call.call === "describe") describe(call);
  else if (call.call === "run") run(call, values);
}

function version({ id }) {
  if (behaviour === "no version") return send({ id, ok: true, name: "fake" });
  if (behaviour === "prints at start") process.stdout.write("Loading weights...Done!\n");
  if (behaviour === "prints without a line feed")
    process.stdout.write("mask_scale: Using default '1.000000'".repeat(3));
  if (behaviour === "hangs at once") return;
  const calls = ["version", "describe", "run"];
  send({ id, ok: true, name: "fake", version: "1.2", role: "reference", calls, build: "none" });
}

function describe({ id }) {
  const taps = [{ id: "double_0", layer: 0, kind: "double", shape: [2, 2] }];
  const inputs = [{ name: "input", shape: [2, 2], dtype: "float32" }];
  if (behaviour === "no taps") return send({ id, ok: true, inputs });
  if (behaviour === "refuses") {
    const error = { code: "unsupported", message: "[mish] is not known\nhere" };
    return send({ id, ok: false, error });
  }
  send({ id, ok: true, inputs, taps, outputs: ["double_0"] });
}

const MISBEHAVIOURS = {
  crashes: () => process.exit(7),
  "is killed": () => process.kill(process.pid, "SIGKILL"),
  "crashes with a word": () => {
    process.stderr.write("one\nout of cheese\n");
    process.exit(1);
  },
  hangs: () => undefined,
  "answers half": (id, good) => {
    writeAll(
      Buffer.from(
        `{"difftest":1,"id":${id},"ok":true,"tensors":[${JSON.stringify(tensor("double_0", [2, 2]))}]}\n`,
      ),
    );
    writeAll(good.subarray(0, 6));
    process.exit(0);
  },
  "answers half a line": (id) => {
    writeAll(Buffer.from(`{"difftest":1,"id":${id},"ok":tr`));
    process.exit(0);
  },
  "prints between the numbers": (id, good) => {
    writeAll(
      Buffer.from(
        `{"difftest":1,"id":${id},"ok":true,"tensors":[${JSON.stringify(tensor("double_0", [2, 2]))}]}\n`,
      ),
    );
    writeAll(Buffer.concat([good.subarray(0, 8), Buffer.from("warning: x\n"), good.subarray(8)]));
    writeAll(Buffer.from("end\n"));
  },
  "wrong id": (id, good) =>
    send({ id: id + 5, ok: true, tensors: [tensor("double_0", [2, 2])] }, good),
  "no ok": (id) => send({ id }),
  "other version": (id) => writeAll(Buffer.from(`{"difftest":2,"id":${id},"ok":true}\nend\n`)),
  "json without difftest": (id) => writeAll(Buffer.from(`{"id":${id}}\nend\n`)),
  "bad dtype": (id) =>
    send({ id, ok: true, tensors: [{ name: "double_0", dtype: "float16", shape: [2] }] }),
  "bad shape": (id) => send({ id, ok: true, tensors: [tensor("double_0", [2, -2])] }),
  "no name": (id) => send({ id, ok: true, tensors: [{ dtype: "float32", shape: [1] }] }),
  "same name twice": (id) => send({ id, ok: true, tensors: [tensor("a", [0]), tensor("a", [0])] }),
  "same name in two parts": (id, good) => {
    send({ id, ok: true, more: true, tensors: [tensor("double_0", [2, 2])] }, good);
    send({ id, ok: true, tensors: [tensor("double_0", [2, 2])] }, good);
  },
  "huge tensors": (id) => send({ id, ok: true, tensors: [tensor("double_0", [1e9, 1e9])] }),
  "huge line": () => writeAll(Buffer.concat([Buffer.from("{"), Buffer.alloc(17 << 20, 32)])),
  "leaves out a tap": (id) => send({ id, ok: true }),
  "other shape": (id, good) => send({ id, ok: true, tensors: [tensor("double_0", [4])] }, good),
  "other type": (id) =>
    send(
      { id, ok: true, tensors: [{ name: "double_0", dtype: "uint8", shape: [2, 2] }] },
      Buffer.alloc(4),
    ),
  "asks without right": (id) => send({ id, ask: "tap", name: "double_0" }),
  "speaks twice": (id, good) => {
    send({ id, ok: true, tensors: [tensor("double_0", [2, 2])] }, good);
    send({ id, ok: true, tensors: [tensor("double_0", [2, 2])] }, good);
  },
  "closes its output": () => {
    process.stdout.destroy();
    closeSync(1);
    setInterval(() => undefined, 1000);
  },
  fails: (id) => send({ id, ok: false, error: { code: "failed", message: "out of memory" } }),
  "lacks a library": (id) =>
    send({ id, ok: false, error: { code: "missing", message: "pip install it" } }),
  "wants trust": (id) => send({ id, ok: false, error: { code: "untrusted", message: "a Lambda" } }),
  "gives no reason": (id) => send({ id, ok: false }),
};

function run({ id }, values) {
  const good = floats(Array.from(values, (value) => 2 * value));
  const misbehave = MISBEHAVIOURS[behaviour];
  if (misbehave !== undefined) return misbehave(id, good);
  if (behaviour === "in parts") send({ id, ok: true, more: true });
  if (behaviour === "byte by byte") {
    const tensors = [tensor("double_0", [2, 2])];
    const line = Buffer.from(`${JSON.stringify({ difftest: 1, id, ok: true, tensors })}\n`);
    for (const byte of Buffer.concat([line, good, Buffer.from("end\n")])) writeAll(Buffer.of(byte));
    return;
  }
  send({ id, ok: true, tensors: [tensor("double_0", [2, 2])] }, good);
}
