/**
 * What a verification found, and the verdict that follows: invalid before not verifiable before restricted before verified.
 * A verdict also says what was not checked, and why.
 *
 * @module
 */
import type { EvidenceCode } from "../errors.ts";

/** The checks there are, in the order of the argument. */
export const CHECKS = [
  "format",
  "log",
  "witnesses",
  "receipts",
  "registry",
  "operators",
  "keys",
  "signatures",
  "chains",
  "completeness",
  "seen",
  "content",
  "timestamps",
  "disclosures",
] as const;
export type CheckName = (typeof CHECKS)[number];

export type Check = {
  readonly name: CheckName;
  readonly result: "passed" | "failed" | "not-done";
  readonly code?: EvidenceCode;
  readonly reason?: string;
};

export type Verdict = {
  readonly verdict: "verified" | "restricted" | "not-verifiable" | "invalid";
  /** What is wrong or missing, where the verdict is invalid or not-verifiable. */
  readonly code?: EvidenceCode;
  readonly restrictions: readonly EvidenceCode[];
  readonly checks: readonly Check[];
};

/** Where a check tells what it found: all of it, or that of one statement among many. */
export type FindingSink = Pick<Findings, "passed" | "failed" | "missing" | "restricted">;

/** How much a row weighs: of two about one check the heavier stays, of equals the first. */
const WEIGHT = { passed: 0, idle: 1, restricted: 2, missing: 3, failed: 4 } as const;
type Kind = keyof typeof WEIGHT;

export class Findings {
  readonly #rows = new Map<
    CheckName,
    { readonly kind: Kind; readonly code?: EvidenceCode; readonly reason?: string }
  >();
  readonly #restrictions = new Set<EvidenceCode>();

  /** Holds, as far as it was looked at. */
  passed(name: CheckName, reason?: string): void {
    this.#note(name, "passed", undefined, reason);
  }

  /** Wrong: the evidence is invalid. */
  failed(name: CheckName, code: EvidenceCode, reason: string): void {
    this.#note(name, "failed", code, reason);
  }

  /** Something is missing without which nothing can be said: not verifiable. */
  missing(name: CheckName, code: EvidenceCode, reason: string): void {
    this.#note(name, "missing", code, reason);
  }

  /** Good, but only so far. */
  restricted(name: CheckName, code: EvidenceCode, reason: string): void {
    this.#restrictions.add(code);
    this.#note(name, "restricted", code, reason);
  }

  /** Not looked at, which by itself takes nothing from the verdict. */
  notDone(name: CheckName, reason: string): void {
    this.#note(name, "idle", undefined, reason);
  }

  /** True where some check failed or misses something: what builds on it need not be tried. */
  blocked(...names: readonly CheckName[]): boolean {
    return names.some((name) => WEIGHT[this.#rows.get(name)?.kind ?? "passed"] >= WEIGHT.missing);
  }

  verdict(): Verdict {
    const checks = CHECKS.flatMap((name) => {
      const row = this.#rows.get(name);
      if (row === undefined) return [];
      const result = row.kind === "passed" || row.kind === "failed" ? row.kind : ("not-done" as const);
      const { code, reason } = row;
      return [
        {
          name,
          result,
          ...(code === undefined ? {} : { code }),
          ...(reason === undefined ? {} : { reason }),
        },
      ];
    });
    const codeOf = (kind: Kind): EvidenceCode | undefined =>
      CHECKS.map((name) => this.#rows.get(name)).find((row) => row?.kind === kind)?.code;
    const restrictions = [...this.#restrictions].toSorted();
    const invalid = codeOf("failed");
    if (invalid !== undefined) return { verdict: "invalid", code: invalid, restrictions, checks };
    const missing = codeOf("missing");
    if (missing !== undefined) return { verdict: "not-verifiable", code: missing, restrictions, checks };
    return { verdict: restrictions.length > 0 ? "restricted" : "verified", restrictions, checks };
  }

  #note(name: CheckName, kind: Kind, code: EvidenceCode | undefined, reason: string | undefined): void {
    const before = this.#rows.get(name);
    if (before !== undefined && WEIGHT[before.kind] >= WEIGHT[kind] && before.kind !== "passed") return;
    if (before !== undefined && WEIGHT[before.kind] > WEIGHT[kind]) return;
    this.#rows.set(name, {
      kind,
      ...(code === undefined ? {} : { code }),
      ...(reason === undefined ? {} : { reason }),
    });
  }
}
