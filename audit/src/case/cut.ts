/**
 * Cuts a bundle out of a case, or a smaller one out of a bundle: some statements with all that a stranger needs to check them, at the same checkpoint.
 * Nothing is asked of anybody, and the same statements give the same bytes.
 *
 * @module
 */
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import {
  decodeBundle,
  decodeUtf8,
  EvidenceError,
  isEvidenceError,
  KeyState,
  parseCheckpoint,
  parseNote,
  parseTransparent,
  toHex,
  type Bundle,
  type BundledKey,
  type Hash,
  type Scope,
  type SignatureProvider,
  type TrustPolicy,
} from "@tallystick/evidence";
import type { Facts } from "../facts/open.ts";
import { readEvidence } from "../log/given.ts";
import { numberedPath, type CaseFiles } from "./folder.ts";
import { readPath } from "./seen.ts";

type Means = { readonly policy: TrustPolicy; readonly provider: SignatureProvider; readonly hash: Hash };

/** Statements of one bundle, as the format allows. */
const MAX_STATEMENTS = 65_536;
/** How far a part is drawn out to where the device attested its chain. */
const MAX_REACH = 1000;

type Row = {
  readonly id: number;
  readonly chain: number;
  readonly seq: number;
  readonly file: number;
  readonly offset: number;
  readonly length: number;
  readonly hash: Uint8Array;
  readonly kid: Uint8Array;
  readonly seen: number | null;
};

export class BundleCutter {
  readonly #db: DatabaseSync;
  readonly #source: Source;

  private constructor(db: DatabaseSync, source: Source) {
    this.#db = db;
    this.#source = source;
  }

  /** @throws EvidenceError what the case's or bundle's files are refused with */
  static async open({ db, files, path }: Facts, means: Means): Promise<BundleCutter> {
    const source =
      files === null
        ? new BundleSource(decodeBundle(await readEvidence(path)))
        : await CaseSource.open(files, db, means);
    return new BundleCutter(db, source);
  }

  /**
   * The bundle of these statements. Each part of a chain is drawn out to the next number that a `heads` statement here names, so that its end is attested.
   *
   * @param ids - of statements in the facts
   * @throws EvidenceError `bundle-scope` where there is none, `too-large`
   */
  async cut(ids: Iterable<number>): Promise<Bundle> {
    const rows = new Map<number, Row>();
    const support = new Map<number, Row>();
    const scope: Scope[] = [];
    for (const part of this.#parts(ids)) {
      scope.push(part.scope);
      for (const row of part.rows) rows.set(row.id, row);
      if (part.heads !== undefined) support.set(part.heads.id, part.heads);
    }
    for (const [id, row] of support) rows.set(id, row);
    if (scope.length === 0) throw new EvidenceError("bundle-scope", "no statement was named");
    if (rows.size > MAX_STATEMENTS)
      throw new EvidenceError("too-large", `more than ${MAX_STATEMENTS} statements: make several bundles`);
    const all = [...rows.values()].toSorted((a, b) => a.id - b.id);
    const kids = new Map(all.map(({ kid }) => [toHex(kid), kid]));
    const sizes = new Set(all.flatMap(({ seen }) => seen ?? []));
    return this.#source.bundle(
      scope,
      all,
      [...kids.values()],
      [...sizes].toSorted((a, b) => a - b),
    );
  }

  /** Runs of consecutive numbers. */
  #parts(ids: Iterable<number>): { scope: Scope; rows: Row[]; heads: Row | undefined }[] {
    const one = this.#db.prepare(`SELECT ${COLUMNS} FROM statements WHERE id = ?`);
    const named = [...new Set(ids)]
      .toSorted((a, b) => a - b)
      .flatMap((id) => {
        const row = one.get(id) as Row | undefined;
        return row === undefined ? [] : [row];
      });
    const parts: { scope: Scope; rows: Row[]; heads: Row | undefined }[] = [];
    for (const row of named) {
      const newest = parts.at(-1);
      const last = newest?.rows.at(-1);
      if (newest !== undefined && last?.chain === row.chain && row.seq <= last.seq) continue; // drawn out that far
      const joins = newest !== undefined && last?.chain === row.chain && row.seq === last.seq + 1;
      if (joins) parts.pop();
      const begun = joins ? [...newest.rows, row] : [row];
      parts.push(this.#drawnOut(begun));
    }
    return parts;
  }

  #drawnOut(rows: readonly Row[]): { scope: Scope; rows: Row[]; heads: Row | undefined } {
    const [first, last] = [rows[0], rows.at(-1)];
    if (first === undefined || last === undefined) throw new EvidenceError("bundle-scope", "an empty part");
    const name = this.#db.prepare(NAME).get(first.chain) as Pick<Scope, "iss" | "sub" | "ch">;
    const { iss, sub, ch } = name;
    const attested = this.#db.prepare(ATTESTED).get(iss, sub, ch, last.seq, last.seq + MAX_REACH) as
      { statement: number; seq: number } | undefined;
    const to = attested?.seq ?? last.seq;
    const more = this.#db.prepare(
      `SELECT ${COLUMNS} FROM statements WHERE chain = ? AND seq > ? AND seq <= ? ORDER BY id`,
    );
    const heads =
      attested === undefined
        ? undefined
        : (this.#db.prepare(`SELECT ${COLUMNS} FROM statements WHERE id = ?`).get(attested.statement) as Row);
    return {
      scope: { iss, sub, ch: new Uint8Array(ch), from: first.seq, to },
      rows: [...rows, ...(more.all(first.chain, last.seq, to) as Row[])],
      heads,
    };
  }
}

const COLUMNS = "id, chain, seq, file, offset, length, hash, kid, seen";

