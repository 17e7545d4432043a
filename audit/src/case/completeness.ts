/**
 * Whether a case holds what it says it holds: the parts of chains that its manifest names, up to what the devices attested, and what is not here.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import {
  equalBytes,
  EvidenceError,
  SYSTEM_STREAM,
  toHex,
  type Findings,
  type Range,
} from "@tallystick/evidence";
import type { HeldChain } from "../facts/build.ts";
import { Orders } from "../facts/orders.ts";
import { isAsked, isOfDevice } from "./take/streams.ts";
import type { CaseChain, CaseManifest } from "./manifest.ts";

/** Ranges named in one reason; the rest are counted. */
const MAX_RANGES = 8;

/**
 * The manifest names each chain that is here, with as many statements.
 *
 * @throws EvidenceError `case-malformed`
 */
export function checkCounts(
  { chains, entries }: CaseManifest,
  held: readonly HeldChain[],
  items: number,
): void {
  const here = chains.filter(({ count }) => count > 0);
  if (here.length !== held.length) throw lie(`names ${here.length} chains, here are ${held.length}`);
  for (const [i, { iss, sub, ch, count }] of here.entries()) {
    const found = held[i];
    if (found?.iss !== iss || found.sub !== sub || !equalBytes(found.ch, ch))
      throw lie(`names ${iss}/${sub}, chain ${toHex(ch)}, where another one is`);
    if (found.count !== count)
      throw lie(`says ${count} statements of ${iss}/${sub}, here are ${found.count}`);
  }
  const sum = items + held.reduce((total, { count }) => total + count, 0);
  if (entries.here !== sum) throw lie(`says ${entries.here} entries are here, there are ${sum}`);
}

const lie = (what: string): EvidenceError => new EvidenceError("case-malformed", `case.json ${what}`);

/**
 * Reports `bundle-scope` (nothing of a part is here), `hole`, `tail-not-attested`.
 *
 * @param db - finished facts
 */
export function checkCase(
  manifest: CaseManifest,
  held: readonly HeldChain[],
  db: DatabaseSync,
  findings: Findings,
): void {
  const here = new Map(held.map((chain) => [nameOf(chain), chain]));
  const erased = erasedIn(manifest, new Orders(db));
  const isSupport = ({ iss, sub }: CaseChain): boolean =>
    sub === SYSTEM_STREAM
      ? !manifest.streams.some((asked) => asked.sub === sub && isOfDevice([asked], iss))
      : !isAsked(manifest.streams, { iss, sub });
  for (const chain of manifest.chains) {
    if (isSupport(chain)) continue; // heads, orders, the access: it claims nothing of its own
    const { iss, sub, from, to } = chain;
    const name = `${iss}/${sub} ${from}..${to}`;
    const found = here.get(nameOf(chain));
    const missing = found === undefined ? [{ from, to }] : missingWithin(db, found, from, to);
    for (const one of missing) {
      const why = whyMissing(one, erased.get(nameOf(chain)) ?? []);
      findings.restricted("completeness", "hole", `${name}: ${why}: ${rangeText(one)}${more(missing)}`);
    }
    if (!isAttested(chain, db)) {
      const reason = `${name}: no heads statement here names ${to}`;
      findings.restricted("completeness", "tail-not-attested", reason);
    } else if (missing.length === 0) findings.passed("completeness", `complete ${name}`);
  }
  checkNamed(manifest, db, findings);
  if (!manifest.chains.some((chain) => !isSupport(chain) && chain.count > 0))
    findings.missing("completeness", "bundle-scope", "the case has no statement of what was asked for");
}

/**
 * What devices named within the period is in it: of a chain that moved meanwhile, numbers up to the newest that is named. Else an anchor could end each chain
 * at some number that was attested once.
 */
