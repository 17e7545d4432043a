/**
 * The heart: batch after batch is sequenced, published and answered, in this order. While one is on its way to the disk as files, the next one
 * fills and is committed; it is published when the one before is answered.
 *
 * @module
 */
import type { EvidenceCode, Statement } from "@tallystick/evidence";
import type { Candidate } from "./admission/admit.ts";
import type { Inbox } from "./registry/inbox.ts";
import type { Entrant } from "./sequence/place.ts";
import type { Pool } from "./intake/pool.ts";
import type { Publisher } from "./publish/publish.ts";
import type { Ready } from "./sequence/ready.ts";
import type { Receipts } from "./receipts/receipts.ts";
import type { Refusals } from "./receipts/refusals.ts";
import type { Registrations } from "./scrapi/registrations.ts";
import type { Placed, Sequenced, Sequencer } from "./sequence/sequence.ts";
import { signedBatch, type LogIdentity } from "./publish/sign.ts";
import { storageFailed } from "./storage/database.ts";
import type { Tally } from "./tally.ts";

/** What became of a statement: in a published tree at this log index, or not in. */
export type Outcome = { readonly index: number } | { readonly code: EvidenceCode; readonly text: string };

/** Something to sequence: a device's statement, or a registry item with the file that it came in. `told` is called once it is published, or refused. */
export type Work =
  (Candidate & { readonly file?: undefined; readonly told?: (outcome: Outcome) => void }) | ItemWork;
type ItemWork = { readonly statement: Statement; readonly charge: 0; readonly file: string };

export type LedgerParts = {
  readonly log: LogIdentity;
  readonly ready: Pick<Ready<Work>, "next">;
  readonly sequencer: Sequencer;
  readonly publisher: Publisher;
  readonly receipts: Receipts;
  readonly refusals: Refusals;
  /** Whoever brought statements over HTTP. */
  readonly registrations?: Pick<Registrations, "settled" | "refused">;
  readonly inbox: Pick<Inbox, "done" | "refuse">;
  readonly pool: Pool;
  readonly tally: Tally;
  /** Called with each published note. */
  readonly onPublished: (note: string, size: number) => void;
  /** Called with what was committed, in the log's order, and its commit time; it must not take long. */
  readonly onAdmitted?: (admitted: readonly Placed[], timeUnixS: number) => void;
  /** Called with the statements that came back to the entries that were waiting for them. */
  readonly onFilled: (filled: readonly Placed[]) => void;
  /** Called with each committed statement by which a device names its next key. */
  readonly onRotated: (statement: Entrant) => void;
  /** Called with each committed boot evidence of another machine than the enrolled one. */
  readonly onElsewhere?: (statement: Entrant) => void;
  readonly nowMs: () => number;
  /** Told at once of what makes the process end. */
  readonly onFault: (error: unknown) => void;
  /** True once the process must end: nothing is signed any more. */
  readonly halted: () => boolean;
};

/**
 * Runs until `ready` is closed and empty, so that every statement that was accepted gets an index or a reason.
 *
 * @throws EvidenceError `storage-failed`: the process must end
 */
export async function runLedger(parts: LedgerParts): Promise<void> {
  /** The one batch that is committed and on its way out; its fault is told at once, and thrown here at the next turn. */
  let leaving: Promise<void> = Promise.resolve();
  for (let work = await parts.ready.next(); work !== undefined; work = await parts.ready.next()) {
    if (parts.halted()) break;
    const done = commit(work, parts);
    await leaving;
    leaving = bringOut(work, done, parts);
    leaving.catch(parts.onFault);
  }
  await leaving;
  await parts.receipts.idle();
  await parts.publisher.tidy();
}

/** Steps 8 to 10 of a reading's life, for one batch by itself. */
export async function handleBatch(work: readonly Work[], parts: LedgerParts): Promise<void> {
  await bringOut(work, commit(work, parts), parts);
  await parts.publisher.tidy();
}

