/**
 * Readings and events of one stream, out of the facts.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import { parseDecimal } from "@tallystick/evidence";
import { MAX_EVENTS, MAX_SERIES, type Series, type ShownEvent } from "./evidence.ts";
import { SeriesCollector } from "./series.ts";

type Reading = {
  readonly t: number | null;
  readonly v: string | null;
  readonly float: number | null;
  readonly vs: string | null;
  readonly q: string;
  readonly seq: number;
};

const MICROSECONDS = 1_000_000;

/** By name and unit; each in the order of time. */
export function seriesOf(
  db: DatabaseSync,
  stream: number,
  standings: string,
): { series: Series[]; moreSeries: number } {
  // The frame as it came is no reading.
  const names = db
    .prepare(
      "SELECT DISTINCT name, unit FROM readings WHERE stream = ? AND name <> 'raw' ORDER BY name, unit",
    )
    .all(stream) as { name: string; unit: string | null }[];
  const rows = db.prepare(
    `SELECT t, v, float, vs, q, seq FROM readings JOIN statements ON statements.id = readings.statement
     WHERE readings.stream = ? AND name = ? AND unit IS ? AND standing IN ${standings} ORDER BY t, statement, n`,
  );
  const series = names.slice(0, MAX_SERIES).flatMap(({ name, unit }) => {
    const collector = new SeriesCollector(name, unit ?? "");
    for (const row of rows.iterate(stream, name, unit)) {
      const { t, v, float, vs, q, seq } = row as unknown as Reading;
      const at = t === null ? null : t / MICROSECONDS;
      const value = v ?? vs ?? (float === null ? "–" : String(float));
      collector.add(
        { at, value, quality: q, seq },
        v === null ? undefined : parseDecimal(v),
        float ?? undefined,
      );
    }
    const made = collector.series();
    return made.count === 0 ? [] : [made];
  });
  return { series, moreSeries: Math.max(0, names.length - MAX_SERIES) };
}

/** What happened, in the order of the chains; what devices say of their chains' heads is told with completeness. */
export function eventsOf(
  db: DatabaseSync,
  stream: number,
  standings: string,
): { events: ShownEvent[]; moreEvents: number } {
  const FROM = `FROM events JOIN statements ON statements.id = events.statement
    WHERE events.stream = ? AND events.kind <> 'heads' AND standing IN ${standings}`;
  const { count } = db.prepare(`SELECT count(*) AS count ${FROM}`).get(stream) as { count: number };
  const rows = db
    .prepare(`SELECT events.kind AS kind, t, iat, body, seq ${FROM} ORDER BY statement LIMIT ${MAX_EVENTS}`)
    .all(stream) as { kind: string; t: number | null; iat: number | null; body: string; seq: number }[];
  const events = rows.map(({ kind, t, iat, body, seq }) => ({
    at: t === null ? iat : t / MICROSECONDS,
    kind,
    detail: eventText(body),
    seq,
  }));
  return { events, moreEvents: count - events.length };
}

/** Members of a list that are shown. */
const MAX_LISTED = 3;

/** An event's JSON in a line: `reason: power cut; count: 12`. */
const eventText = (body: string): string =>
  Object.entries(JSON.parse(body) as Record<string, unknown>)
    .filter(([name]) => name !== "kind")
    .map(([name, value]) => `${name}: ${valueText(value)}`)
    .join("; ");

function valueText(value: unknown): string {
  if (Array.isArray(value)) {
    const shown = value.slice(0, MAX_LISTED).map(valueText).join(", ");
    return value.length > MAX_LISTED ? `${shown}, … (${value.length})` : shown === "" ? "–" : shown;
  }
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value).map(([name, one]) => `${name} ${valueText(one)}`);
    return `(${members.join(", ")})`;
  }
  return String(value);
}
