/**
 * One key of the registry: what is known of it besides what its leaf says.
 *
 * @module
 */
import { EvidenceError } from "../errors.ts";
import type { KeyLeaf, Succession } from "./key-leaf.ts";
import type { PublicKey } from "../keys/keys.ts";

/** All that is known of a key: its leaf, and what stands behind it. */
export type KeyRecord = KeyLeaf & {
  readonly key: PublicKey;
  /** Number of the item that brought the key. */
  readonly item: number;
  /** Kids of the operator that signed that item, and of those whose consents it carries; none for founding operators. */
  readonly by: readonly Uint8Array[];
  readonly machine?: Uint8Array;
  /** True where the key came by `re-enrol`: it covers a `lost` opening. */
  readonly reEnrolled: boolean;
  readonly succession?: Succession;
  /** Numbers of the items that changed or revoked the key. */
  readonly changes: readonly number[];
};

/** The record of a key at the item that brought it, before anybody said more of it. */
export function freshRecord(
  key: PublicKey,
  role: KeyLeaf["role"],
  iss: string,
  item: number,
  enrolled: number,
): KeyRecord {
  const unchanged = {
    superseded: null,
    suspect: null,
    revoked: null,
    reEnrolled: false,
    changes: [],
    by: [],
  };
  return { kid: key.kid, role, iss, streams: [], silenceS: 0, enrolled, key, item, ...unchanged };
}

/** @throws EvidenceError `operator-org` unless the operator may act for the org */
export function mayActFor(signer: KeyRecord, org: string): void {
  const [actsFor] = signer.streams;
  if (actsFor !== "*" && actsFor !== org) {
    throw new EvidenceError("operator-org", "an operator of another org", { operator: signer.iss, org });
  }
}