/** Signs, publishes, answers. */
async function bringOut(work: readonly Work[], done: Sequenced, parts: LedgerParts): Promise<void> {
  if (parts.halted()) return;
  if (done.batch !== undefined) {
    const { growth, ...row } = done.batch;
    const signed = await signedBatch(parts.log, { ...row, signature: null });
    if (parts.halted()) return;
    parts.sequencer.keepSignature(row.size, signed.signature);
    const started = parts.nowMs();
    const note = await parts.publisher.publish({ ...row, signature: null });
    parts.tally.publishMs += parts.nowMs() - started;
    if (parts.halted()) return;
    parts.receipts.issue(signed, growth, done.admitted);
    parts.onPublished(note, row.size);
  }
  answer(done, parts);
  parts.registrations?.settled(done);
  tell(work, done);
  for (const { statement } of [...done.admitted, ...done.filled])
    if (statement.rotates === true) parts.onRotated(statement);
  for (const { statement } of done.admitted) if (statement.elsewhere === true) parts.onElsewhere?.(statement);
  await settleFiles(work, done, parts);
  for (const { charge } of work) if (charge > 0) parts.pool.leave(charge);
  parts.publisher.tidy().catch(parts.onFault); // beside the next batch
}

function commit(work: readonly Work[], { sequencer, tally, nowMs, onAdmitted }: LedgerParts): Sequenced {
  const items = work.flatMap(({ file, statement }) => (file === undefined ? [] : [statement]));
  const statements = work.flatMap(({ file, statement }) => (file === undefined ? [statement] : []));
  const started = nowMs();
  const done = sequencer.sequence(items, statements);
  tally.commitMs += nowMs() - started;
  tally.commits++;
  if (done.batch !== undefined) {
    tally.lastCommitUnixS = done.batch.timeUnixS;
    onAdmitted?.(done.admitted, done.batch.timeUnixS);
  }
  tally.count("admitted", done.admitted.length);
  tally.count("registry-item", done.items.length);
  tally.count("duplicate", done.duplicates.length);
  tally.count("filled", done.filled.length);
  return done;
}

/** Answers whatever did not enter the log. */
function answer(
  { batch, duplicates, refused, filled }: Sequenced,
  { sequencer, receipts, refusals, registrations, onFilled }: LedgerParts,
): void {
  const from = batch?.growth.from ?? Infinity;
  // One that came twice within this batch has its receipt already.
  const again = duplicates.filter(({ statement, index }) => index < from && statement.submitted !== true);
  // Not heard yet: nothing is signed. A device sends again what has no receipt.
  const due = sequencer.recovery.hearing ? [] : [...again, ...filled];
  for (const { statement, index } of due) receipts.repeat(statement.claims.iss, statement.hash, index);
  if (filled.length > 0) onFilled(filled);
  for (const { statement, code, text } of refused) {
    const { iss, ch } = statement.claims;
    if (statement.submitted === true) registrations?.refused(statement.hash, code, text);
    else if (ch !== undefined) refusals.send(iss, statement.hash, code, text); // a registry item's file tells of it
  }
}

/** Tells those who wait for the outcome of what they brought. */
function tell(work: readonly Work[], { admitted, filled, duplicates, refused }: Sequenced): void {
  for (const one of work) {
    if (one.file !== undefined || one.told === undefined) continue;
    const { statement, told } = one;
    const placed = [admitted, filled, duplicates].flat().find((some) => some.statement === statement);
    const not = refused.find((some) => some.statement === statement);
    if (placed !== undefined) told({ index: placed.index });
    else if (not !== undefined) told({ code: not.code, text: not.text });
  }
}

async function settleFiles(
  work: readonly Work[],
  { refused }: Sequenced,
  { inbox }: LedgerParts,
): Promise<void> {
  for (const { file, statement } of work) {
    if (file === undefined) continue;
    try {
      const refusal = refused.find((one) => one.statement === statement);
      if (refusal === undefined) await inbox.done(file);
      else await inbox.refuse(file, refusal.code, refusal.text, statement.hash);
    } catch (error) {
      throw storageFailed(`${file}: can't be moved out of the inbox`, error);
    }
  }
}
