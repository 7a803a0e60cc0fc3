import type { InputError } from "../../errors.js";
import type { DarknetDialect } from "./dialect.js";
import { batchnorm, connected, local } from "./layers/connected.js";
import { convolutional } from "./layers/convolutional.js";
import { deconvolutional } from "./layers/deconvolutional.js";
import { detection, gaussianYolo, region, yolo } from "./layers/heads.js";
import { route, shortcut } from "./layers/merging.js";
import { avgpool, localAvgpool, maxpool } from "./layers/pooling.js";
import { convLstm, crnn, gru, lstm, rnn } from "./layers/recurrent.js";
import { upsample } from "./layers/resampling.js";
import {
  activation,
  cost,
  crop,
  dropout,
  implicit,
  l2norm,
  localResponse,
  logistic,
  reorg,
  reorg3d,
  sam,
  scaleChannels,
  softmax,
  unchanged,
} from "./layers/simple.js";
import type { NetworkBuilder } from "./network.js";
import type { SectionReader } from "./section-reader.js";

/** A kind of section: what it is called and how it becomes operations. */
export interface SectionKind {
  /** The library's own word, after which its files of outputs are named too. */
  readonly name: string;
  /** Used in ids instead of `name`. */
  readonly short?: string;
  /** Other names in a file. */
  readonly aliases?: readonly string[];
  /** Dialects that know it; without it both. */
  readonly only?: DarknetDialect;
  /** Its output is flat, but the layer after it still gets a map of its input's shape. */
  readonly keepsMap?: boolean;
  /** Adds operations; the last must be named `id`. */
  readonly build: (network: NetworkBuilder, section: SectionReader, id: string) => void;
}

const KINDS: readonly SectionKind[] = [
  { name: "convolutional", short: "conv", aliases: ["conv"], build: convolutional },
  { name: "maxpool", aliases: ["max"], build: maxpool },
  { name: "local_avgpool", aliases: ["local_avg"], only: "alexeyab", build: localAvgpool },
  { name: "avgpool", aliases: ["avg"], build: avgpool },
  { name: "route", build: route },
  { name: "shortcut", build: shortcut },
  { name: "upsample", build: upsample },
  { name: "yolo", build: yolo },
  { name: "gaussian_yolo", aliases: ["Gaussian_yolo"], only: "alexeyab", build: gaussianYolo },
  { name: "region", build: region },
  { name: "detection", build: detection },
  { name: "connected", aliases: ["conn"], build: connected },
  { name: "batchnorm", build: batchnorm },
  { name: "local", build: local },
  {
    name: "deconvolutional",
    short: "deconv",
    aliases: ["deconv"],
    only: "pjreddie",
    build: deconvolutional,
  },
  { name: "activation", keepsMap: true, build: activation },
  { name: "dropout", keepsMap: true, build: dropout },
  { name: "silence", aliases: ["empty"], only: "alexeyab", keepsMap: true, build: unchanged },
  { name: "cost", build: cost },
  { name: "softmax", aliases: ["soft"], build: softmax },
  { name: "logistic", only: "pjreddie", keepsMap: true, build: logistic },
  { name: "l2norm", only: "pjreddie", keepsMap: true, build: l2norm },
  { name: "normalization", aliases: ["lrn"], build: localResponse },
  { name: "crop", build: crop },
  { name: "reorg", build: reorg },
  { name: "reorg3d", only: "alexeyab", build: reorg3d },
  { name: "scale_channels", only: "alexeyab", build: scaleChannels },
  { name: "sam", only: "alexeyab", build: sam },
  { name: "implicit", only: "alexeyab", build: implicit },
  { name: "rnn", build: rnn },
  { name: "crnn", build: crnn },
  { name: "gru", build: gru },
  { name: "lstm", build: lstm },
  { name: "conv_lstm", only: "alexeyab", build: convLstm },
];

/** Sections that a library knows and we do not read, with the reason. */
const REFUSED: Readonly<Record<string, string>> = {
  contrastive: "a loss for training only",
  history: "needs several time steps in one call",
  iseg: "a loss for training only",
};

/**
 * The kind of a section.
 *
 * @throws {InputError} `unsupported` for an unknown one, naming line and the nearest known one
 */
export function sectionKind(
  name: string,
  dialect: DarknetDialect,
  section: SectionReader,
): SectionKind {
  const kind = KINDS.find((one) => one.name === name || one.aliases?.includes(name));
  if (kind && (!kind.only || kind.only === dialect)) return kind;
  throw unknownSection(name, dialect, section, kind);
}

function unknownSection(
  name: string,
  dialect: DarknetDialect,
  section: SectionReader,
  kind: SectionKind | undefined,
): InputError {
  if (kind?.only) {
    return section.error(
      "unsupported",
      `is not known to ${dialect}'s Darknet; read the file with the other dialect (${kind.only})`,
    );
  }
  const reason = Object.hasOwn(REFUSED, name) ? REFUSED[name] : undefined;
  if (reason) return section.error("unsupported", `is not supported: ${reason}`);
  const known = KINDS.filter((one) => !one.only || one.only === dialect);
  const words = known.flatMap((one) => [one.name, ...(one.aliases ?? [])]);
  return section.error(
    "unsupported",
    `is no section of Darknet; nearest is [${nearest(name, words)}]`,
  );
}

function nearest(word: string, words: readonly string[]): string {
  const short = word.slice(0, 64);
  const distances = words.map((known) => editDistance(short.toLowerCase(), known.toLowerCase()));
  return words[distances.indexOf(Math.min(...distances))] ?? "";
}

/** Fewest insertions, deletions and replacements that turn `a` into `b` (Levenshtein). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, k) => k);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
