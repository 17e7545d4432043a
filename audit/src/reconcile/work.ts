/**
 * The database in which lines and evidence are laid side by side: temporary, on disk, with the facts attached to read.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";

/**
 * `lines`: one row a line that takes part; `t`, `until`: microseconds; `minor`: minor units of `currency`; `quantity`, `discount`: exact decimals as
 * text; `place`: row of `lookup`; `facet`: what else must be equal, as JSON; `fields`: columns of a tariff's key, as JSON.
 * `proofs`: events that have standing; `head`: the one that stands for it, itself where nothing superseded it; `forked`: where two did.
 * `hits`: which heads a line lays claim to. `verdicts`: the class of each line, by its number in LINE_CLASSES.
 */
const TABLES = `
CREATE TABLE lines(n INTEGER PRIMARY KEY, line INTEGER NOT NULL, type TEXT NOT NULL, key TEXT, name TEXT, ref TEXT, trip TEXT, account TEXT,
  place INTEGER, t INTEGER, until INTEGER, minor INTEGER, currency TEXT, quantity TEXT, discount TEXT, facet TEXT, fields TEXT) STRICT;
CREATE TABLE lookup(id INTEGER PRIMARY KEY, account TEXT NOT NULL, stream INTEGER, name TEXT NOT NULL, register TEXT, multiplier TEXT NOT NULL,
  since INTEGER, until INTEGER) STRICT;
CREATE TABLE proofs(id INTEGER PRIMARY KEY, head INTEGER NOT NULL, forked INTEGER NOT NULL, stream INTEGER NOT NULL, t INTEGER, key TEXT,
  minor INTEGER, currency TEXT, facet TEXT, demanded INTEGER NOT NULL) STRICT;
CREATE TABLE adjustments(id INTEGER PRIMARY KEY, head INTEGER NOT NULL, minor INTEGER NOT NULL, currency TEXT NOT NULL, used INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE hits(n INTEGER NOT NULL, head INTEGER NOT NULL, PRIMARY KEY (n, head)) STRICT, WITHOUT ROWID;
CREATE TABLE verdicts(n INTEGER PRIMARY KEY, class INTEGER NOT NULL, reason TEXT NOT NULL, head INTEGER, expected INTEGER, quantity TEXT,
  evidence TEXT) STRICT;
`;

const CACHE_KIB = 16_384;

export type Work = { readonly db: DatabaseSync; close(): void };

/**
 * Makes the work database in a folder of its own below `parent`.
 *
 * @param facts - file of the facts: `facts.statements` and so on in queries
 */
export function openWork(parent: string, facts: string): Work {
  const folder = mkdtempSync(join(parent, "tally-reconcile-"));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  try {
    const db = new DatabaseSync(join(folder, "work.sqlite"));
    db.exec(`PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE; PRAGMA page_size = 8192;
      PRAGMA cache_size = -${CACHE_KIB}; ${TABLES}`);
    const address = pathToFileURL(facts);
    address.searchParams.set("mode", "ro");
    db.prepare("ATTACH DATABASE ? AS facts").run(address.href);
    return {
      db,
      close() {
        db.close();
        remove();
      },
    };
  } catch (error) {
    remove();
    throw error;
  }
}
