/**
 * A database that outlives the process that has it open. What is committed stays; an open transaction ends with its process; the disk may be
 * full (SQLite's own SQLITE_FULL, at a page limit) or refuse a commit.
 *
 * SQLite itself is the real one, in memory. WAL and fsync are what this leaves out: a commit that returned counts as synced, as synchronous=FULL promises.
 *
 * @module
 */
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import type { Life } from "./life.ts";

/** A row written in a transaction that was committed. */
export type Write = { readonly sql: string; readonly values: readonly SQLInputValue[] };

/** Told of each commit, before the process that made it knows. */
export type OnCommit = (writes: readonly Write[], life: Life) => void;

/** Pages that a full disk has left. */
const NO_LIMIT = 1_000_000;

/** The file, as it were. */
export class Store {
  readonly onCommit: OnCommit;
  /** Called where a process goes on writing after a write of its failed. */
  readonly onDefiance: (life: Life) => void;
  /** Commits to refuse from now on. */
  failCommits = 0;
  #db: DatabaseSync;
  #prepared = new Map<string, StatementSync[]>();
  readonly #asked = new Map<string, StatementSync>();

  constructor(onCommit: OnCommit, onDefiance: (life: Life) => void, content?: Uint8Array) {
    this.onCommit = onCommit;
    this.onDefiance = onDefiance;
    this.#db = opened(content);
  }

  /** The database itself, for whoever looks on from outside. */
  get db(): DatabaseSync {
    return this.#db;
  }

  /** False while nobody has made a table in it. */
  get hasTables(): boolean {
    return this.ask("SELECT 1 FROM sqlite_schema LIMIT 1").length > 0;
  }

  /** What somebody who looks on from outside asks it. */
  ask(sql: string, ...values: readonly SQLInputValue[]): readonly Record<string, unknown>[] {
    let asked = this.#asked.get(sql);
    if (asked === undefined) this.#asked.set(sql, (asked = this.#db.prepare(sql)));
    return asked.all(...values);
  }

  /** As it is on the disk. Not within a transaction. */
  copy(): Uint8Array {
    return contentOf(this.#db);
  }

  /** Another content in its place. */
  replace(content: Uint8Array | undefined): void {
    this.#db.close();
    this.#prepared = new Map();
    this.#asked.clear();
    this.#db = opened(content);
  }

  /** From now on nothing more fits, but for so many pages. */
  fill(pages: number): void {
    const { page_count: used } = this.#db.prepare("PRAGMA page_count").get() as { page_count: number };
    this.#db.exec(`PRAGMA max_page_count = ${used + pages}`);
  }

  free(): void {
    this.#db.exec(`PRAGMA max_page_count = ${NO_LIMIT}`);
  }

  /** As the operating system does it when a process ends. */
  rollBack(): void {
    if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
  }

  /** The connection of one process. */
  open(life: Life): DatabaseSync {
    const connection = new Connection(this, life, this.#prepared);
    return connection as unknown as DatabaseSync; // the part of it that the programs use
  }

  close(): void {
    this.#db.close();
  }
}

const opened = (content: Uint8Array | undefined): DatabaseSync => {
  const db = new DatabaseSync(":memory:");
  if (content !== undefined) (db as Serializable).deserialize(content);
  return db;
};

/** Of Node's since 24; its types don't know them yet. */
type Serializable = DatabaseSync & { serialize(): Uint8Array; deserialize(content: Uint8Array): void };

/** Everything that is in a database. */
export const contentOf = (db: DatabaseSync): Uint8Array => (db as Serializable).serialize();

class Connection {
  readonly #store: Store;
  readonly #life: Life;
  /** Statements prepared by earlier processes, which are gone: used again, since preparing costs more than running. */
  readonly #prepared: Map<string, StatementSync[]>;
  readonly #taken = new Map<string, number>();
  #writes: Write[] = [];
  /** It has refused a write of this process. */
  #failed = false;

  constructor(store: Store, life: Life, prepared: Map<string, StatementSync[]>) {
    this.#store = store;
    this.#life = life;
    this.#prepared = prepared;
  }

  get isTransaction(): boolean {
    return this.#life.alive && this.#store.db.isTransaction;
  }

  exec(sql: string): void {
    const { db } = this.#store;
    switch (sql) {
      case "BEGIN IMMEDIATE":
        this.#life.effect();
        if (this.#failed) this.#store.onDefiance(this.#life);
        this.#writes = [];
        return db.exec(sql);
      case "COMMIT":
        return this.#commit();
      default:
        this.#life.check();
        return this.#guarded(() => db.exec(sql));
    }
  }

  prepare(sql: string): StatementSync {
    this.#life.check();
    const place = this.#taken.get(sql) ?? 0;
    this.#taken.set(sql, place + 1);
    const known = this.#prepared.get(sql) ?? [];
    this.#prepared.set(sql, known);
    const statement = (known[place] ??= this.#store.db.prepare(sql));
    const life = this.#life;
    const run = (...values: readonly SQLInputValue[]): ReturnType<StatementSync["run"]> => {
      life.check();
      const result = this.#guarded(() => statement.run(...values));
      this.#writes.push({ sql, values });
      if (!this.#store.db.isTransaction) this.#flush();
      return result;
    };
    const prepared = {
      get: (...values: SQLInputValue[]) => (life.check(), statement.get(...values)),
      all: (...values: SQLInputValue[]) => (life.check(), statement.all(...values)),
      iterate: (...values: SQLInputValue[]) => (life.check(), statement.iterate(...values)),
      run,
    };
    return prepared as unknown as StatementSync; // the part of it that the programs use
  }

  close(): void {
    if (this.#life.alive) this.#store.rollBack();
  }

  #commit(): void {
    this.#life.effect();
    if (this.#store.failCommits > 0) {
      this.#store.failCommits -= 1;
      this.#fail();
      this.#store.db.exec("ROLLBACK");
      throw Object.assign(new Error("disk I/O error"), { code: "ERR_SQLITE_ERROR", errcode: 10 });
    }
    this.#guarded(() => this.#store.db.exec("COMMIT"));
    this.#flush();
    this.#life.effect(); // it is on the disk, and the process may not live to know
  }

  #fail(): void {
    this.#failed = true;
    this.#life.diskFails();
  }

  #flush(): void {
    const writes = this.#writes;
    this.#writes = [];
    this.#store.onCommit(writes, this.#life);
  }

  #guarded<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (error instanceof Error && "errcode" in error && error.errcode === SQLITE_FULL) this.#fail();
      throw error;
    }
  }
}

const SQLITE_FULL = 13;
