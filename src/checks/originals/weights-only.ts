import { isSafetensors } from "./file-kinds.js";

/** What a file of weights alone is, in words; `null` for any other file. */
export function weightsOnly(path: string, head: Uint8Array): string | null {
  if (isSafetensors(path, head)) return "a safetensors file";
  if (/\.(index|data-\d{5}-of-\d{5})$/.test(path)) return "a TensorFlow checkpoint";
  if (/\.weights$/i.test(path)) return "a Darknet weights file";
  return null;
}
