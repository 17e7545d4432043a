/**
 * What the anchor says itself, as a device of its own: chained statements that go the way of every device's, and of which whoever waits learns when they are published.
 *
 * Where its chains stand follows from the archive and from the copies that are kept: a statement is kept before it goes on its way, and one that was kept and is not in the log
 * goes first after a start, byte for byte. So each number is spent once.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import type { Logger } from "pino";
import {
  decimal,
  encodeEvent,
  equalBytes,
  EvidenceError,
  isEvidenceError,
  sealStatement,
  SYSTEM_STREAM,
  toHex,
  verifyStatement,
  type Before,
  type Event,
  type EventOf,
  type KeyState,
  type SignatureProvider,
  type Signer,
  type Statement,
} from "@tallystick/evidence";
import { loadSigner, nodeSha256, sleep } from "@tallystick/evidence/node";
import type { Outcome, Work } from "../ledger.ts";
import type { Recovery } from "../restore/recovery.ts";
import type { Store } from "../sequence/sequence.ts";
import type { Time } from "../time.ts";
import type { Kept } from "./kept.ts";
import { ACCESS_STREAM, QUIET_S } from "./own-device.ts";

/** Longest wait for a statement to be published: less than the public listener grants a request. */
const PATIENCE_MS = 10_000;
/** How often it is looked for what is to be done. */
const LOOK_MS = 500;
const CHAIN_BYTES = 8;
/** Set by NTP, as far as the anchor knows. */
const TIME_QUALITY = 1;

export type TrailParts = {
  /** The device's name. */
  readonly iss: string;
  readonly keyFile: string;
  readonly kept: Kept;
  readonly store: Pick<Store, "archive" | "chains" | "missing">;
  readonly keys: KeyState;
  readonly recovery: Pick<Recovery, "holds" | "missing">;
  readonly provider: SignatureProvider;
  readonly heartbeatS: number;
  readonly nowUnixS: () => number;
  readonly time: Pick<Time, "nowMs" | "after">;
  readonly logger: Pick<Logger, "info" | "warn">;
};

/** A statement in a published tree. */
export type Told = { readonly statement: Statement; readonly index: number };

/** Where a chain goes on. */
type End = { readonly ch: Uint8Array; readonly seq: number; readonly prev?: Uint8Array };

/** On its way; `told` settles with what became of it. In an object, or whoever waits for the turn would wait for this, too. */
type Sent = { readonly told: Promise<Told> };

type Telling = EventOf<"access"> | EventOf<"erased">;

export class Trail {
  readonly iss: string;
  readonly #parts: TrailParts;
  readonly #ends = new Map<string, End>();
  readonly #waiting = new Set<(error: unknown) => void>();
  #signer: Signer | undefined;
  #push: ((work: Work) => void) | undefined;
  /** One statement after the other gets its number. */
  #queue: Promise<unknown> = Promise.resolve();
  #resumed = false;
  #headsDueMs = 0;

  constructor(parts: TrailParts) {
    this.iss = parts.iss;
    this.#parts = parts;
  }

  /** From now on statements are sequenced. */
  begin(push: (work: Work) => void): void {
    this.#push = push;
    this.#headsDueMs = 0;
  }

  /** Nothing more is said; what is on its way may still be told. */
  stop(): void {
    this.#push = undefined;
  }

