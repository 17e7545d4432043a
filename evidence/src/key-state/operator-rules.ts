/**
 * Of each org: who its operators are, how many of them a change of them takes, and which items said so.
 *
 * @module
 */
import { toHex } from "../bytes.ts";
import { EvidenceError } from "../errors.ts";
import { judgeRevocation } from "./key-leaf.ts";
import type { KeyRecord } from "./key-record.ts";
import { openConsent, type Consent, type OperatorChange } from "../registry/operators.ts";

/** What stands behind the operators of one org. */
export type OperatorRule = {
  /** Operators whose consent a change takes; 1 where none was set. */
  readonly threshold: number;
  /** `operators` items of this org so far. */
  readonly round: number;
  /** Operators of just this org whose keys count. */
  readonly count: number;
  /** Kids of all that were ever operators of just this org. */
  readonly kids: readonly Uint8Array[];
  /** Numbers of the `operators` items. */
  readonly items: readonly number[];
  /** Kids of those who signed them or consented. */
  readonly behind: readonly Uint8Array[];
};

/** As it is kept: whoever writes a registry decides how many operators an org has, so nothing is copied or counted anew for each. */
class Rule implements OperatorRule {
  threshold = 1;
  round = 0;
  count = 0;
  readonly kids: Uint8Array[] = [];
  readonly items: number[] = [];
  readonly behind: Uint8Array[] = [];
}

export class OperatorRules {
  readonly #rules = new Map<string, Rule>();

  of(org: string): OperatorRule {
    return this.#rules.get(org) ?? new Rule();
  }

  added(org: string, kid: Uint8Array): void {
    const rule = this.#own(org);
    rule.kids.push(kid);
    rule.count++;
  }

  /** A key of this org that counted counts no more. */
  revoked(org: string): void {
    this.#own(org).count--;
  }

  changed({ actsFor, threshold }: OperatorChange, item: number, behind: readonly Uint8Array[]): void {
    const rule = this.#own(actsFor);
    rule.threshold = threshold;
    rule.round++;
    rule.items.push(item);
    rule.behind.push(...behind);
  }

  #own(org: string): Rule {
    const known = this.#rules.get(org) ?? new Rule();
    this.#rules.set(org, known);
    return known;
  }

  /** @throws EvidenceError `operator-quorum` where a change of this org's operators takes more than one of them */
  mustAllowOne(org: string): void {
    const { threshold } = this.of(org);
    if (threshold > 1) {
      throw new EvidenceError("operator-quorum", "the operators of this org change by consent of several", {
        org,
        threshold,
      });
    }
  }
}

/** A change of operators on its way into the registry. */
export type ProposedChange = {
  readonly origin: string;
  readonly change: OperatorChange;
  /** The change as the item carries it. */
  readonly bytes: Uint8Array;
  readonly consents: readonly Uint8Array[];
  /** Of the item. */
  readonly index: number;
  /** The operator that signed the item; may act for the org. */
  readonly signer: KeyRecord;
};

/** What the registry knows where a change is judged. */
export type Known = {
  readonly rule: OperatorRule;
  /** Items were left out: what is not known may stand in one of them. */
  readonly gap: boolean;
  has(kid: Uint8Array): boolean;
  /** @throws EvidenceError `key-unknown`, `registry-missing` unless it is an operator's */
  operator(kid: Uint8Array): KeyRecord;
  /** @throws EvidenceError `key-mismatch`, `signature-invalid` */
  verify(consent: Consent, record: KeyRecord): void;
};

/**
 * Judges a change by the rule in force.
 *
 * @returns those who consented, the item's signer first, and the operators that go
 * @throws EvidenceError `registry-order` (another round), `registry-missing`, `token-malformed`, `key-unknown`, `operator-org`, `key-revoked`, `key-issuer`,
 *   `key-mismatch`, `signature-invalid`, `key-exists`, `operator-quorum`
 */
export function judgeChange(
  proposed: ProposedChange,
  known: Known,
): { readonly by: readonly Uint8Array[]; readonly removed: readonly KeyRecord[] } {
  const { change, index, signer } = proposed;
  const { actsFor, round, add, remove, threshold } = change;
  const { rule, gap } = known;
  if (round !== rule.round) {
    const code = gap && round > rule.round ? "registry-missing" : "registry-order";
    throw new EvidenceError(code, "not the next change of this org's operators", {
      org: actsFor,
      round,
      expected: rule.round,
    });
  }
  const agreed = consenting(proposed, known);
  const removed = remove.map((kid) => known.operator(kid));
  for (const record of removed) mustCount(record, actsFor, index);
  if (new Set(remove.map(toHex)).size !== remove.length)
    throw new EvidenceError("key-revoked", "an operator is removed twice");
  if (add.some((one) => one.actsFor !== actsFor))
    throw new EvidenceError("operator-org", "an operator of another org is added", { org: actsFor });
  const kids = add.map(({ key }) => toHex(key.kid));
  if (new Set(kids).size !== kids.length || add.some(({ key }) => known.has(key.kid)))
    throw new EvidenceError("key-exists", "this key is in the registry already");
  const left = rule.count + add.length - remove.length;
  if (left < threshold) {
    const code = gap ? "registry-missing" : "operator-quorum";
    const message = "fewer operators would be left than the next change takes";
    throw new EvidenceError(code, message, { org: actsFor, left, threshold });
  }
  return { by: [signer.kid, ...agreed], removed };
}

/** Kids of the operators that consented: each acts for exactly this org and counts at the item's place. So may the item's signer, who needs no consent. */
function consenting(
  { origin, change: { actsFor }, bytes, consents, index, signer }: ProposedChange,
  known: Known,
): Uint8Array[] {
  const { threshold } = known.rule;
  const agreed = new Map<string, Uint8Array>();
  for (const one of consents) {
    const consent = openConsent(one, origin, bytes);
    const record = known.operator(consent.kid);
    mustCount(record, actsFor, index);
    if (record.iss !== consent.iss)
      throw new EvidenceError("key-issuer", "the key of a consent belongs to another operator");
    known.verify(consent, record);
    agreed.set(toHex(record.kid), record.kid);
  }
  const counted = new Set(agreed.keys());
  if (signer.streams[0] === actsFor) counted.add(toHex(signer.kid));
  // Where one is enough, it is whoever may act for the org: so an org gets its first operators.
  if (threshold > 1 && counted.size < threshold) {
    throw new EvidenceError("operator-quorum", "fewer operators of the org consented than its rule demands", {
      org: actsFor,
      consents: counted.size,
      threshold,
    });
  }
  agreed.delete(toHex(signer.kid));
  return [...agreed.values()];
}

/** @throws EvidenceError `operator-org`, `key-revoked` unless the operator acts for just this org, and its key counts at `index` */
function mustCount(record: KeyRecord, org: string, index: number): void {
  if (record.streams[0] !== org)
    throw new EvidenceError("operator-org", "an operator of another org", { operator: record.iss, org });
  if (judgeRevocation(record, index).invalid !== undefined)
    throw new EvidenceError("key-revoked", "this operator's key was revoked", { kid: toHex(record.kid) });
}
