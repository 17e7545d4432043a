/**
 * Lines and events that name one another by a key.
 *
 * @module
 */
import type { ReconcileMap } from "../map/schema.ts";
import type { Work } from "../work.ts";

/** A line's account is a stream's: then its event must be of that stream. */
const SAME_STREAM = `(l.account IS NULL OR EXISTS (SELECT 1 FROM lookup k WHERE k.id = l.place AND k.stream = p.stream))`;

/** Fills `hits` for charges. Lines with several keys are told by `match.split`: table `keys`. */
export function matchByKey({ db }: Work, { match }: Pick<ReconcileMap, "match">): void {
  const split = match?.by === "key" ? match.split : undefined;
  db.exec("BEGIN");
  if (split === undefined) {
    db.exec(`INSERT OR IGNORE INTO hits SELECT l.n, p.head FROM lines l JOIN proofs p ON p.key = l.key
      WHERE l.type = 'charge' AND ${SAME_STREAM} ORDER BY l.n`);
  } else {
    splitKeys(db, split);
    db.exec(`INSERT OR IGNORE INTO hits SELECT l.n, p.head FROM keys k JOIN lines l ON l.n = k.n JOIN proofs p ON p.key = k.key
      WHERE l.type = 'charge' AND ${SAME_STREAM} ORDER BY l.n`);
  }
  db.exec("COMMIT");
}

function splitKeys(db: Work["db"], separator: string): void {
  db.exec("CREATE TABLE keys(n INTEGER NOT NULL, key TEXT NOT NULL, PRIMARY KEY (n, key)) WITHOUT ROWID");
  const insert = db.prepare("INSERT OR IGNORE INTO keys VALUES (?, ?)");
  for (const row of db
    .prepare("SELECT n, CASE WHEN type = 'charge' THEN key ELSE ref END key FROM lines")
    .iterate()) {
    const { n, key } = row as { n: number; key: string | null };
    if (key === null) continue;
    for (const part of key.split(separator)) if (part.trim() !== "") insert.run(n, part.trim());
  }
}

/**
 * Fills `hits` for adjustments and refunds, from what they refer to: the key of an event, or another line. After the charges. What is changed of a
 * trip of several passages rests on the first of them.
 */
export function matchReferences({ db }: Work, { types, match }: Pick<ReconcileMap, "types" | "match">): void {
  const reference = types?.reference ?? "key";
  db.exec("BEGIN");
  if (reference === "line") {
    db.exec(`CREATE INDEX lines_name ON lines(name);
      INSERT OR IGNORE INTO hits SELECT a.n, h.head FROM lines a JOIN lines l ON l.name = a.ref AND l.type = 'charge'
        JOIN (SELECT n, min(head) head FROM hits GROUP BY n) h ON h.n = l.n
      WHERE a.type <> 'charge' ORDER BY a.n`);
  } else if (match?.by === "key") {
    db.exec(
      match.split === undefined
        ? `INSERT OR IGNORE INTO hits SELECT a.n, p.head FROM lines a JOIN proofs p ON p.key = a.ref WHERE a.type <> 'charge' ORDER BY a.n`
        : `INSERT OR IGNORE INTO hits SELECT a.n, min(p.head) FROM lines a JOIN keys k ON k.n = a.n JOIN proofs p ON p.key = k.key
           WHERE a.type <> 'charge' GROUP BY a.n HAVING count(DISTINCT k.key) = (SELECT count(*) FROM keys x WHERE x.n = a.n)`,
    );
  }
  db.exec("CREATE INDEX hits_head ON hits(head); COMMIT");
}
