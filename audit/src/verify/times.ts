/**
 * When statements were signed, as far as the log shows it and whatever the device's clock said: not before the newest tree that the device had seen, which nobody
 * could know earlier, and not after the receipt. Both moments are commit times: by the clock of the log's operator, which witnesses and
 * timestamps alone could confirm.
 *
 * A statement names its predecessor by hash, so it was signed after it: bounds are carried along a chain.
 *
 * @module
 */
import {
  decodeBundle,
  equalBytes,
  isForeignReceipt,
  parseReceipt,
  parseTransparent,
  toHex,
  type Receipt,
  type Statement,
} from "@tallystick/evidence";
import type { Judgement } from "../judgement.ts";
import { TreeTimes } from "./tree-times.ts";

/** What is shown of one chain's statements in a bundle. Moments are Unix seconds. */
export type ChainTimes = {
  readonly iss: string;
  readonly sub: string;
  readonly ch: string;
  readonly first: number;
  readonly last: number;
  /** Before this none of them was signed; null where nothing shows it. */
  readonly notBefore: number | null;
  /** By then all of them were. */
  readonly notAfter: number;
  /** The longest time within which one of them was signed, at some moment that isn't known more closely; null where one has no bound before it. */
  readonly widestS: number | null;
};

type Bounded = { readonly statement: Statement; notBefore: number | null; notAfter: number };

/**
 * The bounds of each chain in a bundle that was judged good.
 *
 * @param judgement - bounds by `seen` are given only where all trees seen were shown to be of the log's history
 */
export function chainTimes(bytes: Uint8Array, judgement: Judgement): ChainTimes[] {
  if (judgement.verdict !== "verified" && judgement.verdict !== "restricted") return [];
  const { logs, statements, registry } = decodeBundle(bytes);
  const transparents = statements.map((one) => parseTransparent(one));
  const all = [...transparents, ...registry.map((one) => parseTransparent(one))];
  const trees = new TreeTimes(all.flatMap(originalOf));
  const seenHolds = holds("seen", judgement);
  const chains = new Map<string, Bounded[]>();
  for (const one of transparents) {
    const [original] = originalOf(one);
    const { iss, sub, ch } = one.statement.claims;
    if (original === undefined || ch === undefined) continue;
    const { seen } = one.statement.claims;
    // Of several logs nothing says whose tree it was, unless the device did.
    const origin = seen?.origin ?? (logs.length === 1 ? original.origin : undefined);
    const isKnown = seen !== undefined && origin !== undefined && seenHolds;
    const notBefore = isKnown ? trees.knownBy(origin, seen.size) : null;
    const name = `${iss} ${sub} ${toHex(ch)}`;
    const bounded = { statement: one.statement, notBefore, notAfter: original.timeUnixS };
    const chain = chains.get(name);
    if (chain === undefined) chains.set(name, [bounded]);
    else chain.push(bounded);
  }
  return [...chains.values()].flatMap((chain) => ofChain(chain) ?? []);
}

const originalOf = ({ receipts: [original] }: { readonly receipts: readonly Uint8Array[] }): Receipt[] =>
  original === undefined || isForeignReceipt(original) ? [] : [parseReceipt(original)];

/** True where a check passed, and nothing of it was left open. */
const holds = (name: string, { checks }: Judgement): boolean => {
  const rows = checks.filter((row) => row.name === name);
  return rows.length > 0 && rows.every(({ result }) => result === "passed");
};

function ofChain(chain: Bounded[]): ChainTimes | undefined {
  const sorted = chain.toSorted((a, b) => a.statement.claims.seq - b.statement.claims.seq);
  for (const [i, one] of sorted.entries()) {
    const before = sorted[i - 1];
    if (before !== undefined && follows(one, before)) one.notBefore = later(before.notBefore, one.notBefore);
  }
  for (let i = sorted.length - 2; i >= 0; i--) {
    const [one, next] = [sorted[i], sorted[i + 1]];
    if (one !== undefined && next !== undefined && follows(next, one))
      one.notAfter = Math.min(one.notAfter, next.notAfter);
  }
  const [first, last] = [sorted[0]?.statement.claims, sorted.at(-1)?.statement.claims];
  if (first?.ch === undefined || last === undefined) return undefined;
  const { iss, sub, ch } = first;
  let start: number | null = Infinity;
  let [end, widestS] = [-Infinity, -Infinity];
  for (const { notBefore, notAfter } of sorted) {
    end = Math.max(end, notAfter);
    // One without a bound before it leaves all of them without.
    start = start === null || notBefore === null ? null : Math.min(start, notBefore);
    if (notBefore !== null) widestS = Math.max(widestS, notAfter - notBefore);
  }
  return {
    iss,
    sub,
    ch: toHex(ch),
    first: first.seq,
    last: last.seq,
    notBefore: start,
    notAfter: end,
    widestS: start === null ? null : widestS,
  };
}

const follows = (one: Bounded, before: Bounded): boolean =>
  one.statement.claims.seq === before.statement.claims.seq + 1 &&
  one.statement.claims.prev !== undefined &&
  equalBytes(one.statement.claims.prev, before.statement.hash);

const later = (a: number | null, b: number | null): number | null =>
  a === null ? b : b === null ? a : Math.max(a, b);
