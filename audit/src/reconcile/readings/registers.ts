/**
 * Registers of the facts: what one stood at, and what lies between two moments.
 *
 * @module
 */
import { exactOf, type Exact } from "../csv/number.ts";
import type { ReconcileMap } from "../map/schema.ts";
import type { Work } from "../work.ts";
import { walk, type MeterChange, type RegisterReading } from "./walk.ts";

/** What was found, and the statements that prove it; or why nothing is proven. */
export type Picked =
  | { readonly value: Exact; readonly statements: readonly number[]; readonly backwards: boolean }
  | { readonly fault: string };

/** More decimal places than any meter has: all values of a walk are brought to them. */
const PLACES = 12;
const SCALE = 10n ** BigInt(PLACES);

type Row = {
  readonly t: number;
  readonly v: string;
  readonly statement: number;
  readonly chain: number;
  readonly seq: number;
};
type EventRow = {
  readonly statement: number;
  readonly kind: string;
  readonly body: string;
  readonly chain: number;
  readonly seq: number;
};
type Found = { readonly reading: RegisterReading } | { readonly fault: "no-reading" | "two-values" };

type Life = {
  readonly stream: number;
  readonly register: string;
  readonly changes: readonly MeterChange[];
  readonly width: bigint | undefined;
};

export class Registers {
  readonly #maxAge: number;
  readonly #rollover: boolean;
  readonly #last;
  readonly #between;
  readonly #events;
  #life: Life | undefined;
  /** Where one line ends the next begins, mostly. */
  #recent:
    | { readonly stream: number; readonly register: string; readonly t: number; readonly found: Found }
    | undefined;

