/**
 * What coverage reads of the facts (docs/auditing.md): row by row, nothing kept. All its questions to the database are in this file, but for those about orders to erase.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";

export type StreamName = { readonly iss: string; readonly sub: string };
export type StreamRow = StreamName & { readonly id: number };
export type ChainRow = { readonly id: number; readonly ch: Uint8Array };

export type StatementRow = {
  readonly id: number;
  readonly seq: number;
  readonly hash: Uint8Array;
  readonly idx: number | null;
  readonly committed: number | null;
  readonly iat: number | null;
  readonly tq: number;
  readonly kid: Uint8Array;
  readonly kind: string;
  /** Time of its event, where that has one of its own. */
  readonly t: number | null;
  readonly standing: "good" | "restricted" | "unproven" | "bad";
  readonly code: string | null;
};

/** A reading as time sees it. */
export type TimedRow = {
  readonly statement: number;
  readonly name: string;
  readonly t: number | null;
  readonly rx: number | null;
  readonly q: string;
};

/** A reading as a register. */
export type ValueRow = {
  readonly name: string;
  readonly t: number;
  readonly v: string | null;
  readonly float: number | null;
  readonly vs: string | null;
  readonly unit: string | null;
  readonly chain: number;
  readonly seq: number;
};

/** An event of a stream, with what its statement says. */
export type EventRow = {
  readonly kind: string;
  readonly body: string;
  readonly chain: number;
  readonly seq: number;
  readonly idx: number | null;
  readonly iat: number | null;
  readonly committed: number | null;
  readonly kid: Uint8Array;
};

export type HeadRow = {
  readonly seq: number;
  readonly hash: Uint8Array;
  readonly iat: number | null;
  readonly committed: number | null;
};

export type WithheldRow = {
  readonly first: number;
  readonly last: number;
  readonly why: string;
  readonly by: string | null;
};

export type CommitRow = {
  readonly committed: number;
  readonly kid: Uint8Array;
  readonly chain: number;
  readonly seq: number;
};

const OF_DEVICE = "streams JOIN chains c ON c.stream = streams.id JOIN statements s ON s.chain = c.id";
const PROVES = "s.standing IN ('good', 'restricted')";

export class FactsView {
  readonly #db: DatabaseSync;
  #newest: number | undefined;

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  streams(): readonly StreamRow[] {
    return this.#all("SELECT id, iss, sub FROM streams ORDER BY iss, sub");
  }

