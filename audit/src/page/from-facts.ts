/**
 * What a report shows of a case or a bundle, out of its facts. Rows pass by one at a time: what is kept is bounded, however many there are.
 *
 * @module
 */
import { toHex, type Scope, type TrustPolicy } from "@tallystick/evidence";
import type { DatabaseSync } from "node:sqlite";
import type { Facts } from "../facts/open.ts";
import { chainViews } from "./facts-chains.ts";
import { daysOf } from "./facts-days.ts";
import { keyViews } from "./facts-keys.ts";
import { eventsOf, seriesOf } from "./facts-values.ts";
import { MAX_DOUBTS, MAX_STREAMS, type DoubtView, type EvidenceView, type StreamView } from "./evidence.ts";

/** Which statements are shown: those that prove something; where nothing is established, all that aren't wrong. */
const standingsOf = (isEstablished: boolean): string =>
  isEstablished ? "('good', 'restricted')" : "('good', 'restricted', 'unproven')";

/**
 * @param claimed - what the evidence claims to be complete
 * @param isEstablished - false where the verdict is `not-verifiable`
 */
export function viewOfFacts(
  { db, log, judgement }: Facts,
  policy: TrustPolicy,
  claimed: readonly Scope[],
  isEstablished: boolean,
): EvidenceView {
  const standings = standingsOf(isEstablished);
  const seenHolds = rowsPassed(judgement.checks, "seen");
  const { count } = db.prepare("SELECT count(*) AS count FROM streams").get() as { count: number };
  const rows = db.prepare(`SELECT id, iss, sub FROM streams ORDER BY id LIMIT ${MAX_STREAMS}`).all();
  const counts = countsOf(db, standings);
  const streams = (rows as { id: number; iss: string; sub: string }[]).map(({ id, iss, sub }): StreamView => {
    const { statements, levels, clocks } = counts.get(id) ?? noCounts();
    return {
      iss,
      sub,
      statements,
      levels,
      clocks,
      chains: chainViews(db, { id, iss, sub }, { claimed, standings, seenHolds }),
      ...seriesOf(db, id, standings),
      ...eventsOf(db, id, standings),
      days: isEstablished ? daysOf(db, { id, iss, sub }, claimed) : [],
    };
  });
  return {
    logs: log === null ? [] : [log],
    statements: [...counts.values()].reduce((sum, one) => sum + one.statements, 0),
    streams,
    moreStreams: count - streams.length,
    ...keyViews(db, policy),
    ...doubtsOf(db),
  };
}

/** True where a check passed, and nothing of it was left open. */
function rowsPassed(checks: Facts["judgement"]["checks"], name: string): boolean {
  const rows = checks.filter((row) => row.name === name);
  return rows.length > 0 && rows.every(({ result }) => result === "passed");
}

type Counts = {
  statements: number;
  levels: [number, number, number];
  clocks: [number, number, number, number];
};
const noCounts = (): Counts => ({ statements: 0, levels: [0, 0, 0], clocks: [0, 0, 0, 0] });

function countsOf(db: DatabaseSync, standings: string): Map<number, Counts> {
  const counts = new Map<number, Counts>();
  const rows = db.prepare(
    `SELECT stream, lvl, tq, count(*) AS count FROM statements WHERE standing IN ${standings} GROUP BY stream, lvl, tq`,
  );
  for (const row of rows.iterate()) {
    const { stream, lvl, tq, count } = row as {
      stream: number;
      lvl: 0 | 1 | 2;
      tq: 0 | 1 | 2 | 3;
      count: number;
    };
    const known = counts.get(stream) ?? noCounts();
    counts.set(stream, known);
    known.statements += count;
    known.levels[lvl] += count;
    known.clocks[tq] += count;
  }
  return counts;
}

/** Wrong ones before those that lack something. */
export function doubtsOf(db: DatabaseSync): { doubts: DoubtView[]; moreDoubts: number } {
  const WHERE = "standing IN ('bad', 'unproven')";
  const { count } = db.prepare(`SELECT count(*) AS count FROM statements WHERE ${WHERE}`).get() as {
    count: number;
  };
  const rows = db.prepare(
    `SELECT iss, sub, seq, hash, standing, code FROM statements JOIN streams ON streams.id = stream WHERE ${WHERE} ORDER BY standing, statements.id LIMIT ${MAX_DOUBTS}`,
  );
  const doubts = (
    rows.all() as (Omit<DoubtView, "hash" | "code"> & { hash: Uint8Array; code: string | null })[]
  ).map((row) => ({ ...row, hash: toHex(row.hash), code: row.code ?? "" }));
  return { doubts, moreDoubts: count - doubts.length };
}
