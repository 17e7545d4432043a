/**
 * The chains of one stream: those that are here and those that are only named, walked in their order, and what claims that they go further.
 *
 * @module
 */
import { equalBytes, fromHex, toHex, type Scope } from "@tallystick/evidence";
import type { Device } from "./device.ts";
import type { Claims } from "./edges.ts";
import type { Erasures } from "./erasures.ts";
import type { FindingList } from "./findings.ts";
import type { Days } from "./moments.ts";
import { explain, type Said } from "./numbers.ts";
import { lostBefore, namedBefore, type GapEvent, type Opening } from "./said.ts";
import type { Hole, ScannedChain, StreamScan } from "./scan.ts";
import type { ChainRow, FactsView, StreamName } from "./view.ts";
import type { Zone } from "../zone.ts";

export type CoverMeans = {
  readonly view: FactsView;
  readonly zone: Zone;
  readonly days: Days;
  readonly lateAfterS: number;
  readonly findings: FindingList;
  readonly erasures: Erasures;
  /** The parts of chains that the evidence says it has, by `iss/sub`. */
  readonly scopes: ReadonlyMap<string, readonly Scope[]>;
};

/** A chain with all that is known of what it lacks. */
export type Chain = ScannedChain & {
  /** The highest number that anything here claims; what lies between is missing. */
  readonly claimed: number;
  /** Numbers that should be here, as the evidence says: what stands before them was not asked for, but for the opening. Nothing said: 0 and -1. */
  readonly from: number;
  readonly to: number;
  /** Nothing of it is here, nor the opening that names it: its place among the chains is not known. */
  readonly isAdrift: boolean;
  readonly claims: Claims;
};

/** A chain of which something is here, or nothing but its name. */
type AnyChain = ChainRow & { readonly here: boolean };

/** What the events of a stream say of its chains. */
export type SaidOfChains = {
  readonly openings: ReadonlyMap<number, Opening>;
  readonly gaps: ReadonlyMap<number, readonly GapEvent[]>;
  /** The opening that names a chain as the one before, by that chain. */
  readonly nexts: ReadonlyMap<string, Opening>;
  /** As {@link coveredChains} has them. */
  readonly covered: ReadonlySet<number>;
};

/** Chains behind a lost one for which an operator vouches: of each key that came by `re-enrol` the first that it opened, in the order of the log. */
export function coveredChains(openings: Iterable<Opening>, view: FactsView): ReadonlySet<number> {
  const lost = [...openings].filter((one) => lostBefore(one) !== undefined && view.isReEnrolled(one.kid));
  const first = new Map<string, number>();
  for (const { kid, chain } of lost.toSorted((a, b) => (a.idx ?? 0) - (b.idx ?? 0)))
    if (!first.has(toHex(kid))) first.set(toHex(kid), chain);
  return new Set(first.values());
}

/** The chains that are here, and behind them those that are only named. */
export function chainsOf(
  view: FactsView,
  name: StreamName,
  stream: number,
  openings: ReadonlyMap<number, Opening>,
  scopes: CoverMeans["scopes"],
): readonly AnyChain[] {
  const here = view.chains(stream).map((row) => ({ ...row, here: true }));
  const named = [
    ...view.namedChains(name),
    ...view.withheldChains(name),
    ...[...openings.values()].flatMap((one) => namedBefore(one)?.ch ?? []).map((ch) => fromHex(ch)),
    ...(scopes.get(`${name.iss}/${name.sub}`) ?? []).map(({ ch }) => ch),
  ];
  const known = new Set(here.map(({ ch }) => toHex(ch)));
  const absent = new Map<string, AnyChain>();
  for (const ch of named) {
    const key = toHex(ch);
    if (!known.has(key) && !absent.has(key)) absent.set(key, { id: -absent.size - 1, ch, here: false });
  }
  const all: AnyChain[] = [];
  for (const row of here) {
    // Before the chain that names it as the one before; else nothing is known of its place, and it comes last.
    const opening = openings.get(row.id);
    const before = opening === undefined ? undefined : namedBefore(opening)?.ch;
    const missing = before === undefined ? undefined : absent.get(before);
    if (before !== undefined && missing !== undefined) {
      all.push(missing);
      absent.delete(before);
    }
    all.push(row);
  }
  return [...all, ...absent.values()];
}

export function scanChain(
  row: AnyChain,
  scan: StreamScan,
  { openings, gaps, nexts, covered }: SaidOfChains,
  device: Device,
  { view, erasures, days, scopes }: CoverMeans,
): Chain {
  const { id, ch, here } = row;
  const { name } = scan;
  const opening = openings.get(id);
  const own = gaps.get(id) ?? [];
  const scope = scopes.get(`${name.iss}/${name.sub}`)?.filter((one) => equalBytes(one.ch, ch)) ?? [];
  const said: Said[] = [...erasures.said(name, ch)];
  for (const { seq, reason } of [...own.filter(({ of }) => of === null), ...device.gapsOf(name.sub, ch)])
    if (seq !== null)
      said.push({ from: seq.first, to: seq.last, cause: "told", why: JSON.stringify(reason) });
  const lost = opening === undefined ? undefined : lostBefore(opening);
  const from = scope.reduce((low, one) => Math.min(low, one.from), Infinity);
  const scanned = scan.chain({
    ch,
    id: here ? id : null,
    statements: here ? view.statements(id) : [],
    readings: here ? view.readings(id) : [],
    opening,
    gaps: own,
    said,
    from,
    lost: lost === undefined ? undefined : covered.has(id) ? "told" : "lost",
  });
  const claims = claimsOf(view, name, ch, days);
  const next = nexts.get(toHex(ch));
  const named = next === undefined ? undefined : namedBefore(next);
  const claimed = [...scanned.said, ...scope].reduce(
    (most, { to }) => Math.max(most, to),
    Math.max(scanned.last, claims.highest, named?.seq ?? -1),
  );
  const isAdrift = !here && next === undefined;
  const part = {
    from: Number.isFinite(from) ? from : 0,
    to: scope.reduce((most, one) => Math.max(most, one.to), -1),
  };
  const chain = { ...scanned, ...part, claimed, claims, isAdrift };
  if (isAdrift) {
    // Where it stood nobody knows: it may be why anything is missing, up to when it was named last.
    const toUs = claims.newest?.us ?? null;
    if (claims.within >= 0) scan.passed.push({ fromUs: null, toUs, cause: "unexplained" });
    return chain;
  }
  for (const { cause } of explain(tailOf(chain), chain.said)) scan.pass(cause);
  return chain;
}

/** What the device's heads say of a chain: before the period, and since. */
function claimsOf(view: FactsView, name: StreamName, ch: Uint8Array, days: Days): Claims {
  let [highest, before, inside] = [-1, -1, -1];
  let newest: Claims["newest"];
  for (const head of view.heads(name, ch)) {
    const seconds = head.iat ?? head.committed;
    const us = seconds === null ? days.fromUs : seconds * 1_000_000;
    if (us < days.fromUs) before = Math.max(before, head.seq);
    else highest = Math.max(highest, head.seq);
    if (days.has(us)) inside = Math.max(inside, head.seq);
    if (newest === undefined || head.seq > newest.seq || (head.seq === newest.seq && us > newest.us))
      newest = { seq: head.seq, us };
  }
  return { highest, before, within: inside, newest };
}

/** Numbers behind the last one that is held. */
export const tailOf = ({ first, last, lastUs, claimed }: Chain): readonly Hole[] => {
  const from = Math.max(last + 1, first);
  return from <= claimed ? [{ from, to: claimed, fromUs: lastUs, toUs: null }] : [];
};
