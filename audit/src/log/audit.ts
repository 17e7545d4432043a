/**
 * The audit of a whole log, step by step: its checkpoint under the trust policy, every entry and tile, the registry and what follows from
 * it, and what others hold: older checkpoints, receipts, what devices saw.
 *
 * @module
 */
import { setTimeout as delay } from "node:timers/promises";
import {
  equalBytes,
  HASH_BYTES,
  isEvidenceError,
  TILE_WIDTH,
  toHex,
  type Hash,
  type SignatureProvider,
  type TrustPolicy,
} from "@tallystick/evidence";
import type { Place, Progress } from "@tallystick/evidence/node";
import { gather, noteDown } from "./given-gather.ts";
import { GivenCheck } from "./given-check.ts";
import { filesOf, readEvidence, readGiven, type Given } from "./given.ts";
import { ItemFinder } from "./item-finder.ts";
import { LogFindings, type Judgement } from "../judgement.ts";
import { nothingWanted, Timeline, type LogFacts, type LogIdentity, type Wanted } from "./facts.ts";
import { checkWitnesses, openLog, openOlder, type OlderNote, type OpenLog } from "./note.ts";
import { checkOperators } from "./operators.ts";
import { checkOldFiles } from "./old-files.ts";
import { readChain } from "./registry-chain.ts";
import { replayRegistry } from "./registry-replay.ts";
import { compareOlder, reportRegistry, reportWalk } from "./report.ts";
import { ENTRY_BYTES, readEntries } from "./tile-files.ts";
import { walkLog, type Walked } from "./walk.ts";

export type LogAudit = {
  readonly place: Place;
  readonly policy: TrustPolicy;
  readonly provider: SignatureProvider;
  readonly hash: Hash;
  readonly since?: OlderNote;
  /** Files and folders of receipts, statements and bundles. */
  readonly evidence: readonly string[];
  readonly progress: Progress;
  /** How long a registry that is ahead of the checkpoint may wait for a newer one: a log publishes its items first. */
  readonly graceMs?: number;
};

/** What was audited, for people; absent where not even the checkpoint held. */
export type LogSummary = {
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
  readonly registryItems: number;
  readonly deviceKeys: number;
};

/** A statement with receipts, somewhat more than any has. */
const MAX_TRANSPARENT_BYTES = 4 << 20;

const MAX_NOTE_READ_BYTES = 1 << 20;
const GRACE_MS = 3000;
const POLL_MS = 250;

/** Never throws on what the place serves or the files hold; a place that gives no answer is `not-verifiable`, `unreachable`. */
export async function auditLog(audit: LogAudit): Promise<{ judgement: Judgement; summary?: LogSummary }> {
  const findings = new LogFindings();
  try {
    const log = await openChecked(audit, findings);
    if (log === undefined) return { judgement: findings.judgement() };
    const summary = await auditOpen(audit, log, findings);
    return { judgement: findings.judgement(), summary };
  } catch (error) {
    if (!isEvidenceError(error) || error.disposition !== "retry") throw error;
    findings.missing("checkpoint", error.code, error.message);
    return { judgement: findings.judgement() };
  }
}

async function openChecked(
  { place, policy, provider }: LogAudit,
  findings: LogFindings,
): Promise<OpenLog | undefined> {
  try {
    const log = await openLog(place, policy, provider);
    findings.passed("checkpoint", `${log.origin} at size ${log.size}`);
    checkWitnesses(log, policy, provider, findings);
    return log;
  } catch (error) {
    if (!isEvidenceError(error) || error.disposition === "retry") throw error;
    if (error.code === "log-unknown") findings.missing("checkpoint", error.code, error.message);
    else findings.failed("checkpoint", error.code, error.message);
    return undefined;
  }
}

