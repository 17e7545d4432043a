/**
 * What a report shows of a bundle. It repeats nothing of the verdict: the bundle was judged, and where it is invalid nothing of this is shown.
 *
 * @module
 */
import {
  coverage,
  decimalToNumber,
  decodeBundle,
  decodePack,
  Float,
  formatDecimal,
  isForeignReceipt,
  parseCheckpoint,
  parseNote,
  parseReceipt,
  parseTransparent,
  toHex,
  type Reading,
  type Statement,
  type StreamCoverage,
  type TrustPolicy,
} from "@tallystick/evidence";
import type { ChainTimes } from "../verify/times.ts";
import { dayStates } from "./days.ts";
import { eventText } from "./event-text.ts";
import {
  MAX_EVENTS,
  MAX_SERIES,
  MAX_STREAMS,
  type ChainView,
  type EventRow,
  type EvidenceView,
  type ReadingRow,
  type StreamView,
} from "./evidence.ts";
import { keysOfBundle } from "./bundle-keys.ts";
import { SeriesCollector } from "./series.ts";

/**
 * @param times - the bounds of its chains, as far as the log shows them
 * @throws EvidenceError where it doesn't parse: ask for this only after a verdict that isn't `invalid`
 */
export function viewOfBundle(
  bytes: Uint8Array,
  policy: TrustPolicy,
  times: readonly ChainTimes[],
): EvidenceView {
  const bundle = decodeBundle(bytes);
  const parsed = bundle.statements.map((one) => parseTransparent(one));
  const statements = parsed.map(({ statement }) => statement);
  const committed = new Map(
    parsed.flatMap(({ statement, receipts: [first] }) =>
      first === undefined || isForeignReceipt(first)
        ? []
        : [[toHex(statement.hash), parseReceipt(first).timeUnixS] as const],
    ),
  );
  const streams = Map.groupBy(statements, ({ claims }) => `${claims.iss} ${claims.sub}`);
  const covered = new Map(coverage(statements).map((one) => [`${one.iss} ${one.sub}`, one]));
  const shown = [...streams]
    .slice(0, MAX_STREAMS)
    .map(([name, members]) =>
      streamView(members, covered.get(name), { times, committed, scope: bundle.scope }),
    );
  return {
    logs: bundle.logs.map(({ checkpoint }) => {
      const { origin, size, root } = parseCheckpoint(parseNote(checkpoint).text);
      return { origin, size, root: toHex(root) };
    }),
    statements: statements.length,
    streams: shown,
    moreStreams: streams.size - shown.length,
    ...keysOfBundle(bundle, statements, policy),
  };
}

type Around = {
  readonly times: readonly ChainTimes[];
  readonly committed: ReadonlyMap<string, number>;
  readonly scope: ReturnType<typeof decodeBundle>["scope"];
};

function streamView(
  members: readonly Statement[],
  covered: StreamCoverage | undefined,
  around: Around,
): StreamView {
  const { iss = "", sub = "" } = members[0]?.claims ?? {};
  const collectors = new Map<string, SeriesCollector>();
  const events: EventRow[] = [];
  const levels: [number, number, number] = [0, 0, 0];
  const clocks: [number, number, number, number] = [0, 0, 0, 0];
  let moreEvents = 0;
  for (const statement of members) {
    const { claims, content, event } = statement;
    levels[claims.lvl]++;
    clocks[claims.tq]++;
    if (content.type === "senml") addReadings(collectors, statement);
    if (event === undefined) continue;
    if (events.length >= MAX_EVENTS) moreEvents++;
    else events.push({ at: claims.iat ?? null, kind: event.kind, detail: eventText(event), seq: claims.seq });
  }
  const series = [...collectors.values()].map((one) => one.series());
  return {
    iss,
    sub,
    statements: members.length,
    chains: (covered?.chains ?? []).map((chain) => chainView(iss, sub, chain, members, around)),
    series: series.slice(0, MAX_SERIES),
    moreSeries: Math.max(0, series.length - MAX_SERIES),
    events,
    moreEvents,
    levels,
    clocks,
    days: covered === undefined ? [] : dayStates(covered),
  };
}

function addReadings(collectors: Map<string, SeriesCollector>, { claims, content }: Statement): void {
  if (content.type !== "senml") return;
  for (const reading of decodePack(content.payload, `${claims.iss}/${claims.sub}/`)) {
    if (reading.name === "raw") continue; // the frame itself, not a reading
    const name = `${reading.name} ${reading.unit ?? ""}`;
    const known = collectors.get(name) ?? new SeriesCollector(reading.name, reading.unit ?? "");
    collectors.set(name, known);
    const { text, exact, float } = valueOf(reading);
    const at = reading.time === null ? null : decimalToNumber(reading.time);
    const row: ReadingRow = { at, value: text, quality: reading.quality.join(" "), seq: claims.seq };
    known.add(row, exact, float);
  }
}

function valueOf({ value }: Reading): {
  text: string;
  exact?: Parameters<SeriesCollector["add"]>[1];
  float?: number;
} {
  if ("vs" in value) return { text: value.vs };
  if ("vb" in value) return { text: String(value.vb) };
  if ("vd" in value) return { text: toHex(value.vd) };
  const number = "v" in value ? value.v : value.s;
  return number instanceof Float
    ? { text: String(number.value), float: number.value }
    : { text: formatDecimal(number), exact: number };
}

function chainView(
  iss: string,
  sub: string,
  { ch, missing, tail, held }: StreamCoverage["chains"][number],
  members: readonly Statement[],
  { times, committed, scope }: Around,
): ChainView {
  const name = toHex(ch);
  const own = members.filter(({ claims }) => claims.ch !== undefined && toHex(claims.ch) === name);
  const bound = times.find((one) => one.iss === iss && one.sub === sub && one.ch === name);
  const claimed = scope.find((one) => one.iss === iss && one.sub === sub && toHex(one.ch) === name);
  const from = claimed?.from ?? held[0]?.from ?? 0;
  const to = claimed?.to ?? tail.seq;
  const sealed = own.flatMap(({ claims: { iat } }) => iat ?? []);
  const commits = own.flatMap(({ hash }) => committed.get(toHex(hash)) ?? []);
  return {
    ch: name,
    from,
    to,
    held: own.length,
    isClaimed: claimed !== undefined,
    missing: missing
      .filter((one) => one.to >= from && one.from <= to)
      .map((one) => ({ from: Math.max(one.from, from), to: Math.min(one.to, to) })),
    attested: tail.attested,
    notBefore: bound?.notBefore ?? null,
    notAfter: bound?.notAfter ?? (commits.length > 0 ? Math.max(...commits) : null),
    sealed: sealed.length > 0 ? { first: Math.min(...sealed), last: Math.max(...sealed) } : null,
  };
}
