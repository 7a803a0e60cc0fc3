/** First bytes that tell what was saved under a model's name by mistake, and what to do about it. */
const SIGNS: readonly {
  readonly pattern: RegExp | string;
  readonly what: string;
  readonly next: string;
}[] = [
  {
    pattern: /^version https:\/\/git-lfs/,
    what: "a Git-LFS pointer",
    next: "run `git lfs pull` to fetch the file itself",
  },
  {
    pattern: /^<\?xml[^>]*>\s*<Error/i,
    what: "an XML error page of a storage service",
    next: "download the file again",
  },
  { pattern: /^<\?xml/i, what: "an XML document", next: "download the file again" },
  {
    pattern: /^<(!doctype html|html|head|body|!--)/i,
    what: "an HTML page",
    next: "download the file itself, not the page that shows it",
  },
  {
    pattern: /^\d{3}: [A-Z]/,
    what: "an HTTP error message",
    next: "check the address and download it again",
  },
  {
    pattern: /^\{\s*"(error|message|errors)"/i,
    what: "a JSON error message",
    next: "download the file again",
  },
  { pattern: "PK\u0003\u0004", what: "a zip archive", next: "unpack it" },
  { pattern: "\u001f\u008b", what: "a gzip archive", next: "unpack it" },
  { pattern: "\u0089HDF\r\n", what: "an HDF5 (Keras) file", next: "give it as --original" },
];

/**
 * What a file's first bytes (512 are enough) say that no model file starts with: an HTML page, a
 * Git-LFS pointer, an XML error page, an archive; `null` when nothing speaks against it.
 */
export function foreignContent(head: Uint8Array): { what: string; next: string } | null {
  const bytes = head.subarray(0, 512);
  const marked = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  const text = Buffer.from(marked ? bytes.subarray(3) : bytes)
    .toString("latin1")
    .trimStart();
  const sign = SIGNS.find(({ pattern }) =>
    typeof pattern === "string" ? text.startsWith(pattern) : pattern.test(text),
  );
  return sign ? { what: sign.what, next: sign.next } : null;
}
