/**
 * What shows that nothing of the period lies beyond the statements that are here.
 *
 * @module
 */
import type { Edge } from "./body.ts";
import type { Days } from "./moments.ts";
import type { ScannedChain, StreamScan } from "./scan.ts";

/** What a device's heads say of one chain. */
export type Claims = {
  /** The highest number that was named in the period or after it, and before it; -1 where none was. */
  readonly highest: number;
  readonly before: number;
  /** The highest that was named in the period. */
  readonly within: number;
  /** The highest number that was ever named, and when that was said last, microseconds. */
  readonly newest?: { readonly seq: number; readonly us: number } | undefined;
};

const OPEN: Edge = { by: "open", at: null };

type Chains = readonly (ScannedChain & {
  readonly claims: Claims;
  readonly claimed: number;
  readonly from: number;
})[];
/** An instant as text. */
type Shown = (us: number) => string;

export const edgesOf = (
  scan: StreamScan,
  chains: Chains,
  days: Days,
  shown: Shown,
): { readonly begins: Edge; readonly ends: Edge } => ({
  begins: beginOf(scan, chains, shown),
  ends: endOf(scan, chains, days, shown),
});

function beginOf({ before, first }: StreamScan, chains: Chains, shown: Shown): Edge {
  const at = before === undefined ? undefined : chains[before.chain];
  // An opening that stands apart from what was asked for bounds nothing: the numbers between the two are not here.
  const apart = before !== undefined && at !== undefined && before.seq < at.from - 1;
  if (before !== undefined && !apart) return { by: "reading", at: shown(before.us) };
  const chain = at ?? chains[0];
  if (chain === undefined) return OPEN;
  if (apart) return chain.claims.before >= chain.from - 1 ? { by: "heads", at: null } : OPEN;
  const { opening } = chain;
  // A chain whose predecessor is lost begins here, too: that it is lost is a finding of its own.
  const begun = opening !== undefined && (opening.before === "none" || "lost" in opening.before);
  if (begun && chain.first === 0) return { by: "chain", at: opening.us === null ? null : shown(opening.us) };
  const from = first?.chain === 0 ? first.seq : chain.first;
  return chain.claims.before >= from - 1 && from > 0 ? { by: "heads", at: null } : OPEN;
}

function endOf({ after, closing, last, before }: StreamScan, chains: Chains, days: Days, shown: Shown): Edge {
  if (after !== undefined) return { by: "reading", at: shown(after.us) };
  const end = last ?? before;
  const chain = chains.at(-1);
  if (end === undefined || chain === undefined) return OPEN;
  // What the device names beyond it was sealed later.
  if (closing !== undefined && closing.seq < chain.claimed) return { by: "reading", at: shown(closing.us) };
  if (end.kind === "stream-closed") return { by: "chain", at: shown(end.us) };
  const { newest } = chain.claims;
  if (newest === undefined || newest.seq < chain.claimed) return OPEN;
  return { by: newest.us >= days.toUs ? "heads" : "open", at: shown(newest.us) };
}
