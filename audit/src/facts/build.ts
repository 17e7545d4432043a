/**
 * Puts facts together: takes judged statements in their order, keeps what they say, and applies what several of them say about one another.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import {
  compareBytes,
  EvidenceError,
  equalBytes,
  toHex,
  type Findings,
  type Range,
} from "@tallystick/evidence";
import { ChainRules, type StreamEnd } from "./chain-rules.ts";
import type { StatementFacts } from "./extract.ts";
import { standingOf } from "./judge.ts";
import { finishFacts } from "./schema.ts";
import { FactsWriter } from "./write.ts";

/** What is here of one chain: so many statements, and before the last of them these numbers are missing. */
export type HeldChain = {
  readonly iss: string;
  readonly sub: string;
  readonly ch: Uint8Array;
  readonly id: number;
  count: number;
  readonly missing: Range[];
};

export type FactsRules = {
  readonly findings: Findings;
  /** True for a key that came by re-enrolment: it covers a lost beginning. */
  readonly reEnrolled: (kid: Uint8Array) => boolean;
};

export class FactsBuild {
  readonly writer: FactsWriter;
  readonly #db: DatabaseSync;
  readonly #findings: Findings;
  readonly #rules: ChainRules;
  readonly #ends: StreamEnd[] = [];
  readonly #chains = new Set<string>();
  #stream: { readonly id: number; readonly iss: string; readonly sub: string } | undefined;
  #chain: { readonly id: number; readonly ch: Uint8Array } | undefined;
  #last: { readonly seq: number; readonly idx: number | null } = { seq: -1, idx: null };
  readonly #held: HeldChain[] = [];
  #count = 0;

  constructor(db: DatabaseSync, { findings, reEnrolled }: FactsRules) {
    this.#db = db;
    this.writer = new FactsWriter(db);
    this.#findings = findings;
    this.#rules = new ChainRules(findings, reEnrolled);
  }

  /** What is here of the chains so far, in their order. */
  get held(): readonly HeldChain[] {
    return this.#held;
  }

  /** Statements so far. */
  get count(): number {
    return this.#count;
  }

  /**
   * Takes the next statement.
   *
   * @param file - of a case, the number of the file in which it stands
   * @throws EvidenceError `case-malformed` where it is not the next by (iss, sub), chain and number
   */
  add(one: StatementFacts, file: number): void {
    const stream = this.#openStream(one);
    const chain = this.#openChain(one, stream);
    this.#checkOrder(one);
    const id = ++this.#count;
    const { standing, code } = standingOf(one.found);
    const { tree, newest, seen } = one;
    // What it saw of another log is no size of this one.
    const isOfThisLog = (seen?.origin ?? tree?.origin) === tree?.origin;
    this.writer.statement({
      id,
      stream,
      chain,
      seq: one.seq,
      hash: one.hash,
      prev: one.prev,
      idx: one.idx,
      committed: tree?.timeUnixS ?? null,
      iat: one.iat,
      tq: one.tq,
      lvl: one.lvl,
      seen: isOfThisLog ? (seen?.size ?? null) : null,
      kid: one.kid,
      kind: one.kind,
      standing,
      code,
      file,
      offset: one.offset,
      length: one.length,
    });
    for (const reading of one.readings) this.writer.reading(id, stream, reading);
    if (one.event !== null) this.writer.event(id, stream, one.event);
    for (const { kind: how, check, code: found, reason } of one.found)
      this.#findings[how](check, found, reason);
    if (tree !== null) this.writer.tree(tree);
    if (newest !== null) this.writer.tree(newest);
    if (!one.signed) return;
    if (seen !== null) this.writer.seen(seen);
    for (const head of one.heads ?? []) this.writer.head(id, one.iss, head);
    this.#rules.statement(one);
  }

