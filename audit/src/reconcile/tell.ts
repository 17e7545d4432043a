/**
 * Goes over all verdicts in the order of the export, then over what was proven and has no line: each becomes a row of its class, and counts.
 *
 * @module
 */
import { LINE_CLASSES, type LineClass, type LineRow } from "./body.ts";
import type { ClassFiles } from "./class-files.ts";
import { moneyText, placesOf } from "./money.ts";
import { showInstant } from "../calendar.ts";
import type { LoadedMap } from "./map/load.ts";
import type { Totals } from "./totals.ts";
import type { Work } from "./work.ts";

type Told = {
  readonly class: LineClass;
  readonly reason: string;
  readonly line: number | null;
  readonly type: string;
  readonly key: string | null;
  readonly account: string | null;
  readonly stream: string | null;
  readonly t: number | null;
  readonly until: number | null;
  readonly minor: number | null;
  readonly expected: number | null;
  readonly currency: string | null;
  readonly billed: string | null;
  readonly proven: string | null;
  /** Ids of the statements behind it. */
  readonly statements: readonly number[];
};

/** Statements that one row names; a walk over a month of rollovers has more, and its ends are first and last. */
const MAX_STATEMENTS = 100;

export class Teller {
  readonly #work: Work;
  readonly #loaded: LoadedMap;
  readonly #totals: Totals;
  readonly #files: ClassFiles;
  readonly #size: string;
  readonly #hashOf;

  /** @param size - of the tree at which the evidence stands */
  constructor(work: Work, loaded: LoadedMap, totals: Totals, files: ClassFiles, size: number) {
    this.#work = work;
    this.#loaded = loaded;
    this.#totals = totals;
    this.#files = files;
    this.#size = String(size);
    this.#hashOf = work.db.prepare("SELECT lower(hex(hash)) hash, idx FROM facts.statements WHERE id = ?");
  }

