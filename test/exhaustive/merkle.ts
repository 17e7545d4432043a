/**
 * Every bit of every proof: all trees of 1 to 300 leaves, every leaf, each single-bit change of leaf, index, path and root; and every pair of
 * sizes to 64, each single-bit change of both roots and the path. Some twenty minutes of one core, so the unit tests sample it.
 *
 *     node test/exhaustive/merkle.ts [largest size, 300] [smallest size, 1]
 *
 * @module
 */
import process from "node:process";
import { consistencyPath, inclusionPath, type HashReader } from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import { attackGrowth, attackInclusion, everyBit } from "../support/bit-flips.ts";
import { ReferenceTree } from "../support/reference-tree.ts";

const largest = Number(process.argv[2] ?? 300);
const smallest = Number(process.argv[3] ?? 1);
const largestGrown = 64;
const tree = new ReferenceTree();
const read: HashReader = (level, index) => tree.root(index * 2 ** level, (index + 1) * 2 ** level);

const started = performance.now();
let proofs = 0;
let changes = 0;
for (let size = smallest; size <= largest; size++) {
  if (process.stderr.isTTY)
    process.stderr.write(`\r${size} of ${largest} leaves, ${changes} changes refused`);
  const root = tree.root(0, size);
  for (let index = 0; index < size; index++) {
    const path = inclusionPath(index, size, read, nodeSha256);
    const leaf = tree.root(index, index + 1);
    changes += attackInclusion({ leaf, index, size, path, root }, everyBit, nodeSha256);
    proofs++;
  }
  if (size > largestGrown) continue;
  for (let size1 = 1; size1 < size; size1++) {
    const path = consistencyPath(size1, size, read, nodeSha256);
    const growth = { size1, root1: tree.root(0, size1), size2: size, root2: root, path };
    changes += attackGrowth(growth, everyBit, nodeSha256);
    proofs++;
  }
  if (process.stderr.isTTY)
    process.stderr.write(`\r${size} of ${largest} leaves, ${changes} changes refused`);
}
const seconds = (performance.now() - started) / 1000;
if (process.stderr.isTTY) process.stderr.write("\n");
console.log(
  `trees of ${smallest} to ${largest} leaves: ${proofs} proofs, all ${changes} single-bit changes refused, ${seconds.toFixed(0)} s`,
);
