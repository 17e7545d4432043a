/**
 * The classes of lines that bill a register or a consumption, account by account in the order of time.
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import { LINE_CLASSES, type LineClass } from "../body.ts";
import { exactOf, exactText, type Exact } from "../csv/number.ts";
import type { LineType } from "../lines.ts";
import type { LoadedMap } from "../map/load.ts";
import { rounded } from "../money.ts";
import type { Rules } from "../rules.ts";
import { TWO_PLACES, within } from "../stage.ts";
import type { Work } from "../work.ts";
import type { Picked, Registers } from "./registers.ts";

type Row = {
  readonly n: number;
  readonly type: LineType;
  readonly place: number | null;
  readonly account: string | null;
  readonly stream: number | null;
  readonly register: string | null;
  readonly multiplier: string | null;
  readonly since: number | null;
  readonly ends: number | null;
  readonly t: number;
  readonly until: number | null;
  readonly minor: number | null;
  readonly currency: string | null;
  readonly quantity: string | null;
  readonly fields: string | null;
  readonly reversed: number;
};

type Said = {
  readonly class: LineClass;
  readonly reason: string;
  readonly expected?: number | null;
  readonly quantity?: string;
  readonly statements?: readonly number[];
};

const NUMBER_OF: ReadonlyMap<string, number> = new Map(LINE_CLASSES.map((name, i) => [name, i]));
const ZERO: Exact = { digits: 0n, places: 0 };
/** Decimal places beyond which no quantity is told: what a factor adds is cut there, and says so by its rounding. */
const MOST_PLACES = 9;

/** A refund or adjustment that takes a charge back in full. */
const REVERSED = `EXISTS (SELECT 1 FROM lines a WHERE a.type <> 'charge' AND a.ref = l.name AND a.minor = -l.minor AND a.minor <> 0)`;

/** Gives each line of the work database its verdict. */
export function settleReadings({ db }: Work, loaded: LoadedMap, rules: Rules, registers: Registers): void {
  db.exec(
    "BEGIN; CREATE INDEX lines_ref ON lines(ref) WHERE ref IS NOT NULL; CREATE INDEX lines_name ON lines(name) WHERE name IS NOT NULL",
  );
  const insert = db.prepare(
    "INSERT INTO verdicts(n, class, reason, expected, quantity, evidence) VALUES (?, ?, ?, ?, ?, ?)",
  );
  const say = (n: number, said: Said): void => {
    const { class: name, reason, expected = null, quantity = null, statements = [] } = said;
    insert.run(
      n,
      NUMBER_OF.get(name) ?? 0,
      reason,
      expected,
      quantity,
      statements.length === 0 ? null : statements.join(" "),
    );
  };
  const rows = db.prepare(
    `SELECT l.n, l.type, l.place, l.account, k.stream, k.register, k.multiplier, k.since, k.until ends, l.t, l.until, l.minor, l.currency, l.quantity, l.fields,
       ${REVERSED} reversed
     FROM lines l LEFT JOIN lookup k ON k.id = l.place WHERE l.type = 'charge' ORDER BY k.stream, k.register, l.t, l.until, l.n`,
  );
  const next = db.prepare(
    "SELECT stream, register, multiplier, until ends FROM lookup WHERE account = ? AND since = ? AND stream IS NOT NULL AND register IS NOT NULL LIMIT 2",
  );
  const nextOf: NextPart = (account, since) => {
    const found = next.all(account, since) as Part[];
    return found.length === 1 ? found[0] : undefined;
  };
  let [stream, register, reach] = [-1 as number | null, "" as string | null, -Infinity];
  for (const row of rows.iterate() as Iterable<Row>) {
    if (row.stream !== stream || row.register !== register)
      [stream, register, reach] = [row.stream, row.register, -Infinity];
    const said = judge(row, loaded, rules, registers, nextOf);
    // What was taken back leaves its place to another line; what nobody could place takes none.
    const counts = row.reversed === 0 && row.stream !== null && said.class !== "out-of-period";
    const twice = counts && (row.until === null ? row.t === reach : row.t < reach);
    if (twice)
      say(row.n, {
        class: "charged-twice",
        reason: row.until === null ? "same-moment" : "overlaps-a-line",
        expected: 0,
        quantity: "0",
      });
    else if (row.reversed === 1 && PROVEN.has(said.class))
      say(row.n, { ...said, class: "adjusted", reason: "reversed" });
    else say(row.n, said);
    if (counts) reach = Math.max(reach, row.until ?? row.t);
  }
  settleChanges(db, loaded, insert);
  db.exec("COMMIT");
}

