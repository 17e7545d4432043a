/**
 * Coverage of one stream: its chains walked in their order, its samples in that of time, its registers by name.
 *
 * @module
 */
import { equalBytes, fromHex, toHex, type Scope } from "@tallystick/evidence";
import type { ChainCoverage, Edge, StreamCoverage } from "./body.ts";
import type { Device } from "./device.ts";
import { edgesOf, type Claims } from "./edges.ts";
import type { Erasures } from "./erasures.ts";
import type { FindingList } from "./findings.ts";
import { showMicros, type Days } from "./moments.ts";
import { explain, isExplained, noneOf, totalOf, within, type Part, type Said } from "./numbers.ts";
import { walkRegisters } from "./registers.ts";
import {
  gapsOf,
  lostBefore,
  meterChangesOf,
  namedBefore,
  openingsOf,
  type Declared,
  type GapEvent,
  type Opening,
} from "./said.ts";
import { walkSamples } from "./sample-walk.ts";
import { StreamScan, type Hole, type ScannedChain } from "./scan.ts";
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
type Chain = ScannedChain & {
  /** The highest number that anything here claims; what lies between is missing. */
  readonly claimed: number;
  readonly claims: Claims;
};

/** What the events of a stream say of its chains. */
type SaidOfChains = {
  readonly openings: ReadonlyMap<number, Opening>;
  readonly gaps: ReadonlyMap<number, readonly GapEvent[]>;
  /** The opening that names a chain as the one before, by that chain. */
  readonly nexts: ReadonlyMap<string, Opening>;
};

const nextOf = (opening: Opening): readonly (readonly [string, Opening])[] => {
  const before = namedBefore(opening);
  return before === undefined ? [] : [[before.ch, opening]];
};

/** @param device - of the stream */
export function coverStream(name: StreamName, device: Device, means: CoverMeans): StreamCoverage {
  const { view, days, lateAfterS, findings, zone } = means;
  const id = view.stream(name)?.id ?? 0;
  const openings = openingsOf(view.events(id, "stream-opened"));
  const rows = chainsOf(view, name, id, openings, means.scopes);
  const scan = new StreamScan(name, days, lateAfterS, findings);
  const gaps = gapsOf(view.events(id, "gap"));
  const said: SaidOfChains = {
    openings,
    gaps: Map.groupBy(gaps, ({ chain }) => chain),
    nexts: new Map([...openings.values()].flatMap((one) => nextOf(one))),
  };
  const chains = rows.map((row) => scanChain(row, scan, said, device, means));
  scan.end();

  const edges = edgesOf(scan, chains, days, (us) => showMicros(zone, us));
  const covered = chains.map((chain, i) => coverChain(chain, i, scan, said, means, chains[i + 1]));
  const opened = openingIn(openings, scan, days);
  walkSamples({
    name,
    days,
    samples: scan.samples,
    counts: scan.counts,
    findings,
    intervalOf: (chain) => intervalOf(chains, chain, openings),
    passed: scan.passed,
    steps: device.steps,
    beforeUs: scan.sampleBefore,
    afterUs: scan.sampleAfter,
    openedUs: opened?.us ?? undefined,
    closedUs: scan.last?.kind === "stream-closed" && scan.after === undefined ? scan.last.us : undefined,
    open: { begin: edges.begins.by === "open", end: edges.ends.by === "open" },
    chain: scan.last?.chain ?? scan.before?.chain ?? 0,
  });
  const changes = meterChangesOf(view.events(id, "meter-changed"));
  tellLife(name, chains, openings, changes, means);
  tellGaps(name, gaps, scan, means);
  const places = new Map(rows.map((row, i) => [row.id, i]));
  walkRegisters({
    name,
    stream: id,
    view,
    days,
    counts: scan.counts,
    findings,
    declared: declaredBy(chains, openings),
    changes,
    placeOf: (chain) => places.get(chain) ?? 0,
  });
  tellEdges(name, edges, findings, days);
  const newest = newestOpening(chains, openings);
  const shown = (us: number | null): string | null => (us === null ? null : showMicros(zone, us));
  const total = scan.counts.total();
  return {
    iss: name.iss,
    sub: name.sub,
    state: stateOf(covered, edges, scan, totalOf(total.missing)),
    source: newest?.source ?? null,
    meter: newest?.meter ?? null,
    interval: newest?.interval ?? null,
    ...edges,
    chains: covered.filter(({ seqs }) => seqs.from <= seqs.to),
    readings: scan.readings,
    untimed: scan.untimed,
    clock: scan.clock,
    qualities: [...scan.qualities]
      .map(([quality, count]) => ({ quality, count }))
      .toSorted((a, b) => (a.quality < b.quality ? -1 : 1)),
    first: shown(scan.firstUs),
    last: shown(scan.lastUs),
    total,
    months: scan.counts.months(zone),
    days: scan.counts.days(zone),
  };
}

