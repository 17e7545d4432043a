/**
 * What happened, by code: plain counts on the hot path, read by the metrics when somebody asks.
 *
 * @module
 */
import type { EvidenceCode } from "@tallystick/evidence";

/** Outcomes beside the codes of refusals. A closed list: labels of metrics come from nowhere else. */
export type Outcome =
  | "admitted"
  | "duplicate"
  | "filled"
  | "registry-item"
  | "enrolled"
  | "receipt-sent-up"
  | "receipt-sent"
  | "receipt-dropped"
  | "repeat-dropped"
  | "wanted-sent"
  | "wanted-dropped"
  | "statement-dropped"
  | "read"
  | "message"
  | "message-stray";

export class Tally {
  readonly #counts = new Map<Outcome | EvidenceCode, number>();
  /** Commit time of the last batch since the start, 0 before. */
  lastCommitUnixS = 0;
  /** Commits, and the time that they and publishing took. */
  commits = 0;
  commitMs = 0;
  publishMs = 0;

  count(what: Outcome | EvidenceCode, n = 1): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + n);
  }

  of(what: Outcome | EvidenceCode): number {
    return this.#counts.get(what) ?? 0;
  }

  entries(): IterableIterator<[Outcome | EvidenceCode, number]> {
    return this.#counts.entries();
  }
}
