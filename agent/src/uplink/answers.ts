/**
 * What the anchor says: receipts, advice, requests. Everything in here comes from the network and is believed only as far as it proves itself.
 *
 * A receipt that verifies with a pinned log's key takes its statements off the list of those to be sent. Nothing else does: a rejection is
 * kept and shown, a request is answered at a bounded rate, a faulty message is counted and changes nothing.
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import {
  decodeDown,
  EvidenceError,
  isEvidenceCode,
  isEvidenceError,
  toHex,
  type DownMessage,
} from "@tallystick/evidence";
import { UPLINK_SCOPE, type Counters } from "../storage/counters.ts";
import type { Log } from "../log.ts";
import { STATE, type Outbox, type OutboxItem } from "../outbox/outbox.ts";
import type { Query, Storage } from "../storage/storage.ts";
import type { Called } from "./testimony.ts";
import type { Timekeeping } from "../clock/timekeeping.ts";
import type { Trees, VerifiedReceipt } from "./trees.ts";

/** What a message changed, for whoever sends. */
export type Effects = {
  readonly receipted: readonly OutboxItem[];
  readonly refused: readonly OutboxItem[];
  readonly wanted: readonly number[];
  /** The receipt that the anchor has to be shown, where what it said calls for one. */
  readonly called?: Called;
};

export type AnswersParts = {
  readonly storage: Storage;
  readonly outbox: Outbox;
  readonly trees: Trees;
  readonly counters: Counters;
  readonly time: Pick<Timekeeping, "now" | "monotonicMs">;
  readonly log: Log;
};

/** Rejections kept, of our statements and of hashes that we don't know. The oldest give way. */
const MAX_REJECTIONS = 1000;
/** A rejection that repeats itself is written again only after this long: advice must not wear out the flash. */
const REPEAT_MS = 600_000;
/** Faults of one code are logged once in so long. */
const LOG_EVERY_MS = 60_000;

type Good = { readonly receipt: VerifiedReceipt; readonly items: readonly (OutboxItem | undefined)[] };
type Rejection = Extract<DownMessage, { kind: "rejected" }>;

export class Answers {
  readonly #parts: AnswersParts;
  readonly #known: Query<{ last: number; code: string }>;
  readonly #reject: StatementSync;
  readonly #forget: StatementSync;
  /** True while there may be rejections to be forgotten. */
  #rejected: boolean;
  readonly #trim: StatementSync;
  readonly #loggedMs = new Map<string, number>();

