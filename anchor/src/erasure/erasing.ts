/**
 * Carrying out orders to erase. The ledger says so first: the statement that names the order comes in, and in the same transaction the bytes go out of the archive. The
 * entry, its place in the chain and every proof stay, so that what is missing is told from what was never there.
 *
 * @module
 */
import type { Logger } from "pino";
import { EvidenceError, isEvidenceError, parseStatement, toHex, type Event } from "@tallystick/evidence";
import { nodeSha256, sleep } from "@tallystick/evidence/node";
import type { Store } from "../sequence/sequence.ts";
import { storageFailed } from "../storage/database.ts";
import type { Time } from "../time.ts";
import type { Trail } from "../trail/trail.ts";
import type { Order, Orders } from "./orders.ts";

const LOOK_MS = 500;
/** So long nothing is tried where the anchor can't speak. */
const PAUSE_MS = 5000;

/**
 * Events that never go: they hold nothing of a person, and without them nobody could tell what is missing in a chain from what was taken out of it.
 */
const STAYS: ReadonlySet<Event["kind"]> = new Set([
  "stream-opened",
  "heads",
  "stream-closed",
  "gap",
  "key-rotated",
]);

export type ErasingParts = {
  readonly orders: Orders;
  readonly trail: Pick<Trail, "tell" | "mustSpeak" | "iss">;
  readonly store: Pick<Store, "archive" | "erasures">;
  readonly time: Pick<Time, "after" | "nowMs">;
  readonly logger: Pick<Logger, "info" | "warn">;
};

export class Erasing {
  readonly #parts: ErasingParts;
  #notBeforeMs = 0;

  constructor(parts: ErasingParts) {
    this.#parts = parts;
  }

  /** Carries out what is ordered until `signal` is aborted. @throws EvidenceError `storage-failed` */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.look();
      await sleep(this.#parts.time, LOOK_MS, signal);
    }
  }

  async look(): Promise<void> {
    const { trail, time, store, logger } = this.#parts;
    if (time.nowMs() < this.#notBeforeMs) return;
    store.erasures.settle(); // also what was not erased here: its statement came back to a restored log
    const waiting = await this.#waiting();
    if (waiting.length === 0) return;
    try {
      trail.mustSpeak();
      await Promise.all(waiting.map((order) => this.#carryOut(order)));
    } catch (error) {
      if (!isEvidenceError(error)) throw storageFailed("orders to erase can't be carried out", error);
      if (error.code === "storage-failed") throw error;
      logger.warn({ code: error.code, orders: waiting.length }, `orders to erase wait: ${error.message}`);
      this.#notBeforeMs = time.nowMs() + PAUSE_MS;
    }
    store.erasures.settle();
  }

  async #waiting(): Promise<readonly Order[]> {
    try {
      return await this.#parts.orders.look();
    } catch (error) {
      throw storageFailed("the orders to erase can't be looked at", error);
    }
  }

  /** @throws EvidenceError why nothing can be erased now */
  async #carryOut({ hash, order }: Order): Promise<void> {
    const { orders, trail, logger } = this.#parts;
    const refusal = this.#refusal(hash);
    if (refusal instanceof EvidenceError) {
      await orders.refuse(hash, refusal.code, refusal.message);
      return;
    }
    if (refusal === undefined) {
      const { statement, index } = await trail.tell({ kind: "erased", hash, order }, hash);
      logger.info({ hash: toHex(hash), by: toHex(statement.hash), index }, "a statement was erased by order");
    }
    await orders.done(hash);
  }

  /** Why this statement is not erased; `done` where it was already. */
  #refusal(hash: Uint8Array): EvidenceError | "done" | undefined {
    const { store, trail } = this.#parts;
    const held = store.archive.byHash(hash);
    if (held === undefined) return new EvidenceError("hole", "no statement of this hash is in the log");
    if (store.erasures.by(held.index) !== undefined) return "done";
    if (held.seq === -1)
      return new EvidenceError("log-restoring", "its statement is missing here: erase it when it is back");
    if (held.chain === null)
      return new EvidenceError(
        "member-range",
        "a registry item: who may write is everybody's to check, for ever",
      );
    if (held.bytes === null) return new EvidenceError("hole", "its bytes are not here");
    const { claims, event } = parseStatement(held.bytes, nodeSha256);
    if (claims.iss === trail.iss)
      return new EvidenceError("member-range", "the anchor's own: who read what, and what was erased, stays");
    if (event !== undefined && STAYS.has(event.kind))
      return new EvidenceError(
        "member-range",
        `${event.kind}: it says how far a chain goes, and holds nothing of a person`,
      );
    return undefined;
  }
}
