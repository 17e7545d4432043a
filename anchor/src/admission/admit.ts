/**
 * Admission: what a device sent is read strictly and judged by what costs least first: the topic's owner, the key and its streams, the number.
 * Only what passes has its signature checked, on other threads. Whatever is said here about keys and numbers is said again when the
 * statement is sequenced; this is where the rest is kept out.
 *
 * @module
 */
import {
  equalBytes,
  EvidenceError,
  isEvidenceError,
  judgeUse,
  parseStatement,
  splitUp,
  toBeSigned,
  type Claims,
  type Event,
  type KeyRecord,
  type KeyState,
  type Statement,
  type UpItem,
} from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import { isElsewhere } from "./machines.ts";
import type { OwnHistory } from "../log/own-history.ts";
import type { Entrant, Places } from "../sequence/place.ts";
import type { Pool } from "../intake/pool.ts";
import type { Receipts } from "../receipts/receipts.ts";
import type { Recovery } from "../restore/recovery.ts";
import type { Refusals } from "../receipts/refusals.ts";
import type { Registrations } from "../scrapi/registrations.ts";
import { TEXT } from "../sequence/sequence.ts";
import type { SignatureJob } from "./signature-job.ts";
import type { SignatureThreads } from "./signature-threads.ts";
import type { Held } from "../storage/archive.ts";
import type { Tally } from "../tally.ts";
import type { Time } from "../time.ts";
import type { Wanted } from "../restore/wanted.ts";

/** A statement on its way into the log, and what it takes up in the pool. */
export type Candidate = { readonly statement: Entrant; readonly charge: number };

export type AdmissionParts = {
  /** The log's own name. */
  readonly origin: string;
  /** The anchor's own device: what it says is erased goes out of the archive. */
  readonly ownIss: string;
  readonly keys: KeyState;
  readonly places: Places;
  readonly history: OwnHistory;
  readonly threads: Pick<SignatureThreads, "job" | "check">;
  readonly pool: Pool;
  readonly receipts: Pick<Receipts, "repeat">;
  readonly recovery: Recovery;
  readonly wanted: Pick<Wanted, "turnedUp" | "named">;
  readonly refusals: Refusals;
  /** Told of what is wrong with a statement that came over HTTP. */
  readonly registrations?: Pick<Registrations, "refused">;
  readonly tally: Tally;
  readonly time: Pick<Time, "soon" | "nowMs">;
  /** Size of the log, and of what is published of it. */
  readonly size: () => number;
  readonly publishedSize: () => number;
  /** Takes a candidate whose signature is good. */
  readonly accept: (candidate: Candidate) => void;
  /** A receipt of this device was looked at, and is no reason to stop. */
  readonly onReceipt: (iss: string) => void;
  /** A receipt shows that this log stands elsewhere: the process must end. */
  readonly onFault: (error: unknown) => void;
};

/** Receipts looked at in a second: each costs some signatures on the main thread. More where all devices are asked for theirs. */
const RECEIPTS_PER_S = 10;
const RECEIPTS_PER_S_HEARING = 200;
/** Devices whose word on newer trees was looked at; beyond, all are asked anew. */
const MAX_LOOKED_AT = 10_000;
/** So long a device may take to show the receipt of what it says it has seen. One that has none any more is not shut out for ever. */
const SHOW_WITHIN_MS = 600_000;

/**
 * Statements of one device whose signatures are being checked, beyond which its message is not acknowledged: else a device that signs nothing right fills the pool before the
 * first verdict on it is there, and everybody waits for 4,000 signatures of nobody's.
 */
const MAX_UNVERIFIED = 512;
/** Under which those that came over HTTP are counted: their names are anybody's claim, and must not hold up the device. */
const SUBMITTED = "";

