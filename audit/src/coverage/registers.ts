/**
 * Values of one stream by name and time: what was told twice, what contradicts itself, and whether registers only ever rise.
 *
 * A register is a name that the stream's opening declares a counter. It may fall where it rolls over: from the last tenth of its declared width into
 * the first; and where another meter began, whose `meter-changed` names the end of the old one and the beginning of the new one.
 *
 * @module
 */
import { compareDecimal, parseDecimal, type Decimal } from "@tallystick/evidence";
import type { DayCounts } from "./counts.ts";
import type { FindingList } from "./findings.ts";
import type { Days } from "./moments.ts";
import type { Declared, MeterChange, Register } from "./said.ts";
import type { FactsView, StreamName, ValueRow } from "./view.ts";

export type RegisterWalk = {
  readonly name: StreamName;
  readonly stream: number;
  readonly view: FactsView;
  readonly days: Days;
  readonly counts: DayCounts;
  readonly findings: FindingList;
  /** By name; of several openings the newest counts. */
  readonly declared: ReadonlyMap<string, Declared>;
  /** In the order of the chains. */
  readonly changes: readonly MeterChange[];
  /** Place of a chain among those of the stream. */
  readonly placeOf: (chain: number) => number;
};

/** A reading of a register, by its digits: a number is made of them only where they can't be compared as they stand. */
type Value = ValueRow & { readonly v: string };

export function walkRegisters(walk: RegisterWalk): void {
  const { view, stream, days } = walk;
  const changes = walk.changes.map((change) => new ChangeCheck(change));
  let group: ValueRow[] = [];
  let last: Value | undefined;
  let wide: Wide | undefined;
  const endName = (name: string): void => {
    endGroup();
    if (wide !== undefined) tellWide(walk, name, wide);
    wide = undefined;
  };
  const endGroup = (): void => {
    const [first] = group;
    if (first === undefined) return;
    sameTime(walk, group);
    const declared = walk.declared.get(first.name);
    if (declared?.type === "counter" && first.v !== null) {
      const value = { ...first, v: first.v };
      last ??= earlier(walk, first.name);
      wide = widerThan(declared, value, wide);
      if (last !== undefined) compare(walk, declared, last, value, changes);
      last = value;
    }
    group = [];
  };
  let name: string | undefined;
  for (const row of view.values(stream, days.fromUs, days.toUs)) {
    if (row.v === null && row.float === null && row.vs === null) continue; // a frame, or a sum
    if (name !== row.name) {
      if (name !== undefined) endName(name);
      [name, last] = [row.name, undefined];
    } else if (group[0]?.t !== row.t) endGroup();
    group.push(row);
  }
  if (name !== undefined) endName(name);
  tellChanges(walk, changes);
}

/** The value of a register before the period. */
function earlier({ view, stream, days }: RegisterWalk, name: string): Value | undefined {
  const row = view.valueBefore(stream, name, days.fromUs);
  return row === undefined || row.v === null ? undefined : { ...row, v: row.v };
}

/** Readings of one name and one time. */
function sameTime({ counts, findings, name }: RegisterWalk, group: readonly ValueRow[]): void {
  const [first] = group;
  if (first === undefined || group.length === 1) return;
  const values = new Map<string, ValueRow>();
  let repeats = 0;
  for (const row of group) {
    const key = row.v === null ? `${row.float ?? ""} ${row.vs ?? ""}` : trimmed(row.v);
    if (values.has(key)) repeats++;
    else values.set(key, row);
  }
  const where = { name: first.name, fromUs: first.t, toUs: first.t };
  if (repeats > 0) {
    for (let i = 0; i < repeats; i++) counts.count("repeats", first.t);
    findings.add("repeat", name, "the same name, time and value again", { ...where, count: repeats });
  }
  if (values.size < 2) return;
  for (let i = 1; i < values.size; i++) counts.count("conflicts", first.t);
  const shown = [...values.values()].slice(0, 8).map(({ v, float, vs }) => v ?? vs ?? String(float));
  findings.add("conflict", name, shown.join(" and "), { ...where, count: values.size - 1 });
}

/** Digits of the same value are the same text: 1.50 and 1.5. */
const trimmed = (digits: string): string =>
  digits.includes(".") ? digits.replace(/0+$/, "").replace(/\.$/, "") : digits;

function compare(
  walk: RegisterWalk,
  declared: Declared,
  last: Value,
  value: Value,
  changes: readonly ChangeCheck[],
): void {
  const { findings, name } = walk;
  const where = { name: value.name, fromUs: last.t, toUs: value.t };
  if (last.unit !== value.unit) {
    findings.add("unit-changed", name, `${last.unit ?? "none"}, then ${value.unit ?? "none"}`, where);
    return;
  }
  const between = changesBetween(walk, last, value, changes);
  if (between.length > 0) {
    for (const one of between) one.check(last, value);
    return;
  }
  if (compareDigits(value.v, last.v) >= 0) return;
  const says = `${last.v}, then ${value.v}`;
  if (rollsOver(declared, parseDecimal(last.v), parseDecimal(value.v)))
    findings.add("rollover", name, `${says}: over ${declared.digits?.whole ?? 0} digits`, where);
  else findings.add("backwards", name, says, where);
}

