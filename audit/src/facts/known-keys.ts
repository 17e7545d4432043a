/**
 * What is known of the keys that sign: asked once for each key, remembered for all its statements.
 *
 * @module
 */
import {
  equalBytes,
  operatorFault,
  parseIss,
  toHex,
  type KeyRecord,
  type KeyState,
  type TrustPolicy,
} from "@tallystick/evidence";
import type { Found, KnownKey } from "./judge.ts";

/** A key's record with what the policy's operators say of it, and what was said of them; or why there is none. */
export function knownKey(
  kid: Uint8Array,
  state: KeyState,
  policy: TrustPolicy,
  lookup: (kid: Uint8Array) => KeyRecord | Found,
): KnownKey {
  const record = lookup(kid);
  if ("check" in record) return { fault: record };
  const known = { record, broughtBySuspect: state.broughtBySuspect(kid) };
  if (policy.operators.length === 0) return known;
  const code = operatorFault(record, state, policy);
  if (code === undefined) return known;
  const { org } = parseIss(record.iss);
  const reason =
    code === "operator-unpinned"
      ? `the trust policy pins no operator of ${org}`
      : `${record.iss} was enrolled by operators that don't begin at the pinned one`;
  return {
    ...known,
    fault: { kind: code === "operator-unpinned" ? "missing" : "failed", check: "operators", code, reason },
  };
}

/** Remembers by kid. */
export function remembered(find: (kid: Uint8Array) => KnownKey): (kid: Uint8Array) => KnownKey {
  const known = new Map<string, KnownKey>();
  return lastFirst((kid) => {
    const name = toHex(kid);
    const before = known.get(name);
    if (before !== undefined) return before;
    const found = find(kid);
    known.set(name, found);
    return found;
  });
}

/** Statements of a chain come one after the other: the key is nearly always that of the one before. */
export function lastFirst(find: (kid: Uint8Array) => KnownKey): (kid: Uint8Array) => KnownKey {
  let last: { readonly kid: Uint8Array; readonly found: KnownKey } | undefined;
  return (kid) => {
    if (last === undefined || !equalBytes(last.kid, kid)) last = { kid: kid.slice(), found: find(kid) };
    return last.found;
  };
}
