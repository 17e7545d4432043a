/**
 * Lines and events without a common key: matched by time, stream by stream, in clusters of what can touch one another.
 *
 * @module
 */
import { ConfigError } from "@tallystick/evidence/node";
import { facetSql } from "../fields.ts";
import type { ReconcileMap } from "../map/schema.ts";
import type { Work } from "../work.ts";
import { assign, exchange, type Candidate, type Claim } from "./assign.ts";

type LineRow = Claim & { readonly n: number; readonly line: number };
type EventRow = Candidate & { readonly id: number };

const REPEATED = "repeats-a-line";
const AMBIGUOUS = "ambiguous-window";

/**
 * Fills `hits`, and tells in `remarks` which lines are ambiguous, and which are left over because they repeat another one.
 *
 * @throws ConfigError where a window is too wide for the traffic
 */
export function matchByWindow(work: Work, map: ReconcileMap): void {
  const { match, csv } = map;
  if (match?.by !== "window") return;
  const { db } = work;
  const byStream = csv.columns.account !== undefined;
  db.exec(`BEGIN;
    CREATE TABLE claims(stream INTEGER NOT NULL, facet TEXT NOT NULL, t INTEGER NOT NULL, value TEXT NOT NULL, n INTEGER NOT NULL,
      PRIMARY KEY (stream, facet, t, value, n)) WITHOUT ROWID;
    CREATE TABLE candidates(stream INTEGER NOT NULL, facet TEXT NOT NULL, t INTEGER NOT NULL, id INTEGER NOT NULL, value TEXT NOT NULL,
      PRIMARY KEY (stream, facet, t, id)) WITHOUT ROWID;
    CREATE TABLE remarks(n INTEGER PRIMARY KEY, reason TEXT NOT NULL);
    INSERT INTO claims SELECT ${byStream ? "k.stream" : "0"}, coalesce(l.facet, ''), l.t, coalesce(l.minor || ' ' || l.currency, ''), l.n
      FROM lines l ${byStream ? "JOIN lookup k ON k.id = l.place AND k.stream IS NOT NULL" : ""} WHERE l.type = 'charge' AND l.t IS NOT NULL;
    INSERT INTO candidates SELECT ${byStream ? "p.stream" : "0"}, coalesce(p.facet, ''), p.t, p.id, coalesce(${valueSql(map)}, '')
      FROM proofs p JOIN facts.events e ON e.statement = p.id WHERE p.head = p.id AND p.t IS NOT NULL`);
  const read = {
    lines: db.prepare(
      `SELECT c.t, c.value, c.n, l.line FROM claims c JOIN lines l ON l.n = c.n WHERE c.stream = ? AND c.facet = ? ORDER BY c.t, c.value, c.n`,
    ),
    events: db.prepare("SELECT t, value, id FROM candidates WHERE stream = ? AND facet = ? ORDER BY t, id"),
  };
  const hit = db.prepare("INSERT OR IGNORE INTO hits VALUES (?, ?)");
  const remark = db.prepare("INSERT OR IGNORE INTO remarks VALUES (?, ?)");
  for (const { stream, facet } of partitions(db)) {
    const clusters = clustersOf(
      read.lines.iterate(stream, facet) as Iterable<LineRow>,
      (read.events.iterate(stream, facet) as Iterable<EventRow>)[Symbol.iterator](),
      match,
    );
    for (const { lines, events } of clusters) {
      const found = assign(lines, events, match);
      if (found === undefined) throw new ConfigError([tooWide(lines)]);
      exchange(lines, found.events, (i, j) => lines[i]?.value === events[j]?.value);
      let [first, firstHasEvent] = [lines[0], false];
      for (const [i, line] of lines.entries()) {
        const { n } = line;
        const event = events[found.events[i] ?? -1];
        if (i === 0 || first?.t !== line.t || first.value !== line.value)
          [first, firstHasEvent] = [line, event !== undefined];
        if (event !== undefined) hit.run(n, event.id);
        else if (firstHasEvent) remark.run(n, REPEATED);
        if (found.ambiguous[i] === 1) remark.run(n, AMBIGUOUS);
      }
    }
  }
  db.exec("COMMIT");
}

/** What an event would prove, as far as it is compared: its amount, or what its tariff goes by. */
function valueSql({ amount }: ReconcileMap): string {
  if (amount.by === "none") return "NULL";
  if (amount.by === "event") return "p.minor || ' ' || p.currency";
  return facetSql(
    (amount.tariff?.key ?? [])
      .filter((one) => !one.startsWith("column:"))
      .map((one) => one.replace(/^last\./, "")),
  );
}

function partitions(db: Work["db"]): { stream: number; facet: string }[] {
  return db.prepare("SELECT DISTINCT stream, facet FROM claims ORDER BY stream, facet").all() as {
    stream: number;
    facet: string;
  }[];
}

type Cluster = { readonly lines: readonly LineRow[]; readonly events: readonly EventRow[] };

/**
 * Cuts the lines of a stream where no event is in reach of both sides.
 *
 * @param lines - by time; `events` too
 */
export function* clustersOf<L extends Claim, E extends Candidate>(
  lines: Iterable<L>,
  events: Iterator<E>,
  { before, after }: { readonly before: number; readonly after: number },
): Generator<{ readonly lines: readonly L[]; readonly events: readonly E[] }> {
  let open: { readonly lines: L[]; events: E[] } = { lines: [], events: [] };
  let next = events.next();
  for (const line of lines) {
    const from = line.t - before;
    if (open.lines.length > 0 && (open.events.at(-1)?.t ?? -Infinity) < from) {
      yield open;
      open = { lines: [], events: [] };
    }
    open.lines.push(line);
    for (; next.done !== true && next.value.t <= line.t + after; next = events.next()) {
      if (next.value.t >= from) open.events.push(next.value);
    }
  }
  if (open.lines.length > 0) yield open;
}

const tooWide = (lines: Cluster["lines"]): string =>
  `match: the window is too wide: from line ${lines[0]?.line} on it joins ${lines.length} lines to one knot; make match.before and match.after smaller, or add to match.same what tells passages apart`;