/** The chains that are here, and behind them those that are only named. */
function chainsOf(
  view: FactsView,
  name: StreamName,
  stream: number,
  openings: ReadonlyMap<number, Opening>,
  scopes: CoverMeans["scopes"],
): readonly (ChainRow & { readonly here: boolean })[] {
  const here = view.chains(stream).map((row) => ({ ...row, here: true }));
  const named = [
    ...view.namedChains(name),
    ...view.withheldChains(name),
    ...[...openings.values()].flatMap((one) => namedBefore(one)?.ch ?? []).map((ch) => fromHex(ch)),
    ...(scopes.get(`${name.iss}/${name.sub}`) ?? []).map(({ ch }) => ch),
  ];
  const all = [...here];
  const known = new Set(here.map(({ ch }) => toHex(ch)));
  for (const ch of named) {
    if (known.has(toHex(ch))) continue;
    known.add(toHex(ch));
    const row = { id: -all.length - 1, ch, here: false };
    // Before the chain that names it as the one before; else nothing is known of its place, and it comes last.
    const next = all.findIndex(({ id }) => {
      const opening = openings.get(id);
      return opening !== undefined && namedBefore(opening)?.ch === toHex(ch);
    });
    all.splice(next < 0 ? all.length : next, 0, row);
  }
  return all;
}

function scanChain(
  row: ChainRow & { readonly here: boolean },
  scan: StreamScan,
  { openings, gaps, nexts }: SaidOfChains,
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
  const scanned = scan.chain({
    ch,
    id: here ? id : null,
    statements: here ? view.statements(id) : [],
    readings: here ? view.readings(id) : [],
    opening,
    gaps: own,
    said,
    from: scope.reduce((low, one) => Math.min(low, one.from), Infinity),
    lost:
      lost === undefined
        ? undefined
        : opening !== undefined && view.isReEnrolled(opening.kid)
          ? "told"
          : "lost",
  });
  const claims = claimsOf(view, name, ch, days);
  const next = nexts.get(toHex(ch));
  const named = next === undefined ? undefined : namedBefore(next);
  const claimed = [...scanned.said, ...scope].reduce(
    (most, { to }) => Math.max(most, to),
    Math.max(scanned.last, claims.highest, named?.seq ?? -1),
  );
  const chain = { ...scanned, claimed, claims };
  for (const { cause } of explain(tailOf(chain), chain.said)) scan.pass(cause);
  return chain;
}

/** What the device's heads say of a chain: before the period, and since. */
function claimsOf(view: FactsView, name: StreamName, ch: Uint8Array, days: Days): Claims {
  let [highest, before] = [-1, -1];
  let newest: Claims["newest"];
  for (const head of view.heads(name, ch)) {
    const seconds = head.iat ?? head.committed;
    const us = seconds === null ? days.fromUs : seconds * 1_000_000;
    if (us < days.fromUs) before = Math.max(before, head.seq);
    else highest = Math.max(highest, head.seq);
    if (newest === undefined || head.seq > newest.seq || (head.seq === newest.seq && us > newest.us))
      newest = { seq: head.seq, us };
  }
  return { highest, before, newest };
}

/** Numbers behind the last one that is held. */
const tailOf = ({ first, last, lastUs, claimed }: Chain): readonly Hole[] => {
  const from = Math.max(last + 1, first);
  return from <= claimed ? [{ from, to: claimed, fromUs: lastUs, toUs: null }] : [];
};

