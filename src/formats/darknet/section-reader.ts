import { InputError } from "../../errors.js";
import { type DarknetSection, quote } from "./config.js";

/** Largest integer of the library's `int`. */
const MAX_INT = 2 ** 31 - 1;

/**
 * Typed access to one section with Darknet's defaults, and a record of which keys were used: the
 * library warns of the others, and so do we.
 */
export class SectionReader {
  readonly #section: DarknetSection;
  readonly #file: string;
  readonly #lenient: boolean;
  readonly #used = new Set<string>();
  readonly warnings: string[] = [];

  constructor(section: DarknetSection, file: string, lenient: boolean) {
    this.#section = section;
    this.#file = file;
    this.#lenient = lenient;
  }

  /** `yolov4.cfg line 12: [convolutional]`: how a message about this section begins. */
  get place(): string {
    return `${this.#file} line ${this.#section.line}: [${this.#section.name}]`;
  }

  has(key: string): boolean {
    return this.#section.values.has(key);
  }

  text(key: string): string | undefined {
    this.#used.add(key);
    return this.#section.values.get(key)?.value;
  }

  /**
   * A whole number (C's `atoi`: what follows the digits is ignored, with a warning).
   *
   * @throws {InputError} `format` for no number, `limit` outside `[min, max]`
   */
  int(key: string, fallback: number, min: number = -MAX_INT, max: number = MAX_INT): number {
    const text = this.text(key);
    const value = text === undefined ? fallback : this.#number(key, text, /^[+-]?\d+/);
    if (value < min || value > max) {
      const limits = max === MAX_INT ? `at least ${min}` : `${min} to ${max}`;
      throw new InputError("limit", `${this.#at(key)} ${key}=${value}, expected ${limits}`);
    }
    return value;
  }

  /** A number (C's `atof`). @throws {InputError} `format` for no number */
  float(key: string, fallback: number): number {
    const text = this.text(key);
    if (text === undefined) return fallback;
    return this.#number(key, text, /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?/i);
  }

  /** A number that only training reads (C's `atof`): one that cannot be read is 0, as in the library, and no error. */
  trainingNumber(key: string, fallback: number): number {
    const text = this.text(key);
    return text === undefined ? fallback : Number.parseFloat(text) || 0;
  }

  /** Numbers separated by commas; ends at a `#`. `undefined` when the key is not there. */
  list(key: string): number[] | undefined {
    const text = this.text(key);
    if (text === undefined) return undefined;
    const parts = text.replace(/#.*$/, "").replace(/,$/, "").split(",");
    return parts.map((part) =>
      this.#number(key, part, /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?/i, true),
    );
  }

  /** Keys that matter to training or display only: known, and of no consequence here. */
  ignore(...keys: readonly string[]): void {
    for (const key of keys) this.#used.add(key);
  }

  warn(message: string): void {
    this.warnings.push(`${this.place} ${message}`);
  }

  /** An error about this section. */
  error(code: "format" | "shape" | "unsupported" | "limit", message: string): InputError {
    return new InputError(code, `${this.place} ${message}`);
  }

  /** Keys nobody asked for: the library ignores them, the author probably did not mean that. */
  reportUnused(): void {
    for (const [key, { value, line }] of this.#section.values) {
      if (this.#used.has(key)) continue;
      this.warnings.push(
        `${this.#file} line ${line}: ${quote(key).slice(1, -1)}=${quote(value)} is not used by [${this.#section.name}]`,
      );
    }
  }

  #at(key: string): string {
    const line = this.#section.values.get(key)?.line ?? this.#section.line;
    return `${this.#file} line ${line}: [${this.#section.name}]`;
  }

  #number(key: string, text: string, pattern: RegExp, whole = false): number {
    const match = pattern.exec(text)?.[0];
    const value = match === undefined ? 0 : Number(match);
    if (match === undefined && !this.#lenient) {
      throw new InputError("format", `${this.#at(key)} ${key}=${quote(text)}, expected a number`);
    }
    if (match !== text && (match === undefined || !whole || text !== "")) {
      this.warnings.push(`${this.#at(key)} ${key}=${quote(text)} is read as ${value}`);
    }
    return value;
  }
}
