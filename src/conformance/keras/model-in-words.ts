import type { Json } from "../../formats/keras/config-types.js";

/** Positional arguments of the layers that manifests describe in words. */
const POSITIONAL: Readonly<Record<string, readonly string[]>> = {
  Input: [],
  LSTM: ["units"],
  GRU: ["units"],
  SimpleRNN: ["units"],
  Dense: ["units"],
};

/**
 * The configuration of a model that a manifest gives as a line of Python:
 * `model: Input(5,3), LSTM(4, return_sequences=True)`. Undefined when the note says something else.
 */
export function modelInWords(note: string): Json | undefined {
  const match = /^model: (.+)$/.exec(note);
  const calls = [...(match?.[1] ?? "").matchAll(/(\w+)\(([^()]*)\)/g)];
  const layers = calls.map(([, name = "", text = ""]) => layerOf(name, text));
  if (layers.length === 0 || layers.some((layer) => layer === undefined)) return undefined;
  return {
    class_name: "Sequential",
    config: { name: "sequential", layers: layers as readonly Json[] },
  };
}

function layerOf(name: string, text: string): Json | undefined {
  const positional = Object.hasOwn(POSITIONAL, name) ? POSITIONAL[name] : undefined;
  if (positional === undefined) return undefined;
  const parts = text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
  if (name === "Input") {
    const shape = [null, ...parts.map(Number)];
    return { class_name: "InputLayer", config: { name: "input", batch_input_shape: shape } };
  }
  const values = parts.map((part, k): [string, Json] => {
    const [key, value] = part.includes("=") ? part.split("=") : [positional[k] ?? "", part];
    return [(key ?? "").trim(), literal((value ?? "").trim())];
  });
  return { class_name: name, config: { name: name.toLowerCase(), ...Object.fromEntries(values) } };
}

function literal(text: string): Json {
  if (text === "True") return true;
  if (text === "False") return false;
  if (text === "None") return null;
  return /^['"].*['"]$/.test(text) ? text.slice(1, -1) : Number(text);
}