/** The numbers of a chain that can have to do with the period, what is missing of them, and why. */
function coverChain(
  chain: Chain,
  place: number,
  scan: StreamScan,
  { openings, nexts }: SaidOfChains,
  { view, findings, days, zone }: CoverMeans,
  behind: Chain | undefined,
): ChainCoverage {
  const ch = toHex(chain.ch);
  const { before, after } = scan;
  const from = placed(before, place, chain.first, Infinity, (mark) => mark.seq + 1);
  const to = placed(after, place, -Infinity, chain.claimed, (mark) => mark.seq - 1);
  // What the device's heads had named before the period was sealed before it.
  const firstHere = scan.first?.chain === place ? scan.first.seq : Infinity;
  const seqs = { from: Math.max(from, Math.min(chain.claims.before + 1, firstHere)), to };
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

function tellPart(
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

/** Openings in the period, and meters that changed untold. */
function tellLife(
  name: StreamName,
  chains: readonly Chain[],
  openings: ReadonlyMap<number, Opening>,
  changes: readonly { readonly new: string }[],
  { view, findings, days }: CoverMeans,
): void {
  let meter: string | null = null;
  for (const [i, { id, ch }] of chains.entries()) {
    const opening = id === null ? undefined : openings.get(id);
    if (opening === undefined) continue;
    const { us } = opening;
    const where = { ch: toHex(ch), seqs: { from: 0, to: 0 }, fromUs: us, toUs: us };
    if (us !== null && days.has(us)) {
      const lost = lostBefore(opening);
      if (lost !== undefined)
        findings.add(
          view.isReEnrolled(opening.kid) ? "re-enrolled" : "discontinuity",
          name,
          `the chain before is lost: ${JSON.stringify(lost)}`,
          where,
        );
      else if (i > 0) findings.add("new-chain", name, "behind the one before", where);
      if (meter !== null && opening.meter !== null && opening.meter !== meter)
        if (!changes.some((change) => change.new === opening.meter))
          findings.add("meter-swapped", name, `${meter}, then ${opening.meter}, and no meter-changed`, where);
    }
    meter = opening.meter ?? meter;
  }
}

/** Readings that were never sealed, as the device says. */
function tellGaps(
  name: StreamName,
  gaps: readonly GapEvent[],
  scan: StreamScan,
  { findings, days }: CoverMeans,
): void {
  for (const { own, at, us, time, reason, count } of gaps) {
    if (!own) continue;
    const stretch = time ?? (us === null ? null : { fromUs: us, toUs: us });
    if (stretch === null || stretch.toUs < days.fromUs || stretch.fromUs >= days.toUs) continue;
    scan.counts.hole(stretch.fromUs, stretch.toUs, "told");
    const says = `never sealed: ${JSON.stringify(reason)}, as the device signed`;
    findings.add("gap", name, says, { seqs: { from: at, to: at }, ...stretch, count });
  }
}

function tellEdges(
  name: StreamName,
  { begins, ends }: { readonly begins: Edge; readonly ends: Edge },
  findings: FindingList,
  { fromUs, toUs }: Days,
): void {
  if (begins.by === "open") {
    const says = "nothing here shows that no earlier statement has to do with the period";
    findings.add("open-begin", name, says, { fromUs, toUs: null });
  }
  if (ends.by !== "open") return;
  const until = ends.at === null ? "nothing here attests" : `after ${ends.at} nothing attests`;
  findings.add("open-end", name, `${until} that there was nothing more`, { fromUs: null, toUs });
}

const newestOpening = (
  chains: readonly Chain[],
  openings: ReadonlyMap<number, Opening>,
): Opening | undefined => chains.flatMap(({ id }) => (id === null ? [] : (openings.get(id) ?? []))).at(-1);

const intervalOf = (
  chains: readonly Chain[],
  place: number,
  openings: ReadonlyMap<number, Opening>,
): number | undefined => {
  const id = chains[place]?.id ?? null;
  return id === null ? undefined : openings.get(id)?.intervalUs;
};

/** The opening with which the stream begins, where that was in the period. */
function openingIn(
  openings: ReadonlyMap<number, Opening>,
  scan: StreamScan,
  days: Days,
): Opening | undefined {
  if (scan.before !== undefined || scan.first?.seq !== 0) return undefined;
  return [...openings.values()].find(({ us, before }) => us !== null && days.has(us) && before === "none");
}

function declaredBy(
  chains: readonly Chain[],
  openings: ReadonlyMap<number, Opening>,
): ReadonlyMap<string, Declared> {
  const all = chains.flatMap(({ id }) => (id === null ? [] : (openings.get(id)?.names ?? [])));
  return new Map(all.map((one) => [one.name, one]));
}

function stateOf(
  chains: readonly ChainCoverage[],
  { begins, ends }: { readonly begins: Edge; readonly ends: Edge },
  scan: StreamScan,
  samples: number,
): StreamCoverage["state"] {
  const causes = [
    ...chains.flatMap(({ missing }) => Object.entries(missing)),
    ...Object.entries(scan.counts.total().missing),
  ].flatMap(([cause, count]) => (count > 0 ? [cause as keyof ChainCoverage["missing"]] : []));
  if (begins.by === "open" || ends.by === "open" || causes.some((cause) => !isExplained(cause)))
    return "incomplete";
  if (causes.length > 0) return "explained";
  return scan.first === undefined && samples === 0 ? "empty" : "complete";
}
