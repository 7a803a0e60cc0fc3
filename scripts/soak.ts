/**
 * Random networks in the embedded reference and in the live library, until one differs or the number is reached.
 *
 *     npm run soak -- [--runs 10000] [--seed N]
 *
 * A difference is shrunk to the smallest network that shows it, which is printed as a cfg. Exit status 1 then.
 */
import { parseArgs } from "node:util";
import fc from "fast-check";
import { LivePair } from "../test/references/live-pair.js";
import { randomNetwork } from "../test/references/random-darknet.js";

const { values } = parseArgs({
  options: { runs: { type: "string", default: "10000" }, seed: { type: "string" } },
});
const pair = await LivePair.start();
try {
  const property = fc.asyncProperty(randomNetwork, async (network) => {
    const found = await pair.difference(network);
    if (found !== null) throw new Error(found);
  });
  const details = await fc.check(property, {
    numRuns: Number(values.runs),
    ...(values.seed === undefined ? {} : { seed: Number(values.seed) }),
  });
  const [network] = details.counterexample ?? [];
  if (network === undefined) {
    console.log(`${details.numRuns} networks agree (seed ${details.seed})`);
  } else {
    const cause = details.errorInstance;
    console.log(
      `${cause instanceof Error ? cause.message : cause}\n\nbatch ${network.batch}, weights and input by seed ${network.seed}:\n\n${network.cfg}`,
    );
    console.log(`after ${details.numRuns} networks and ${details.numShrinks} steps of shrinking`);
    console.log(`again: npm run soak -- --seed ${details.seed} --runs ${values.runs}`);
    process.exitCode = 1;
  }
} finally {
  await pair.close();
}