  constructor({ db }: Work, pick: NonNullable<ReconcileMap["pick"]>) {
    this.#maxAge = pick.maxAge;
    this.#rollover = pick.rollover;
    const refused = pick.refuse
      .map((quality) => `AND instr(' ' || r.q || ' ', ' ${quality} ') = 0`)
      .join(" ");
    const select = `SELECT r.t, r.v, r.statement, c.ordinal chain, s.seq FROM facts.readings r JOIN facts.statements s ON s.id = r.statement
      JOIN facts.chains c ON c.id = s.chain WHERE r.stream = ? AND r.name = ? AND r.t >= ? AND r.t <= ? AND r.v IS NOT NULL
      AND s.standing IN ('good', 'restricted') ${refused}`;
    this.#last = db.prepare(`${select} ORDER BY r.t DESC, r.statement, r.n LIMIT 8`);
    this.#between = db.prepare(`${select} ORDER BY r.t, r.statement, r.n`);
    this.#events = db.prepare(`SELECT e.statement, e.kind, e.body, c.ordinal chain, s.seq FROM facts.events e
      JOIN facts.statements s ON s.id = e.statement JOIN facts.chains c ON c.id = s.chain
      WHERE e.stream = ? AND e.kind IN ('meter-changed', 'stream-opened') AND s.standing IN ('good', 'restricted') ORDER BY c.ordinal, s.seq`);
  }

  /** What a register stood at, at a moment or no longer before than the map allows. */
  at(stream: number, register: string, t: number): Picked {
    const found = this.#at(stream, register, t);
    if ("fault" in found) return found;
    const { digits, statement } = found.reading;
    return { value: { digits, places: PLACES }, statements: [statement], backwards: false };
  }

  /** What a register counted from one moment to another. */
  interval(stream: number, register: string, from: number, to: number): Picked {
    const [start, end] = [this.#at(stream, register, from), this.#at(stream, register, to)];
    if ("fault" in start) return start.fault === "two-values" ? start : { fault: "no-reading-at-start" };
    if ("fault" in end) return end.fault === "two-values" ? end : { fault: "no-reading-at-end" };
    const { changes, width } = this.#lifeOf(stream, register);
    const readings =
      start.reading.t === end.reading.t
        ? [start.reading]
        : [start.reading, ...this.#inside(stream, register, start.reading.t, end.reading.t), end.reading];
    const walked = walk(readings, changes, width);
    if ("fault" in walked) return walked;
    const { digits, statements, backwards } = walked;
    return { value: { digits, places: PLACES }, statements, backwards };
  }

  #at(stream: number, register: string, t: number): Found {
    const recent = this.#recent;
    if (recent?.t === t && recent.stream === stream && recent.register === register) return recent.found;
    const found = this.#look(stream, register, t);
    this.#recent = { stream, register, t, found };
    return found;
  }

  #look(stream: number, register: string, t: number): Found {
    const rows = this.#last.all(stream, register, t - this.#maxAge, t) as Row[];
    const [first] = rows;
    if (first === undefined) return { fault: "no-reading" };
    const reading = readingOf(first);
    if (reading === undefined) return { fault: "no-reading" };
    const other = rows.some((row) => row.t === first.t && readingOf(row)?.digits !== reading.digits);
    return other ? { fault: "two-values" } : { reading };
  }

  /** Readings between two moments, neither of them meant; where two of one moment disagree, neither counts. */
  #inside(stream: number, register: string, from: number, to: number): RegisterReading[] {
    const found: RegisterReading[] = [];
    let disputed = -Infinity;
    for (const row of this.#between.iterate(stream, register, from + 1, to - 1) as Iterable<Row>) {
      const reading = readingOf(row);
      if (reading === undefined || reading.t === disputed) continue;
      const last = found.at(-1);
      if (last?.t !== reading.t) found.push(reading);
      else if (last.digits !== reading.digits) {
        found.pop();
        disputed = reading.t;
      }
    }
    return found;
  }

  #lifeOf(stream: number, register: string): Life {
    if (this.#life?.stream === stream && this.#life.register === register) return this.#life;
    const changes: MeterChange[] = [];
    let meter: string | undefined;
    let width: bigint | undefined;
    for (const { statement, kind, body, chain, seq } of this.#events.iterate(stream) as Iterable<EventRow>) {
      const event = JSON.parse(body) as Opened & Changed;
      const place = { statement, chain, seq };
      if (kind === "meter-changed") {
        // An agent may open with the new meter first, and then tell of the change.
        if (event.new === meter && changes.at(-1)?.untold === true) changes.pop();
        meter = event.new;
        changes.push({
          ...place,
          last: valueIn(event.last, register),
          first: valueIn(event.first, register),
          untold: false,
        });
        continue;
      }
      if (meter !== undefined && event.meter !== undefined && event.meter !== meter)
        changes.push({ ...place, last: undefined, first: undefined, untold: true });
      meter = event.meter ?? meter;
      const whole = event.names?.find(({ name }) => name === register)?.digits?.whole;
      if (whole !== undefined && whole > 0 && whole <= 18) width = 10n ** BigInt(whole) * SCALE;
    }
    this.#life = { stream, register, changes, width: this.#rollover ? width : undefined };
    return this.#life;
  }
}

type Opened = {
  readonly meter?: string;
  readonly names?: readonly { readonly name: string; readonly digits?: { readonly whole: number } | null }[];
};
type Changed = { readonly new?: string; readonly last?: Values; readonly first?: Values };
type Values = readonly { readonly name: string; readonly value: string }[];

function valueIn(values: Values | undefined, register: string): bigint | undefined {
  const text = values?.find(({ name }) => name === register)?.value;
  return text === undefined ? undefined : digitsOf(text);
}

function readingOf({ t, v, statement, chain, seq }: Row): RegisterReading | undefined {
  const digits = digitsOf(v);
  return digits === undefined ? undefined : { t, digits, statement, chain, seq };
}

function digitsOf(text: string): bigint | undefined {
  const value = exactOf(text);
  return value === undefined || value.places > PLACES
    ? undefined
    : value.digits * 10n ** BigInt(PLACES - value.places);
}