/** Classes of lines whose registers are proven, whatever was billed. */
const PROVEN: ReadonlySet<LineClass> = new Set([
  "billed-and-proven",
  "amount-differs",
  "amount-not-attested",
]);

function judge(
  row: Row,
  { map, scope }: LoadedMap,
  rules: Rules,
  registers: Registers,
  nextOf: NextPart,
): Said {
  const { t, until, place, stream, register } = row;
  if (!within(scope, row)) return { class: "out-of-period", reason: "line-out-of-period" };
  if (place === TWO_PLACES) return { class: "ambiguous", reason: "account-twice" };
  if (place === null) return { class: "billed-not-proven", reason: "account-unknown" };
  if (stream === null || register === null)
    return { class: "billed-not-proven", reason: "stream-not-in-case" };
  const picked =
    until === null || map.pick?.value === "register"
      ? times(registers.at(stream, register, t), row.multiplier)
      : overParts({ ...row, stream, register }, until, registers, nextOf);
  if ("fault" in picked) {
    const { fault } = picked;
    return { class: fault === "two-values" ? "ambiguous" : "billed-not-proven", reason: fault };
  }
  const proven = quantityOf(picked.value, map);
  const quantity = exactText(proven.digits, proven.places);
  const found = { quantity, statements: picked.statements };
  const billed = row.quantity === null ? undefined : exactOf(row.quantity);
  const keys = map.amount.by === "tariff" ? keyOf(row, map) : undefined;
  const price = keys === undefined ? undefined : rules.priced(keys, t, row.currency, proven);
  const expected = price?.minor ?? null;
  if (billed === undefined)
    return { class: "amount-differs", reason: "no-quantity-billed", expected, ...found };
  if (!near(billed, proven, map)) {
    const size = compare(billed, proven) > 0 ? "quantity-too-large" : "quantity-too-small";
    const reason = picked.backwards ? "register-backwards" : size;
    return { class: "amount-differs", reason, expected, ...found };
  }
  // The ends agree with the bill, and still nobody knows what was used.
  if (picked.backwards)
    return { class: "billed-not-proven", reason: "register-backwards", expected, ...found };
  if (keys === undefined) return { class: "billed-and-proven", reason: "", ...found };
  if (price === undefined) return { class: "amount-not-attested", reason: "no-price", ...found };
  if (row.minor === null || !rules.agree(row.minor, price.minor, price.currency)) {
    const reason =
      row.minor === null
        ? "no-amount-billed"
        : row.minor > price.minor
          ? "charged-too-much"
          : "charged-too-little";
    return { class: "amount-differs", reason, expected, ...found };
  }
  return { class: "billed-and-proven", reason: "", expected, ...found };
}

function keyOf({ fields }: Row, { amount }: LoadedMap["map"]): (string | null)[] {
  const cells = fields === null ? {} : (JSON.parse(fields) as Record<string, string | null>);
  return (amount.tariff?.key ?? []).map((name) => cells[name.replace(/^column:/, "")] ?? null);
}

/** What an account's register is, from one row of the lookup to the next. */
type Part = {
  readonly stream: number;
  readonly register: string;
  readonly multiplier: string | null;
  readonly ends: number | null;
};
type NextPart = (account: string | null, since: number) => Part | undefined;

