/**
 * The anchor's read interface (formats.md section 13), as far as a bundle needs it. Nothing it says is believed: statements are asked
 * for by hash and compared with it, key leaves and proofs are judged when the bundle is verified, and the rest only says what to ask for.
 *
 * @module
 */
import {
  asBytes,
  asUint,
  decodeCbor,
  decodeUtf8,
  equalBytes,
  EvidenceError,
  fromHex,
  parseTransparent,
  toHex,
  tuple,
} from "@tallystick/evidence";
import type { Place } from "@tallystick/evidence/node";

/** A chain that the anchor has statements of. */
export type ChainInfo = {
  readonly iss: string;
  readonly sub: string;
  readonly ch: Uint8Array;
  readonly first: number;
  readonly last: number;
};

/** A statement of a chain, as the anchor lists it. */
export type ChainRow = {
  readonly seq: number;
  /** Place in the log. */
  readonly index: number;
  readonly hash: Uint8Array;
  /** Commit time, seconds. */
  readonly timeUnixS: number;
  /** The event's kind; null for readings and the rest. */
  readonly kind: string | null;
};

/** A key's leaf in the key state at a size, with the items that a bundle needs for it. */
export type KeyAnswer = {
  readonly leaf: Uint8Array;
  readonly size: number;
  readonly index: number;
  readonly path: readonly Uint8Array[];
  readonly items: readonly number[];
};

/** Rows asked for at once. */
const PAGE = 1000;
/** Pages of one chain: twenty million statements, and an end for a server that gives them one by one. */
const MAX_PAGES = 20_000;
const MAX_JSON_BYTES = 4 << 20;
const MAX_STATEMENT_BYTES = 32_768 + 2 * 65_536;
const MAX_KEY_BYTES = 1 << 20;

export class ReadApi {
  readonly #place: Place;

  constructor(place: Place) {
    this.#place = place;
  }

  /** All chains of a device; of all devices where none is named. */
  async chains(iss?: string): Promise<readonly ChainInfo[]> {
    const path = iss === undefined ? "streams" : `streams?iss=${encodeURIComponent(iss)}`;
    return list(await this.#json(path), path).map((row) => {
      const given = record(row, path);
      const found = text(given, "iss", path);
      if (iss !== undefined && found !== iss) throw fault(path, "another device's stream");
      return {
        iss: found,
        sub: text(given, "sub", path),
        ch: hex(given, "ch", 8, path),
        first: count(given, "first", path),
        last: count(given, "last", path),
      };
    });
  }

  /** The statements of a chain from seq `from` to `to`, rising, asked for page by page. */
  async *rows(chain: ChainInfo, from: number, to: number): AsyncGenerator<ChainRow> {
    let next = from;
    for (let pages = 0; next <= to; pages++) {
      if (pages === MAX_PAGES) {
        throw new EvidenceError(
          "too-large",
          "the chain is listed in too many pages: choose a part of it with --seq",
        );
      }
      const { path, rows } = await this.#page(chain, next, to, PAGE);
      if (rows.length === 0) return;
      for (const row of rows) {
        const read = chainRow(record(row, path), path);
        // Rising, so that a server that repeats itself can't keep us here for ever.
        if (read.seq < next || read.seq > to) throw fault(path, "rows out of order or out of range");
        next = read.seq + 1;
        yield read;
      }
    }
  }

  /** The first statement of a chain from number `seq` on. */
  async rowAt(chain: ChainInfo, seq: number): Promise<ChainRow | undefined> {
    const { path, rows } = await this.#page(chain, seq, chain.last, 1);
    return rows[0] === undefined ? undefined : chainRow(record(rows[0], path), path);
  }

  async #page(
    { ch, iss, sub }: ChainInfo,
    from: number,
    to: number,
    limit: number,
  ): Promise<{ path: string; rows: readonly unknown[] }> {
    const numbers = { from: String(from), to: String(to), limit: String(limit) };
    const query = new URLSearchParams({ iss, sub, ...numbers });
    const path = `chains/${toHex(ch)}?${query.toString()}`;
    return { path, rows: list(await this.#json(path), path) };
  }

  /**
   * The transparent statement of that hash with its receipt at `size`; undefined where the anchor has none (any more).
   *
   * @throws EvidenceError `http-answer` where it sends another statement
   */
  async statement(hash: Uint8Array, size: number): Promise<Uint8Array | undefined> {
    const path = `statements/${toHex(hash)}?size=${size}`;
    const bytes = await this.#place.read(path, MAX_STATEMENT_BYTES);
    if (bytes === undefined || equalBytes(parseTransparent(bytes).statement.hash, hash)) return bytes;
    throw fault(path, "another statement");
  }

  /** @throws EvidenceError `key-unknown` where the key state at `size` has no such key */
  async key(kid: Uint8Array, size: number): Promise<KeyAnswer> {
    const path = `keys/${toHex(kid)}?size=${size}`;
    const bytes = await this.#place.read(path, MAX_KEY_BYTES);
    if (bytes === undefined)
      throw new EvidenceError("key-unknown", `no key ${toHex(kid)} at size ${size}`, { size });
    const [leaf, leaves, index, hashes, items] = tuple(
      decodeCbor(bytes, { maxBytes: MAX_KEY_BYTES }),
      5,
      "key",
    );
    if (!Array.isArray(hashes) || !Array.isArray(items)) throw fault(path, "no path or no items");
    return {
      leaf: asBytes(leaf, undefined, "leaf"),
      size: asUint(leaves, "size"),
      index: asUint(index, "index"),
      path: hashes.map((one) => asBytes(one, 32, "path")),
      items: items.map((one) => asUint(one, "item")),
    };
  }

  async #json(path: string): Promise<unknown> {
    const bytes = await this.#place.read(path, MAX_JSON_BYTES);
    if (bytes === undefined) throw fault(path, "not found: is this an anchor's address?");
    try {
      return JSON.parse(decodeUtf8(bytes)) as unknown;
    } catch {
      throw fault(path, "not JSON: is this an anchor's address?");
    }
  }
}

function chainRow(row: Readonly<Record<string, unknown>>, path: string): ChainRow {
  const kind = row["kind"];
  if (kind !== null && typeof kind !== "string") throw fault(path, "kind");
  return {
    seq: count(row, "seq", path),
    index: count(row, "index", path),
    hash: hex(row, "hash", 32, path),
    timeUnixS: count(row, "time", path),
    kind,
  };
}

const fault = (path: string, what: string): EvidenceError =>
  new EvidenceError("http-answer", `${path}: not what formats.md section 13 promises: ${what}`, { path });

function list(value: unknown, path: string): readonly unknown[] {
  if (!Array.isArray(value)) throw fault(path, "no list");
  return value as readonly unknown[];
}

function record(value: unknown, path: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) throw fault(path, "a row that is no object");
  return value as Readonly<Record<string, unknown>>;
}

function text(row: Readonly<Record<string, unknown>>, name: string, path: string): string {
  const value = row[name];
  if (typeof value !== "string") throw fault(path, name);
  return value;
}

function count(row: Readonly<Record<string, unknown>>, name: string, path: string): number {
  const value = row[name];
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) throw fault(path, name);
  return value;
}

function hex(row: Readonly<Record<string, unknown>>, name: string, length: number, path: string): Uint8Array {
  const value = text(row, name, path);
  if (!/^(?:[0-9a-f]{2})*$/.test(value) || value.length !== 2 * length) throw fault(path, name);
  return fromHex(value);
}