  /** Streams that anything here names. */
  names(): readonly StreamName[] {
    return this.#all(
      `SELECT iss, sub FROM streams UNION SELECT iss, sub FROM heads UNION SELECT iss, sub FROM withheld ORDER BY iss, sub`,
    );
  }

  stream({ iss, sub }: StreamName): StreamRow | undefined {
    return this.#all<StreamRow>("SELECT id, iss, sub FROM streams WHERE iss = ? AND sub = ?", iss, sub)[0];
  }

  /** In the order in which they follow one another. */
  chains(stream: number): readonly ChainRow[] {
    return this.#all("SELECT id, ch FROM chains WHERE stream = ? ORDER BY ordinal, id", stream);
  }

  /** Chains of a stream that heads name, whether anything of them is here or not. */
  namedChains({ iss, sub }: StreamName): readonly Uint8Array[] {
    const sql = `SELECT DISTINCT ch FROM heads JOIN statements s ON s.id = heads.statement
      WHERE heads.iss = ? AND sub = ? AND ${PROVES} ORDER BY ch`;
    return this.#all<{ ch: Uint8Array }>(sql, iss, sub).map(({ ch }) => ch);
  }

  /** By number; of rivals the one that was first in the log comes first. */
  statements(chain: number): Iterable<StatementRow> {
    const sql = `SELECT id, seq, hash, idx, committed, iat, tq, kid, kind, standing, code,
      CASE kind WHEN 'readings' THEN NULL ELSE (SELECT t FROM events WHERE statement = statements.id) END AS t
      FROM statements WHERE chain = ? ORDER BY seq, id`;
    return this.#each(sql, chain);
  }

  /** Readings of the chain's statements, in the order of these. */
  readings(chain: number): Iterable<TimedRow> {
    // Ids rise by number within a chain (docs/auditing.md).
    const [range] = this.#all<{ first: number | null; last: number | null }>(
      "SELECT min(id) AS first, max(id) AS last FROM statements WHERE chain = ?",
      chain,
    );
    const sql = `SELECT statement, name, t, rx, q FROM readings WHERE statement BETWEEN ? AND ? ORDER BY statement, n`;
    return this.#each(sql, range?.first ?? 0, range?.last ?? -1);
  }

  /** Values of statements that prove something, by name and time, from `fromUs` on and before `toUs`. */
  values(stream: number, fromUs: number, toUs: number): Iterable<ValueRow> {
    const sql = `SELECT r.name, r.t, r.v, r.float, r.vs, r.unit, s.chain, s.seq FROM readings r JOIN statements s ON s.id = r.statement
      WHERE r.stream = ? AND r.t >= ? AND r.t < ? AND ${PROVES} ORDER BY r.name, r.t, r.statement, r.n`;
    return this.#each(sql, stream, fromUs, toUs);
  }

  /** The newest value of a name before an instant. */
  valueBefore(stream: number, name: string, us: number): ValueRow | undefined {
    const sql = `SELECT r.name, r.t, r.v, r.float, r.vs, r.unit, s.chain, s.seq FROM readings r JOIN statements s ON s.id = r.statement
      WHERE r.stream = ? AND r.name = ? AND r.t < ? AND ${PROVES} ORDER BY r.t DESC, r.statement DESC, r.n DESC LIMIT 1`;
    return this.#all<ValueRow>(sql, stream, name, us)[0];
  }

  /** Events of statements that prove something, by chain and number. */
  events(stream: number, kind: string): readonly EventRow[] {
    const sql = `SELECT e.kind, e.body, s.chain, s.seq, s.idx, s.iat, s.committed, s.kid FROM events e JOIN statements s ON s.id = e.statement
      JOIN chains c ON c.id = s.chain WHERE e.kind = ? AND e.stream = ? AND ${PROVES} ORDER BY c.ordinal, s.seq`;
    return this.#all(sql, kind, stream);
  }

  /** Heads of a chain, by number, then by when they were signed. */
  heads({ iss, sub }: StreamName, ch: Uint8Array): Iterable<HeadRow> {
    const sql = `SELECT heads.seq, heads.hash, s.iat, s.committed FROM heads JOIN statements s ON s.id = heads.statement
      WHERE heads.iss = ? AND heads.sub = ? AND heads.ch = ? AND ${PROVES} ORDER BY heads.seq, s.id`;
    return this.#each(sql, iss, sub, ch);
  }

  /** The highest number of a chain that is here with the hash that a head has, from `first` to `last`, and when that was last said. */
  attested(
    { iss, sub }: StreamName,
    { ch, id }: ChainRow,
    first: number,
    last: number,
  ): { readonly seq: number; readonly at: number | null } | undefined {
    const sql = `SELECT heads.seq, max(coalesce(s.iat, s.committed)) AS at FROM heads JOIN statements s ON s.id = heads.statement
      JOIN statements held ON held.chain = ? AND held.seq = heads.seq AND held.hash = heads.hash
      WHERE heads.iss = ? AND heads.sub = ? AND heads.ch = ? AND heads.seq BETWEEN ? AND ? AND ${PROVES}
      GROUP BY heads.seq ORDER BY heads.seq DESC LIMIT 1`;
    return this.#all<{ seq: number; at: number | null }>(sql, id, iss, sub, ch, first, last)[0];
  }

  isHeld(chain: number, seq: number, hash: Uint8Array): boolean {
    const sql = "SELECT 1 FROM statements WHERE chain = ? AND seq = ? AND hash = ?";
    return this.#all(sql, chain, seq, hash).length > 0;
  }

  withheld({ iss, sub }: StreamName, ch: Uint8Array): readonly WithheldRow[] {
    const sql =
      "SELECT first, last, why, by FROM withheld WHERE iss = ? AND sub = ? AND ch = ? ORDER BY first, last";
    return this.#all(sql, iss, sub, ch);
  }

  withheldChains({ iss, sub }: StreamName): readonly Uint8Array[] {
    const sql = "SELECT DISTINCT ch FROM withheld WHERE iss = ? AND sub = ? ORDER BY ch";
    return this.#all<{ ch: Uint8Array }>(sql, iss, sub).map(({ ch }) => ch);
  }

  isReEnrolled(kid: Uint8Array): boolean {
    return (
      this.#all<{ reenrolled: number }>("SELECT reenrolled FROM keys WHERE kid = ?", kid)[0]?.reenrolled === 1
    );
  }

  /** Longest silence that the enrolment of a key allows, seconds. */
  silenceOf(kid: Uint8Array): number | undefined {
    return this.#all<{ silence: number }>(
      "SELECT silence FROM keys WHERE kid = ? AND role = 'device'",
      kid,
    )[0]?.silence;
  }

  /** All chains of a device. */
  chainsOfDevice(iss: string): readonly (ChainRow & { readonly sub: string })[] {
    const sql = `SELECT c.id, c.ch, streams.sub FROM streams JOIN chains c ON c.stream = streams.id WHERE streams.iss = ?`;
    return this.#all(sql, iss);
  }

  /** When anything of a device was committed, in that order. */
  commits(iss: string): Iterable<CommitRow> {
    const sql = `SELECT s.committed, s.kid, s.chain, s.seq FROM ${OF_DEVICE}
      WHERE streams.iss = ? AND s.committed IS NOT NULL AND ${PROVES} ORDER BY s.committed, s.idx`;
    return this.#each(sql, iss);
  }

  /** When a device sealed something, between two instants, Unix seconds, neither of them included. */
  *sealings(iss: string, from: number, to: number): Generator<number> {
    const sql = `SELECT s.iat FROM ${OF_DEVICE} WHERE streams.iss = ? AND s.iat > ? AND s.iat < ? AND ${PROVES} ORDER BY s.iat`;
    for (const { iat } of this.#each<{ iat: number }>(sql, iss, from, to)) yield iat;
  }

  /** The newest commit of anything here: what happened later, nobody can know from it. */
  get newestCommit(): number {
    return (this.#newest ??=
      this.#all<{ t: number | null }>("SELECT max(committed) AS t FROM statements")[0]?.t ?? 0);
  }

  #all<T>(sql: string, ...values: (string | number | Uint8Array)[]): T[] {
    return this.#db.prepare(sql).all(...values) as T[];
  }

  #each<T>(sql: string, ...values: (string | number | Uint8Array)[]): Iterable<T> {
    return this.#db.prepare(sql).iterate(...values) as Iterable<T>;
  }
}
