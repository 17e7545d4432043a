/**
 * Writes facts: one row after the other, in one transaction that ends with the file.
 *
 * @module
 */
import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";
import {
  equalBytes,
  toHex,
  type Head,
  type KeyRecord,
  type SeenTree,
  type SignedTree,
} from "@tallystick/evidence";
import { signedTrees } from "./repeated.ts";
import type { EventRow, ReadingRow, StatementRow } from "./rows.ts";

/** Statements that are missing from what was handed over, and why. */
export type WithheldRow = {
  readonly iss: string;
  readonly sub: string;
  readonly ch: Uint8Array;
  readonly first: number;
  readonly last: number;
  readonly why: string;
  readonly by: string | null;
};

/** Bytes in a numbered file of a case. */
export type FilePlace = { readonly file: number; readonly offset: number; readonly length: number };

/** Trees remembered: those of a few days. */
const MAX_REMEMBERED = 32_768;
/** Objects of one tree: each thread has its own. */
const MAX_OBJECTS = 8;

function remember<T>(map: Map<number, T>, size: number, one: T): void {
  if (map.size >= MAX_REMEMBERED) map.clear();
  map.set(size, one);
}

export class FactsWriter {
  readonly #db: DatabaseSync;
  readonly #streams = new Map<string, number>();
  readonly #statement: StatementSync;
  readonly #reading: StatementSync;
  readonly #event: StatementSync;
  readonly #head: StatementSync;
  readonly #tree: StatementSync;
  readonly #seen: StatementSync;
  readonly #proof: StatementSync;
  /** Written already, by size: asking the table would cost more. */
  readonly #trees = new Map<number, SignedTree[]>();
  readonly #roots = new Map<number, Required<SeenTree>>();
  #chains = 0;

  constructor(db: DatabaseSync) {
    this.#db = db;
    const insert = (table: string, columns: number): StatementSync =>
      db.prepare(`INSERT INTO ${table} VALUES (${Array.from({ length: columns }, () => "?").join(", ")})`);
    this.#statement = insert("statements", 19);
    this.#reading = insert("readings", 11);
    this.#event = insert("events", 11);
    this.#head = insert("heads", 6);
    this.#tree = db.prepare("INSERT OR IGNORE INTO trees VALUES (?, ?, ?, ?, ?, ?, ?)");
    this.#proof = insert("proofs", 4);
    this.#seen = db.prepare("INSERT OR IGNORE INTO seen VALUES (?, ?, ?)");
    db.exec("BEGIN");
  }

  about(name: string, value: string): void {
    this.#db.prepare("INSERT INTO about VALUES (?, ?)").run(name, value);
  }

  /** The id of a stream, new or known. */
  stream(iss: string, sub: string): number {
    const name = `${iss}/${sub}`;
    const known = this.#streams.get(name);
    if (known !== undefined) return known;
    const id = this.#streams.size + 1;
    this.#streams.set(name, id);
    this.#db.prepare("INSERT INTO streams VALUES (?, ?, ?)").run(id, iss, sub);
    return id;
  }

  /** Adds a chain and gives its id; its ordinal is known only when all of the stream are. */
  chain(stream: number, ch: Uint8Array): number {
    const id = ++this.#chains;
    this.#db.prepare("INSERT INTO chains VALUES (?, ?, ?, ?)").run(id, stream, 0, ch);
    return id;
  }

  ordinal(chain: number, ordinal: number): void {
    this.#db.prepare("UPDATE chains SET ordinal = ? WHERE id = ?").run(ordinal, chain);
  }

  statement(row: StatementRow): void {
    this.#statement.run(
      row.id,
      row.stream,
      row.chain,
      row.seq,
      row.hash,
      row.prev,
      row.idx,
      row.committed,
      row.iat,
      row.tq,
      row.lvl,
      row.seen,
      row.kid,
      row.kind,
      row.standing,
      row.code,
      row.file,
      row.offset,
      row.length,
    );
  }

  reading(statement: number, stream: number, row: ReadingRow): void {
    const { n, name, t, v, float, vs, unit, q, rx } = row;
    this.#reading.run(statement, n, stream, name, t, v, float, vs, unit, q, rx);
  }

  event(statement: number, stream: number, row: EventRow): void {
    const { kind, t, id, ref, supersedes, minor, currency, tariff, body } = row;
    this.#event.run(statement, stream, kind, t, id, ref, supersedes, minor, currency, tariff, body);
  }

  head(statement: number, iss: string, { sub, ch, seq, hash }: Head): void {
    this.#head.run(statement, iss, sub, ch, seq, hash);
  }

  /** A tree that the log signed; the same one again is one. */
  tree(tree: SignedTree): void {
    const { origin, size, root, timeUnixS, registry, keysRoot } = tree;
    const known = this.#trees.get(size);
    if (known?.includes(tree) === true) return;
    if (known?.[0] !== undefined && signedTrees.same(known[0], tree)) {
      if (known.length < MAX_OBJECTS) known.push(tree);
      return;
    }
    remember(this.#trees, size, [tree]);
    this.#tree.run(origin, size, root, timeUnixS, registry.count, registry.last, keysRoot);
  }

  /** A tree that a device had verified; of this log, where it names none. */
  seen(tree: SeenTree): void {
    const { size, root, origin = "" } = tree;
    const known = this.#roots.get(size);
    if (known?.origin === origin && equalBytes(known.root, root)) return;
    remember(this.#roots, size, { size, root: root.slice(), origin });
    this.#seen.run(size, root, origin);
  }

  /** @param code - why nobody the policy pins stands behind it; null where somebody does, or none is pinned */
  key(record: KeyRecord, code: string | null): void {
    const { kid, role, iss, item, enrolled, superseded, suspect, revoked, silenceS, reEnrolled, by } = record;
    const acts = role === "operator" ? (record.streams[0] ?? null) : null;
    const values: SQLInputValue[] = [kid, role, iss, item, enrolled, superseded, suspect, revoked, silenceS];
    this.#db
      .prepare("INSERT OR IGNORE INTO keys VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
      .run(...values, reEnrolled ? 1 : 0, by.map(toHex).join(" "), acts, code);
  }

  withheld({ iss, sub, ch, first, last, why, by }: WithheldRow): void {
    this.#db
      .prepare("INSERT INTO withheld VALUES (?, ?, ?, ?, ?, ?, ?)")
      .run(iss, sub, ch, first, last, why, by);
  }

  /** Where a registry item stands, in the log and in the case. */
  item(number: number, idx: number, { file, offset, length }: FilePlace): void {
    this.#db.prepare("INSERT INTO items VALUES (?, ?, ?, ?, ?)").run(number, idx, file, offset, length);
  }

  /** Where the proof for the tree of that size stands. */
  proof(size: number, { file, offset, length }: FilePlace): void {
    this.#proof.run(size, file, offset, length);
  }

  /** What a rule about several statements says of one that had passed. */
  mark(hash: Uint8Array, code: string): void {
    this.#db.prepare("UPDATE statements SET standing = 'bad', code = ? WHERE hash = ?").run(code, hash);
  }

  commit(): void {
    this.#db.exec("COMMIT");
  }
}
