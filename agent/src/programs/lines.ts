/**
 * Lines that programs have brought: by which each is known when it is sent again, and found when a later one refers to it. A line is noted in the
 * transaction that journals what it says, so that neither is there without the other.
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import type { Query, Storage } from "../storage/storage.ts";

/** One line, by the id that its program gave it. */
export type Line = {
  readonly program: string;
  readonly id: string;
  /** Of what it says: the same id with another digest is another line. */
  readonly digest: Uint8Array;
  /** How many lines of this program are remembered at least. */
  readonly remember: number;
  /** Row of the line, once it is noted. */
  row: number | undefined;
};

export type KnownLine = {
  readonly sub: string;
  readonly digest: Uint8Array;
  /** Hash of the statement that says it; null until that is sealed. */
  readonly statement: Uint8Array | null;
};

/** Lines above `remember` that may gather before the oldest are let go. */
const TRIM_EVERY = 1000;

export class Lines {
  readonly #insert: StatementSync;
  readonly #seal: StatementSync;
  readonly #trim: StatementSync;
  readonly #find: Query<KnownLine>;
  readonly #count: Query<{ n: number }>;
  /** Rows of each program, as far as they were counted. */
  readonly #counts = new Map<string, number>();

  constructor(storage: Storage) {
    this.#insert = storage.prepare("INSERT INTO line (program, name, sub, digest) VALUES (?, ?, ?, ?)");
    this.#seal = storage.prepare("UPDATE line SET statement = ? WHERE id = ?");
    this.#trim = storage.prepare(
      `DELETE FROM line WHERE program = ?1 AND id <=
         (SELECT id FROM line WHERE program = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)`,
    );
    this.#find = storage.query("SELECT sub, digest, statement FROM line WHERE program = ? AND name = ?");
    this.#count = storage.query("SELECT count(*) AS n FROM line WHERE program = ?");
  }

  /** A line of this program that was noted, and not let go since. */
  find(program: string, id: string): KnownLine | undefined {
    return this.#find.get(program, id);
  }

  /** Notes a line, within the transaction of what it says. @param sub - the stream that it is of */
  note(line: Line, sub: string): number {
    const { program, id, digest, remember } = line;
    line.row ??= Number(this.#insert.run(program, id, sub, digest).lastInsertRowid);
    const count = (this.#counts.get(program) ?? this.#count.get(program)?.n ?? 0) + 1;
    const isMany = count >= remember + TRIM_EVERY;
    if (isMany) this.#trim.run(program, remember);
    this.#counts.set(program, isMany ? remember : count);
    return line.row;
  }

  /** This statement says what the line of that row said; within the statement's transaction. */
  sealed(row: number, statement: Uint8Array): void {
    this.#seal.run(statement, row);
  }
}
