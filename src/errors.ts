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
  /** Always `InputError`. */ override readonly name = "InputError";
  /** Stable word for programs. */ readonly code: InputErrorCode;

  constructor(code: InputErrorCode, message: string, options?: ErrorOptions) {
    super(oneLine(message), options);
    this.code = code;
  }
}

/** Characters that end a line, steer a terminal or turn the direction of the text. */
const UNPRINTABLE = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;
/** Longest message; what is longer holds a name that no person wrote. */
const MAX_CHARACTERS = 4000;

/** Messages name what a file says, and a file says anything: such characters are shown, not sent. */
function oneLine(message: string): string {
  const short = message.length > MAX_CHARACTERS ? `${message.slice(0, MAX_CHARACTERS)} …` : message;
  return short.replace(
    UNPRINTABLE,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** A reference or back-end is not installed, crashed, or did not answer. Exit status 3. */
export class UnavailableError extends Error {
  /** Always `UnavailableError`. */ override readonly name = "UnavailableError";
  /** Stable word for programs. */ readonly code:
    | "reference-missing"
    | "reference-crashed"
    | "reference-timeout"
    | "backend-missing";

  constructor(code: UnavailableError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
