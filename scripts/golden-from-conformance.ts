/**
 * Turns recorded cases of the Darknet conformance suite into goldens, which `--reference golden:DIR` plays back:
 *
 *     npx tsx scripts/golden-from-conformance.ts CASE ORACLE OUT
 *     npx tsx scripts/golden-from-conformance.ts shared/darknet-conformance/cases/maxpool-5x5-s1 alexeyab-avx /tmp/avx
 */
import { goldenFromCase } from "./goldens/recorded-case.js";

const [folder, oracle, out] = process.argv.slice(2);
if (folder === undefined || oracle === undefined || out === undefined) {
  console.error("usage: npx tsx scripts/golden-from-conformance.ts CASE ORACLE OUT");
  process.exit(2);
}
const { taps, reference, note } = goldenFromCase(folder, oracle, out);
console.log(`${out}: ${taps.length} taps by ${reference.name} ${reference.version} (${note})`);
