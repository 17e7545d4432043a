/**
 * Whose word it is that a statement was erased, and which one it was.
 *
 * An order to erase is an `erased` statement in the ledger. It names a statement by its hash, and that statement is gone: which number it had can't be
 * known from the hash alone. The devices know it. The statement behind it names it as the one before, and heads, a rotation of the device's key and the opening
 * of the next chain name numbers with their hashes. Where any of these is here, an order counts for no other number than theirs; else its number is the word of whoever made the case.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import { fromHex, parseIss, SYSTEM_STREAM, toHex } from "@tallystick/evidence";

/** A number of a chain. */
export type Place = {
  readonly iss: string;
  readonly sub: string;
  readonly ch: Uint8Array;
  readonly seq: number;
};

export type Order = {
  /** The device that signed it. */
  readonly iss: string;
  /** By whose order, in its own words. */
  readonly text: string;
  /** Hash of the statement that it names. */
  readonly hash: string;
};

type Signed = { readonly iss: string; readonly kid: Uint8Array; readonly body: string };
type Named = Place & { readonly hash: string };
type Operator = { readonly iss: string };
type Word = { readonly number: string; readonly hash: string };

/** What openings and rotations say of the numbers of one stream: by chain and number, the hashes that they name. */
type Words = {
  readonly iss: string;
  readonly sub: string;
  readonly named: ReadonlyMap<string, readonly Word[]>;
};

export class Orders {
  readonly #db: DatabaseSync;
  /** The place for which a statement's erasure was cited, by its hash: it had one. */
  readonly #cited = new Map<string, string>();
  #places: ReadonlyMap<string, readonly Place[]> | undefined;
  #words: Words | undefined;

