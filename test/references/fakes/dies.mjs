// A reference for references/python/example.cfg that is killed at a moment: `node dies.mjs MOMENT`.
import { readCalls, writeAll } from "./messages.mjs";

const [moment = ""] = process.argv.slice(2);
const TAPS = { conv_0: [1, 8, 16, 16], maxpool_1: [1, 8, 8, 8] };
const die = () => process.kill(process.pid, "SIGKILL");
const size = (shape) => shape.reduce((a, b) => a * b, 1);

if (moment === "at once") die();

function answer(call, fields, tensors = {}) {
  if (moment === `when asked for ${call.call}`) die();
  if (moment === `hangs at ${call.call}`) return;
  const listed = Object.entries(tensors).map(([name, shape]) => ({
    name,
    dtype: "float32",
    shape,
  }));
  const line = `${JSON.stringify({ difftest: 1, id: call.id, ok: true, ...fields, tensors: listed })}\n`;
  const values = Object.values(tensors).map((shape) => Buffer.alloc(4 * size(shape)));
  const message = Buffer.concat([Buffer.from(line), ...values, Buffer.from("end\n")]);
  const half = moment === `halfway through ${call.call}`;
  const bytes = half ? message.subarray(0, message.length / 2) : message;
  writeAll(bytes);
  if (half) die();
  // The next call finds nobody.
  if (moment === `after ${call.call}`) die();
}

const CALLS = {
  version: (call) =>
    answer(call, {
      name: "fake",
      version: "1",
      role: "reference",
      calls: ["version", "describe", "run"],
    }),
  describe: (call) => {
    const taps = Object.entries(TAPS).map(([id, shape], layer) => ({ id, layer, kind: "", shape }));
    const inputs = [{ name: "input", shape: [1, 3, 16, 16], dtype: "float32" }];
    answer(call, { inputs, taps, outputs: ["maxpool_1"] });
  },
  run: (call) => answer(call, {}, TAPS),
};

readCalls((call) => CALLS[call.call](call));
process.stdin.on("end", () => process.exit(0));
