/**
 * The attack table once more, with cases in the place of bundles: what devices, operators and years do to evidence is judged alike, although a case is judged as it passes by
 * and a bundle as a whole.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  decodeBundle,
  isBundle,
  isEvidenceError,
  parsePolicy,
  verify,
  type Bundle,
} from "@tallystick/evidence";
import { createNodeProvider, nodeSha256, noProgress } from "@tallystick/evidence/node";
import { afterAll, describe, expect, test } from "vitest";
import { openFacts } from "../../../audit/src/facts/open.ts";
import { DEVICE } from "../../support/attacks/device.ts";
import { LIFE } from "../../support/attacks/life.ts";
import { OPERATOR } from "../../support/attacks/operator.ts";
import { ORDER } from "../../support/attacks/order.ts";
import { OVERLOOKED } from "../../support/attacks/overlooked.ts";
import { QUORUM } from "../../support/attacks/quorum.ts";
import { SUSPECTS } from "../../support/attacks/suspects.ts";
import { createTown, evidenceOf } from "../../support/attacks/town.ts";
import { caseOfBundle } from "../../support/case-of-bundle.ts";
import type { World } from "../../support/world.ts";

const folder = mkdtempSync(join(tmpdir(), "tally-case-attacks-"));
afterAll(() => rmSync(folder, { recursive: true }));
const means = {
  provider: createNodeProvider(),
  hash: nodeSha256,
  progress: noProgress,
  threads: 0,
  cache: folder,
};
let made = 0;

/** A bundle over this world's log alone. */
function readable(bytes: Uint8Array, { vkey }: World): Bundle | undefined {
  try {
    const bundle = isBundle(bytes) ? decodeBundle(bytes) : undefined;
    return bundle?.logs.length === 1 && bundle.logs[0]?.vkey === vkey ? bundle : undefined;
  } catch (error) {
    if (isEvidenceError(error)) return undefined;
    throw error;
  }
}

describe.each([
  ["devices", DEVICE],
  ["operators", OPERATOR],
  ["operators who change by consent", QUORUM],
  ["thieves of operators' keys", SUSPECTS],
  ["ten years", LIFE],
  ["what comes before what", ORDER],
  ["what is easily overlooked", OVERLOOKED],
] as const)("%s", (_, rows) => {
  test.for(rows)("$name", async (row, { skip }) => {
    const town = await createTown();
    const evidence = await evidenceOf(town, await row.make(town));
    const bundle = readable(evidence.bytes, town.world);
    if (bundle === undefined) return skip("no bundle over the town's log alone");
    const policy = parsePolicy(evidence.policy);
    const asBundle = verify(evidence.bytes, { ...means, policy });
    if (asBundle.code === "registry-missing") return skip("a case has the whole registry");
    const place = join(folder, `case-${++made}`);
    await caseOfBundle(town.world, bundle, place, evidence.policy);
    const facts = await openFacts(place, { ...means, policy });
    facts.close();
    const { verdict, code, restrictions, checks } = facts.judgement;
    const why = JSON.stringify(checks, undefined, 1);
    expect({ verdict, code }, why).toEqual({ verdict: asBundle.verdict, code: asBundle.code });
    // Beside what is wrong or missing, restrictions are no longer what matters.
    if (code === undefined) expect(restrictions, why).toEqual(asBundle.restrictions);
  });
});
