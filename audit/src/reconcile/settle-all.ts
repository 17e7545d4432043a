/**
 * Runs the rules over all lines, event by event or trip by trip, in the order of the work database; nothing is held but one group at a time.
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import { ConfigError } from "@tallystick/evidence/node";
import { LINE_CLASSES } from "./body.ts";
import { facetSql } from "./fields.ts";
import type { LoadedMap } from "./map/load.ts";
import type { Proof, Rules } from "./rules.ts";
import {
  settleEvent,
  settleTrip,
  type Adjustment,
  type Settling,
  type TripLine,
  type Verdict,
} from "./settle.ts";
import { TWO_PLACES } from "./stage.ts";
import type { Work } from "./work.ts";

type Row = {
  readonly unit: number | string;
  readonly n: number;
  readonly type: Settling["type"];
  readonly t: number | null;
  readonly minor: number | null;
  readonly currency: string | null;
  readonly discount: string | null;
  readonly fields: string | null;
  readonly remark: string | null;
  readonly head: number | null;
  readonly pt: number | null;
  readonly pminor: number | null;
  readonly pcurrency: string | null;
  readonly forked: number | null;
  readonly tariff: string | null;
  readonly adjusted: number;
  readonly several: number;
  readonly missing: number;
  readonly taken: number;
};

const NUMBER_OF: ReadonlyMap<string, number> = new Map(LINE_CLASSES.map((name, i) => [name, i]));

/** Gives each line of the work database its verdict. */
export function settleAll({ db }: Work, { map }: LoadedMap, rules: Rules): void {
  db.exec(`BEGIN; CREATE TEMP TABLE several(n INTEGER PRIMARY KEY); INSERT INTO several SELECT n FROM hits GROUP BY n HAVING count(*) > 1;
    CREATE TABLE IF NOT EXISTS remarks(n INTEGER PRIMARY KEY, reason TEXT NOT NULL)`);
  const split = map.match?.by === "key" && map.match.split !== undefined;
  const tripped = map.group !== undefined || split;
  const insert = db.prepare("INSERT INTO verdicts(n, class, reason, head, expected) VALUES (?, ?, ?, ?, ?)");
  const use = db.prepare("UPDATE adjustments SET used = 1 WHERE id = ?");
  const adjustments = db.prepare("SELECT id, minor, currency FROM adjustments WHERE head = ? ORDER BY id");
  // One account with two streams, or one key with two events: no rule can tell.
  insertAll(
    db.prepare(
      `INSERT INTO verdicts(n, class, reason) SELECT n, ${classOf("ambiguous")}, CASE WHEN place = ${TWO_PLACES} THEN 'account-twice' ELSE 'key-twice' END
       FROM lines WHERE place = ${TWO_PLACES} OR (n IN (SELECT n FROM several) AND (type <> 'charge' OR ${tripped ? "0" : "1"}))`,
    ),
  );
  if (tripped) settleTrips(db.prepare(tripSql(map, split)), rules, insert);
  const members = tariffMembers(map);
  const rows = db.prepare(eventSql(members, tripped)).iterate() as Iterable<Row>;
  for (const group of groups(rows)) {
    const [first] = group;
    if (first === undefined || first.head === null) continue;
    const known = first.adjusted === 1 ? (adjustments.all(first.head) as Adjustment[]) : [];
    const { verdicts, used } = settleEvent(proofOf(first), group.map(lineOf), known, rules);
    for (const one of verdicts) write(insert, one);
    for (const id of used) use.run(id);
  }
  settleRest(db, rules, insert);
  db.exec("COMMIT");
}

/** Lines of one event, or adjustments alone where the charges are settled by trips. */
const eventSql = (members: readonly string[], changesOnly: boolean): string =>
  `SELECT h.head unit, l.n, l.type, l.t, l.minor, l.currency, l.discount, l.fields, r.reason remark, h.head, p.t pt, p.minor pminor,
     p.currency pcurrency, p.forked, ${members.length === 0 ? "NULL" : facetSql(members)} tariff,
     EXISTS (SELECT 1 FROM adjustments a WHERE a.head = h.head) adjusted, 0 several, 0 missing, 0 taken
   FROM hits h JOIN lines l ON l.n = h.n JOIN proofs p ON p.id = h.head ${members.length === 0 ? "" : "JOIN facts.events e ON e.statement = p.id"}
     LEFT JOIN remarks r ON r.n = l.n
   WHERE l.n NOT IN (SELECT n FROM verdicts) ${changesOnly ? "AND l.type <> 'charge'" : ""} ORDER BY h.head, l.n`;

