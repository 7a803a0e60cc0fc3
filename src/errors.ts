/** Stable words for programs; the message is for people and may change. */
export type InputErrorCode =
  | "truncated"
  | "trailing-bytes"
  | "corrupt"
  | "format"
  | "shape"
  | "name"
  | "option"
  | "not-found"
  | "unsupported"
  | "unsafe"
  | "port"
  | "limit";

/**
 * The caller gave something unusable: a file, an option, a port. Exit status 2.
 *
 * The message is one line: `<where>: <what> <found>, expected <wanted>; <next step>`. Anything else
 * that is thrown (except an {@link UnavailableError}) is our own bug and keeps its stack.
 */
export class InputError extends Error {
  override readonly name = "InputError";
  readonly code: InputErrorCode;

  constructor(code: InputErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** A reference or back-end is not installed, crashed, or did not answer. Exit status 3. */
export class UnavailableError extends Error {
  override readonly name = "UnavailableError";
  readonly code:
    | "reference-missing"
    | "reference-crashed"
    | "reference-timeout"
    | "backend-missing";

  constructor(code: UnavailableError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
