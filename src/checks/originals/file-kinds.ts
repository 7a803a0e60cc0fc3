/** HDF5's signature, at the first byte or behind a user block of 512, 1024 or 2048 bytes. */
const HDF5 = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a];

export function isHdf5(head: Uint8Array): boolean {
  return [0, 512, 1024, 2048].some((at) => startsWith(head.subarray(at), HDF5));
}

/** A zip archive that is not NumPy's: `.keras`. */
export function isKerasArchive(path: string, head: Uint8Array): boolean {
  return startsWith(head, [0x50, 0x4b]) && !/\.npz$/i.test(path);
}

/** What `model.to_json()` writes. */
export function isModelJson(head: Uint8Array): boolean {
  const text = Buffer.from(head).toString("latin1");
  return /^\s*\{/.test(text) && /"(class_name|module|config)"/.test(text);
}

/** Eight bytes of length, of which the upper ones are 0, then a JSON object. */
export function isSafetensors(path: string, head: Uint8Array): boolean {
  const framed = head.length > 9 && head[8] === 0x7b && head[7] === 0 && head[6] === 0;
  return /\.safetensors$/i.test(path) || framed;
}

/** A Darknet configuration: by its name, or comments and blank lines, then a section. */
export function isDarknetConfig(path: string, head: Uint8Array): boolean {
  const text = () => Buffer.from(head).toString("latin1");
  return /\.cfg$/i.test(path) || /^(\s|#.*\n|;.*\n)*\[[a-z0-9_]+\]\s*\n/i.test(text());
}

/** An ONNX model: by its name, or the version of the format, then any other field, the order in which every exporter writes them. */
export function isOnnxModel(path: string, [tag = 0, version = 0, next = 0]: Uint8Array): boolean {
  const field = next >> 3;
  const versioned = tag === 0x08 && version >= 1 && version <= 20;
  return /\.onnx$/i.test(path) || (versioned && field >= 2 && field <= 8 && (next & 7) === 2);
}

function startsWith(head: Uint8Array, bytes: readonly number[]): boolean {
  return bytes.every((byte, k) => head[k] === byte);
}
