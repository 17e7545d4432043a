/**
 * Writes docs/examples: the evidence and the exports that docs/reconcile.md explains. A test compares what is there with what this makes.
 *
 *     node test/examples/make.ts
 *
 * @module
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeEvidence } from "./evidence.ts";
import { EXAMPLES } from "./exports.ts";

/** Every file of docs/examples, by name. */
export async function exampleFiles(): Promise<Record<string, string | Uint8Array>> {
  const { bundle, policy } = await makeEvidence();
  const exports = Object.assign({}, ...EXAMPLES.map(({ files }) => files)) as Record<
    string,
    string | Uint8Array
  >;
  return { "evidence.tally": bundle, "policy.txt": policy, ...exports };
}

if (import.meta.main) {
  const folder = join(import.meta.dirname, "..", "..", "docs", "examples");
  mkdirSync(folder, { recursive: true });
  for (const [name, content] of Object.entries(await exampleFiles()))
    writeFileSync(join(folder, name), content);
}
