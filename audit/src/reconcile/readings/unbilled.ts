/**
 * Consumption that is proven and stands on no line: what the lines of an account leave open of the scope.
 *
 * @module
 */
import { exactText } from "../csv/number.ts";
import { LINE_CLASSES } from "../body.ts";
import type { LoadedMap } from "../map/load.ts";
import type { Work } from "../work.ts";
import type { Registers } from "./registers.ts";
import { scaled } from "./settle.ts";

type Place = {
  readonly id: number;
  readonly account: string;
  readonly stream: number;
  readonly name: string;
  readonly register: string;
  readonly multiplier: string;
  readonly since: number | null;
  readonly until: number | null;
};

/** Lines of these classes fill no place in the scope. */
const ELSEWHERE = LINE_CLASSES.indexOf("out-of-period");

/** Fills the table `unbilled` for each account of the lookup. Returns how many registers have a proven value in the scope. */
export function findUnbilled({ db }: Work, { map, scope }: LoadedMap, registers: Registers): number {
  db.exec(`BEGIN; CREATE TABLE unbilled(n INTEGER PRIMARY KEY, account TEXT, stream TEXT, t INTEGER, until INTEGER, quantity TEXT, reason TEXT,
    evidence TEXT); CREATE INDEX lines_account ON lines(account, t)`);
  const insert = db.prepare(
    "INSERT INTO unbilled(account, stream, t, until, quantity, reason, evidence) VALUES (?, ?, ?, ?, ?, ?, ?)",
  );
  const places = db
    .prepare(
      "SELECT * FROM lookup WHERE stream IS NOT NULL AND register IS NOT NULL ORDER BY account, name, register, id",
    )
    .iterate() as Iterable<Place>;
  // By account: one line may go on over a change of its meter.
  const lines = db.prepare(
    `SELECT l.t, l.until FROM lines l JOIN verdicts v ON v.n = l.n JOIN lookup k ON k.id = l.place
     WHERE l.account = ? AND k.register = ? AND l.type = 'charge' AND v.class <> ${ELSEWHERE} ORDER BY l.t`,
  );
  let registersSeen = 0;
  for (const place of places) {
    const from = Math.max(scope.from, place.since ?? -Infinity);
    const to = Math.min(scope.to, place.until ?? Infinity);
    if (from >= to) continue;
    const billed = lines.all(place.account, place.register) as { t: number; until: number | null }[];
    const end = registers.at(place.stream, place.register, to);
    if (!("fault" in end)) registersSeen++;
    const tell = (t: number, until: number | null, reason: string): void => {
      const picked = until === null ? end : registers.interval(place.stream, place.register, t, until);
      if ("fault" in picked) return;
      const { digits, places: decimals } = scaled(picked.value, place.multiplier, map);
      if (digits <= 0n) return;
      insert.run(
        place.account,
        place.name,
        t,
        until,
        exactText(digits, decimals),
        reason,
        picked.statements.join(" "),
      );
    };
    if (map.pick?.value === "register") {
      if (billed.length === 0) tell(to, null, "no-line");
      continue;
    }
    for (const hole of holes(billed, from, to)) {
      tell(hole.from, hole.to, billed.length === 0 ? "no-line" : "between-lines");
    }
  }
  db.exec("COMMIT");
  return registersSeen;
}

/** Stretches of `from` to `to` that no line covers. */
function holes(
  lines: readonly { readonly t: number; readonly until: number | null }[],
  from: number,
  to: number,
): { readonly from: number; readonly to: number }[] {
  const found: { from: number; to: number }[] = [];
  let reach = from;
  for (const { t, until } of lines) {
    if (t > reach && reach < to) found.push({ from: reach, to: Math.min(t, to) });
    reach = Math.max(reach, until ?? t);
  }
  if (reach < to) found.push({ from: reach, to });
  return found;
}
