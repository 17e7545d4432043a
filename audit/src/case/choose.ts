/**
 * Chooses statements of facts for a bundle: by hash, or streams by numbers or commit time.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import { EvidenceError, fromHex } from "@tallystick/evidence";
import type { Period, StreamName } from "../bundle/period.ts";

/** @throws EvidenceError `bundle-scope` where one of them isn't here */
export function idsOfHashes(db: DatabaseSync, hashes: readonly string[]): number[] {
  const find = db.prepare("SELECT id FROM statements WHERE hash = ?");
  return hashes.map((hash) => {
    const row = find.get(fromHex(hash)) as { id: number } | undefined;
    if (row === undefined) throw new EvidenceError("bundle-scope", `no statement ${hash} is here`);
    return row.id;
  });
}

/** @throws EvidenceError `bundle-scope` where a stream has none of the period here */
export function idsOfStreams(db: DatabaseSync, streams: readonly StreamName[], period: Period): number[] {
  const column = period.by === "seq" ? "seq" : "committed";
  // A period of time ends before its end, one of numbers with it; committed times are whole seconds.
  const [from, to] =
    period.by === "seq"
      ? [period.from, period.to]
      : [period.fromS, period.toS === Infinity ? Number.MAX_SAFE_INTEGER : Math.ceil(period.toS) - 1];
  const find = db.prepare(
    `SELECT statements.id FROM statements JOIN streams ON streams.id = statements.stream
     WHERE iss = ? AND sub = ? AND ${column} BETWEEN ? AND ? ORDER BY statements.id`,
  );
  return streams.flatMap(({ iss, sub }) => {
    const rows = find.all(iss, sub, from, to) as { id: number }[];
    if (rows.length === 0)
      throw new EvidenceError("bundle-scope", `nothing of ${iss}/${sub} is here in this period`);
    return rows.map(({ id }) => id);
  });
}
