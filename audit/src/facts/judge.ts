/**
 * Judges statements one by one: form, receipts, key, operator, signature. What several of them say about one another is for the rules of chains.
 *
 * @module
 */
import {
  BROUGHT_BY_SUSPECT,
  isEvidenceError,
  isSeenFromWithin,
  judgeUse,
  place,
  ReceiptCheck,
  Slab,
  toHex,
  TransparentReader,
  verifyStatement,
  type CheckedLog,
  type CheckName,
  type EvidenceCode,
  type FindingSink,
  type GoodReceipt,
  type Hash,
  type KeyRecord,
  type Reading,
  type SignatureProvider,
  type Statement,
  type TrustPolicy,
} from "@tallystick/evidence";
import type { Standing } from "./rows.ts";

/** Something found about one statement, to be told of the evidence as a whole. */
export type Found = {
  readonly kind: "failed" | "missing" | "restricted";
  readonly check: CheckName;
  readonly code: EvidenceCode;
  readonly reason: string;
};

/** What is known of a key: its record, and what is missing or wrong with it. `broughtBySuspect`: as `KeyState` has it. */
export type KnownKey = {
  readonly record?: KeyRecord;
  readonly fault?: Found;
  readonly broughtBySuspect?: boolean;
};

export type Judged = {
  readonly statement: Statement;
  /** Empty unless it is of readings. */
  readonly readings: readonly Reading[];
  readonly original?: GoodReceipt;
  readonly newest?: GoodReceipt;
  readonly index?: number;
  /** The key made the signature. */
  readonly signed: boolean;
  readonly found: readonly Found[];
};

export type JudgeMeans = {
  readonly policy: TrustPolicy;
  readonly logs: readonly (CheckedLog | undefined)[];
  readonly provider: SignatureProvider;
  readonly hash: Hash;
  readonly keyOf: (kid: Uint8Array, log: CheckedLog) => KnownKey;
};

export class StatementJudge {
  readonly #means: JudgeMeans;
  readonly #receipts: ReceiptCheck;
  readonly #reader: TransparentReader;
  readonly #memory = new Slab();
  #found: Found[] = [];

  constructor(means: JudgeMeans) {
    this.#means = means;
    this.#reader = new TransparentReader(means.hash);
    const note =
      (kind: Found["kind"]) =>
      (check: CheckName, code: EvidenceCode, reason: string): void => {
        this.#found.push({ kind, check, code, reason });
      };
    const sink: FindingSink = {
      passed: () => undefined,
      failed: note("failed"),
      missing: note("missing"),
      restricted: note("restricted"),
    };
    this.#receipts = new ReceiptCheck(means.policy, means.provider, means.hash, sink);
  }

  /** @throws EvidenceError where the bytes are no transparent statement */
  judge(bytes: Uint8Array): Judged {
    const { logs } = this.#means;
    const readings: Reading[] = [];
    const transparent = this.#reader.read(bytes, (reading) => readings.push(reading));
    const { statement } = transparent;
    this.#found = [];
    try {
      const placed = place(transparent, logs, this.#receipts);
      if (placed === undefined) return { statement, readings, signed: false, found: this.#found };
      const { index, original, newest, log } = placed;
      const signed = this.#key(statement, index, log);
      this.#seen(statement, index, log);
      return { statement, readings, original, newest, index, signed, found: this.#found };
    } catch (error) {
      if (!isEvidenceError(error)) throw error;
      const { code, message } = error;
      const reason = `${message}; statement ${toHex(statement.hash)}`;
      this.#found.push({ kind: "failed", check: "receipts", code, reason });
      return { statement, readings, signed: false, found: this.#found };
    }
  }

  #key(statement: Statement, index: number, log: CheckedLog): boolean {
    const { iss, sub, ch, seq } = statement.claims;
    const { record, fault, broughtBySuspect = false } = this.#means.keyOf(statement.kid, log);
    if (fault !== undefined) this.#found.push(fault);
    if (record === undefined) return false;
    try {
      verifyStatement(statement, record.key, this.#means.provider, this.#memory);
    } catch (error) {
      if (!isEvidenceError(error)) throw error;
      const reason = `${error.message}; statement ${toHex(statement.hash)}`;
      this.#found.push({ kind: "failed", check: "signatures", code: error.code, reason });
      return false;
    }
    const named = { iss, sub, seq, hash: statement.hash, index };
    const use = ch === undefined ? named : { ...named, ch };
    const { invalid, restriction } = judgeUse(record, use, record.succession);
    if (invalid === undefined && restriction === undefined && !broughtBySuspect) return true;
    const where = `${iss}/${sub} ${seq} at index ${index}`;
    if (invalid !== undefined)
      this.#found.push({ kind: "failed", check: "keys", code: invalid, reason: where });
    else if (restriction !== undefined)
      this.#found.push({ kind: "restricted", check: "keys", code: restriction, reason: where });
    else {
      const reason = `${where}: ${BROUGHT_BY_SUSPECT}`;
      this.#found.push({ kind: "restricted", check: "keys", code: "declared-suspect-later", reason });
    }
    return true;
  }

  /** What it says that its device had seen of this log was there before it. Of several logs nothing says whose tree it was, unless the device did. */
  #seen({ claims: { seen, iss, sub, seq } }: Statement, index: number, log: CheckedLog): void {
    if (seen === undefined) return;
    const { origin = this.#means.logs.length === 1 ? log.origin : undefined } = seen;
    if (origin !== log.origin || !isSeenFromWithin(seen, index, log.checkpoint)) return;
    const reason = `${iss}/${sub} ${seq} at index ${index} names a tree of size ${seen.size} as seen: it would hold the statement itself`;
    this.#found.push({ kind: "failed", check: "seen", code: "log-fork", reason });
  }
}

/** What the findings about one statement make of it, and the codes that say so. */
export function standingOf(found: readonly Pick<Found, "kind" | "code">[]): {
  readonly standing: Standing;
  readonly code: string | null;
} {
  if (found.length === 0) return GOOD;
  const of = (kind: Found["kind"]): string[] => found.flatMap((one) => (one.kind === kind ? [one.code] : []));
  const [failed] = of("failed");
  if (failed !== undefined) return { standing: "bad", code: failed };
  const [missing] = of("missing");
  if (missing !== undefined) return { standing: "unproven", code: missing };
  return { standing: "restricted", code: [...new Set(of("restricted"))].toSorted().join(" ") };
}

const GOOD = { standing: "good", code: null } as const;
