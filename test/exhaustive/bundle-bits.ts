/**
 * Every bit of a bundle: each single-bit change is judged, and none goes unnoticed. Several minutes of one core, so the unit tests sample it.
 *
 *     node test/exhaustive/bundle-bits.ts [every n-th bit, 1]
 *
 * @module
 */
import process from "node:process";
import { createTown } from "../support/attacks/town.ts";
import { targetOf } from "../support/bundle-bits.ts";

const step = Number(process.argv[2] ?? 1);
const { bytes, bits, attack } = await targetOf(await createTown());
const started = performance.now();
const verdicts = new Map<string, number>();
let tried = 0;
for (let bit = 0; bit < bits; bit += step) {
  const { verdict, code, restrictions } = attack(bit);
  const name = [verdict, code, ...restrictions].filter((word) => word !== undefined).join(" ");
  verdicts.set(name, (verdicts.get(name) ?? 0) + 1);
  tried++;
  if (process.stderr.isTTY && tried % 100 === 0) process.stderr.write(`\r${bit} of ${bits} bits`);
}
if (process.stderr.isTTY) process.stderr.write("\n");
const seconds = (performance.now() - started) / 1000;
for (const [name, count] of [...verdicts].sort(([, a], [, b]) => b - a)) console.log(`${count} ${name}`);
console.log(
  `a bundle of ${bytes.length} bytes: ${tried} single-bit changes, none unnoticed, ${seconds.toFixed(0)} s`,
);
