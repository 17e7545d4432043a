/**
 * Judged statements on their way from one thread to another: numbers and hashes in arrays, words and trees that repeat once, and only what is
 * rare as objects. An object a statement would cost as much to hand over as to verify.
 *
 * @module
 */
import { HASH_BYTES, type SeenTree, type SignedTree } from "@tallystick/evidence";
import type { StatementFacts } from "./extract.ts";
import type { News, Repeated, RepeatedNumbers } from "./repeated.ts";
import type { ReadingRow } from "./rows.ts";

/** What consecutive statements of a chain share. */
type Run = Pick<StatementFacts, "iss" | "sub" | "ch" | "kid"> & { count: number };
/** What few statements have. */
type Rare = Pick<StatementFacts, "found" | "event" | "opened" | "gap" | "heads" | "erases">;

export type Packed = {
  readonly runs: readonly Run[];
  /** {@link COLUMNS} a statement; -1 where there is none. */
  readonly numbers: Float64Array<ArrayBuffer>;
  /** {@link HASHES} a statement; zeros where there is none. */
  readonly hashes: Uint8Array<ArrayBuffer>;
  /** Kinds, names, units, qualities, origins. */
  readonly words: readonly string[];
  readonly rare: readonly (readonly [number, Rare])[];
  /** {@link READING_COLUMNS} a reading; NaN where there is none. */
  readonly readings: Float64Array<ArrayBuffer>;
  /** Digits of each reading, joined by LF; empty where it has none. */
  readonly values: string;
  readonly texts: readonly (readonly [number, string])[];
  readonly trees: News<SignedTree>;
  readonly seen: News<SeenTree>;
};

/** seq, idx, number of the tree, iat, tq, lvl, number of the tree seen, kind, signed, has a predecessor, offset, length, readings, number of the newest tree */
const COLUMNS = 14;
/** The statement's, the one before. */
const HASHES = 2;
/** name, t, float, unit, q, rx, n */
const READING_COLUMNS = 7;

export function pack(statements: readonly StatementFacts[], repeated: RepeatedNumbers): Packed {
  const numbers = new Float64Array(statements.length * COLUMNS);
  const hashes = new Uint8Array(statements.length * HASHES * HASH_BYTES);
  const readings = new Float64Array(
    statements.reduce((sum, one) => sum + one.readings.length, 0) * READING_COLUMNS,
  );
  const runs: Run[] = [];
  const words: string[] = [];
  const wordNumbers = new Map<string, number>();
  const word = (text: string): number => {
    let number = wordNumbers.get(text);
    if (number === undefined) wordNumbers.set(text, (number = words.push(text) - 1));
    return number;
  };
  const rare: [number, Rare][] = [];
  const values: string[] = [];
  const texts: [number, string][] = [];
  for (const [i, one] of statements.entries()) {
    const run = runs.at(-1);
    if (run !== undefined && sameRun(run, one)) run.count++;
    else runs.push({ iss: one.iss, sub: one.sub, ch: one.ch.slice(), kid: one.kid.slice(), count: 1 });
    const from = i * HASHES * HASH_BYTES;
    const hash = (place: number, bytes: Uint8Array): void => hashes.set(bytes, from + place * HASH_BYTES);
    const { tree, newest, seen } = one;
    hash(0, one.hash);
    if (one.prev !== null) hash(1, one.prev);
    const at = i * COLUMNS;
    numbers[at] = one.seq;
    numbers[at + 1] = one.idx ?? -1;
    numbers[at + 2] = tree === null ? -1 : repeated.trees.of(tree);
    numbers[at + 3] = one.iat ?? -1;
    numbers[at + 4] = one.tq;
    numbers[at + 5] = one.lvl;
    numbers[at + 6] = seen === null ? -1 : repeated.seen.of(seen);
    numbers[at + 7] = word(one.kind);
    numbers[at + 8] = one.signed ? 1 : 0;
    numbers[at + 9] = one.prev === null ? 0 : 1;
    numbers[at + 10] = one.offset;
    numbers[at + 11] = one.length;
    numbers[at + 12] = one.readings.length;
    numbers[at + 13] = newest === null ? -1 : repeated.trees.of(newest);
    const { found, event, opened, gap, heads, erases } = one;
    if (found.length > 0 || event !== null) rare.push([i, { found, event, opened, gap, heads, erases }]);
    for (const reading of one.readings) {
      const to = values.length * READING_COLUMNS;
      readings[to] = word(reading.name);
      readings[to + 1] = reading.t ?? NaN;
      readings[to + 2] = reading.float ?? NaN;
      readings[to + 3] = reading.unit === null ? NaN : word(reading.unit);
      readings[to + 4] = word(reading.q);
      readings[to + 5] = reading.rx ?? NaN;
      readings[to + 6] = reading.n;
      if (reading.vs !== null) texts.push([values.length, reading.vs]);
      values.push(reading.v ?? "");
    }
  }
  const news = { trees: repeated.trees.news(), seen: repeated.seen.news() };
  return { runs, numbers, hashes, words, rare, readings, values: values.join("\n"), texts, ...news };
}

