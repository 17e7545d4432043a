/**
 * What the log advises against: kept, shown and tried again. It proves nothing, so whoever carries it may say it of any statement, as often as they
 * like: what is not of this outbox is counted and no more, and what is becomes one transaction in a while, each statement seldom.
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import { EvidenceError, isEvidenceCode, toHex, type DownMessage } from "@tallystick/evidence";
import { STATE, type Outbox, type OutboxItem } from "../outbox/outbox.ts";
import { UPLINK_SCOPE, type Counters } from "../storage/counters.ts";
import type { Query, Storage } from "../storage/storage.ts";
import type { Timekeeping } from "../clock/timekeeping.ts";
import type { SparingLog } from "./sparing-log.ts";

export type Rejection = Extract<DownMessage, { kind: "rejected" }>;

export type AdviceParts = {
  readonly storage: Storage;
  readonly outbox: Outbox;
  readonly counters: Counters;
  readonly time: Pick<Timekeeping, "now" | "monotonicMs">;
  readonly log: SparingLog;
};

/** Rejections kept, and at most written at once. The oldest give way. */
const MAX_REJECTIONS = 1000;
/** Of one statement, whatever is said of it, a rejection is written again only after this long: advice must not wear out the flash. */
const REPEAT_MS = 600_000;
/** What comes within so long is written together. Shorter than the first wait before a statement is sent again. */
const WRITE_EVERY_MS = 2000;

export class Advice {
  readonly #parts: AdviceParts;
  readonly #known: Query<{ last: number }>;
  readonly #reject: StatementSync;
  readonly #forget: StatementSync;
  readonly #trim: StatementSync;
  /** True while there may be rejections to be forgotten. */
  #isAny: boolean;
  /** Not written yet, the newest of each statement, by row of the outbox. */
  readonly #noted = new Map<number, Rejection>();
  #writtenMs = -Infinity;

  constructor(parts: AdviceParts) {
    const { storage } = parts;
    this.#parts = parts;
    this.#known = storage.query("SELECT last FROM rejection WHERE hash = ?");
    this.#reject = storage.prepare(
      `INSERT INTO rejection (hash, sub, seq, code, text, first, last, count) VALUES (?, ?, ?, ?, ?, ?, ?, 1)
       ON CONFLICT DO UPDATE SET code = excluded.code, text = excluded.text, last = excluded.last, count = count + 1`,
    );
    this.#forget = storage.prepare("DELETE FROM rejection WHERE hash = ?");
    // Older versions kept what was said of strangers' hashes, too: that goes first.
    this.#trim = storage.prepare(
      "DELETE FROM rejection WHERE hash IN (SELECT hash FROM rejection ORDER BY sub IS NULL, last DESC LIMIT -1 OFFSET ?)",
    );
    this.#isAny = storage.query("SELECT 1 FROM rejection LIMIT 1").get() !== undefined;
  }

  /** When {@link settle} has something to write. */
  get dueMs(): number {
    return this.#noted.size === 0 ? Infinity : this.#writtenMs + WRITE_EVERY_MS;
  }

  /** Takes rejections in, and writes them where that is due. @returns the statements that stand aside */
  take(rejections: readonly Rejection[]): readonly OutboxItem[] {
    const refused = rejections.flatMap((rejection) => this.#note(rejection) ?? []);
    if (this.#parts.time.monotonicMs() < this.dueMs) return refused;
    return [...refused, ...this.settle()];
  }

  /** Writes what was said, in one transaction. @returns the statements that stand aside from now on */
  settle(): readonly OutboxItem[] {
    const { storage, outbox, time } = this.#parts;
    const rejections = [...this.#noted.values()];
    this.#noted.clear();
    if (rejections.length === 0) return [];
    this.#writtenMs = time.monotonicMs();
    const nowMs = time.now().timeUnixMs;
    const refused: OutboxItem[] = [];
    storage.transaction(() => {
      for (const { hash, code, text } of rejections) {
        const item = outbox.find(hash);
        if (item === undefined || item.state === STATE.receipted) continue; // let go, or receipted meanwhile
        this.#isAny = true;
        this.#reject.run(hash, item.sub, item.seq, code, text, nowMs, nowMs);
        if (isNotNow(code)) continue;
        outbox.setRefused(item);
        refused.push(item);
      }
      this.#trim.run(MAX_REJECTIONS);
    });
    return refused;
  }

  /** A statement has its receipt: that is proof, what was said against it is talk. Within the transaction that gives it one. */
  forget({ id, hash }: OutboxItem): void {
    this.#noted.delete(id);
    if (this.#isAny) this.#forget.run(hash);
  }

  /** Returns the statement where it stands aside already, and nothing is to be written. */
  #note(rejection: Rejection): OutboxItem | undefined {
    const { outbox, counters, log } = this.#parts;
    const { hash, code } = rejection;
    const counted = isEvidenceCode(code) ? code : "other";
    counters.add(UPLINK_SCOPE, `rejected-${counted}`);
    const item = outbox.find(hash);
    if (item === undefined) {
      counters.add(UPLINK_SCOPE, "rejections-unknown");
      log.say(
        "warn",
        `unknown ${counted}`,
        { code },
        `the log advises against ${toHex(hash)}, which isn't in the outbox`,
      );
      return undefined;
    }
    if (item.state === STATE.receipted) return undefined;
    // Stepping aside happens once, and is written whatever was before: else the statement would be neither in line nor tried again.
    const stepsAside = item.state === STATE.waiting && !isNotNow(code);
    if (!stepsAside && this.#isRepeated(hash)) return isNotNow(code) ? undefined : item;
    // hostile: more than fit count for nothing; such a statement is still in line, and the log will say so again
    if (this.#noted.size < MAX_REJECTIONS || this.#noted.has(item.id)) this.#noted.set(item.id, rejection);
    log.say(
      "warn",
      counted,
      { code },
      `the log advises against ${item.sub} ${item.seq}; it is kept and tried again`,
    );
    return undefined;
  }

  #isRepeated(hash: Uint8Array): boolean {
    const known = this.#known.get(hash);
    return known !== undefined && Math.abs(this.#parts.time.now().timeUnixMs - known.last) < REPEAT_MS;
  }
}

/** "Not now" is no reason to step out of line: the statement is sent again when its time comes. */
const isNotNow = (code: string): boolean =>
  isEvidenceCode(code) && new EvidenceError(code, "").disposition === "retry";
