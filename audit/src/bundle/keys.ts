/**
 * The part of the registry that a bundle needs: the state of each key that signed in it and of the operators behind it, and the items from
 * which those states follow.
 *
 * @module
 */
import {
  EvidenceError,
  KeyState,
  parseReceipt,
  parseTransparent,
  toHex,
  type BundledKey,
  type Hash,
  type SignatureProvider,
} from "@tallystick/evidence";
import type { Place } from "@tallystick/evidence/node";
import { parseItem } from "../log/registry-chain.ts";
import { registryItem } from "../log/registry-files.ts";
import type { KeyAnswer, ReadApi } from "./read-api.ts";

/** Keys of one bundle: far more than devices in one, a bound for a server without end. */
const MAX_KEYS = 4096;
const MAX_ITEMS = 16_384;

export type KeyPart = { readonly keys: readonly BundledKey[]; readonly registry: readonly Uint8Array[] };

/**
 * @param kids - of the keys that signed the statements
 * @param items - registry items in the tree of `size`, as its receipts sign
 * @throws EvidenceError `key-unknown`, `registry-…`, `receipt-missing`, and what the interface throws
 */
export async function collectKeys(
  api: ReadApi,
  place: Place,
  kids: readonly Uint8Array[],
  size: number,
  items: number,
  { provider, hash }: { provider: SignatureProvider; hash: Hash },
): Promise<KeyPart> {
  const answers = new Map<string, KeyAnswer>();
  const ask = async (kid: Uint8Array): Promise<void> => {
    if (answers.has(toHex(kid))) return;
    if (answers.size >= MAX_KEYS)
      throw new EvidenceError("too-large", `more than ${MAX_KEYS} keys: take fewer streams`);
    answers.set(toHex(kid), await api.key(kid, size));
  };
  for (const kid of kids) await ask(kid);
  const numbers = new Set([...answers.values()].flatMap((answer) => answer.items));
  if (numbers.size > MAX_ITEMS)
    throw new EvidenceError("too-large", `more than ${MAX_ITEMS} registry items: take fewer streams`);

  const state = new KeyState({ provider, hash, complete: false });
  const registry: Uint8Array[] = [];
  for (const n of [...numbers].toSorted((a, b) => a - b)) {
    const { bytes, path } = await registryItem(place, n, items);
    const item = parseItem(bytes, n, path);
    const transparent = await api.statement(item.hash, size);
    if (transparent === undefined)
      throw new EvidenceError("registry-missing", `the anchor has no receipt of item ${n}`, { item: n });
    registry.push(transparent);
    state.apply(item, indexOf(transparent));
  }
  for (const kid of kids) for (const operator of state.operatorsOf(kid)) await ask(operator.kid);
  const keys = [...answers.values()].map(({ leaf, size: leaves, index, path }) => ({
    log: 0,
    leaf,
    size: leaves,
    index,
    path,
  }));
  return { keys, registry };
}

/** The place that a statement's first receipt names; whether it is true is found out when the bundle is verified. */
function indexOf(transparent: Uint8Array): number {
  const [receipt] = parseTransparent(transparent).receipts;
  return receipt === undefined ? -1 : (parseReceipt(receipt).proofs[0]?.index ?? -1);
}

/** Each once, in the order of the first. */
export const distinct = (all: Iterable<Uint8Array>): Uint8Array[] => [
  ...new Map([...all].map((one) => [toHex(one), one])).values(),
];
