/**
 * From the account on a bill to the stream, register and factor behind it, as they were at a time.
 *
 * @module
 */
import { ConfigError } from "@tallystick/evidence/node";
import { readInstant } from "../calendar.ts";
import type { ResultInput } from "../result.ts";
import type { LoadedMap } from "./map/load.ts";
import { readTable } from "./tables.ts";
import type { Work } from "./work.ts";

const COLUMNS = { needed: ["account", "stream"], known: ["register", "multiplier", "from", "to"] };
const EXACT = /^-?\d{1,18}(?:\.\d{1,12})?$/;

/** Row of the table `lookup`; `null` where the account isn't known at that time, `ambiguous` where it has two streams. */
export type Lookup = (account: string, t: number | null) => number | null | "ambiguous";

/**
 * Fills the table `lookup`. Without a lookup in the map an account is itself the stream's name.
 *
 * @returns the file that was read, where there is one
 * @throws ConfigError for a stream's name or a time that is none
 */
export async function loadLookup(
  { db }: Work,
  { map, scope, path, input }: LoadedMap,
): Promise<ResultInput[]> {
  if (map.lookup === undefined) {
    if (map.csv.columns.account === undefined) return [];
    db.prepare(
      `INSERT INTO lookup(account, stream, name, register, multiplier) SELECT iss || '/' || sub, id, iss || '/' || sub, ?, '1' FROM facts.streams
       ORDER BY id`,
    ).run(map.pick?.register ?? null);
    index(db);
    return [];
  }
  const insert = db.prepare(
    `INSERT INTO lookup(account, stream, name, register, multiplier, since, until)
     VALUES (?1, (SELECT id FROM facts.streams WHERE iss = ?2 AND sub = ?3), ?4, ?5, ?6, ?7, ?8)`,
  );
  const add = (
    row: Readonly<Record<string, string | undefined>>,
    say: (column: string, what: string) => void,
  ): void => {
    const { account = "", stream = "", multiplier = "1" } = row;
    const [, iss, sub] = /^([^/]+\/[^/]+)\/(.+)$/.exec(stream) ?? [];
    if (iss === undefined || sub === undefined) return say("stream", `${stream}: give ORG/DEVICE/STREAM`);
    if (!EXACT.test(multiplier)) return say("multiplier", `${multiplier}: give a decimal number, e.g. 0.001`);
    const register = row["register"] ?? map.pick?.register;
    if (map.pick !== undefined && register === undefined)
      return say("register", "empty, and pick names none; give it here or there");
    const at = (column: "from" | "to"): number | null => {
      const text = row[column];
      if (text === undefined) return null;
      const read = readInstant(scope.zone, text);
      if ("at" in read) return read.at * 1_000_000;
      say(column, `${text}: ${read.fault} in ${scope.zone.name}; give a date, or a time with its offset`);
      return null;
    };
    insert.run(account, iss, sub, stream, register ?? null, multiplier, at("from"), at("to"));
  };
  const { file, rows } = map.lookup;
  for (const [i, row] of (rows ?? []).entries()) {
    add(row, (column, what) => {
      throw new ConfigError([`${input.name}: lookup.rows.${i}.${column}: ${what}`]);
    });
  }
  const inputs =
    file === undefined
      ? []
      : [
          await readTable(path(file), COLUMNS, ({ line, cells }, faults) =>
            add(cells, (column, what) => faults.add(line, column, what)),
          ),
        ];
  index(db);
  return inputs;
}

const index = (db: Work["db"]): void => db.exec("CREATE INDEX lookup_account ON lookup(account)");

export function openLookup({ db }: Work): Lookup {
  const find = db.prepare(
    `SELECT id FROM lookup WHERE account = ?1 AND (?2 IS NULL OR ((since IS NULL OR since <= ?2) AND (until IS NULL OR ?2 < until))) LIMIT 2`,
  );
  let last:
    { readonly account: string; readonly t: number | null; readonly found: ReturnType<Lookup> } | undefined;
  return (account, t) => {
    if (last?.account === account && last.t === t) return last.found;
    const rows = find.all(account, t) as { id: number }[];
    const found = rows.length > 1 ? "ambiguous" : (rows[0]?.id ?? null);
    last = { account, t, found };
    return found;
  };
}
