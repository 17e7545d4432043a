/**
 * Coverage of one stream: its chains walked in their order, its samples in that of time, its registers by name.
 *
 * @module
 */
import type { ChainCoverage, Edge, StreamCoverage } from "./body.ts";
import { coverChain } from "./chain-cover.ts";
import {
  chainsOf,
  coveredChains,
  scanChain,
  type Chain,
  type CoverMeans,
  type SaidOfChains,
} from "./chains.ts";
import type { Device } from "./device.ts";
import { edgesOf } from "./edges.ts";
import { tellEdges, tellGaps, tellLife } from "./life.ts";
import { showMicros, type Days } from "./moments.ts";
import { isExplained } from "./numbers.ts";
import { walkRegisters } from "./registers.ts";
import { gapsOf, meterChangesOf, namedBefore, openingsOf, type Declared, type Opening } from "./said.ts";
import { walkSamples } from "./sample-walk.ts";
import { StreamScan } from "./scan.ts";
import type { StreamName } from "./view.ts";

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
    covered: coveredChains(openings.values(), view),
  };
  const chains = rows.map((row) => scanChain(row, scan, said, device, means));
  scan.end();

  const edges = edgesOf(scan, chains, days, (us) => showMicros(zone, us));
  const covered = chains.map((chain, i) => coverChain(chain, i, scan, said, means, chains[i + 1]));
  const opened = openingIn(openings, scan, days);
  const intervals = intervalsOf(chains, openings);
  walkSamples({
    name,
    days,
    samples: scan.samples,
    counts: scan.counts,
    findings,
    intervalOf: (chain) => intervals[chain],
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
  const isBroken = tellLife(name, chains, said, changes, means);
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
    state: stateOf(covered, edges, scan, isBroken),
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

const nextOf = (opening: Opening): readonly (readonly [string, Opening])[] => {
  const before = namedBefore(opening);
  return before === undefined ? [] : [[before.ch, opening]];
};

const newestOpening = (
  chains: readonly Chain[],
  openings: ReadonlyMap<number, Opening>,
): Opening | undefined => chains.flatMap(({ id }) => (id === null ? [] : (openings.get(id) ?? []))).at(-1);

/** What each chain promises, by its place; one whose opening isn't here goes on as the one before it, or else as the one behind it. */
function intervalsOf(
  chains: readonly Chain[],
  openings: ReadonlyMap<number, Opening>,
): readonly (number | undefined)[] {
  const told = chains.map(({ id }) => (id === null ? undefined : openings.get(id)?.intervalUs));
  const first = told.find((one) => one !== undefined);
  let last = first;
  return told.map((one) => (last = one ?? last));
}

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
  isBroken: boolean,
): StreamCoverage["state"] {
  const causes = [
    ...chains.flatMap(({ missing }) => Object.entries(missing)),
    ...Object.entries(scan.counts.total().missing),
  ].flatMap(([cause, count]) => (count > 0 ? [cause as keyof ChainCoverage["missing"]] : []));
  if (isBroken || begins.by === "open" || ends.by === "open" || causes.some((cause) => !isExplained(cause)))
    return "incomplete";
  if (causes.length > 0) return "explained";
  return scan.first === undefined ? "empty" : "complete";
}