  /** Ends the rows, makes the indexes, and applies the rules that look across chains. Rows of other tables are to be written before. */
  finish(): void {
    this.#endStream();
    for (const { ordered } of this.#ends)
      for (const [ordinal, id] of ordered.entries()) this.writer.ordinal(id, ordinal);
    this.writer.commit();
    finishFacts(this.#db);
    this.#predecessors();
    this.#contradictedHeads();
    for (const { hash, code } of this.#rules.marks) this.writer.mark(hash, code);
    this.#findings.passed("chains");
  }

  /** A head that somebody names: the statement held at its place is that one, or one of the two is a second one. Reports `fork`. */
  named({ iss, sub, ch, seq, hash }: NamedPlace, by: string): void {
    const rows = this.#db.prepare(HELD_AT).all(iss, sub, ch, seq) as { hash: Uint8Array }[];
    for (const held of rows) {
      if (equalBytes(held.hash, hash)) continue;
      const reason = `${by} names ${toHex(hash)}, here is ${toHex(held.hash)}`;
      this.#rules.contradiction(`${iss}/${sub}`, seq, reason, [held.hash]);
    }
  }

  #openStream({ iss, sub }: StatementFacts): number {
    const open = this.#stream;
    if (open?.iss === iss && open.sub === sub) return open.id;
    if (open !== undefined && compareNames(open, { iss, sub }) >= 0)
      throw new EvidenceError("case-malformed", `${iss}/${sub} stands behind ${open.iss}/${open.sub}`);
    this.#endStream();
    const id = this.writer.stream(iss, sub);
    this.#stream = { id, iss, sub };
    this.#chain = undefined;
    this.#rules.stream(iss, sub);
    return id;
  }

  #openChain({ iss, sub, ch: read }: StatementFacts, stream: number): number {
    const open = this.#chain;
    if (open !== undefined && equalBytes(open.ch, read)) return open.id;
    const ch = read.slice(); // a view would keep all that was read with it
    const name = `${iss}/${sub}/${toHex(ch)}`;
    if (ch.length === 0 || this.#chains.has(name))
      throw new EvidenceError("case-malformed", `${name}: a chain that stands in two places, or no chain`);
    this.#chains.add(name);
    const id = this.writer.chain(stream, ch);
    this.#chain = { id, ch };
    this.#last = { seq: -1, idx: null };
    this.#held.push({ iss, sub, ch, id, count: 0, missing: [] });
    this.#rules.chain(id, ch);
    return id;
  }

  #checkOrder({ iss, sub, seq, idx }: StatementFacts): void {
    const { seq: before, idx: beforeIdx } = this.#last;
    const rival = seq === before && idx !== null && beforeIdx !== null && idx > beforeIdx;
    if (seq <= before && !rival)
      throw new EvidenceError("case-malformed", `${iss}/${sub}: number ${seq} stands behind ${before}`);
    const held = this.#held.at(-1);
    if (held !== undefined) {
      held.count++;
      if (seq > before + 1) held.missing.push({ from: before + 1, to: seq - 1 });
    }
    this.#last = { seq, idx };
  }

  #endStream(): void {
    if (this.#stream !== undefined) this.#ends.push(this.#rules.endStream());
  }

  /** An opening names the statement before it: the one held at that place is that one. */
  #predecessors(): void {
    const at = this.#db.prepare("SELECT hash FROM statements WHERE chain = ? AND seq = ?");
    for (const { opening, chain } of this.#ends.flatMap(({ named }) => named)) {
      const { before } = opening;
      if (before === "none" || "lost" in before) continue;
      const rows = at.all(chain, before.seq) as { hash: Uint8Array }[];
      if (rows.length === 0 || rows.some(({ hash }) => equalBytes(hash, before.hash))) continue;
      const reason = `head: the next chain names ${toHex(before.hash)}, here is ${toHex(rows[0]?.hash ?? before.hash)}`;
      const hashes = [opening.hash, ...rows.map(({ hash }) => hash)];
      this.#rules.contradiction(`chain ${toHex(before.ch)}`, before.seq, reason, hashes);
    }
  }

  #contradictedHeads(): void {
    for (const row of this.#db.prepare(CONTRADICTED).iterate()) {
      const { iss, sub, seq, held, named } = row as unknown as Contradicted;
      const reason = `the device's heads name ${toHex(named)}, here is ${toHex(held)}`;
      this.#rules.contradiction(`${iss}/${sub}`, seq, reason, [held]);
    }
  }
}

type NamedPlace = StreamName & { readonly ch: Uint8Array; readonly seq: number; readonly hash: Uint8Array };
type Contradicted = {
  readonly iss: string;
  readonly sub: string;
  readonly seq: number;
  readonly held: Uint8Array;
  readonly named: Uint8Array;
};

const HELD_AT = `SELECT statements.hash FROM streams JOIN chains ON chains.stream = streams.id
  JOIN statements ON statements.chain = chains.id WHERE iss = ? AND sub = ? AND ch = ? AND seq = ?`;

const CONTRADICTED = `SELECT streams.iss, streams.sub, statements.seq, statements.hash AS held, heads.hash AS named
  FROM heads JOIN streams ON streams.iss = heads.iss AND streams.sub = heads.sub
  JOIN chains ON chains.stream = streams.id AND chains.ch = heads.ch
  JOIN statements ON statements.chain = chains.id AND statements.seq = heads.seq
  WHERE statements.hash <> heads.hash`;

type StreamName = { readonly iss: string; readonly sub: string };

/** The order of streams: by the bytes of iss, then of sub. */
export const compareNames = (a: StreamName, b: StreamName): number =>
  compareTexts(a.iss, b.iss) || compareTexts(a.sub, b.sub);

const compareTexts = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** The order of statements in the facts of a bundle: streams, chains by their ids, numbers, places. */
export const compareFacts = (a: StatementFacts, b: StatementFacts): number =>
  compareNames(a, b) || compareBytes(a.ch, b.ch) || a.seq - b.seq || (a.idx ?? -1) - (b.idx ?? -1);