  /** Nothing is sequenced any more. */
  end(): void {
    this.stop();
    const stopped = notNow("the anchor stops: ask again when it runs");
    for (const reject of this.#waiting) reject(stopped);
  }

  /** @throws EvidenceError why nothing can be said now: `key-unknown`, `log-ended`, `log-restoring`, `unreachable`, a code of key files */
  mustSpeak(): void {
    const { keys, recovery } = this.#parts;
    this.#ownSigner();
    if (keys.ended !== undefined)
      throw new EvidenceError("log-ended", "this log has ended: nothing can be entered, so nothing is read");
    if (this.#push === undefined) throw notNow("nothing is sequenced yet: the anchor waits for its broker");
    if (recovery.holds(this.iss))
      throw new EvidenceError(
        "log-restoring",
        "the log was restored and waits for what it may have lost: ask again later (tally-anchor missing)",
      );
  }

  /**
   * Says something, and resolves once it is in a published tree.
   *
   * @param erases - what goes out of the archive as this comes in
   * @throws EvidenceError as {@link mustSpeak}; whatever the log refuses it with
   */
  async tell(event: Telling, erases?: Uint8Array): Promise<Told> {
    const { told: settled } = await this.#inTurn(() => this.#write(ACCESS_STREAM, event, erases));
    const told = await settled;
    this.#headsDueMs = Math.min(this.#headsDueMs, this.#parts.time.nowMs() + this.#parts.heartbeatS * 1000);
    return told;
  }

  /** Takes the steps that are due until `signal` is aborted. @throws EvidenceError `storage-failed` */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.look();
      await sleep(this.#parts.time, LOOK_MS, signal);
    }
  }

  /** Sends what was left over, and heads that are due. Nothing where the device isn't enrolled, or can't speak now. */
  async look(): Promise<void> {
    const { time, logger, keys } = this.#parts;
    if (this.#push === undefined || keys.current(this.iss) === undefined) return;
    try {
      if (!this.#resumed) await this.#inTurn(() => this.#resume());
      if (time.nowMs() < this.#headsDueMs) return;
      this.mustSpeak();
      this.#headsDueMs = time.nowMs() + QUIET_S * 1000;
      const { told } = await this.#inTurn(() => this.#write(SYSTEM_STREAM));
      await told;
    } catch (error) {
      if (!isEvidenceError(error) || error.code === "storage-failed") throw error;
      this.#headsDueMs = 0;
      if (!passes(error))
        logger.warn({ code: error.code }, `the anchor can't speak for itself: ${error.message}`);
    }
  }

  /** One chain, so each statement of heads names all there are. */
  #heads(): Event {
    const { ch, seq, prev } = this.#endOf(ACCESS_STREAM);
    const heads = prev === undefined ? [] : [{ sub: ACCESS_STREAM, ch, seq: seq - 1, hash: prev }];
    return { kind: "heads", all: true, heads };
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(work);
    this.#queue = done.catch(() => undefined);
    return done;
  }

  /** Signs, keeps, and sends on its way. @param event - by default heads, as they are once its turn came */
  async #write(sub: string, event?: Event, erases?: Uint8Array): Promise<Sent> {
    if (!this.#resumed) await this.#resume();
    this.mustSpeak();
    if (this.#endOf(sub).prev === undefined) await this.#seal(sub, this.#opening(sub));
    return await this.#seal(sub, event ?? this.#heads(), erases);
  }

  async #seal(sub: string, event: Event, erases?: Uint8Array): Promise<Sent> {
    const { ch, seq, prev } = this.#endOf(sub);
    const claims = {
      iss: this.iss,
      sub,
      ch,
      iat: this.#parts.nowUnixS(),
      seq,
      tq: TIME_QUALITY,
      lvl: 1,
    } as const;
    const content = { type: "event", payload: encodeEvent(event) } as const;
    const chained = prev === undefined ? claims : { ...claims, prev };
    const statement = await sealStatement(chained, content, this.#ownSigner(), nodeSha256);
    await this.#parts.kept.keep(statement);
    this.#ends.set(sub, { ch, seq: seq + 1, prev: statement.hash });
    return { told: this.#send(statement, erases) };
  }

  /** Its place among the log's own work: no device waits longer for it, and no pool is too full. */
  #send(statement: Statement, erases = erasedBy(statement)): Promise<Told> {
    const { promise, resolve, reject } = Promise.withResolvers<Told>();
    promise.catch(() => undefined); // whoever waits gets it
    const { bytes, hash, kid, claims, event } = statement;
    const { iss, sub, ch, seq, prev } = claims;
    const cancel = this.#parts.time.after(PATIENCE_MS, () =>
      give(notNow("the log takes too long: ask again later")),
    );
    const give = (error: unknown): void => {
      cancel();
      this.#waiting.delete(give);
      reject(error);
    };
    this.#waiting.add(give);
    const told = (outcome: Outcome): void => {
      if ("index" in outcome) {
        cancel();
        this.#waiting.delete(give);
        resolve({ statement, index: outcome.index });
        return;
      }
      const refusal = new EvidenceError(outcome.code, outcome.text);
      // What has to wait keeps its number, and is sent again before anything else.
      if (passes(refusal)) this.#resumed = false;
      else this.#parts.kept.refused(statement);
      this.#ends.clear();
      give(refusal);
    };
    const entrant = {
      bytes,
      hash,
      kid,
      claims: { iss, sub, seq, ...(ch !== undefined && { ch }), ...(prev !== undefined && { prev }) },
      ...(event !== undefined && { event }),
      ...(erases !== undefined && { erases }),
    };
    if (this.#push === undefined) give(notNow("the anchor stops: ask again when it runs"));
    else this.#push({ statement: entrant, charge: 0, told });
    return promise;
  }

  /** Sends again what was kept and isn't in the log, or is missing in it: in its order, each with the bytes that it had. */
  async #resume(): Promise<void> {
    if (this.#push === undefined) throw notNow("nothing is sequenced yet: the anchor waits for its broker");
    const { kept, store, logger } = this.#parts;
    const left = [...kept.all()].filter((statement) => {
      const held = store.archive.byHash(statement.hash);
      return (held === undefined || held.seq === -1) && this.#isOwn(statement);
    });
    const sent = left.map((statement) => ({ statement, told: this.#send(statement) }));
    for (const { statement, told } of sent) {
      try {
        await told;
      } catch (error) {
        if (!isEvidenceError(error) || passes(error)) throw error;
        logger.warn(
          { code: error.code, seq: statement.claims.seq, hash: toHex(statement.hash) },
          "a statement of the anchor's own, made before this start, does not enter the log",
        );
      }
    }
    this.#ends.clear();
    this.#resumed = true;
    kept.tidy();
  }

  /**
   * Whether a copy is what this device signed. What goes into the log from here is not verified once more on its way, and copies may have been elsewhere: a false one could take
   * out of the archive whatever it names.
   */
  #isOwn(statement: Statement): boolean {
    const { keys, provider, logger } = this.#parts;
    const record = keys.get(statement.kid);
    if (statement.claims.iss !== this.iss || record === undefined) return false;
    try {
      verifyStatement(statement, record.key, provider);
      return true;
    } catch (error) {
      if (!isEvidenceError(error)) throw error;
      logger.warn(
        { code: error.code, hash: toHex(statement.hash) },
        "a copy in trail is not what was signed",
      );
      return false;
    }
  }

  #endOf(sub: string): End {
    const known = this.#ends.get(sub) ?? this.#stored(sub);
    this.#ends.set(sub, known);
    return known;
  }

  /** Where the chain stands in the archive; a new one where there is none, or where its end may be lost. */
  #stored(sub: string): End {
    const { chains } = this.#parts.store;
    const newest = chains.newest(this.iss, sub, null);
    if (newest === undefined || this.#mayBeLonger(newest.opened))
      return { ch: new Uint8Array(randomBytes(CHAIN_BYTES)), seq: 0 };
    return { ch: newest.ch, seq: newest.last + 1, prev: newest.lastHash };
  }

  /** True where the operator went on without statements of a restored log: the numbers after the last one here may be spent. */
  #mayBeLonger(opened: number | null): boolean {
    const { store, recovery } = this.#parts;
    const restored = recovery.missing > 0 ? store.missing.restored() : undefined;
    return restored !== undefined && (opened ?? 0) < restored.size;
  }

  #opening(sub: string): EventOf<"stream-opened"> {
    const isFirst = this.#parts.store.chains.newest(this.iss, sub, null) === undefined;
    const before: Before =
      isFirst && !this.#mayBeLonger(null)
        ? "none"
        : { lost: "the log was restored without its newest statements" };
    const source = sub === SYSTEM_STREAM ? SYSTEM_STREAM : "anchor";
    return { kind: "stream-opened", before, source, interval: decimal(0), names: [] };
  }

  /** The key, where it is the one that is enrolled. @throws EvidenceError `key-unknown`, a code of key files */
  #ownSigner(): Signer {
    const { keys, keyFile } = this.#parts;
    const record = keys.current(this.iss);
    if (record === undefined || record.revoked !== null)
      throw new EvidenceError(
        "key-unknown",
        `${this.iss}, the anchor's own device, is not enrolled, and nothing is read that can't be told: tally-anchor trail`,
      );
    if (this.#signer !== undefined && equalBytes(this.#signer.key.kid, record.kid)) return this.#signer;
    const signer = existsSync(keyFile) ? loadSigner(keyFile) : undefined;
    if (signer === undefined || !equalBytes(signer.key.kid, record.kid))
      throw new EvidenceError(
        "key-unknown",
        `${keyFile}: not the key that ${this.iss} is enrolled with: put that one back, or tally-anchor re-enrol`,
      );
    this.#signer = signer;
    return signer;
  }
}

/** Whether it may be said later, with the same bytes. */
const passes = ({ disposition, code }: EvidenceError): boolean =>
  disposition === "retry" || code === "log-ended";

const notNow = (reason: string): EvidenceError => new EvidenceError("unreachable", reason);

/** An `erased` statement erases, also where it comes back after a restore. */
const erasedBy = ({ event }: Statement): Uint8Array | undefined =>
  event?.kind === "erased" ? event.hash : undefined;
