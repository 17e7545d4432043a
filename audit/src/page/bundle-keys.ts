/**
 * The keys that signed what is in a bundle, and how each came to be known: its item in the register, the operators behind it, the pin in the
 * trust policy.
 *
 * @module
 */
import {
  decodeItem,
  fromHex,
  isEvidenceError,
  KeyState,
  operatorFault,
  parseIss,
  parseReceipt,
  parseTransparent,
  toHex,
  type Bundle,
  type KeyRecord,
  type Statement,
  type TrustPolicy,
} from "@tallystick/evidence";
import { createNodeProvider, nodeSha256 } from "@tallystick/evidence/node";
import { MAX_KEYS, type EvidenceView, type KeyView } from "./evidence.ts";

/** The register as far as it is here: the state, and the items that brought a key by rotation. */
export type Register = { readonly state: KeyState; readonly rotations: ReadonlySet<number> };

/** In the order in which they first signed. A register that doesn't hold gives none: the verdict says why. */
export function keysOfBundle(
  bundle: Bundle,
  statements: readonly Statement[],
  policy: TrustPolicy,
): Pick<EvidenceView, "keys" | "moreKeys"> {
  const counts = new Map<string, number>();
  for (const { kid } of statements) counts.set(toHex(kid), (counts.get(toHex(kid)) ?? 0) + 1);
  const register = replayed(bundle);
  if (register === undefined) return { keys: [], moreKeys: counts.size };
  const keys = [...counts].slice(0, MAX_KEYS).flatMap(([kid, count]) => {
    const record = register.state.get(fromHex(kid));
    return record === undefined ? [] : [keyView(record, register, count, policy)];
  });
  return { keys, moreKeys: counts.size - keys.length };
}

function replayed({ registry }: Bundle): Register | undefined {
  const state = new KeyState({ provider: createNodeProvider(), hash: nodeSha256, complete: false });
  const rotations = new Set<number>();
  const items = registry.map((one) => parseTransparent(one, nodeSha256));
  try {
    for (const { statement, receipts } of items.toSorted(
      (a, b) => a.statement.claims.seq - b.statement.claims.seq,
    )) {
      const [first] = receipts;
      const index = first === undefined ? undefined : parseReceipt(first).proofs[0]?.index;
      if (index === undefined || statement.content.type !== "registry") return undefined;
      state.apply(statement, index);
      if (decodeItem(statement.content.payload).kind === "rotate") rotations.add(statement.claims.seq);
    }
  } catch (error) {
    if (isEvidenceError(error)) return undefined;
    throw error;
  }
  return { state, rotations };
}

/** One key's line, from what the register says of it. */
export function keyView(
  record: KeyRecord,
  { state, rotations }: Register,
  statements: number,
  policy: TrustPolicy,
): KeyView {
  const { kid, key, iss, item, enrolled, revoked, superseded, suspect } = record;
  const { org } = parseIss(iss);
  const isPinned = operatorFault(record, state, policy) === undefined;
  const pin = policy.operators.some((one) => one.org === org) ? org : "*";
  return {
    kid: toHex(kid),
    algorithm: key.y === undefined ? "Ed25519" : "ECDSA P-256",
    iss,
    statements,
    item,
    enrolled,
    byRotation: rotations.has(item),
    operators: state.operatorsOf(kid).map((one) => ({ iss: one.iss, kid: toHex(one.kid) })),
    pin: isPinned ? pin : null,
    revoked,
    superseded,
    suspect,
  };
}