  /** @param db - finished facts */
  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /**
   * The order that excuses a number that is not here; undefined where it isn't in the facts, or doesn't count for that number.
   *
   * @param by - hash of the order's statement, hexadecimal
   */
  counting(place: Place, by: string): Order | undefined {
    const order = this.#order(place.iss, by);
    if (order === undefined || !this.#stoodAt(place, order.hash)) return undefined;
    const name = nameOf(place);
    if ((this.#cited.get(order.hash) ?? name) !== name) return undefined;
    this.#cited.set(order.hash, name);
    return order;
  }

  /** Hashes, hexadecimal, of the statements that orders had erased. */
  erased(): ReadonlySet<string> {
    const erased = new Set<string>();
    const adrift = new Set<string>();
    for (const { by, hash } of this.#all<{ by: string; hash: string }>(ORDERS)) {
      const places = this.#placesOf(hash);
      // Where no device here says where it stood, the case does.
      if (places === undefined) adrift.add(by);
      // hostile: a device may say of another's statement that it was its own; whoever orders has to act for both
      else if (places.every(({ iss }) => this.#order(iss, by) !== undefined)) erased.add(hash);
    }
    for (const { by, ...place } of this.#all<Place & { by: string }>(CITED)) {
      const order = adrift.has(by) ? this.counting(place, by) : undefined;
      if (order !== undefined) erased.add(order.hash);
    }
    return erased;
  }

  /** An order counts from a device of the stream's own org, or of the org of an operator that acts for every org and brought its key: else each device of such an operator could order it. */
  #order(iss: string, by: string): Order | undefined {
    if (!/^[0-9a-f]{64}$/.test(by)) return undefined;
    const [found] = this.#all<Signed>(ORDER, fromHex(by));
    if (found === undefined) return undefined;
    const { org } = parseIss(found.iss);
    if (org !== parseIss(iss).org && !this.#isForAll(org, found.kid)) return undefined;
    const { hash, order } = JSON.parse(found.body) as { hash: string; order: string };
    return { iss: found.iss, text: order, hash };
  }

  #isForAll(org: string, kid: Uint8Array): boolean {
    const by = this.#all<{ by: string }>("SELECT by FROM keys WHERE kid = ?", kid)[0]?.by ?? "";
    const operators = by
      .split(" ")
      .flatMap((one) => (one === "" ? [] : this.#all<Operator>(FOR_ALL, fromHex(one))));
    return operators.some(({ iss }) => parseIss(iss).org === org);
  }

  /** Nothing here says that the statement of this hash stood elsewhere, that another one stood here, or that it isn't gone. */
  #stoodAt(place: Place, hash: string): boolean {
    const bytes = fromHex(hash);
    const { iss, sub, ch, seq } = place;
    if (this.#all(HERE, bytes).length > 0) return false;
    if (this.#all(OTHER_BEFORE, iss, sub, ch, seq + 1, bytes).length > 0) return false;
    if (this.#all(OTHER_HEAD, iss, sub, ch, seq, bytes).length > 0) return false;
    const words = this.#wordsOf(place).get(numberOf(place)) ?? [];
    if (words.some((one) => one.hash !== hash)) return false;
    const name = nameOf(place);
    return this.#placesOf(hash)?.some((one) => nameOf(one) === name) ?? true;
  }

  /** Where devices say that an erased statement stood; undefined where none does. */
  #placesOf(hash: string): readonly Place[] | undefined {
    this.#places ??= Map.groupBy(this.#all<Named>(NAMED), (one) => one.hash);
    return this.#places.get(hash);
  }

  /** Of the stream that was asked for last: questions about one come one after the other. */
  #wordsOf({ iss, sub }: Place): Words["named"] {
    if (this.#words?.iss !== iss || this.#words.sub !== sub) {
      const words = this.#all<Word>(WORDS, iss, sub, SYSTEM_STREAM);
      this.#words = { iss, sub, named: Map.groupBy(words, ({ number }) => number) };
    }
    return this.#words.named;
  }

  #all<T>(sql: string, ...values: (string | number | Uint8Array)[]): T[] {
    return this.#db.prepare(sql).all(...values) as T[];
  }
}

const numberOf = ({ ch, seq }: Pick<Place, "ch" | "seq">): string => `${toHex(ch)}/${seq}`;
const nameOf = (place: Place): string => `${place.iss}/${place.sub}/${numberOf(place)}`;

const PROVES = "s.standing IN ('good', 'restricted')";
const CHAIN_OF = "JOIN chains c ON c.id = s.chain JOIN streams st ON st.id = c.stream";

const ORDER = `SELECT st.iss, s.kid, e.body FROM statements s JOIN events e ON e.statement = s.id ${CHAIN_OF}
  WHERE s.hash = ? AND e.kind = 'erased' AND ${PROVES}`;

const FOR_ALL = "SELECT iss FROM keys WHERE kid = ? AND role = 'operator' AND acts = '*'";

/** Whether it proves anything or not. */
const HERE = "SELECT 1 FROM statements WHERE hash = ? LIMIT 1";

/** The statement behind this number is here, and names another one as the one before it. In this order, however many chains there are. */
const OTHER_BEFORE = `SELECT 1 FROM streams st CROSS JOIN chains c ON c.stream = st.id CROSS JOIN statements s ON s.chain = c.id
  WHERE st.iss = ? AND st.sub = ? AND c.ch = ? AND s.seq = ? AND s.prev IS NOT ? AND ${PROVES} LIMIT 1`;

const OTHER_HEAD = `SELECT 1 FROM heads h JOIN statements s ON s.id = h.statement
  WHERE h.iss = ? AND h.sub = ? AND h.ch = ? AND h.seq = ? AND h.hash <> ? AND ${PROVES} LIMIT 1`;

/** Openings, of which each names the end of the chain before, and rotations, which name the ends of all chains. */
const WORDS = `SELECT json_extract(e.body, '$.before.ch') || '/' || json_extract(e.body, '$.before.seq') AS number, json_extract(e.body, '$.before.hash') AS hash
  FROM streams st JOIN events e ON e.stream = st.id JOIN statements s ON s.id = e.statement
  WHERE st.iss = ?1 AND st.sub = ?2 AND e.kind = 'stream-opened' AND number IS NOT NULL AND ${PROVES}
  UNION SELECT json_extract(h.value, '$.ch') || '/' || json_extract(h.value, '$.seq'), json_extract(h.value, '$.hash')
  FROM streams st JOIN events e ON e.stream = st.id JOIN statements s ON s.id = e.statement, json_each(e.body, '$.heads') h
  WHERE st.iss = ?1 AND st.sub = ?3 AND e.kind = 'key-rotated' AND json_extract(h.value, '$.sub') = ?2 AND ${PROVES}`;

const ORDERS = `SELECT lower(hex(s.hash)) AS by, json_extract(e.body, '$.hash') AS hash FROM events e JOIN statements s ON s.id = e.statement
  WHERE e.kind = 'erased' AND ${PROVES}`;

const ERASED = `SELECT unhex(json_extract(body, '$.hash')) FROM events WHERE kind = 'erased'`;

/** Both tables are gone through once, however many orders there are: an index for what is asked once would cost more. */
const NAMED = `SELECT lower(hex(s.prev)) AS hash, st.iss, st.sub, c.ch, s.seq - 1 AS seq FROM statements s ${CHAIN_OF}
  WHERE s.prev IN (${ERASED}) AND ${PROVES}
  UNION SELECT lower(hex(h.hash)), h.iss, h.sub, h.ch, h.seq FROM heads h JOIN statements s ON s.id = h.statement
  WHERE h.hash IN (${ERASED}) AND ${PROVES}`;

/** A range is of several statements, and an order of one. */
const CITED = `SELECT iss, sub, ch, first AS seq, by FROM withheld
  WHERE why = 'erased' AND by IS NOT NULL AND first = last ORDER BY iss, sub, ch, first`;