/** The changes that were told between two readings, in the order of the chains. hostile: there may be as many as there are readings. */
function changesBetween(
  walk: RegisterWalk,
  last: ValueRow,
  value: ValueRow,
  changes: readonly ChangeCheck[],
): readonly ChangeCheck[] {
  let [low, high] = [0, changes.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (changes[middle]?.isBehind(walk, last) === true) high = middle;
    else low = middle + 1;
  }
  const found: ChangeCheck[] = [];
  for (let one = changes[low]; one?.isAhead(walk, value) === true; one = changes[++low]) found.push(one);
  return found;
}

/** From the last tenth of the declared width into the first. */
function rollsOver({ digits }: Declared, last: Decimal, value: Decimal): boolean {
  if (digits === null || digits.whole < 1 || digits.whole > 32) return false;
  const tenth = "0".repeat(digits.whole - 1);
  return (
    compareDecimal(last, parseDecimal(`9${tenth}`)) >= 0 &&
    compareDecimal(value, parseDecimal(`1${tenth}`)) < 0 &&
    compareDecimal(value, ZERO) >= 0
  );
}

const ZERO = parseDecimal("0");

/** Compares two values by their digits: those of one register mostly have as many places, and then the order of texts is theirs. */
function compareDigits(a: string, b: string): number {
  if (a === b) return 0;
  const alike = a.length === b.length && a.indexOf(".") === b.indexOf(".");
  if (alike && !a.startsWith("-") && !b.startsWith("-")) return a < b ? -1 : 1;
  return compareDecimal(parseDecimal(a), parseDecimal(b));
}

/** Places before the point; the facts have no leading zeros but the one before a point. */
function wholePlaces(digits: string): number {
  const [whole = ""] = digits.replace("-", "").split(".");
  return whole === "0" ? 0 : whole.length;
}

type Wide = { count: number; readonly fromUs: number; toUs: number; readonly value: string };

function widerThan({ digits }: Declared, value: Value, so: Wide | undefined): Wide | undefined {
  if (digits === null || wholePlaces(value.v) <= digits.whole) return so;
  if (so === undefined) return { count: 1, fromUs: value.t, toUs: value.t, value: value.v };
  so.count++;
  so.toUs = value.t;
  return so;
}

function tellWide({ findings, name, declared }: RegisterWalk, register: string, wide: Wide): void {
  const { count, fromUs, toUs, value } = wide;
  const says = `${value} has more than ${declared.get(register)?.digits?.whole ?? 0} digits before the point`;
  findings.add("over-width", name, says, { name: register, fromUs, toUs, count });
}

/** Whether the ends that a `meter-changed` names fit what was read before and after it. */
class ChangeCheck {
  readonly change: MeterChange;
  readonly #open: string[] = [];
  readonly #wrong: string[] = [];
  /** Registers that were read on both sides. */
  checked = 0;

  constructor(change: MeterChange) {
    this.change = change;
  }

  /** It was told after this reading. */
  isBehind({ placeOf }: RegisterWalk, { chain, seq }: ValueRow): boolean {
    const [at, before] = [placeOf(this.change.chain), placeOf(chain)];
    return before < at || (before === at && seq < this.change.seq);
  }

  /** It was told before this reading. */
  isAhead({ placeOf }: RegisterWalk, { chain, seq }: ValueRow): boolean {
    const [at, after] = [placeOf(this.change.chain), placeOf(chain)];
    return at < after || (at === after && this.change.seq < seq);
  }

  check(last: Value, value: Value): void {
    const { name } = value;
    const ends = { old: of(this.change.last, name), new: of(this.change.first, name) };
    this.checked++;
    if (ends.old === undefined || ends.new === undefined) {
      this.#open.push(name);
      return;
    }
    if (compareDigits(ends.old, last.v) < 0)
      this.#wrong.push(`${name}: the old one ended at ${ends.old}, and had shown ${last.v}`);
    if (compareDigits(ends.new, value.v) > 0)
      this.#wrong.push(`${name}: the new one began at ${ends.new}, and showed ${value.v} after that`);
  }

  tell({ findings, name, days }: RegisterWalk): void {
    const { old, new: next, us, last, first } = this.change;
    if (us === null || !days.has(us)) {
      if (this.checked === 0) return;
    }
    const meters = `${old}, then ${next}`;
    const where = { fromUs: us, toUs: us };
    if (this.#wrong.length > 0)
      findings.add("meter-change-inconsistent", name, `${meters}: ${this.#wrong.join("; ")}`, where);
    else if (this.#open.length > 0 || last.length === 0 || first.length === 0)
      findings.add(
        "meter-change-open",
        name,
        `${meters}: no ends of ${this.#open.join(", ") || "any register"}`,
        where,
      );
    else findings.add("meter-changed", name, `${meters}: ${ends(last)}, then ${ends(first)}`, where);
  }
}

const of = (registers: readonly Register[], name: string): string | undefined =>
  registers.find((one) => one.name === name)?.value;

const ends = (registers: readonly Register[]): string =>
  registers
    .slice(0, 8)
    .map(({ name, value }) => `${name} ${value}`)
    .join(", ");

function tellChanges(walk: RegisterWalk, changes: readonly ChangeCheck[]): void {
  for (const change of changes) change.tell(walk);
}
