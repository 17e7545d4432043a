/**
 * What a command found about one file or one log: its JSON (docs/auditing.md), and how it is put together for a whole log.
 *
 * @module
 */
import type { EvidenceCode } from "@tallystick/evidence";

export type CheckRow = {
  readonly name: string;
  readonly result: "passed" | "failed" | "not-done";
  readonly code?: EvidenceCode;
  readonly reason?: string;
};

/** The verdict of the evidence package has this form, with names of its own for the checks. */
export type Judgement = {
  readonly verdict: "verified" | "restricted" | "not-verifiable" | "invalid";
  readonly code?: EvidenceCode;
  readonly restrictions: readonly EvidenceCode[];
  readonly checks: readonly CheckRow[];
};

/** The checks of a whole log, in the order in which they build on one another. */
export const LOG_CHECKS = [
  "checkpoint",
  "witnesses",
  "since",
  "entries",
  "tiles",
  "root",
  "old-files",
  "registry",
  "key-state",
  "operators",
  "receipts",
  "seen",
] as const;
export type LogCheck = (typeof LOG_CHECKS)[number];

/** Failures of one check that are listed; the rest are counted. */
const MAX_ROWS = 20;

type Rows = { passed: string | undefined; failed: CheckRow[]; failedMore: number; notDone: CheckRow[] };

/** Collects findings in any order and gives them in the order of the argument. */
export class LogFindings {
  readonly #rows = new Map<LogCheck, Rows>();
  readonly #restrictions = new Set<EvidenceCode>();
  #missing: EvidenceCode | undefined;

  /** Holds, as far as it was looked at; the last reason stays. */
  passed(name: LogCheck, reason = ""): void {
    this.#of(name).passed = reason;
  }

  /** Wrong: the log, or what was given with it, is invalid. */
  failed(name: LogCheck, code: EvidenceCode, reason: string, more = 0): void {
    const rows = this.#of(name);
    rows.failedMore += more;
    if (rows.failed.length < MAX_ROWS) rows.failed.push({ name, result: "failed", code, reason });
    else rows.failedMore++;
  }

  /** Without this nothing can be said: not verifiable. */
  missing(name: LogCheck, code: EvidenceCode, reason: string): void {
    this.#missing ??= code;
    this.#of(name).notDone.push({ name, result: "not-done", code, reason });
  }

  /** Good, but only so far. */
  restricted(name: LogCheck, code: EvidenceCode, reason: string): void {
    this.#restrictions.add(code);
    this.#of(name).notDone.push({ name, result: "not-done", code, reason });
  }

  /** Not looked at, or only in part. */
  notDone(name: LogCheck, reason: string): void {
    const rows = this.#of(name).notDone;
    if (rows.length < MAX_ROWS) rows.push({ name, result: "not-done", reason });
  }

  hasFailed(...names: readonly LogCheck[]): boolean {
    return names.some((name) => (this.#rows.get(name)?.failed.length ?? 0) > 0);
  }

  judgement(): Judgement {
    const checks = LOG_CHECKS.flatMap((name) => {
      const rows = this.#rows.get(name);
      return rows === undefined ? [] : rowsOf(name, rows);
    });
    const restrictions = [...this.#restrictions].toSorted();
    const invalid = checks.find(({ result }) => result === "failed")?.code;
    if (invalid !== undefined) return { verdict: "invalid", code: invalid, restrictions, checks };
    if (this.#missing !== undefined) {
      return { verdict: "not-verifiable", code: this.#missing, restrictions, checks };
    }
    return { verdict: restrictions.length > 0 ? "restricted" : "verified", restrictions, checks };
  }

  #of(name: LogCheck): Rows {
    const known = this.#rows.get(name);
    if (known !== undefined) return known;
    const rows: Rows = { passed: undefined, failed: [], failedMore: 0, notDone: [] };
    this.#rows.set(name, rows);
    return rows;
  }
}

function rowsOf(name: LogCheck, { passed, failed, failedMore, notDone }: Rows): CheckRow[] {
  const [first] = failed;
  const more: CheckRow[] =
    failedMore > 0 && first?.code !== undefined
      ? [{ name, result: "failed", code: first.code, reason: `and ${failedMore} more like these` }]
      : [];
  // A check that failed somewhere did not pass, however much of it did.
  const good: CheckRow[] =
    passed !== undefined && failed.length === 0
      ? [{ name, result: "passed", ...(passed === "" ? {} : { reason: passed }) }]
      : [];
  return [...failed, ...more, ...good, ...notDone];
}

/** Exit code for one judgement (docs/codes.md). */
export function exitCode({ verdict }: Judgement, strict: boolean): 0 | 1 | 3 {
  switch (verdict) {
    case "verified":
      return 0;
    case "restricted":
      return strict ? 3 : 0;
    case "not-verifiable":
      return 3;
    case "invalid":
      return 1;
  }
}

/** Of several the worst counts: 1, then 3, then 0. */
export function worst(codes: readonly (0 | 1 | 3)[]): 0 | 1 | 3 {
  return codes.includes(1) ? 1 : codes.includes(3) ? 3 : 0;
}

/** `1 tile`, `2 tiles`. */
export const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;