async function auditOpen(audit: LogAudit, log: OpenLog, findings: LogFindings): Promise<LogSummary> {
  const { place, provider, hash, progress, policy, evidence, since } = audit;
  const wanted = nothingWanted();
  await gather(evidence, log, wanted);
  const own = await ownReceipt(audit, log, wanted);
  const older = since === undefined ? undefined : openOlder(since, log, provider, findings);
  if (older !== undefined) wanted.sizes.add(older.size);

  const chain = await readChain(place, wanted.leastItems);
  const finder = new ItemFinder(chain.hashes);
  const entries = new Map<number, Uint8Array>();
  const walked = await walk(audit, log, wanted, finder, entries);
  reportWalk(walked, log, findings);
  compareOlder(since, older, walked, findings);

  const placed = finder.indexes.length;
  const means = { provider, hash, progress };
  const replay = await replayRegistry(place, chain.published, finder.indexes, wanted.counts, log, means);
  const grown = placed < chain.count && (await grows(audit, log));
  reportRegistry({ chain, placed, replay, walked, grown }, findings);
  checkOperators(replay.state, policy, findings);
  await checkOldFiles(place, log.size, placed, findings);

  const facts: LogFacts = {
    log,
    roots: walked.roots,
    entries,
    timeline: new Timeline(chain.hashes, finder.indexes, placed === chain.published),
    keysRoots: replay.roots,
    keyOf: (kid) => replay.state.get(kid)?.key,
  };
  await compareGiven(audit, facts, own, findings);
  const deviceKeys = replay.state.records().filter(({ role }) => role === "device");
  return {
    origin: log.origin,
    size: log.size,
    root: log.root,
    registryItems: placed,
    deviceKeys: [...deviceKeys].length,
  };
}

/**
 * The log's own newest receipt, where the anchor itself is asked: it signs the registry and key state of just this checkpoint. A static
 * server has none, which is no fault.
 */
async function ownReceipt({ place }: LogAudit, log: LogIdentity, wanted: Wanted): Promise<readonly Given[]> {
  if (!place.remote || log.size < 2) return [];
  try {
    const index = Math.ceil(log.size / TILE_WIDTH) - 1;
    const entries = await readEntries(place, index, log.size - index * TILE_WIDTH);
    const path = `statements/${toHex(entries.subarray(entries.length - HASH_BYTES))}?size=${log.size}`;
    const bytes = await place.read(path, MAX_TRANSPARENT_BYTES);
    const given = bytes === undefined ? [] : [...readGiven(bytes)];
    for (const one of given) noteDown(one, log, wanted);
    return given;
  } catch (error) {
    if (isEvidenceError(error)) return [];
    throw error;
  }
}

/** True once the place shows a newer checkpoint: then its newest registry items may belong to that one. */
async function grows({ place, graceMs = GRACE_MS }: LogAudit, log: OpenLog): Promise<boolean> {
  const endMs = performance.now() + graceMs;
  for (;;) {
    const now = await place.read("checkpoint", MAX_NOTE_READ_BYTES);
    if (now !== undefined && !equalBytes(now, log.text)) return true;
    if (performance.now() >= endMs) return false;
    await delay(POLL_MS);
  }
}

function walk(
  { place, hash, progress }: LogAudit,
  { size, root }: LogIdentity,
  wanted: Wanted,
  finder: ItemFinder,
  entries: Map<number, Uint8Array>,
): Promise<Walked> {
  const rising = (numbers: Iterable<number>): number[] => [...numbers].toSorted((a, b) => a - b);
  const indexes = rising(wanted.indexes);
  let next = 0;
  return walkLog({
    place,
    size,
    root,
    hash,
    progress,
    sizes: rising(wanted.sizes),
    onEntries(first, bundle) {
      finder.look(first, bundle);
      const end = first + bundle.length / ENTRY_BYTES;
      for (let index = indexes[next]; index !== undefined && index < end; index = indexes[++next]) {
        if (index < first) continue; // in a bundle that is missing
        const at = (index - first) * ENTRY_BYTES + 2;
        entries.set(index, bundle.slice(at, at + HASH_BYTES));
      }
    },
  });
}

async function compareGiven(
  { evidence, provider, hash }: LogAudit,
  facts: LogFacts,
  own: readonly Given[],
  findings: LogFindings,
): Promise<void> {
  const check = new GivenCheck(facts, provider, hash, findings);
  for (const given of own) check.check(given, "the anchor's newest receipt");
  for await (const file of filesOf(evidence)) {
    try {
      for (const given of readGiven(await readEvidence(file))) check.check(given, file);
    } catch (error) {
      if (!isEvidenceError(error)) throw error;
      findings.failed("receipts", error.code, `${file}: ${error.message}`);
    }
  }
  check.end();
}