export class Admission {
  readonly #parts: AdmissionParts;
  /** By device. */
  readonly #unverified = new Map<string, number>();
  /** Whose message came last, and who waits for the verdicts on it. */
  #newest = "";
  #waiting: (() => void)[] = [];
  /** Their signatures are in the job, which waits to be full or for the end of this turn. */
  #asked: Candidate[] = [];
  #job: SignatureJob;
  #flushing = false;
  #receiptsLooked = { second: 0, count: 0 };
  /** Devices that have sent a receipt since the start. */
  readonly #lookedAt = new Set<string>();
  /** Devices that have seen a larger tree, by when they said so first. */
  readonly #ahead = new Map<string, number>();

  constructor(parts: AdmissionParts) {
    this.#parts = parts;
    this.#job = parts.threads.job();
  }

  /**
   * Takes one `up` message of the device that owns the topic.
   *
   * An item that can't be told from the next ends the message: what follows has no trustworthy beginning, and is refused under the
   * hash of all of it. An item that is whole and no good is refused under its own.
   */
  receive(iss: string, payload: Uint8Array): void {
    this.#newest = iss;
    if (this.#parts.refusals.isOutOfPatience(iss)) {
      this.#parts.tally.count("rate-limited");
      return;
    }
    const { items, rest } = splitUp(payload);
    // Before anything else: it may show that nothing more must be signed here.
    const receipts = this.#lookAtReceipts(iss, items);
    if (receipts === undefined) return;
    const passed: { statement: Statement; record: KeyRecord }[] = [];
    const read: Statement[] = [];
    for (const { kind, bytes } of items) {
      if (kind === "receipt") continue;
      try {
        const statement = parseStatement(bytes, nodeSha256);
        if (statement.claims.iss === iss) read.push(statement);
        const record = this.#look(iss, statement, receipts > 0);
        if (record !== undefined) passed.push({ statement, record });
      } catch (error) {
        if (!isEvidenceError(error)) throw error;
        this.#parts.refusals.send(iss, nodeSha256(bytes), error.code, error.message);
      }
    }
    this.#parts.wanted.named(iss, read);
    this.#parts.wanted.turnedUp(iss);
    if (rest !== undefined) {
      this.#parts.refusals.send(iss, nodeSha256(rest.bytes), rest.error.code, rest.error.message);
    }
    if (this.#parts.pool.overflows) {
      this.#parts.tally.count("statement-dropped", passed.length);
      return;
    }
    // The statements are views of the message: together they hold all of it.
    const charge = Math.ceil(payload.length / Math.max(1, passed.length));
    for (const { statement, record } of passed) {
      this.#parts.pool.enter(charge);
      this.#ask(statement, record, charge);
    }
  }

  /**
   * Takes one statement that came by itself, from whoever brought it. What is wrong with it is told to him: neither to the device, nor held against it.
   *
   * @returns true where it is in a published tree already; else that is on its way
   * @throws EvidenceError the refusal; `pool-full` where there is no room
   */
  submit(statement: Statement): boolean {
    const { claims, bytes } = statement;
    const { pool, publishedSize, recovery } = this.#parts;
    if (recovery.hearing) throw refusal("log-restoring"); // it could be answered by nothing
    // Only the device itself can show the receipt, and until it does, this log may be an older state of the one that it saw.
    if (this.#isBehind(claims) && !this.#lookedAt.has(claims.iss)) throw behind();
    const { record, held } = this.#judge(statement);
    if (held !== undefined) return held.index < publishedSize();
    if (pool.full || !pool.draining)
      throw new EvidenceError("pool-full", "the waiting room is full: try again later");
    pool.enter(bytes.length);
    this.#ask(statement, record, bytes.length, SUBMITTED);
    return false;
  }

  /** Calls `resume` when there is room for another message: in the pool, and among the signatures of the device that sent the last one. */
  whenRoom(resume: () => void): void {
    this.#parts.pool.whenRoom(() => {
      if ((this.#unverified.get(this.#newest) ?? 0) <= MAX_UNVERIFIED) resume();
      else this.#waiting.push(resume);
    });
  }

  /** Hands over what waits for its job to fill. */
  flush(): void {
    const asked = this.#asked;
    if (asked.length === 0) return;
    this.#asked = [];
    const job = this.#job;
    this.#job = this.#parts.threads.job();
    this.#parts.threads.check(job, (verdicts) => {
      for (const [i, candidate] of asked.entries()) {
        if (verdicts[i] === 1) this.#parts.accept(candidate);
        else this.#refuse(candidate);
        this.#verified(countedAs(candidate.statement));
      }
      if ((this.#unverified.get(this.#newest) ?? 0) > MAX_UNVERIFIED) return;
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const resume of waiting) resume();
    });
  }

