/**
 * All that is aimed at, beside the broker, which has sockets and a run of its own.
 *
 * @module
 */
import { buildCorpus, type Handed } from "../corpus.ts";
import type { Target } from "../target.ts";
import { bundleTargets } from "./bundles.ts";
import { enrolmentTargets } from "./enrolment.ts";
import { fileTargets } from "./files.ts";
import { payloadTargets } from "./payloads.ts";
import { receiptTargets } from "./receipts.ts";
import { statementTargets } from "./statements.ts";
import { telegramTargets } from "./telegrams.ts";
import { textTargets } from "./texts.ts";
import { wireTargets } from "./wire.ts";

/** @param attacked - what the attack table hands over */
export async function makeTargets(attacked: readonly Handed[]): Promise<readonly Target[]> {
  const corpus = await buildCorpus(attacked);
  return [
    ...payloadTargets(corpus),
    ...statementTargets(corpus),
    ...receiptTargets(corpus),
    ...(await textTargets(corpus)),
    ...bundleTargets(corpus),
    ...fileTargets(corpus),
    ...wireTargets(corpus),
    ...telegramTargets(corpus),
    ...(await enrolmentTargets(corpus)),
  ];
}