function checkNamed(manifest: CaseManifest, db: DatabaseSync, findings: Findings): void {
  const { chains, streams, from, to } = manifest;
  const parts = new Map(chains.map((chain) => [nameOf(chain), chain]));
  for (const row of db.prepare(NAMED).iterate(from ?? 0, to ?? Number.MAX_SAFE_INTEGER)) {
    const named = row as unknown as Pick<CaseChain, "iss" | "sub" | "ch"> & { low: number; high: number };
    if (named.sub === SYSTEM_STREAM || !isAsked(streams, named)) continue;
    const part = parts.get(nameOf(named));
    // Where the period is open, all of a chain belongs to it; else what came since the first time it was named.
    const begin = part === undefined ? (from === null ? 0 : named.low + 1) : part.to + 1;
    if (named.high < begin) continue;
    const missing = rangeText({ from: begin, to: named.high });
    findings.restricted(
      "completeness",
      "hole",
      `${named.iss}/${named.sub}: named within the period, not here: ${missing}`,
    );
  }
}

const NAMED = `SELECT heads.iss, heads.sub, heads.ch, min(heads.seq) AS low, max(heads.seq) AS high FROM heads
  JOIN statements ON statements.id = heads.statement WHERE statements.iat >= ? AND statements.iat < ?
  GROUP BY heads.iss, heads.sub, heads.ch ORDER BY heads.iss, heads.sub, heads.ch`;

const nameOf = ({ iss, sub, ch }: Pick<CaseChain, "iss" | "sub" | "ch">): string =>
  `${iss}/${sub}/${toHex(ch)}`;

/** Numbers of the part that no statement here has. */
function missingWithin(db: DatabaseSync, chain: HeldChain, from: number, to: number): Range[] {
  const { last } = db.prepare("SELECT max(seq) AS last FROM statements WHERE chain = ?").get(chain.id) as {
    last: number;
  };
  const all = [...chain.missing, ...(last < to ? [{ from: last + 1, to }] : [])];
  return all.flatMap((range) => {
    const part = { from: Math.max(range.from, from), to: Math.min(range.to, to) };
    return part.from <= part.to ? [part] : [];
  });
}

function isAttested({ iss, sub, ch, to, attested }: CaseChain, db: DatabaseSync): boolean {
  if (attested === null || attested.seq < to) return false;
  return db.prepare(ATTESTED).get(iss, sub, ch, to, attested.heads) !== undefined;
}

/** The numbers of each chain that an order excuses, rising. */
function erasedIn({ withheld }: CaseManifest, orders: Orders): ReadonlyMap<string, readonly number[]> {
  const erased = new Map<string, Set<number>>();
  for (const { iss, sub, ch, from, to, why, by } of withheld) {
    if (why !== "erased" || by === null || from !== to) continue; // an order is of one statement
    if (orders.counting({ iss, sub, ch, seq: from }, toHex(by)) === undefined) continue;
    const name = nameOf({ iss, sub, ch });
    erased.set(name, (erased.get(name) ?? new Set()).add(from));
  }
  return new Map([...erased].map(([name, seqs]) => [name, [...seqs].sort((a, b) => a - b)]));
}

function whyMissing({ from, to }: Range, erased: readonly number[]): string {
  const count = countBelow(erased, to + 1) - countBelow(erased, from);
  if (count === 0) return "not here";
  return count === to - from + 1 ? "erased by order" : `${count} of them erased by order, the rest not here`;
}

/** How many of rising numbers are below `end`. */
function countBelow(rising: readonly number[], end: number): number {
  let [low, high] = [0, rising.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((rising[middle] ?? Infinity) < end) low = middle + 1;
    else high = middle;
  }
  return low;
}

const ATTESTED = `SELECT said.id FROM heads JOIN statements AS said ON said.id = heads.statement
  JOIN streams ON streams.iss = heads.iss AND streams.sub = heads.sub
  JOIN chains ON chains.stream = streams.id AND chains.ch = heads.ch
  JOIN statements AS last ON last.chain = chains.id AND last.seq = heads.seq AND last.hash = heads.hash
  WHERE heads.iss = ? AND heads.sub = ? AND heads.ch = ? AND heads.seq = ? AND said.hash = ?
  AND said.standing IN ('good', 'restricted', 'unproven')`;

const rangeText = ({ from, to }: Range): string => (from === to ? `${from}` : `${from}..${to}`);

const more = (all: readonly Range[]): string =>
  all.length > MAX_RANGES ? `, one of ${all.length} parts` : "";