const sameRun = (run: Run, { iss, sub, ch, kid }: StatementFacts): boolean =>
  run.iss === iss && run.sub === sub && sameBytes(run.ch, ch) && sameBytes(run.kid, kid);

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return a.length === b.length;
};

const NOTHING: Rare = { found: [], event: null, opened: null, gap: null, heads: null, erases: null };

/** The statements, one after the other. @param repeated - with the news of this part */
export function* unpack(packed: Packed, repeated: Repeated): Generator<StatementFacts> {
  const { numbers, hashes, words, readings } = packed;
  const values = packed.values.split("\n");
  const rare = new Map(packed.rare);
  const texts = new Map(packed.texts);
  let i = 0;
  let reading = 0;
  for (const { iss, sub, ch, kid, count } of packed.runs) {
    for (const end = i + count; i < end; i++) {
      const at = i * COLUMNS;
      const rows: ReadingRow[] = [];
      for (const last = reading + (numbers[at + 12] as number); reading < last; reading++)
        rows.push(readingOf(readings, reading, words, values[reading] ?? "", texts.get(reading) ?? null));
      const from = i * HASHES * HASH_BYTES;
      const { found, event, opened, gap, heads, erases } = rare.get(i) ?? NOTHING;
      yield {
        iss,
        sub,
        ch,
        kid,
        seq: numbers[at + 0] as number,
        hash: hashes.subarray(from, from + HASH_BYTES),
        prev: numbers[at + 9] === 1 ? hashes.subarray(from + HASH_BYTES, from + 2 * HASH_BYTES) : null,
        idx: orNull(numbers, at + 1),
        tree: repeated.trees[numbers[at + 2] as number] ?? null,
        newest: repeated.trees[numbers[at + 13] as number] ?? null,
        iat: orNull(numbers, at + 3),
        tq: numbers[at + 4] as number,
        lvl: numbers[at + 5] as number,
        seen: repeated.seen[numbers[at + 6] as number] ?? null,
        kind: words[numbers[at + 7] as number] ?? "",
        signed: (numbers[at + 8] as number) === 1,
        offset: numbers[at + 10] as number,
        length: numbers[at + 11] as number,
        readings: rows,
        found,
        event,
        opened,
        gap,
        heads,
        erases,
      };
    }
  }
}

const orNull = (numbers: Float64Array, at: number): number | null => {
  const value = numbers[at] as number;
  return value < 0 ? null : value;
};

function readingOf(
  readings: Float64Array,
  reading: number,
  words: readonly string[],
  v: string,
  vs: string | null,
): ReadingRow {
  const at = reading * READING_COLUMNS;
  const known = (column: number): number | null => {
    const value = readings[at + column] as number;
    return Number.isNaN(value) ? null : value;
  };
  const unit = known(3);
  return {
    n: readings[at + 6] as number,
    name: words[readings[at] as number] ?? "",
    t: known(1),
    v: v === "" ? null : v,
    float: known(2),
    vs,
    unit: unit === null ? null : (words[unit] ?? ""),
    q: words[readings[at + 4] as number] ?? "",
    rx: known(5),
  };
}
