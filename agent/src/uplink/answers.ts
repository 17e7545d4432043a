/**
 * What the anchor says: receipts, advice, requests. Everything in here comes from the network and is believed only as far as it proves itself.
 *
 * A receipt that verifies with a pinned log's key takes its statements off the list of those to be sent. Nothing else does: a rejection is
 * kept and shown, a request is answered at a bounded rate, a faulty message is counted and changes nothing.
 *
 * @module
 */
import { decodeDown, EvidenceError, isEvidenceError, type DownMessage } from "@tallystick/evidence";
import { UPLINK_SCOPE, type Counters } from "../storage/counters.ts";
import type { Log } from "../log.ts";
import { STATE, type Outbox, type OutboxItem } from "../outbox/outbox.ts";
import type { Storage } from "../storage/storage.ts";
import { Advice } from "./advice.ts";
import { SparingLog } from "./sparing-log.ts";
import type { Called } from "./testimony.ts";
import type { Timekeeping } from "../clock/timekeeping.ts";
import { NOT_KEPT, type Contradicted, type Trees, type VerifiedReceipt } from "./trees.ts";

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

type Good = { readonly receipt: VerifiedReceipt; readonly items: readonly (OutboxItem | undefined)[] };

const NOTHING: Effects = { receipted: [], refused: [], wanted: [] };

export class Answers {
  readonly #parts: AnswersParts;
  readonly #log: SparingLog;
  readonly #advice: Advice;

  constructor(parts: AnswersParts) {
    this.#parts = parts;
    this.#log = new SparingLog(parts.log, parts.time);
    this.#advice = new Advice({ ...parts, log: this.#log });
  }

  /** When {@link settle} has something to do. */
  get dueMs(): number {
    return this.#advice.dueMs;
  }

  /** Writes what the log advised against since it was last written. @throws EvidenceError `storage-failed` */
  settle(): Effects {
    return { ...NOTHING, refused: this.#advice.settle() };
  }

  /** Takes in one `down` message. Faults in it are counted and logged, and change nothing. @throws EvidenceError `storage-failed` */
  take(payload: Uint8Array): Effects {
    let messages: readonly DownMessage[];
    try {
      messages = decodeDown(payload);
    } catch (error) {
      this.#fault(error, "a message from the anchor was ignored");
      return NOTHING;
    }
    const good = messages.flatMap((message) => (message.kind === "receipt" ? this.#verified(message) : []));
    const rejections = messages.filter((message) => message.kind === "rejected");
    const wanted = messages.flatMap((message) =>
      message.kind === "wanted" ? this.#wanted(message.hashes) : [],
    );
    const { receipted, contradicted } = this.#keep(good);
    const refused = this.#advice.take(rejections);
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
    const { outbox, trees, counters, time } = this.#parts;
    const contradicted = trees.contradicts(receipt, time.now().timeUnixMs);
    if (contradicted !== undefined) {
      this.#alarm(receipt, contradicted);
      return contradicted.row;
    }
    // Of each statement once: proofs aren't signed, and may be doubled on the way.
    const fresh: OutboxItem[] = [];
    const proofs: number[] = [];
    for (const [i, item] of items.entries()) {
      if (item === undefined || item.state === STATE.receipted || done.has(item.id)) continue;
      done.set(item.id, item);
      fresh.push(item);
      proofs.push(i);
    }
    const [first] = fresh;
    if (first === undefined) {
      counters.add(UPLINK_SCOPE, "receipts-repeated");
      return undefined;
    }
    const { row, bytes } = trees.keep(receipt, proofs);
    const share = Math.ceil(bytes / fresh.length);
    for (const [place, item] of fresh.entries()) {
      outbox.setReceipted(item, { row, place, share });
      this.#advice.forget(item);
    }
    const smallest = fresh.reduce((least, item) => (item.size < least.size ? item : least), first);
    trees.see(receipt, smallest.id);
    return undefined;
  }

  #alarm({ origin, size }: VerifiedReceipt, { isKept }: Contradicted): void {
    const { counters } = this.#parts;
    const code = "log-equivocation";
    counters.add(UPLINK_SCOPE, code);
    if (!isKept) counters.add(UPLINK_SCOPE, NOT_KEPT);
    const advice = isKept
      ? "both are kept as proof: see tally-agent status"
      : "there is proof enough: it is counted";
    // Under no name that the wire could take up with talk.
    this.#log.say(
      "error",
      `alarm ${origin}`,
      { code, size },
      `${origin} signed two trees of one size; ${advice}`,
    );
  }

  #wanted(hashes: readonly Uint8Array[]): readonly number[] {
    this.#parts.counters.add(UPLINK_SCOPE, "statements-wanted", hashes.length);
    return hashes.flatMap((hash) => this.#parts.outbox.find(hash)?.id ?? []);
  }

  /** hostile: whatever a message makes our own code throw, the message is at fault; it must not end the agent, least of all each time anew. */
  #fault(error: unknown, what: string): void {
    const code = isEvidenceError(error) ? error.code : "unexpected";
    this.#parts.counters.add(UPLINK_SCOPE, `refused-${code}`);
    const reason = error instanceof Error ? error.message : String(error);
    this.#log.say("warn", `fault ${code}`, { code }, `${what}: ${reason}`);
  }
}
