import { InputError } from "../errors.js";

/** A JSON value whose numbers keep their text and whose objects keep their order and refuse doubled keys. */
export type StrictJson = null | boolean | string | JsonNumber | StrictJson[] | JsonObject;

/** An object; a Map, so that `__proto__` is a name like any other. */
export type JsonObject = Map<string, StrictJson>;

/** A number as written: `32e0`, `8.0` and 2^64 stay distinguishable. */
export interface JsonNumber {
  readonly literal: string;
}

/** Deepest nesting read, as in the Rust library that safetensors parses its headers with; they nest 3 deep. */
const MAX_DEPTH = 127;

/**
 * Parses JSON (RFC 8259) for hostile input: a doubled key, a lone surrogate, a number
 * beyond float64, text after the value and deep nesting are errors, which `JSON.parse` lets pass or answers with a stack overflow.
 *
 * @throws {InputError} `corrupt`, with the offset in the text
 */
export function parseStrictJson(text: string, where: string): StrictJson {
  return new StrictJsonParser(text, where).whole();
}

const SPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /true|false|null/y;
const LONE_SURROGATE = /\p{Surrogate}/u;

class StrictJsonParser {
  readonly #text: string;
  readonly #where: string;
  #at = 0;
  #depth = 0;

  constructor(text: string, where: string) {
    this.#text = text;
    this.#where = where;
  }

  whole(): StrictJson {
    const value = this.#value();
    this.#skipSpace();
    if (this.#at < this.#text.length) throw this.#unexpected("the end");
    return value;
  }

  #value(): StrictJson {
    this.#skipSpace();
    const next = this.#text[this.#at];
    if (next === "{") return this.#nested(() => this.#object());
    if (next === "[") return this.#nested(() => this.#array());
    if (next === '"') return this.#string();
    const word = this.#match(WORD);
    if (word !== undefined) return word === "null" ? null : word === "true";
    const literal = this.#match(NUMBER);
    if (literal !== undefined) return this.#number(literal);
    throw this.#unexpected("a value");
  }

  #number(literal: string): JsonNumber {
    if (Number.isFinite(Number(literal))) return { literal };
    throw this.#error(`number before ${this.#at} is beyond any float64`);
  }

  #nested<T>(read: () => T): T {
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) {
      throw this.#error(`nests deeper than ${MAX_DEPTH} at ${this.#at}`);
    }
    const value = read();
    this.#depth -= 1;
    return value;
  }

  #object(): JsonObject {
    const object: JsonObject = new Map();
    this.#at += 1;
    if (this.#skip("}")) return object;
    do {
      this.#skipSpace();
      const start = this.#at;
      const key = this.#string();
      if (object.has(key))
        throw this.#error(`key ${JSON.stringify(key)} at ${start} is there twice`);
      if (!this.#skip(":")) throw this.#unexpected('":"');
      object.set(key, this.#value());
    } while (this.#skip(","));
    if (!this.#skip("}")) throw this.#unexpected('"," or "}"');
    return object;
  }

  #array(): StrictJson[] {
    const array: StrictJson[] = [];
    this.#at += 1;
    if (this.#skip("]")) return array;
    do array.push(this.#value());
    while (this.#skip(","));
    if (!this.#skip("]")) throw this.#unexpected('"," or "]"');
    return array;
  }

  #string(): string {
    const start = this.#at;
    this.#at = this.#stringEnd();
    let value: string;
    try {
      value = JSON.parse(this.#text.slice(start, this.#at)) as string;
    } catch (cause) {
      throw this.#error(
        `string at ${start} holds a character or an escape JSON does not have`,
        cause,
      );
    }
    if (LONE_SURROGATE.test(value)) {
      throw this.#error(`string at ${start} holds half a surrogate pair`);
    }
    return value;
  }

  /** A loop and no regular expression: a string of 100 MB would overflow the stack of one. */
  #stringEnd(): number {
    if (this.#text[this.#at] !== '"') throw this.#unexpected("a string");
    for (let end = this.#at + 1; end < this.#text.length; end++) {
      const character = this.#text[end];
      if (character === '"') return end + 1;
      if (character === "\\") end += 1;
    }
    throw this.#error(`string at ${this.#at} has no end`);
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    this.#at += found?.length ?? 0;
    return found;
  }

  #skipSpace(): void {
    this.#match(SPACE);
  }

  #skip(character: string): boolean {
    this.#skipSpace();
    const there = this.#text[this.#at] === character;
    if (there) this.#at += 1;
    return there;
  }

  #unexpected(wanted: string): InputError {
    const next = this.#text[this.#at];
    const found = next === undefined ? "the end" : JSON.stringify(next);
    return this.#error(`${found} at ${this.#at}, expected ${wanted}`);
  }

  #error(what: string, cause?: unknown): InputError {
    return new InputError("corrupt", `${this.#where}: JSON: ${what}`, { cause });
  }
}
