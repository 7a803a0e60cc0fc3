/**
 * Random networks in the embedded reference and in the live library, until one differs or the number is reached.
 *
 *     npm run soak -- [--library darknet|keras] [--runs 10000] [--minutes M] [--seed N]
 *
 * With `--minutes` it ends after that time, however many networks it has come to by then.
 * A difference is shrunk to the smallest network that shows it, which is printed. Exit status 1 then.
 */
import { parseArgs } from "node:util";
import fc from "fast-check";
import { LiveKeras } from "../test/references/live-keras.js";
import { LivePair } from "../test/references/live-pair.js";
import { randomNetwork } from "../test/references/random-darknet.js";
import { randomModel } from "../test/references/random-keras.js";

const { values } = parseArgs({
  options: {
    library: { type: "string", default: "darknet" },
    runs: { type: "string", default: "10000" },
    minutes: { type: "string" },
    seed: { type: "string" },
  },
});
const { library } = values;
process.exitCode = library === "keras" ? await soakKeras() : await soakDarknet();

async function soakDarknet(): Promise<number> {
  const pair = await LivePair.start();
  try {
    return await soak(
      randomNetwork,
      (network) => pair.difference(network),
      ({ batch, seed, cfg }) => `batch ${batch}, weights and input by seed ${seed}:\n\n${cfg}`,
    );
  } finally {
    await pair.close();
  }
}

async function soakKeras(): Promise<number> {
  const live = await LiveKeras.start();
  try {
    return await soak(
      randomModel,
      (model) => live.difference(model),
      (model) => JSON.stringify(model),
    );
  } finally {
    await live.close();
  }
}

/** @returns the exit status */
async function soak<T>(
  networks: fc.Arbitrary<T>,
  difference: (network: T) => Promise<string | null>,
  inWords: (network: T) => string,
): Promise<number> {
  const property = fc.asyncProperty(networks, async (network) => {
    const found = await difference(network);
    if (found !== null) throw new Error(found);
  });
  const details = await fc.check(property, {
    numRuns: Number(values.runs),
    ...(values.minutes === undefined
      ? {}
      : { interruptAfterTimeLimit: 60_000 * Number(values.minutes) }),
    ...(values.seed === undefined ? {} : { seed: Number(values.seed) }),
  });
  if (details.counterexample === null) {
    console.log(`${details.numRuns} networks agree (seed ${details.seed})`);
    return 0;
  }
  const [network] = details.counterexample as [T];
  const cause = details.errorInstance;
  console.log(`${cause instanceof Error ? cause.message : cause}\n\n${inWords(network)}`);
  console.log(`after ${details.numRuns} networks and ${details.numShrinks} steps of shrinking`);
  console.log(
    `again: npm run soak -- --library ${library} --seed ${details.seed} --runs ${values.runs}`,
  );
  return 1;
}