  constructor(parts: AnswersParts) {
    const { storage } = parts;
    this.#parts = parts;
    this.#known = storage.query("SELECT last, code FROM rejection WHERE hash = ?");
    this.#reject = storage.prepare(
      `INSERT INTO rejection (hash, sub, seq, code, text, first, last, count) VALUES (?, ?, ?, ?, ?, ?, ?, 1)
       ON CONFLICT DO UPDATE SET code = excluded.code, text = excluded.text, last = excluded.last, count = count + 1`,
    );
    this.#forget = storage.prepare("DELETE FROM rejection WHERE hash = ?");
    this.#rejected = storage.query("SELECT 1 FROM rejection LIMIT 1").get() !== undefined;
    this.#trim = storage.prepare(
      "DELETE FROM rejection WHERE hash IN (SELECT hash FROM rejection ORDER BY last DESC LIMIT -1 OFFSET ?)",
    );
  }

  /** Takes in one `down` message. Faults in it are counted and logged, and change nothing. @throws EvidenceError `storage-failed` */
  take(payload: Uint8Array): Effects {
    let messages: readonly DownMessage[];
    try {
      messages = decodeDown(payload);
    } catch (error) {
      this.#fault(error, "a message from the anchor was ignored");
      return { receipted: [], refused: [], wanted: [] };
    }
    const good = messages.flatMap((message) => (message.kind === "receipt" ? this.#verified(message) : []));
    const rejections = messages.filter((message) => message.kind === "rejected");
    const wanted = messages.flatMap((message) =>
      message.kind === "wanted" ? this.#wanted(message.hashes) : [],
    );
    const { receipted, contradicted } = this.#keep(good);
    const refused = this.#note(rejections);
    if (receipted.length > 0) this.#parts.outbox.changed();
    const isAsked =
      messages.some(({ kind }) => kind === "wanted") || rejections.some(({ code }) => code === "log-behind");
    const called = contradicted === undefined ? (isAsked ? "newest" : undefined) : { row: contradicted };
    return { receipted, refused, wanted, ...(called !== undefined && { called }) };
  }

  #verified({ hashes, receipt }: Extract<DownMessage, { kind: "receipt" }>): readonly Good[] {
    const { outbox, trees } = this.#parts;
    const items = hashes.map((hash) => outbox.find(hash));
    try {
      // hostile: a receipt for others' statements may be good, and is none of our business
      if (items.every((item) => item === undefined)) {
        throw new EvidenceError("receipt-entry", "a receipt for statements that aren't in the outbox");
      }
      return [{ receipt: trees.verify(receipt, hashes), items }];
    } catch (error) {
      this.#fault(error, "a receipt was refused");
      return [];
    }
  }

  /** Gives statements their receipts; and the row of a receipt that one of these contradicts. */
  #keep(good: readonly Good[]): {
    readonly receipted: readonly OutboxItem[];
    readonly contradicted: number | undefined;
  } {
    const { storage, counters } = this.#parts;
    const done = new Map<number, OutboxItem>();
    let contradicted: number | undefined;
    if (good.length > 0) {
      storage.transaction(() => {
        for (const one of good) contradicted = this.#keepOne(one, done) ?? contradicted;
      });
    }
    counters.add(UPLINK_SCOPE, "statements-receipted", done.size);
    return { receipted: [...done.values()], contradicted };
  }

  /** Returns the row of the receipt that this one contradicts, where there is one. */
  #keepOne({ receipt, items }: Good, done: Map<number, OutboxItem>): number | undefined {
    const { outbox, trees, counters, time, log } = this.#parts;
    const { origin, size } = receipt;
    const contradicted = trees.contradicts(receipt, time.now().timeUnixMs);
    if (contradicted !== undefined) {
      counters.add(UPLINK_SCOPE, "log-equivocation");
      const advice = "both are kept as proof: see tally-agent status";
      log.error({ code: "log-equivocation", size }, `${origin} signed two trees of one size; ${advice}`);
      return contradicted;
    }
    const isFresh = (item: OutboxItem | undefined): boolean =>
      item !== undefined && item.state !== STATE.receipted && !done.has(item.id);
    if (!items.some(isFresh)) {
      counters.add(UPLINK_SCOPE, "receipts-repeated");
      return undefined;
    }
    const row = trees.keep(receipt);
    let smallest: OutboxItem | undefined;
    for (const [place, item] of items.entries()) {
      if (item === undefined || !outbox.setReceipted(item, row, place)) continue;
      if (this.#rejected) this.#forget.run(item.hash);
      if (smallest === undefined || item.size < smallest.size) smallest = item;
      done.set(item.id, item);
    }
    if (smallest !== undefined) trees.see(receipt, smallest.id);
    return undefined;
  }

  #note(rejections: readonly Rejection[]): readonly OutboxItem[] {
    const { storage, outbox, counters, time } = this.#parts;
    const nowMs = time.now().timeUnixMs;
    const refused: OutboxItem[] = [];
    const writes: (() => void)[] = [];
    for (const { hash, code, text } of rejections) {
      counters.add(UPLINK_SCOPE, isEvidenceCode(code) ? `rejected-${code}` : "rejected-other");
      const item = outbox.find(hash);
      if (item?.state === STATE.receipted) continue; // the receipt is proof, the rejection is talk
      // "Not now" is no reason to step out of line: it is sent again when its time comes.
      const later = isEvidenceCode(code) && new EvidenceError(code, "").disposition === "retry";
      if (item !== undefined && !later) refused.push(item);
      const known = this.#known.get(hash);
      if (known !== undefined && known.code === code && Math.abs(nowMs - known.last) < REPEAT_MS) continue;
      writes.push(() => {
        this.#rejected = true;
        this.#reject.run(hash, item?.sub ?? null, item?.seq ?? null, code, text, nowMs, nowMs);
        if (item !== undefined && !later) outbox.setRefused(item);
      });
      this.#logged(
        code,
        `the log advises against ${item === undefined ? toHex(hash) : `${item.sub} ${item.seq}`}; it is kept and tried again`,
      );
    }
    if (writes.length > 0) {
      storage.transaction(() => {
        for (const write of writes) write();
        this.#trim.run(MAX_REJECTIONS);
      });
    }
    return refused;
  }

  #wanted(hashes: readonly Uint8Array[]): readonly number[] {
    this.#parts.counters.add(UPLINK_SCOPE, "statements-wanted", hashes.length);
    return hashes.flatMap((hash) => this.#parts.outbox.find(hash)?.id ?? []);
  }

  /** hostile: whatever a message makes our own code throw, the message is at fault; it must not end the agent, least of all each time anew. */
  #fault(error: unknown, what: string): void {
    const code = isEvidenceError(error) ? error.code : "unexpected";
    this.#parts.counters.add(UPLINK_SCOPE, `refused-${code}`);
    this.#logged(code, `${what}: ${error instanceof Error ? error.message : String(error)}`);
  }

  #logged(code: string, message: string): void {
    const nowMs = this.#parts.time.monotonicMs();
    if (nowMs - (this.#loggedMs.get(code) ?? -Infinity) < LOG_EVERY_MS) return;
    if (this.#loggedMs.size > MAX_REJECTIONS) this.#loggedMs.clear();
    this.#loggedMs.set(code, nowMs);
    this.#parts.log.warn({ code }, message);
  }
}
