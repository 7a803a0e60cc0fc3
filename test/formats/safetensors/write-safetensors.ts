/** One tensor to write; `dtype` is the format's own name. */
export interface TensorToWrite {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** A safetensors file as the format's library writes it: header padded with spaces to 8 bytes. */
export function safetensorsBytes(
  tensors: readonly TensorToWrite[],
  metadata?: Readonly<Record<string, string>>,
): Uint8Array {
  let begin = 0;
  const members = tensors.map(({ name, dtype, shape, bytes }) => {
    const end = begin + bytes.byteLength;
    const entry = { dtype, shape, data_offsets: [begin, end] };
    begin = end;
    return `${JSON.stringify(name)}:${JSON.stringify(entry)}`;
  });
  if (metadata !== undefined) members.unshift(`"__metadata__":${JSON.stringify(metadata)}`);
  return withHeader(`{${members.join(",")}}`, Buffer.concat(tensors.map(({ bytes }) => bytes)));
}

/** A file with any header text and any data: for broken ones. */
export function withHeader(header: string | Uint8Array, data: Uint8Array): Uint8Array {
  const text = Buffer.from(header as Uint8Array);
  const padded = Buffer.alloc(Math.ceil(text.length / 8) * 8, 0x20);
  text.copy(padded);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  return Uint8Array.from(Buffer.concat([length, padded, data]));
}
