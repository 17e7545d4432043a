/**
 * The chains of one stream, out of the facts: which numbers are here, whether the last was confirmed, and between which moments they were signed.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import { toHex, type Scope } from "@tallystick/evidence";
import type { ChainView } from "./evidence.ts";

type Around = {
  /** Parts of chains that somebody says are complete. */
  readonly claimed: readonly Scope[];
  readonly standings: string;
  /** Trees that devices saw are of the log's history: without this nothing is bounded by them. */
  readonly seenHolds: boolean;
};
type Stream = { readonly id: number; readonly iss: string; readonly sub: string };
type Held = {
  readonly count: number;
  readonly first: number;
  readonly last: number;
  readonly notAfter: number | null;
  readonly leastSeen: number | null;
  readonly unseen: number;
  readonly sealedFirst: number | null;
  readonly sealedLast: number | null;
};

/** In the order in which they follow one another. */
export function chainViews(db: DatabaseSync, stream: Stream, around: Around): ChainView[] {
  const chains = db.prepare("SELECT id, ch FROM chains WHERE stream = ? ORDER BY ordinal, id").all(stream.id);
  return (chains as { id: number; ch: Uint8Array }[]).flatMap(({ id, ch }) => {
    const held = db
      .prepare(
        `SELECT count(*) AS count, min(seq) AS first, max(seq) AS last, max(committed) AS notAfter, min(seen) AS leastSeen,
         count(*) - count(seen) AS unseen, min(iat) AS sealedFirst, max(iat) AS sealedLast
         FROM statements WHERE chain = ? AND standing IN ${around.standings}`,
      )
      .get(id) as Held | undefined;
    const name = toHex(ch);
    const claim = around.claimed.find(
      (one) => one.iss === stream.iss && one.sub === stream.sub && toHex(one.ch) === name,
    );
    if (held === undefined || (held.count === 0 && claim === undefined)) return [];
    return [chainView(db, { ...stream, chain: id, ch }, held, claim, around)];
  });
}

function chainView(
  db: DatabaseSync,
  { chain, iss, sub, ch }: Stream & { readonly chain: number; readonly ch: Uint8Array },
  held: Held,
  claim: Scope | undefined,
  { standings, seenHolds }: Around,
): ChainView {
  const [from, to] = [claim?.from ?? held.first, claim?.to ?? held.last];
  const missing = holes(db, chain, standings, from, to, held.count);
  const attested = db.prepare(ATTESTED).get(iss, sub, ch, to, chain) !== undefined;
  return {
    ch: toHex(ch),
    from,
    to,
    held: held.count,
    isClaimed: claim !== undefined,
    missing,
    attested,
    notBefore: seenHolds ? notBefore(db, chain, standings, held, missing.length === 0) : null,
    notAfter: held.notAfter,
    sealed:
      held.sealedFirst === null || held.sealedLast === null
        ? null
        : { first: held.sealedFirst, last: held.sealedLast },
  };
}

/** A `heads` here names the last number with the hash that is held. */
const ATTESTED = `SELECT 1 FROM heads JOIN statements ON statements.seq = heads.seq AND statements.hash = heads.hash
  WHERE heads.iss = ? AND heads.sub = ? AND heads.ch = ? AND heads.seq = ? AND statements.chain = ? LIMIT 1`;

/** Numbers within `from` to `to` that aren't here. */
function holes(
  db: DatabaseSync,
  chain: number,
  standings: string,
  from: number,
  to: number,
  count: number,
): { from: number; to: number }[] {
  if (count === 0) return [{ from, to }];
  const rows = db
    .prepare(
      `SELECT seq, before FROM (SELECT seq, lag(seq) OVER (ORDER BY seq) AS before FROM statements
       WHERE chain = ? AND seq BETWEEN ? AND ? AND standing IN ${standings}) WHERE before IS NULL AND seq > ? OR seq > before + 1`,
    )
    .all(chain, from, to, from) as { seq: number; before: number | null }[];
  const found = rows.map(({ seq, before }) => ({ from: before === null ? from : before + 1, to: seq - 1 }));
  const { last } = db
    .prepare(
      `SELECT max(seq) AS last FROM statements WHERE chain = ? AND seq BETWEEN ? AND ? AND standing IN ${standings}`,
    )
    .get(chain, from, to) as { last: number | null };
  if (last === null) return [{ from, to }];
  return last < to ? [...found, { from: last + 1, to }] : found;
}

/**
 * Before this none of them was signed: the time of the newest tree that the first one names as seen. Where numbers are missing, or the first names
 * none, each must name one itself.
 */
function notBefore(
  db: DatabaseSync,
  chain: number,
  standings: string,
  { leastSeen, unseen }: Held,
  isWhole: boolean,
): number | null {
  const first = db
    .prepare(`SELECT seen FROM statements WHERE chain = ? AND standing IN ${standings} ORDER BY seq LIMIT 1`)
    .get(chain) as { seen: number | null } | undefined;
  const size = isWhole ? (first?.seen ?? null) : unseen === 0 ? leastSeen : null;
  if (size === null) return null;
  const { time } = db.prepare("SELECT max(time) AS time FROM trees WHERE size <= ?").get(size) as {
    time: number | null;
  };
  return time;
}