/** Consumption of an account, over as many meters as it had meanwhile. */
function overParts(
  first: Part & Pick<Row, "account" | "t">,
  until: number,
  registers: Registers,
  nextOf: NextPart,
): Picked {
  let part: Part = first;
  let from = first.t;
  let sum: Picked = { value: ZERO, statements: [], backwards: false };
  for (;;) {
    const to = part.ends === null ? until : Math.min(until, part.ends);
    const picked = times(registers.interval(part.stream, part.register, from, to), part.multiplier);
    if ("fault" in picked) return picked;
    sum = {
      value: added(sum.value, picked.value),
      statements: [...sum.statements, ...picked.statements],
      backwards: sum.backwards || picked.backwards,
    };
    if (to === until) return sum;
    const following = nextOf(first.account, to);
    if (following === undefined) return { fault: "lookup-ends-within" };
    part = following;
    from = to;
  }
}

function times(picked: Picked, multiplier: string | null): Picked {
  if ("fault" in picked) return picked;
  const { digits, places } = picked.value;
  const factor = exactOf(multiplier ?? "1") ?? ZERO;
  return { ...picked, value: { digits: digits * factor.digits, places: places + factor.places } };
}

function added(a: Exact, b: Exact): Exact {
  const places = Math.max(a.places, b.places);
  return { digits: rounded(a, places, "down") + rounded(b, places, "down"), places };
}

/** Times the factor, rounded as the map has it, without needless zeros. */
export function scaled(value: Exact, multiplier: string, map: LoadedMap["map"]): Exact {
  const factor = exactOf(multiplier) ?? ZERO;
  return quantityOf({ digits: value.digits * factor.digits, places: value.places + factor.places }, map);
}

function quantityOf(value: Exact, { round }: LoadedMap["map"]): Exact {
  const { places, mode } = round.quantity ?? { places: MOST_PLACES, mode: "half-up" };
  const digits = rounded(value, places, mode);
  return round.quantity === undefined ? trimmed({ digits, places }) : { digits, places };
}

function trimmed({ digits, places }: Exact): Exact {
  let [left, at] = [digits, places];
  while (at > 0 && left % 10n === 0n) [left, at] = [left / 10n, at - 1];
  return { digits: left, places: at };
}

function compare(a: Exact, b: Exact): number {
  const most = Math.max(a.places, b.places);
  const difference = rounded(a, most, "down") - rounded(b, most, "down");
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

function near(a: Exact, b: Exact, { tolerance }: LoadedMap["map"]): boolean {
  const allowed = exactOf(tolerance.quantity) ?? ZERO;
  const most = Math.max(a.places, b.places, allowed.places);
  const difference = rounded(a, most, "down") - rounded(b, most, "down");
  return (difference < 0n ? -difference : difference) <= rounded(allowed, most, "down");
}

/** Adjustments and refunds: they rest on the line they name. */
function settleChanges(db: Work["db"], { map, scope }: LoadedMap, insert: StatementSync): void {
  const by = map.types?.reference === "key" ? "key" : "name";
  if (by === "key") db.exec("CREATE INDEX lines_key ON lines(key)");
  const rows = db.prepare(
    `SELECT a.n, a.t, a.until, (SELECT min(v.class) FROM lines l JOIN verdicts v ON v.n = l.n WHERE l.${by} = a.ref AND l.type = 'charge') base
     FROM lines a WHERE a.type <> 'charge' ORDER BY a.n`,
  );
  type Change = { n: number; t: number | null; until: number | null; base: number | null };
  for (const { n, t, until, base } of rows.iterate() as Iterable<Change>) {
    const name = base === null ? undefined : LINE_CLASSES[base];
    const [said, reason] = !within(scope, { t, until })
      ? (["out-of-period", "line-out-of-period"] as const)
      : name === undefined
        ? (["billed-not-proven", "base-not-found"] as const)
        : name === "billed-not-proven" || name === "ambiguous"
          ? (["billed-not-proven", "base-not-proven"] as const)
          : (["adjusted", "base-proven"] as const);
    insert.run(n, NUMBER_OF.get(said) ?? 0, reason, null, null, null);
  }
}
