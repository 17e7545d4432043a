/**
 * Lays a case beside a whole log: behind every leaf up to the case's checkpoint there must be a statement or a registry item that is here, or the word of somebody that
 * it was erased by order. What an archive has lost, or doesn't show, is named by its places in the log.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import { HASH_BYTES, TILE_WIDTH, tileWidth, toHex } from "@tallystick/evidence";
import type { Place, Progress } from "@tallystick/evidence/node";
import type { Facts } from "../facts/open.ts";
import { Orders } from "../facts/orders.ts";
import { counted, type CheckRow, type Judgement } from "../judgement.ts";
import { ENTRY_BYTES, readEntries } from "./tile-files.ts";

/** Gaps that are named; the rest are counted. */
const MAX_NAMED = 20;

type Range = { readonly from: number; readonly to: number };

/**
 * The judgement on a log with what its archive lacks: `hole`. A case that doesn't hold by itself proves no leaf.
 *
 * @param size - of the log that was audited; a case of more than that is of a later tree
 * @throws EvidenceError `unreachable`, `http-answer` where the entries can't be read
 */
export async function withArchive(
  judgement: Judgement,
  facts: Facts,
  place: Place,
  size: number,
  progress: Progress,
): Promise<Judgement> {
  const rows: CheckRow[] = [];
  const failed = (code: "hole" | "case-malformed", reason: string): void => {
    rows.push({ name: "archive", result: "failed", code, reason });
  };
  const { verdict, code } = facts.judgement;
  const upTo = facts.log?.size ?? 0;
  if (verdict === "invalid" || verdict === "not-verifiable") {
    rows.push({
      name: "archive",
      result: "failed",
      code: code ?? "case-malformed",
      reason: "the case doesn't hold by itself",
    });
  } else if (upTo > size) {
    failed("case-malformed", `the case is of ${upTo} entries, the log here has ${size}`);
  } else {
    const { ranges, erased } = await lacking(facts.db, place, upTo, size, progress);
    const leaves = ranges.reduce((sum, { from, to }) => sum + to - from + 1, 0);
    for (const { from, to } of ranges.slice(0, MAX_NAMED))
      failed(
        "hole",
        `${from === to ? `entry ${from}` : `entries ${from} to ${to}`}: neither a statement nor an order that counts to erase it`,
      );
    if (ranges.length > MAX_NAMED)
      failed("hole", `and ${ranges.length - MAX_NAMED} more stretches, ${leaves} entries in all`);
    if (ranges.length === 0)
      rows.push({
        name: "archive",
        result: "passed",
        reason: `a statement or an order for each of ${counted(upTo, "entry").replace("entrys", "entries")}; erased: ${erased}`,
      });
    if (upTo < size)
      rows.push({
        name: "archive",
        result: "not-done",
        reason: `entries from ${upTo} on are younger than the case`,
      });
  }
  const checks = [...judgement.checks, ...rows];
  const wrong = rows.find(({ result }) => result === "failed")?.code;
  if (judgement.verdict === "invalid" || wrong === undefined) return { ...judgement, checks };
  return { verdict: "invalid", code: wrong, restrictions: judgement.restrictions, checks };
}

/** Leaves with nothing behind them, and how many were erased. */
async function lacking(
  db: DatabaseSync,
  place: Place,
  upTo: number,
  size: number,
  progress: Progress,
): Promise<{ readonly ranges: readonly Range[]; readonly erased: number }> {
  const ordered = new Orders(db).erased();
  const ranges: Range[] = [];
  let erased = 0;
  for (const { from, to } of gaps(db, upTo)) {
    for await (const { index, hash } of entriesOf(place, from, to, size)) {
      progress.update(index, upTo, "entries");
      const last = ranges.at(-1);
      if (ordered.has(hash)) erased++;
      else if (last?.to === index - 1) ranges[ranges.length - 1] = { from: last.from, to: index };
      else ranges.push({ from: index, to: index });
    }
  }
  return { ranges, erased };
}

/** Indexes below `upTo` that nothing in the facts has. */
function* gaps(db: DatabaseSync, upTo: number): Generator<Range> {
  let next = 0;
  for (const row of db.prepare(PLACES).iterate(upTo)) {
    const { idx } = row as { idx: number };
    if (idx > next) yield { from: next, to: idx - 1 };
    next = idx + 1;
  }
  if (next < upTo) yield { from: next, to: upTo - 1 };
}

/** The log's own entries from `from` to `to`, in hexadecimal. */
async function* entriesOf(
  place: Place,
  from: number,
  to: number,
  size: number,
): AsyncGenerator<{ readonly index: number; readonly hash: string }> {
  for (let tile = Math.floor(from / TILE_WIDTH); tile * TILE_WIDTH <= to; tile++) {
    const bytes = await readEntries(place, tile, tileWidth(0, tile, size));
    const first = tile * TILE_WIDTH;
    for (let index = Math.max(from, first); index <= Math.min(to, first + TILE_WIDTH - 1); index++) {
      const at = (index - first) * ENTRY_BYTES + 2;
      yield { index, hash: toHex(bytes.subarray(at, at + HASH_BYTES)) };
    }
  }
}

const PLACES = `SELECT idx FROM statements WHERE idx < ?1 AND standing IN ('good', 'restricted')
  UNION SELECT idx FROM items WHERE idx < ?1 ORDER BY idx`;
