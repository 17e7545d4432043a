/**
 * What is here of one chain in the period, what is missing, and who attests its end.
 *
 * @module
 */
import { fromHex, toHex } from "@tallystick/evidence";
import type { ChainCoverage, Seqs } from "./body.ts";
import { tailOf, type Chain, type CoverMeans, type SaidOfChains } from "./chains.ts";
import type { FindingList } from "./findings.ts";
import { showMicros } from "./moments.ts";
import { explain, noneOf, totalOf, within, type Part } from "./numbers.ts";
import { namedBefore, type Opening } from "./said.ts";
import type { Hole, StreamScan } from "./scan.ts";
import type { FactsView, StreamName } from "./view.ts";

/** The numbers of a chain that can have to do with the period, what is missing of them, and why. */
export function coverChain(
  chain: Chain,
  place: number,
  scan: StreamScan,
  { openings, nexts }: SaidOfChains,
  { view, findings, days, zone }: CoverMeans,
  behind: Chain | undefined,
): ChainCoverage {
  const ch = toHex(chain.ch);
  const { before, after, closing } = scan;
  const from = placed(before, place, chain.first, Infinity, (mark) => mark.seq + 1);
  const to =
    after === undefined
      ? placed(closing, place, -Infinity, chain.claimed, (mark) => mark.seq)
      : placed(after, place, -Infinity, chain.claimed, (mark) => mark.seq - 1);
  // What the device's heads had named before the period was sealed before it.
  const firstHere = scan.first?.chain === place ? scan.first.seq : Infinity;
  const near = chain.isAdrift
    ? adrift(chain)
    : { from: Math.max(from, chain.from, Math.min(chain.claims.before + 1, firstHere)), to };
  // hostile: of all numbers that there are one more than can be counted exactly
  const seqs = { ...near, to: Math.min(near.to, Number.MAX_SAFE_INTEGER - 1) };
  const missing = noneOf();
  if (seqs.from <= seqs.to) {
    const nextUs = behind === undefined || behind.id === null ? null : (openings.get(behind.id)?.us ?? null);
    const holes = [...chain.holes, ...tailOf(chain).map((hole) => ({ ...hole, toUs: nextUs }))];
    let at = 0;
    for (const part of within(explain(holes, chain.said), seqs.from, seqs.to)) {
      missing[part.cause] += part.to - part.from + 1;
      while ((holes[at]?.to ?? Infinity) < part.from) at++;
      const hole = holes[at];
      scan.counts.hole(hole?.fromUs ?? days.fromUs, hole?.toUs ?? days.toUs - 1, part.cause);
      tellPart(scan.name, ch, part, hole, findings);
    }
  }
  const size = Math.max(0, seqs.to - seqs.from + 1);
  const attested = attestedIn(view, scan, chain, seqs, nexts, (us) => showMicros(zone, us));
  return { ch, seqs, held: size - totalOf(missing), missing, attested };
}

/** The numbers of a chain whose place isn't known: those that were named in the period and not before it, and those that the case has or lacks as it says. */
const adrift = ({ claims, said, from, to }: Chain): Seqs => ({
  from: Math.max(from, claims.before + 1),
  to: said.reduce(
    (most, one) => (one.cause === "told" ? most : Math.max(most, one.to)),
    Math.max(claims.within, to),
  ),
});

/** Where a mark cuts the chain at `place`: `ours` for one that lies in it, `whole` before or behind. */
function placed(
  mark: { readonly chain: number; readonly seq: number } | undefined,
  place: number,
  low: number,
  high: number,
  ours: (mark: { readonly seq: number }) => number,
): number {
  const whole = low === -Infinity ? high : low;
  if (mark === undefined) return whole;
  if (mark.chain === place) return ours(mark);
  const cutOff = low === -Infinity ? mark.chain < place : mark.chain > place;
  return cutOff ? (low === -Infinity ? -1 : Infinity) : whole;
}

function attestedIn(
  view: FactsView,
  { name }: StreamScan,
  { ch, id, last }: Chain,
  seqs: { readonly from: number; readonly to: number },
  nexts: ReadonlyMap<string, Opening>,
  shown: (us: number) => string,
): ChainCoverage["attested"] {
  if (id === null || seqs.from > seqs.to) return null;
  const next = nexts.get(toHex(ch));
  const named = next === undefined ? undefined : namedBefore(next);
  const found = view.attested(name, { id, ch }, seqs.from, seqs.to);
  if (
    named?.seq === last &&
    last <= seqs.to &&
    last >= (found?.seq ?? 0) &&
    view.isHeld(id, last, fromHex(named.hash))
  )
    return { seq: last, at: next?.us === null || next === undefined ? null : shown(next.us) };
  if (found === undefined) return null;
  return { seq: found.seq, at: found.at === null ? null : shown(found.at * 1_000_000) };
}

export function tellPart(
  name: StreamName,
  ch: string,
  part: Part,
  hole: Hole | undefined,
  findings: FindingList,
): void {
  const where = {
    ch,
    seqs: part,
    count: part.to - part.from + 1,
    fromUs: hole?.fromUs ?? null,
    toUs: hole?.toUs ?? null,
  };
  switch (part.cause) {
    case "told":
      findings.add("gap", name, `let go: ${part.why ?? ""}, as the device signed`, where);
      break;
    case "erased":
      findings.add("erased", name, `erased by order ${part.why ?? ""}`, where);
      break;
    case "not-handed-over":
      if (part.why !== null) findings.add("erased-unordered", name, part.why, where);
      else findings.add("not-handed-over", name, "the ledger has them, the case has not", where);
      break;
    case "bad":
      // What contradicts something was told as a fork.
      if (part.why !== "fork") findings.add("bad", name, part.why ?? "not proven", where);
      break;
    case "unexplained":
    case "lost":
    case "silent":
      findings.add("missing", name, "signed, and not here; nobody says why", where);
      break;
  }
}