function tripSql(map: LoadedMap["map"], split: boolean): string {
  const members = tariffMembers(map);
  const unit = map.group === undefined ? "l.n" : "coalesce(l.trip, l.n)";
  const missing = split
    ? "(SELECT count(*) FROM keys k WHERE k.n = l.n AND NOT EXISTS (SELECT 1 FROM proofs x WHERE x.key = k.key))"
    : "0";
  // Of several lines with one event the first has it.
  const taken =
    "EXISTS (SELECT 1 FROM hits o JOIN lines ol ON ol.n = o.n WHERE o.head = h.head AND o.n < l.n AND ol.type = 'charge')";
  const several = split
    ? "EXISTS (SELECT 1 FROM keys k WHERE k.n = l.n AND (SELECT count(DISTINCT x.head) FROM proofs x WHERE x.key = k.key) > 1)"
    : "l.n IN (SELECT n FROM several)";
  return `SELECT ${unit} unit, l.n, l.type, l.t, l.minor, l.currency, l.discount, l.fields, r.reason remark, h.head, p.t pt, p.minor pminor,
     p.currency pcurrency, p.forked, ${members.length === 0 ? "NULL" : facetSql(members)} tariff, 0 adjusted, ${several} several, ${missing} missing,
     ${taken} taken
   FROM lines l LEFT JOIN hits h ON h.n = l.n LEFT JOIN proofs p ON p.id = h.head
     ${members.length === 0 ? "" : "LEFT JOIN facts.events e ON e.statement = p.id"} LEFT JOIN remarks r ON r.n = l.n
   WHERE l.type = 'charge' AND l.n NOT IN (SELECT n FROM verdicts) ORDER BY unit, l.n, h.head`;
}

/** Members of the event in a tariff's key, without where in a trip they are taken from. */
const tariffMembers = ({ amount }: LoadedMap["map"]): string[] =>
  amount.by === "tariff"
    ? (amount.tariff?.key ?? [])
        .filter((one) => !one.startsWith("column:"))
        .map((one) => one.replace(/^last\./, ""))
    : [];

function settleTrips(select: StatementSync, rules: Rules, insert: StatementSync): void {
  for (const group of groups(select.iterate() as Iterable<Row>)) {
    const lines = new Map<number, TripLine & { readonly proofs: Proof[] }>();
    for (const row of group) {
      const known = lines.get(row.n);
      const proofs = known?.proofs ?? [];
      if (row.head !== null) proofs.push(proofOf(row));
      const taken = row.taken === 1 || (known?.taken ?? false);
      lines.set(row.n, { ...lineOf(row), proofs, missing: row.missing, taken, several: row.several === 1 });
    }
    for (const one of settleTrip([...lines.values()], rules)) write(insert, one);
  }
}

/** Lines without any event. */
function settleRest(db: Work["db"], rules: Rules, insert: StatementSync): void {
  const rest = db.prepare(
    `SELECT l.n, l.type, l.t, l.key, l.ref, r.reason remark, (l.place IS NULL AND l.account IS NOT NULL) astray,
       EXISTS (SELECT 1 FROM unproven u WHERE u.key = coalesce(l.ref, l.key)) unproven
     FROM lines l LEFT JOIN remarks r ON r.n = l.n WHERE l.n NOT IN (SELECT n FROM verdicts) ORDER BY l.n`,
  );
  type Rest = Pick<Row, "n" | "type" | "t" | "remark"> & {
    key: string | null;
    astray: number;
    unproven: number;
  };
  for (const row of rest.iterate() as Iterable<Rest>) {
    const { n, t, type, remark } = row;
    const other = rules.otherPeriod(t, null);
    const say = (name: Verdict["class"], reason: string): void =>
      write(insert, { n, class: name, reason, head: null, expected: null });
    if (other !== undefined) say("out-of-period", other);
    else if (remark === "repeats-a-line") say("charged-twice", remark);
    else if (remark !== null) say("ambiguous", remark);
    else if (row.unproven === 1) say("billed-not-proven", "statement-unproven");
    else if (type !== "charge") say("billed-not-proven", "base-not-found");
    else say("billed-not-proven", row.astray === 1 ? "account-unknown" : "no-event");
  }
  db.exec(
    "UPDATE verdicts SET reason = 'statement-unproven' WHERE reason = 'no-event' AND n IN (SELECT l.n FROM lines l JOIN unproven u ON u.key = l.key)",
  );
}

/** Lines of one event: more are another column's, or an empty one's. */
const MAX_GROUP = 10_000;

/** @throws ConfigError where one key gathers more lines than any event could have */
function* groups(rows: Iterable<Row>): Generator<Row[]> {
  let open: Row[] = [];
  for (const row of rows) {
    if (open.length > MAX_GROUP)
      throw new ConfigError([
        `the export: more than ${MAX_GROUP} lines lay claim to one event or one trip; is csv.columns.key, reference or trip the right column`,
      ]);
    if (open.length > 0 && open[0]?.unit !== row.unit) {
      yield open;
      open = [];
    }
    open.push(row);
  }
  if (open.length > 0) yield open;
}

const proofOf = (row: Row): Proof => ({
  id: row.head ?? 0,
  t: row.pt,
  minor: row.pminor,
  currency: row.pcurrency,
  forked: row.forked === 1,
  tariff: row.tariff === null ? [] : (JSON.parse(row.tariff) as (string | null)[]),
});

const lineOf = (row: Row): Settling => ({
  n: row.n,
  type: row.type,
  t: row.t,
  minor: row.minor,
  currency: row.currency,
  discount: row.discount,
  fields: row.fields === null ? {} : (JSON.parse(row.fields) as Record<string, string | null>),
  remark: row.remark,
});

const classOf = (name: Verdict["class"]): number => NUMBER_OF.get(name) ?? 0;

function write(insert: StatementSync, { n, class: name, reason, head, expected }: Verdict): void {
  insert.run(n, classOf(name), reason, head, expected);
}

const insertAll = (statement: StatementSync): void => void statement.run();
