/**
 * Reads that are open: who reads what, at which tree. One begins when the ledger says so, and not before; it ends by itself. All of them together take a bounded amount of memory.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { EvidenceError, toHex } from "@tallystick/evidence";
import { Buckets } from "@tallystick/evidence/node";
import type { Store } from "../sequence/sequence.ts";
import type { BatchRow } from "../storage/batches.ts";
import type { Trail } from "../trail/trail.ts";
import { Periods, type Period } from "./period.ts";
import type { ReadRequest } from "./schemas.ts";
import { checkAsked, covers, shownAsked, type Asked } from "./scope.ts";
import type { ReadsConfig } from "./settings.ts";
import type { ReadToken } from "./tokens.ts";

const ID_BYTES = 16;
/** Tokens of which it is remembered how many reads they began. */
const MAX_TOKENS = 10_000;
/** Key states of earlier trees that one token may have derived in a minute: each is the whole registry once more. */
const KEY_STATES_PER_MINUTE = 10;

/** What a read hands over. */
export type Read = {
  /** Hexadecimal. */
  readonly id: string;
  /** Hash of the token that began it. */
  readonly token: string;
  readonly asked: readonly Asked[];
  readonly period: Period;
  /** Log index of the first entry that was committed within the period. */
  readonly committed: number;
  /** The tree at which it stands. */
  readonly tree: BatchRow;
  /** Hash of the access statement. */
  readonly access: Uint8Array;
  readonly expiresUnixS: number;
};

export type ReadsParts = {
  readonly store: Pick<Store, "archive" | "batches">;
  readonly trail: Pick<Trail, "tell" | "mustSpeak">;
  readonly settings: ReadsConfig;
  readonly publishedSize: () => number;
  readonly nowUnixS: () => number;
  readonly nowMs: () => number;
  readonly logger: { info(about: object, message: string): void };
};

export class Reads {
  readonly #parts: ReadsParts;
  readonly #periods: Periods;
  readonly #begun: Buckets;
  readonly #derived = new Buckets(KEY_STATES_PER_MINUTE / 60, MAX_TOKENS, {
    capacity: KEY_STATES_PER_MINUTE,
  });
  /** The oldest first; some that are over, so that it can be told. */
  readonly #all = new Map<string, Read>();

  constructor(parts: ReadsParts) {
    const { perTokenPerMinute } = parts.settings;
    this.#parts = parts;
    this.#periods = new Periods(parts.store);
    this.#begun = new Buckets(perTokenPerMinute / 60, MAX_TOKENS, { capacity: perTokenPerMinute });
  }

  /**
   * Begins a read: first the ledger says so.
   *
   * @throws EvidenceError `name-malformed`, `read-scope`, `rate-limited`, `member-range` for a size at which no checkpoint was published; `key-unknown`, `log-ended`,
   *   `log-restoring`, `unreachable` where the access can't be told
   */
  async begin(token: ReadToken, { purpose, streams, from, to, size }: ReadRequest): Promise<Read> {
    const { trail, publishedSize, nowUnixS } = this.#parts;
    for (const asked of streams) mayRead(token, asked);
    const wanted = size === undefined ? undefined : this.#published(size);
    this.#makeRoom(token);
    trail.mustSpeak();
    const what = `${shownAsked(streams)}; ${shownPeriod({ from, to })}${size === undefined ? "" : `; at size ${size}`}`;
    const { statement } = await trail.tell({ kind: "access", who: token.name, what, purpose });
    const tree = wanted ?? this.#published(publishedSize());
    const committed = from === undefined ? 0 : this.#periods.committedFrom(from, tree.size);
    const read: Read = {
      id: toHex(new Uint8Array(randomBytes(ID_BYTES))),
      token: token.hash,
      asked: streams,
      period: { from, to },
      committed,
      tree,
      access: statement.hash,
      expiresUnixS: Math.min(nowUnixS() + this.#parts.settings.openS, token.expiresUnixS),
    };
    this.#all.set(read.id, read);
    this.#parts.logger.info({ who: token.name, what, size: tree.size }, "a read began");
    return read;
  }

  /** @throws EvidenceError `read-unknown`, `read-expired` */
  find({ hash }: ReadToken, id: string): Read {
    const read = this.#all.get(id);
    if (read === undefined || read.token !== hash)
      throw new EvidenceError("read-unknown", "no such read of this token: begin one with POST /reads");
    if (this.#isOver(read))
      throw new EvidenceError("read-expired", "this read is over: begin another one with POST /reads");
    return read;
  }

  /** @throws EvidenceError `rate-limited` where the key state at this read's tree is not at hand, and its token has asked for too many of the kind */
  mayDerive({ token }: Read): void {
    if (this.#derived.take(token, this.#parts.nowMs())) return;
    throw new EvidenceError(
      "rate-limited",
      "this token has asked for the keys of too many trees: try again later, or read at the newest one",
    );
  }

  end(read: Read): void {
    this.#all.delete(read.id);
  }

  #isOver({ expiresUnixS }: Read): boolean {
    return this.#parts.nowUnixS() >= expiresUnixS;
  }

  /** @throws EvidenceError `rate-limited` where this token has begun too many, or too many of all are open */
  #makeRoom({ hash }: ReadToken): void {
    const { maxOpen, maxOpenPerToken } = this.#parts.settings;
    if (!this.#begun.take(hash, this.#parts.nowMs()))
      throw new EvidenceError(
        "rate-limited",
        "this token has begun too many reads: each is in the ledger for ever",
      );
    const open = this.#all
      .values()
      .filter((read) => !this.#isOver(read))
      .toArray();
    const own = open.filter((read) => read.token === hash);
    if (own.length >= maxOpenPerToken) {
      const [oldest] = own;
      if (oldest !== undefined) this.#all.set(oldest.id, { ...oldest, expiresUnixS: 0 });
    } else if (open.length >= maxOpen)
      throw new EvidenceError("rate-limited", "too many reads are open: try again later");
    for (const [id, read] of this.#all) {
      if (this.#all.size < 2 * maxOpen) break;
      if (this.#isOver(read)) this.#all.delete(id);
    }
  }

  /** @throws EvidenceError `member-range` */
  #published(size: number): BatchRow {
    const { store, publishedSize } = this.#parts;
    const tree = size < 2 || size > publishedSize() ? undefined : store.batches.at(size);
    if (tree !== undefined) return tree;
    throw new EvidenceError("member-range", `size: no checkpoint of ${size} entries was published`);
  }
}

/** @throws EvidenceError `name-malformed`, `read-scope` */
function mayRead({ name, streams }: ReadToken, asked: Asked): void {
  checkAsked(asked);
  if (covers(streams, asked)) return;
  throw new EvidenceError(
    "read-scope",
    `${asked.iss} ${asked.sub}: the token ${name} is for ${streams.join(", ")}: ask for less, or for another token`,
  );
}

const shownTime = (unixS: number): string => {
  // Beyond what a date can hold, the number itself.
  const date = new Date(unixS * 1000);
  return Number.isNaN(date.getTime()) ? String(unixS) : date.toISOString().replace(".000Z", "Z");
};

function shownPeriod({ from, to }: Period): string {
  if (from === undefined && to === undefined) return "all times";
  return `${from === undefined ? "" : `from ${shownTime(from)}`}${to === undefined ? "" : ` to ${shownTime(to)}`}`.trim();
}
