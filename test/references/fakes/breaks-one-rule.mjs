// A runner that keeps to every rule but the one it is told to break: `node breaks-one-rule.mjs BREACH [port]`.
// Its original is any file: one input of four numbers, a tap that doubles them and one that negates those.
import { existsSync, writeSync } from "node:fs";
import { readCalls, writeAll } from "./messages.mjs";

const [breach = "none", role = "reference"] = process.argv.slice(2);
const breaks = (name) => breach === name;
const SHAPE = [1, 4];

function send(fields, tensors = new Map()) {
  const listed = [...tensors].map(([name, { dtype = "float32", shape = SHAPE }]) => ({
    name,
    dtype,
    shape,
  }));
  const line = `${JSON.stringify({ difftest: 1, ...fields, tensors: listed })}\n`;
  const bytes = [...tensors.values()].map(({ data }) =>
    Buffer.from(Float32Array.from(data).buffer),
  );
  writeAll(Buffer.concat([Buffer.from(line), ...bytes, Buffer.from("end\n")]));
}

const refuse = (id, code, message) => send({ id, ok: false, error: { code, message } });

readCalls(
  (call, values) => (CALLS[call.call] ?? unknown)(call, values),
  (chunk) => {
    // Whoever takes a chunk for a message fails where one comes in pieces.
    if (breaks("pieces") && !chunk.toString("latin1").endsWith("end\n")) process.exit(1);
  },
);
process.stdin.on("end", () => {
  if (breaks("ends late")) setTimeout(() => undefined, 60_000);
  else process.exit(breaks("ends badly") ? 3 : 0);
});

let [versions, descriptions, runs] = [0, 0, 0];

function version({ id }) {
  versions += 1;
  if (breaks("prints")) writeSync(1, "Loading...\n");
  const calls = [
    "version",
    "describe",
    ...(breaks("offers too little") ? [] : ["run"]),
    "gradient",
  ];
  const layout = breaks("no layout") ? {} : { layout: "nchw" };
  const name = breaks("other version") ? `fake ${versions}` : "fake";
  send({ id, ok: true, name, version: "1", role, calls, ...layout });
  if (breaks("speaks unasked")) setTimeout(() => writeSync(1, '{"difftest":1}\nend\n'), 50);
}

function describe({ id, original }) {
  descriptions += 1;
  if (role === "port") return send({ id, ok: true });
  if (!existsSync(original) && !breaks("describes nothing")) {
    return breaks("dies of a missing file")
      ? process.exit(1)
      : refuse(id, "unusable", `${original}: there is no such file`);
  }
  const shape = breaks("other description") ? [1, 3 + descriptions] : SHAPE;
  const taps = [
    { id: "double", layer: 0, kind: "double", shape },
    { id: breaks("a tap twice") ? "double" : "minus", layer: 1, kind: "minus", shape },
  ];
  const outputs = [breaks("strange output") ? "nobody" : "minus"];
  send({ id, ok: true, inputs: [{ name: "input", shape, dtype: "float32" }], taps, outputs });
}

function run({ id, taps, mode }, values) {
  runs += 1;
  if (role === "port") return asked(id, mode, values);
  if (values.length === 0) {
    if (breaks("dies without inputs")) process.exit(1);
    if (!breaks("runs on nothing")) return refuse(id, "unusable", "the input is missing");
  }
  const fixed = breaks("ignores its input") || values.length === 0;
  const given = fixed ? Float32Array.of(1, 2, 3, 4) : values;
  const noise = breaks("other bits") ? runs * 1e-6 : 0;
  const all = new Map([
    [
      "double",
      { data: given.map((x) => 2 * x + noise), ...(breaks("other shape") ? { shape: [4] } : {}) },
    ],
    ["minus", { data: given.map((x) => -2 * x) }],
  ]);
  if (breaks("other order")) return send({ id, ok: true }, new Map([...all].reverse()));
  if (breaks("sends everything")) return send({ id, ok: true }, all);
  send({ id, ok: true }, new Map([...all].filter(([tap]) => taps?.includes(tap) ?? true)));
}

/** A port that only ever asks for what is wrong. */
function asked(id) {
  if (breaks("never taps")) return send({ id, ok: true });
  send({ id, ask: "nonsense", name: "conv_0" });
}

function gradient({ id }, values) {
  if (breaks("no loss")) return send({ id, ok: true });
  const loss = { total: 1, parts: {} };
  const name = breaks("no gradients") ? "double" : "d:input";
  send({ id, ok: true, loss }, new Map([[name, { data: values.slice(0, 4) }]]));
}

function unknown({ id, call }) {
  if (breaks("knows every call")) return send({ id, ok: true });
  if (breaks("dies of an unknown call")) process.exit(1);
  refuse(id, breaks("other error") ? "failed" : "unsupported", `the call ${call} is not offered`);
}

const CALLS = { version, describe, run, gradient };
