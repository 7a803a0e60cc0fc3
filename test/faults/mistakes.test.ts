import { beforeAll, describe, expect, it } from "vitest";
import type { Fault } from "../../src/checks/result.js";
import { MISTAKES, type SeededMistake } from "./mistakes.js";
import { runPlanted } from "./run-planted.js";

/** Mistakes in different layers of one network: the isolated run tells them apart, so they share it. */
interface Group {
  readonly mistakes: SeededMistake[];
  readonly layers: Set<string>;
}

const groups = groupsOf(MISTAKES);
const found = new Map<SeededMistake, readonly Fault[]>();
const accusedElse: string[] = [];

beforeAll(async () => {
  for (const { mistakes } of groups) {
    const { original, batch = 1 } = mistakes[0] as SeededMistake;
    const plants = mistakes.flatMap((one) => one.plants);
    const options = { mode: "isolated", batch } as const;
    const { faults } = await runPlanted(original, { plants, subTaps: true }, options);
    for (const mistake of mistakes) {
      const own = layersOf(mistake);
      found.set(
        mistake,
        faults.filter(({ place }) => own.includes(layerOf(place))),
      );
    }
    const planted = mistakes.flatMap(layersOf);
    const others = faults.filter(({ place }) => !planted.includes(layerOf(place)));
    accusedElse.push(...others.map(({ place, evidence }) => `${original}: ${place}: ${evidence}`));
  }
}, 300_000);

describe("mistakes of porters, planted one a layer", () => {
  it.each(MISTAKES)("$bug in $original: $title", (mistake) => {
    const faults = found.get(mistake) ?? [];
    expect(faults.map(({ place }) => place)).toEqual(mistake.places);
    expect(faults.map(({ component }) => component)).toEqual(mistake.places.map(() => "model"));
    if (mistake.cause !== null) expect(faults[0]?.cause).toMatch(mistake.cause);
  });

  it("accuses no layer in which nothing was planted", () => {
    expect(accusedElse).toEqual([]);
  });

  it("finds every one at its place, and names the cause of each that has one", () => {
    const rows = MISTAKES.map((mistake) => scoreOf(mistake, found.get(mistake) ?? []));
    process.stdout.write(table(rows));
    expect(rows.filter(({ place }) => !place)).toEqual([]);
    expect(rows.filter(({ cause }) => cause === false)).toEqual([]);
  });
});

function groupsOf(mistakes: readonly SeededMistake[]): Group[] {
  const made: Group[] = [];
  for (const mistake of mistakes) {
    const layers = layersOf(mistake);
    const fits = ({ mistakes: [first], layers: taken }: Group) =>
      first?.original === mistake.original &&
      first.batch === mistake.batch &&
      !layers.some((layer) => taken.has(layer));
    let group = made.find(fits);
    if (group === undefined) {
      group = { mistakes: [], layers: new Set() };
      made.push(group);
    }
    group.mistakes.push(mistake);
    for (const layer of layers) group.layers.add(layer);
  }
  return made;
}

function layersOf({ places }: SeededMistake): string[] {
  return places.map(layerOf);
}

function layerOf(place: string): string {
  return place.split("/")[0] ?? place;
}

interface Score {
  readonly title: string;
  readonly place: boolean;
  /** `null`: the verdict alone explains it. */
  readonly cause: boolean | null;
  readonly said: string;
}

function scoreOf({ bug, title, places, cause }: SeededMistake, faults: readonly Fault[]): Score {
  const said = faults[0]?.cause ?? "";
  return {
    title: `${bug} ${title}`,
    place: `${faults.map(({ place }) => place)}` === `${places}`,
    cause: cause === null ? null : cause.test(said),
    said: said === "" ? (faults[0]?.evidence ?? "") : said,
  };
}

function table(rows: readonly Score[]): string {
  const word = (ok: boolean | null) => (ok === null ? "-" : ok ? "yes" : "NO");
  const lines = rows.map(({ title, place, cause, said }) =>
    [title.padEnd(58), word(place).padEnd(6), word(cause).padEnd(6), said.slice(0, 90)].join(" "),
  );
  const named = rows.filter(({ cause }) => cause !== null);
  return [
    `${"mistake".padEnd(58)} place  cause  what was said`,
    ...lines,
    `${rows.filter(({ place }) => place).length} of ${rows.length} places, ` +
      `${named.filter(({ cause }) => cause).length} of ${named.length} causes`,
    "",
  ].join("\n");
}
