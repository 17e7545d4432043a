/**
 * What a case is about, in lines for people.
 *
 * @module
 */
import { toHex } from "@tallystick/evidence";
import { counted } from "../judgement.ts";
import type { Facts } from "./open.ts";

/** Chains that are listed; the rest are counted. */
const MAX_CHAINS = 50;

type Line = {
  readonly iss: string;
  readonly sub: string;
  readonly ch: Uint8Array;
  readonly count: number;
  readonly first: number;
  readonly last: number;
  readonly good: number;
  readonly since: number | null;
  readonly until: number | null;
};

/** Where it stands, what it has of each chain, and what is not in it. */
export function summarizeFacts({ db, log, sha256, files }: Facts): string[] {
  const count = (sql: string): number => (db.prepare(sql).get() as { n: number }).n;
  const statements = count("SELECT count(*) AS n FROM statements");
  const readings = count("SELECT count(*) AS n FROM readings");
  const lines = [`${files === null ? "bundle" : "case"} ${sha256}`];
  if (log !== null) lines.push(`log ${log.origin}: at size ${log.size}, root ${log.root}`);
  lines.push(`${counted(statements, "statement")}, ${counted(readings, "reading")}`);
  for (const row of db.prepare(CHAINS).all(MAX_CHAINS)) lines.push(chainLine(row as Line));
  const chains = count("SELECT count(*) AS n FROM chains");
  if (chains > MAX_CHAINS) lines.push(`and ${counted(chains - MAX_CHAINS, "more chain")}`);
  const withheld = db
    .prepare("SELECT why, sum(last - first + 1) AS n FROM withheld GROUP BY why ORDER BY why")
    .all();
  for (const { why, n } of withheld as { why: string; n: number }[])
    lines.push(
      `not in it: ${counted(n, "statement")}, ${why === "erased" ? "erased by order, as the case says" : "not handed over"}`,
    );
  return lines;
}

const CHAINS = `SELECT iss, sub, ch, count(*) AS count, min(seq) AS first, max(seq) AS last, sum(standing IN ('good', 'restricted')) AS good,
  min(committed) AS since, max(committed) AS until FROM chains JOIN streams ON streams.id = chains.stream
  JOIN statements ON statements.chain = chains.id GROUP BY chains.id ORDER BY chains.id LIMIT ?`;

function chainLine({ iss, sub, ch, count, first, last, good, since, until }: Line): string {
  const proven = good === count ? "" : `, ${good} of them proven`;
  const times = since === null || until === null ? "" : `, committed ${iso(since)} to ${iso(until)}`;
  return `${iss}/${sub}, chain ${toHex(ch)}: ${counted(count, "statement")} from ${first} to ${last}${proven}${times}`;
}

const iso = (unixS: number): string => {
  const date = new Date(unixS * 1000);
  return Number.isNaN(date.getTime()) ? String(unixS) : date.toISOString().replace(".000Z", "Z");
};
