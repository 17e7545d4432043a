/**
 * Coverage of facts: stream by stream and device by device, in a memory that doesn't grow with them.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import { EvidenceError, SYSTEM_STREAM, type Scope } from "@tallystick/evidence";
import { isAsked, type Asked } from "../case/take/streams.ts";
import { Orders } from "../facts/orders.ts";
import type { CoverageBody, DeviceCoverage, StreamCoverage } from "./body.ts";
import { Device } from "./device.ts";
import { Erasures } from "./erasures.ts";
import { FindingList, type FindingWriter } from "./findings.ts";
import { Days, SECOND_US, showMicros } from "./moments.ts";
import { coverStream } from "./stream.ts";
import { FactsView, type StreamName } from "./view.ts";
import type { Zone } from "../zone.ts";

export type CoverRequest = {
  readonly zone: Zone;
  /** Unix seconds; `to` is exclusive. */
  readonly from: number;
  readonly to: number;
  readonly lateAfterS: number;
  /** Streams, or patterns of them as a case is asked for by; null for every stream that is here, but `sys`. */
  readonly streams: readonly Asked[] | null;
  /** Parts of chains that the evidence says it has: those of a case's manifest, or the scope of a bundle. */
  readonly scopes: readonly Scope[];
  /** Takes every finding as it is found, and each stream with all its days. */
  readonly write: FindingWriter;
  readonly writeStream?: (stream: StreamCoverage) => void;
  /** Called before each stream. */
  readonly progress: (done: number, of: number) => void;
};

/** @throws EvidenceError `too-large` for more samples of a stream than memory is for; `bundle-scope` where no stream is meant */
export function coverFacts(
  db: DatabaseSync,
  request: CoverRequest,
): { readonly body: CoverageBody; readonly faults: number } {
  const { zone, from, to, lateAfterS, write, progress } = request;
  const view = new FactsView(db);
  const findings = new FindingList(zone, write);
  const days = new Days(zone, from, to);
  const scopes = Map.groupBy(request.scopes, ({ iss, sub }) => `${iss}/${sub}`);
  const means = {
    view,
    zone,
    days,
    lateAfterS,
    findings,
    erasures: new Erasures(view, new Orders(db)),
    scopes,
  };
  const names = chosen(view, request.streams);
  // Whatever is asked for: a result that people open has an end. The days are in their own file then, and the months here.
  const withDays = names.length * days.all.length <= MAX_STRETCHES;
  const streams: StreamCoverage[] = [];
  const devices: DeviceCoverage[] = [];
  let device: Device | undefined;
  for (const [i, name] of names.entries()) {
    progress(i, names.length);
    if (device?.iss !== name.iss) {
      device = new Device(view, name.iss);
      devices.push(device.cover(means));
    }
    const stream = coverStream(name, device, means);
    request.writeStream?.(stream);
    streams.push(withDays ? stream : { ...stream, days: [] });
  }
  const body = {
    zone: zone.name,
    from: showMicros(zone, from * SECOND_US),
    to: showMicros(zone, to * SECOND_US),
    lateAfterS,
    streams,
    devices,
    counts: findings.counts,
    findings: findings.listed,
  };
  return { body, faults: findings.faults };
}

/** Days of all streams together that a body holds. */
const MAX_STRETCHES = 100_000;

/**
 * The streams that are asked for, by name; one that is named and that nothing here knows is there, too.
 *
 * @throws EvidenceError `bundle-scope` where that is none: nothing would be missing of it
 */
function chosen(view: FactsView, asked: readonly Asked[] | null): readonly StreamName[] {
  const known = view.names().filter(({ sub }) => sub !== SYSTEM_STREAM);
  const names =
    asked === null
      ? view.streams().filter(({ sub }) => sub !== SYSTEM_STREAM)
      : asked.flatMap((one) => (isPattern(one) ? known.filter((name) => isAsked([one], name)) : [one]));
  if (names.length === 0)
    throw new EvidenceError("bundle-scope", "the evidence has none of the streams that are asked for");
  const byName = new Map(names.map(({ iss, sub }) => [`${iss}/${sub}`, { iss, sub }]));
  return [...byName.values()].sort((a, b) => compare(a.iss, b.iss) || compare(a.sub, b.sub));
}

const isPattern = ({ iss, sub }: Asked): boolean => iss.endsWith("*") || sub.endsWith("*");

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