  /** Lines, by their verdicts. */
  lines(tick: (done: number) => void): void {
    const { db } = this.#work;
    const events = this.#loaded.map.match !== undefined;
    const several = events && hasSeveral(this.#loaded.map);
    const heads = db.prepare("SELECT head FROM hits WHERE n = ? ORDER BY head");
    const older = db.prepare("SELECT id FROM proofs WHERE head = ? AND id <> head ORDER BY id DESC");
    const signed = db.prepare("SELECT id FROM adjustments WHERE head = ? AND used = 1 ORDER BY id");
    const rows = db
      .prepare(
        `SELECT v.class, v.reason, v.head, v.expected, v.quantity proven, v.evidence, l.n, l.line, l.type, coalesce(l.key, l.ref) key, l.account,
           coalesce(k.name, (SELECT x.iss || '/' || x.sub FROM facts.statements s JOIN facts.streams x ON x.id = s.stream WHERE s.id = v.head)) stream,
           l.t, l.until, l.minor, l.currency, l.quantity billed,
           ${events ? "v.head IN (SELECT new FROM superseded)" : "0"} superseding,
           ${events ? "EXISTS (SELECT 1 FROM adjustments a WHERE a.head = v.head)" : "0"} adjusted
         FROM verdicts v JOIN lines l ON l.n = v.n LEFT JOIN lookup k ON k.id = l.place ORDER BY v.n`,
      )
      .iterate() as Iterable<
      Omit<Told, "class" | "statements"> & {
        readonly class: number;
        readonly n: number;
        readonly head: number | null;
        readonly evidence: string | null;
        readonly superseding: number;
        readonly adjusted: number;
      }
    >;
    for (const row of rows) {
      const { n, head, evidence } = row;
      const statements = evidence === null ? (head === null ? [] : [head]) : evidence.split(" ").map(Number);
      if (several && head !== null)
        statements.splice(0, 1, ...(heads.all(n) as { head: number }[]).map((one) => one.head));
      if (row.superseding === 1)
        statements.push(...(older.all(head) as { id: number }[]).map(({ id }) => id));
      if (row.adjusted === 1 && /adjustment/.test(row.reason))
        statements.push(...(signed.all(head) as { id: number }[]).map(({ id }) => id));
      const name = LINE_CLASSES[row.class];
      if (name === undefined) throw new Error(`no class ${row.class}`);
      this.#tell({ ...row, class: name, statements });
      tick(n);
    }
  }

  /** Proven events, and adjustments of them, without a line. Returns what needs none. */
  events(): { readonly inGrace: number; readonly notDemanded: number } {
    const { db } = this.#work;
    const { from, to } = this.#loaded.scope;
    db.exec(`CREATE TEMP TABLE billed(head INTEGER PRIMARY KEY);
      INSERT OR IGNORE INTO billed SELECT h.head FROM hits h JOIN lines l ON l.n = h.n WHERE l.type = 'charge'`);
    const rest = `FROM proofs p JOIN facts.streams x ON x.id = p.stream JOIN facts.events e ON e.statement = p.id
      WHERE p.head = p.id AND p.id NOT IN (SELECT head FROM billed)`;
    // One without an amount may ask for any.
    const asksForNone = "(p.demanded = 0 OR coalesce(p.minor, 1) = 0)";
    type Row = {
      id: number;
      t: number;
      key: string | null;
      stream: string;
      minor: number | null;
      currency: string | null;
    };
    const select = `SELECT p.id, p.t, coalesce(p.key, e.id) key, x.iss || '/' || x.sub stream, p.minor, p.currency ${rest}`;
    const missing = db
      .prepare(`${select} AND p.t >= ? AND p.t < ? AND NOT ${asksForNone} ORDER BY p.t, p.id`)
      .iterate(from, to);
    for (const row of missing as Iterable<Row>) this.#unbilled(row, "charge", "no-line");
    const when = "coalesce(e.t, s.iat * 1000000, s.committed * 1000000)";
    const adjustments = db.prepare(
      `SELECT a.id, ${when} t, p.key, x.iss || '/' || x.sub stream, a.minor, a.currency FROM adjustments a JOIN facts.statements s ON s.id = a.id
       JOIN facts.events e ON e.statement = a.id JOIN proofs p ON p.id = a.head JOIN facts.streams x ON x.id = s.stream
       WHERE a.used = 0 AND a.minor <> 0 AND ${when} >= ? AND ${when} < ? ORDER BY t, a.id`,
    );
    for (const row of adjustments.iterate(from, to) as Iterable<Row>)
      this.#unbilled(row, "adjustment", "adjustment-without-line");
    const count = (where: string, ...given: number[]): number =>
      (db.prepare(`SELECT count(*) n ${rest} AND ${where}`).get(...given) as { n: number }).n;
    return {
      inGrace: count("(p.t < ? OR p.t >= ?)", from, to),
      notDemanded: count(`p.t >= ? AND p.t < ? AND ${asksForNone}`, from, to),
    };
  }

  /** Consumption without a line. */
  readings(): void {
    type Row = {
      account: string;
      stream: string;
      t: number;
      until: number | null;
      quantity: string;
      reason: string;
      evidence: string;
    };
    for (const row of this.#work.db.prepare("SELECT * FROM unbilled ORDER BY n").iterate() as Iterable<Row>) {
      this.#tell({
        ...NOTHING,
        ...row,
        class: "proven-not-billed",
        type: "charge",
        proven: row.quantity,
        statements: row.evidence.split(" ").map(Number),
      });
    }
  }

  #unbilled(
    {
      id,
      minor,
      ...row
    }: {
      id: number;
      t: number;
      key: string | null;
      stream: string;
      minor: number | null;
      currency: string | null;
    },
    type: string,
    reason: string,
  ): void {
    this.#tell({
      ...NOTHING,
      ...row,
      class: "proven-not-billed",
      type,
      reason,
      expected: minor,
      statements: [id],
    });
  }

  #tell(told: Told): void {
    let row: LineRow | undefined;
    const made = (): LineRow => (row ??= this.#row(told));
    const { class: name, type, reason, minor, expected, currency } = told;
    this.#totals.add(
      {
        class: name,
        type,
        reason,
        minor,
        expected,
        currency,
        quantityBilled: told.billed ?? "",
        quantityProven: told.proven ?? "",
      },
      made,
    );
    if (this.#files.writes) this.#files.add(name, made());
  }

  #row(told: Told): LineRow {
    const { minor, expected, currency } = told;
    const places = placesOf(currency ?? "", this.#loaded.map.amount.places);
    const money = (value: number | null): string => (value === null ? "" : moneyText(value, places));
    const time = (us: number | null): string =>
      us === null ? "" : showInstant(this.#loaded.scope.zone, Math.floor(us / 1_000_000));
    const found = told.statements
      .slice(0, MAX_STATEMENTS)
      .map((id) => this.#hashOf.get(id) as { hash: string; idx: number | null });
    return {
      line: told.line === null ? "" : String(told.line),
      type: told.type,
      key: told.key ?? "",
      account: told.account ?? "",
      stream: told.stream ?? "",
      time: time(told.t),
      until: time(told.until),
      currency: currency ?? "",
      billed: money(minor),
      proven: money(expected),
      difference:
        minor === null || expected === null ? "" : moneyText(BigInt(minor) - BigInt(expected), places),
      quantityBilled: told.billed ?? "",
      quantityProven: told.proven ?? "",
      reason: told.reason,
      statements: found.map(({ hash }) => hash).join(" "),
      indexes: found.map(({ idx }) => idx ?? "").join(" "),
      checkpoint: found.length === 0 ? "" : this.#size,
    };
  }
}

const NOTHING = {
  line: null,
  key: null,
  account: null,
  until: null,
  minor: null,
  expected: null,
  currency: null,
  billed: null,
  proven: null,
};

const hasSeveral = ({ group, match }: LoadedMap["map"]): boolean =>
  group !== undefined || (match?.by === "key" && match.split !== undefined);