const NAME = "SELECT iss, sub, ch FROM chains JOIN streams ON streams.id = chains.stream WHERE chains.id = ?";

/** The next number from there on that some `heads` names with the hash that is held. */
const ATTESTED = `SELECT heads.statement, heads.seq FROM heads
  JOIN streams ON streams.iss = heads.iss AND streams.sub = heads.sub
  JOIN chains ON chains.stream = streams.id AND chains.ch = heads.ch
  JOIN statements ON statements.chain = chains.id AND statements.seq = heads.seq AND statements.hash = heads.hash
  WHERE heads.iss = ? AND heads.sub = ? AND heads.ch = ? AND heads.seq BETWEEN ? AND ?
  ORDER BY heads.seq, heads.statement LIMIT 1`;

interface Source {
  bundle(
    scope: readonly Scope[],
    rows: readonly Row[],
    kids: readonly Uint8Array[],
    sizes: readonly number[],
  ): Promise<Bundle>;
}

class BundleSource implements Source {
  readonly #whole: Bundle;

  constructor(whole: Bundle) {
    this.#whole = whole;
  }

  bundle(
    scope: readonly Scope[],
    rows: readonly Row[],
    _kids: readonly Uint8Array[],
    sizes: readonly number[],
  ): Promise<Bundle> {
    const { logs, statements, registry, keys, consistency } = this.#whole;
    return Promise.resolve({
      scope,
      logs,
      statements: rows.flatMap(({ offset }) => statements[offset] ?? []),
      registry,
      keys,
      consistency: consistency.filter(({ from }) => sizes.includes(from)),
    });
  }
}

class CaseSource implements Source {
  readonly #files: CaseFiles;
  readonly #db: DatabaseSync;
  readonly #vkey: string;
  readonly #hash: Hash;
  readonly #state: KeyState;

  private constructor(files: CaseFiles, db: DatabaseSync, vkey: string, hash: Hash, state: KeyState) {
    this.#files = files;
    this.#db = db;
    this.#vkey = vkey;
    this.#hash = hash;
    this.#state = state;
  }

  static async open(
    files: CaseFiles,
    db: DatabaseSync,
    { policy, provider, hash }: Means,
  ): Promise<CaseSource> {
    const { origin } = parseCheckpoint(parseNote(files.checkpoint).text);
    const log = policy.logs.find(({ vkey }) => vkey.name === origin);
    if (log === undefined) throw new EvidenceError("log-unknown", `the trust policy has no log ${origin}`);
    const state = new KeyState({ provider, hash });
    const source = new CaseSource(files, db, log.vkey.text, hash, state);
    for (const row of db.prepare("SELECT * FROM items ORDER BY number").iterate()) {
      const item = row as unknown as Place & { idx: number };
      state.apply(parseTransparent(await source.#bytes("registry", item), hash).statement, item.idx);
    }
    return source;
  }

  async bundle(
    scope: readonly Scope[],
    rows: readonly Row[],
    kids: readonly Uint8Array[],
    sizes: readonly number[],
  ): Promise<Bundle> {
    const statements: Uint8Array[] = [];
    for (const row of rows) {
      const bytes = await this.#bytes("statements", row);
      if (toHex(parseTransparent(bytes, this.#hash).statement.hash) !== toHex(row.hash))
        throw changed("statements");
      statements.push(bytes);
    }
    const numbers = new Set(kids.flatMap((kid) => this.#state.itemsFor(kid)));
    const registry: Uint8Array[] = [];
    for (const number of [...numbers].toSorted((a, b) => a - b)) {
      const place = this.#db.prepare("SELECT * FROM items WHERE number = ?").get(number) as Place | undefined;
      if (place === undefined)
        throw new EvidenceError("registry-missing", `no item ${number}`, { item: number });
      registry.push(await this.#bytes("registry", place));
    }
    return {
      scope,
      logs: [{ vkey: this.#vkey, checkpoint: decodeUtf8(this.#files.checkpoint) }],
      statements,
      registry,
      keys: this.#keys(kids),
      consistency: await this.#consistency(sizes),
    };
  }

  /** The state of each key that signed, and of the operators behind it. */
  #keys(kids: readonly Uint8Array[]): BundledKey[] {
    const all = new Map<string, Uint8Array>();
    for (const kid of kids)
      for (const one of [kid, ...this.#state.operatorsOf(kid).map((operator) => operator.kid)])
        all.set(toHex(one), one);
    return [...all.values()].flatMap((kid) => {
      try {
        return [{ log: 0, ...this.#state.proof(kid) }];
      } catch (error) {
        if (isEvidenceError(error)) return []; // a key that the registry hasn't: the verdict on the bundle says it
        throw error;
      }
    });
  }

  async #consistency(sizes: readonly number[]): Promise<Bundle["consistency"]> {
    const found: { log: number; from: number; path: readonly Uint8Array[] }[] = [];
    for (const size of sizes) {
      const place = this.#db.prepare("SELECT * FROM proofs WHERE size = ?").get(size) as Place | undefined;
      if (place !== undefined) found.push({ log: 0, ...readPath(await this.#bytes("consistency", place)) });
    }
    return found;
  }

  async #bytes(
    kind: "registry" | "statements" | "consistency",
    { file, offset, length }: Place,
  ): Promise<Uint8Array> {
    await using handle = await open(join(this.#files.folder, numberedPath(kind, file)), "r");
    const bytes = new Uint8Array(length);
    const { bytesRead } = await handle.read(bytes, 0, length, offset);
    if (bytesRead !== length) throw changed(kind);
    return bytes;
  }
}

type Place = { readonly file: number; readonly offset: number; readonly length: number };

const changed = (kind: string): EvidenceError =>
  new EvidenceError("case-mismatch", `a file under ${kind}/ changed since the case was opened`);
