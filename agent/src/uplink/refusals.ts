/**
 * What the log refuses for long is said on `sys`: that this device had signed a statement of this number and hash, and what it was told. Else a hole
 * that a log makes by refusing would look like the device's own.
 *
 * The wire's word must not make a device say much: only of statements that are here and still wait, only after a long while, only codes of the
 * closed table, only a few at a time, each once, and never of `sys` itself.
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import { isEvidenceCode, SYSTEM_STREAM, type Event } from "@tallystick/evidence";
import type { Query, Storage } from "../storage/storage.ts";

/** An enrolment that an operator still has to approve takes no longer, as a rule. */
const REFUSED_FOR_MS = 3_600_000;
/** Of one telling; there is one as often as all heads are told. */
const MAX_TOLD = 4;

type Row = { hash: Uint8Array; sub: string; seq: number; code: string };

export class Refusals {
  readonly #waiting: Query<Row>;
  readonly #told: StatementSync;

  constructor(storage: Storage) {
    this.#waiting = storage.query<Row>(
      `SELECT r.hash, r.sub, r.seq, r.code FROM rejection r JOIN outbox o ON o.hash = r.hash
       WHERE o.state = 2 AND r.told = 0 AND r.sub <> ? AND r.first <= ? AND r.last > r.first ORDER BY r.first LIMIT ?`,
    );
    this.#told = storage.prepare("UPDATE rejection SET told = 1 WHERE hash = ?");
  }

  /** What is to be told now, with what notes it as told, to be run within the transaction. */
  due(nowUnixMs: number): readonly { readonly event: Event; readonly commit: () => void }[] {
    return this.#waiting
      .all(SYSTEM_STREAM, nowUnixMs - REFUSED_FOR_MS, MAX_TOLD)
      .map(({ hash, sub, seq, code }) => ({
        event: { kind: "refused", seq, hash, code: isEvidenceCode(code) ? code : "other", sub },
        commit: () => void this.#told.run(hash),
      }));
  }
}