  #verified(iss: string): void {
    const left = (this.#unverified.get(iss) ?? 1) - 1;
    if (left === 0) this.#unverified.delete(iss);
    else this.#unverified.set(iss, left);
  }

  /**
   * The checks that need no signature. Returns the record of the key that the signature must be of, or undefined where the statement was answered already.
   *
   * @param proven - it came beside a receipt: whoever has that needs no other
   * @throws EvidenceError the refusal
   */
  #look(iss: string, statement: Statement, proven: boolean): KeyRecord | undefined {
    const { claims } = statement;
    if (claims.iss !== iss)
      throw new EvidenceError("topic-owner", "the statement is of another device than the topic");
    if (this.#isBehind(claims) && this.#owesReceipt(iss)) throw behind();
    const { record, held } = this.#judge(statement);
    if (held !== undefined && !proven) this.#repeat(iss, held);
    return record;
  }

  /**
   * What key, number and state of the log say of a statement, whoever brought it: the record of its key, or where the log has it already.
   *
   * @throws EvidenceError the refusal
   */
  #judge({ claims, content, hash, kid, alg }: Statement): Judged {
    const { keys, places, recovery, size, tally } = this.#parts;
    if (content.type === "registry")
      throw new EvidenceError("key-stream", "registry items come through the operator's inbox");
    const record = keys.get(kid);
    if (record === undefined) throw new EvidenceError("key-unknown", "this key is not enrolled here");
    if (record.key.alg !== alg) throw new EvidenceError("key-mismatch", "the key is for another algorithm");
    const missing = recovery.find(hash);
    const index = missing ?? size();
    const { invalid } = judgeUse(record, { ...claims, hash, index }, record.succession);
    if (invalid !== undefined) throw new EvidenceError(invalid, "the key does not count for this statement");
    if (missing !== undefined) return { record };
    const held = places.holder({ claims });
    if (held !== undefined && equalBytes(held.hash, hash)) {
      tally.count("duplicate");
      return { held };
    }
    if (keys.ended !== undefined) throw refusal("log-ended");
    if (recovery.holds(claims.iss)) throw refusal("log-restoring");
    return { record }; // a fork counts as one only if it is signed
  }

  /** True where the device has seen a larger tree of this log than there is. What it saw of the log before this one says nothing of this one. */
  #isBehind({ seen }: Claims): boolean {
    const { origin, size } = this.#parts;
    return seen !== undefined && (seen.origin ?? origin) === origin && seen.size > size();
  }

  /** True where a device that has seen a larger tree than this log's has shown no receipt yet, and may still. */
  #owesReceipt(iss: string): boolean {
    if (this.#lookedAt.has(iss)) return false;
    const nowMs = this.#parts.time.nowMs();
    const sinceMs = this.#ahead.get(iss);
    if (sinceMs !== undefined) return nowMs - sinceMs < SHOW_WITHIN_MS;
    if (this.#ahead.size >= MAX_LOOKED_AT) this.#ahead.clear();
    this.#ahead.set(iss, nowMs);
    return true;
  }

  #repeat(iss: string, { hash, index }: Held): void {
    const { recovery, receipts, publishedSize } = this.#parts;
    // Not published yet: the receipt is about to leave. Not heard yet: nothing is signed.
    if (index < publishedSize() && !recovery.hearing) receipts.repeat(iss, hash, index);
  }

  #ask(statement: Statement, record: KeyRecord, charge: number, counted = statement.claims.iss): void {
    const { protectedBytes, payload, signature } = statement.sign1;
    this.#job.add(record.key, toBeSigned(protectedBytes, payload ?? new Uint8Array()), signature);
    const { ownIss } = this.#parts;
    this.#asked.push({ statement: entrantOf(statement, record, ownIss, counted === SUBMITTED), charge });
    this.#unverified.set(counted, (this.#unverified.get(counted) ?? 0) + 1);
    if (this.#job.full) this.flush();
    else if (!this.#flushing) {
      this.#flushing = true;
      this.#parts.time.soon(() => {
        this.#flushing = false;
        this.flush();
      });
    }
  }

  #refuse({ statement, charge }: Candidate): void {
    this.#parts.pool.leave(charge);
    const text = "the signature is not the enrolled key's over these bytes";
    if (statement.submitted === true)
      this.#parts.registrations?.refused(statement.hash, "signature-invalid", text);
    else this.#parts.refusals.send(statement.claims.iss, statement.hash, "signature-invalid", text);
  }

  /** Number of receipts in a message; undefined where one of them ends the process. */
  #lookAtReceipts(iss: string, items: readonly UpItem[]): number | undefined {
    let count = 0;
    for (const { kind, bytes } of items) {
      if (kind !== "receipt") continue;
      count++;
      this.#parts.tally.count("receipt-sent-up");
      if (!this.#mayLook()) continue;
      const alongside = items.filter((one) => one.kind === "statement").map((one) => nodeSha256(one.bytes));
      try {
        this.#parts.history.checkReceipt(bytes, alongside, `a receipt sent by ${iss}`);
      } catch (error) {
        this.#parts.onFault(error);
        return undefined;
      }
      if (this.#lookedAt.size >= MAX_LOOKED_AT) this.#lookedAt.clear();
      this.#lookedAt.add(iss);
      this.#parts.onReceipt(iss);
    }
    return count;
  }

  #mayLook(): boolean {
    const second = Math.floor(this.#parts.time.nowMs() / 1000);
    if (second !== this.#receiptsLooked.second) this.#receiptsLooked = { second, count: 0 };
    const most = this.#parts.recovery.hearing ? RECEIPTS_PER_S_HEARING : RECEIPTS_PER_S;
    return ++this.#receiptsLooked.count <= most;
  }
}

type Judged =
  | { readonly record: KeyRecord; readonly held?: undefined }
  | { readonly record?: undefined; readonly held: Held };

const countedAs = ({ submitted, claims }: Entrant): string => (submitted === true ? SUBMITTED : claims.iss);

const behind = (): EvidenceError =>
  new EvidenceError("log-behind", "you have seen a larger tree than this log has: show its receipt");

const refusal = (code: "log-ended" | "log-restoring"): EvidenceError =>
  new EvidenceError(code, TEXT[code] ?? "");

/** Name and key are the registry's own objects: there is one of each, however many statements wait. */
function entrantOf(statement: Statement, record: KeyRecord, ownIss: string, submitted: boolean): Entrant {
  const { bytes, hash, claims, event } = statement;
  const { iss, kid } = record;
  // Into a restored log it may come back by any way: whoever brings it, what it names goes out again, or it would stand there and have erased nothing.
  const erases = iss === ownIss && event?.kind === "erased" ? event.hash : undefined;
  const { sub, ch, seq, prev } = claims;
  return {
    bytes,
    hash,
    kid,
    claims: { iss, sub, seq, ...(ch !== undefined && { ch }), ...(prev !== undefined && { prev }) },
    ...(event !== undefined && (seq === 0 || TELLING.has(event.kind)) && { event }),
    ...(event?.kind === "key-rotated" && { rotates: true }),
    ...(isElsewhere(statement, record) && { elsewhere: true }),
    ...(submitted && { submitted: true }),
    ...(erases !== undefined && { erases }),
  };
}

/** Events that say how far streams are. */
const TELLING: ReadonlySet<Event["kind"]> = new Set(["heads", "stream-closed"]);
