import { InputError } from "./errors.js";

/**
 * The known word that was probably meant: the only one that begins so, or the nearest by edits
 * (insert, delete, replace, swap of neighbours), if it is near enough not to be a guess.
 */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const begun = known.filter((name) => word.length > 2 && name.startsWith(word));
  if (begun.length === 1) return begun[0];
  let best: { readonly name: string; readonly distance: number } | undefined;
  for (const name of known) {
    const distance = editDistance(word.toLowerCase(), name.toLowerCase());
    if (distance < (best?.distance ?? Number.POSITIVE_INFINITY)) best = { name, distance };
  }
  // A third of the word may be wrong, and always one letter.
  const limit = Math.max(1, Math.floor(Math.max(word.length, best?.name.length ?? 0) / 3));
  return best !== undefined && best.distance <= limit ? best.name : undefined;
}

/** Optimal string alignment distance (Damerau–Levenshtein without overlapping edits). */
export function editDistance(a: string, b: string): number {
  const rows = Array.from({ length: a.length + 1 }, (_, i) => [i]);
  const at = (i: number, j: number) => rows[i]?.[j] ?? j;
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const replaced = at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped =
        i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
          ? at(i - 2, j - 2) + 1
          : Number.POSITIVE_INFINITY;
      rows[i]?.splice(j, 1, Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, replaced, swapped));
    }
  }
  return at(a.length, b.length);
}

/**
 * A value of an option that takes one of a list.
 *
 * @throws {InputError} `option`, with the nearest one
 */
export function oneOf<T extends string>(option: string, value: string, known: readonly T[]): T {
  const found = known.find((name) => name === value);
  if (found !== undefined) return found;
  const near = nearest(value, known);
  const wanted = `one of ${known.join(", ")}`;
  throw badValue(option, value, near === undefined ? wanted : `${wanted}; did you mean ${near}?`);
}

/** An option's value that is not understood. */
export function badValue(option: string, found: string, wanted: string): InputError {
  return new InputError("option", `${option}: "${found}", expected ${wanted}`);
}
