/**
 * What has to survive a restart: who was told to be silent, what was not delivered yet, and when this anchor watched. A file of its own beside the ledger:
 * it is no part of it, and where it is lost, alarms are told anew.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { EvidenceError } from "@tallystick/evidence";
import { inTransaction, storageFailed } from "../storage/database.ts";
import type { Change } from "./device.ts";
import type { Silent } from "./watch.ts";

const SCHEMA_VERSION = 1;
/** sub is empty for the whole device; last is -1 and since 0 where nothing was ever heard. */
const SCHEMA = `
CREATE TABLE silent(iss TEXT NOT NULL, sub TEXT NOT NULL, since INTEGER NOT NULL, allowed INTEGER NOT NULL, last INTEGER NOT NULL, PRIMARY KEY (iss, sub)) STRICT, WITHOUT ROWID;
CREATE TABLE outgoing(number INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;
CREATE TABLE watched(since INTEGER PRIMARY KEY, until INTEGER NOT NULL) STRICT;
CREATE TABLE figures(name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
`;
const BUSY_MS = 5000;
/** Times at which it watched that are kept. */
const MAX_SPANS = 5000;

/** An alarm as it is sent. */
export type Alarm = {
  /** The same at each attempt: whoever takes alarms knows by it what came twice. */
  readonly id: string;
  readonly code: Change["code"];
  readonly iss: string;
  readonly sub: string | null;
  /** Commit time of what was heard last, RFC 3339; null where nothing ever was. */
  readonly since: string | null;
  readonly allowedS: number;
  /** Log index of that, of a stream its number in the chain. */
  readonly last: number | null;
  /** When this anchor found it, RFC 3339. */
  readonly at: string;
};

export type Waiting = { readonly number: number; readonly body: string };

export class AlarmStore {
  readonly #db: DatabaseSync;
  readonly #begin: StatementSync;
  readonly #end: StatementSync;
  readonly #put: StatementSync;
  readonly #done: StatementSync;
  readonly #trim: StatementSync;
  readonly #some: StatementSync;
  readonly #told: StatementSync;
  readonly #count: StatementSync;
  readonly #figure: StatementSync;
  readonly #add: StatementSync;
  readonly #span: StatementSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#begin = db.prepare(
      "INSERT OR REPLACE INTO silent(iss, sub, since, allowed, last) VALUES (?, ?, ?, ?, ?)",
    );
    this.#end = db.prepare("DELETE FROM silent WHERE iss = ? AND sub = ?");
    this.#put = db.prepare("INSERT INTO outgoing(body) VALUES (?)");
    this.#done = db.prepare("DELETE FROM outgoing WHERE number <= ?");
    this.#trim = db.prepare(
      "DELETE FROM outgoing WHERE number <= (SELECT number FROM outgoing ORDER BY number DESC LIMIT 1 OFFSET ?)",
    );
    this.#some = db.prepare("SELECT number, body FROM outgoing ORDER BY number LIMIT ?");
    this.#told = db.prepare("SELECT iss, sub, since, allowed, last FROM silent ORDER BY iss, sub LIMIT ?");
    this.#count = db.prepare("SELECT count(*) AS n FROM outgoing");
    this.#figure = db.prepare("SELECT value FROM figures WHERE name = ?");
    this.#add = db.prepare(
      "INSERT INTO figures(name, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = value + excluded.value",
    );
    this.#span = db.prepare(
      "INSERT INTO watched(since, until) VALUES (?, ?) ON CONFLICT DO UPDATE SET until = max(until, excluded.until)",
    );
  }

  /**
   * Writes changes down, and what is to be sent of them.
   *
   * @param maxWaiting - alarms that may wait to be sent; where there are more, the oldest are let go, and counted. 0: none are sent
   */
  change(changes: readonly Change[], nowUnixS: number, maxWaiting: number): void {
    inTransaction(this.#db, () => {
      for (const change of changes) {
        const { code, iss, sub, told } = change;
        if (code === "device-silent" || code === "stream-silent")
          this.#begin.run(iss, sub ?? "", told.since ?? 0, told.allowedS, told.last ?? -1);
        else this.#end.run(iss, sub ?? "");
        if (maxWaiting > 0) this.#put.run(JSON.stringify(alarmOf(change, nowUnixS)));
      }
      if (maxWaiting === 0) return;
      const { changes: dropped } = this.#trim.run(maxWaiting);
      if (Number(dropped) > 0) this.#add.run("dropped", Number(dropped));
    });
  }

  /** Who was told to be silent: at most so many, all by default. */
  silent(limit = -1): Silent[] {
    return this.#told.all(limit).map((row) => {
      const { iss, sub, since, allowed, last } = row as Record<"since" | "allowed" | "last", number> & {
        iss: string;
        sub: string;
      };
      return {
        iss,
        sub: sub === "" ? null : sub,
        since: since === 0 ? null : since,
        allowedS: allowed,
        last: last === -1 ? null : last,
      };
    });
  }

  /** The oldest alarms that wait to be sent. */
  waiting(limit: number): Waiting[] {
    return this.#some.all(limit) as Waiting[];
  }

  get waitingCount(): number {
    return Number(this.#count.get()?.["n"] ?? 0);
  }

  /** Alarms that were let go because too many waited. */
  get dropped(): number {
    return Number(this.#figure.get("dropped")?.["value"] ?? 0);
  }

  /** All up to this one were taken by the receiver. */
  sent(number: number): void {
    inTransaction(this.#db, () => this.#done.run(number));
  }

  /** It watched from one moment to the other, Unix seconds. */
  watched(sinceUnixS: number, untilUnixS: number): void {
    inTransaction(this.#db, () => this.#span.run(sinceUnixS, untilUnixS));
  }

  /** Seconds watched since a moment, over earlier runs; the newest first. */
  spans(): readonly { readonly since: number; readonly until: number }[] {
    const rows = this.#db
      .prepare("SELECT since, until FROM watched ORDER BY since DESC LIMIT ?")
      .all(MAX_SPANS);
    const spans = rows as { since: number; until: number }[];
    const oldest = spans.at(-1)?.since;
    if (spans.length === MAX_SPANS && oldest !== undefined)
      inTransaction(this.#db, () => this.#db.prepare("DELETE FROM watched WHERE since < ?").run(oldest));
    return spans;
  }

  close(): void {
    this.#db.close();
  }
}

function alarmOf({ code, iss, sub, told }: Change, nowUnixS: number): Alarm {
  return {
    id: randomBytes(16).toString("hex"),
    code,
    iss,
    sub,
    since: told.since === null ? null : iso(told.since),
    allowedS: told.allowedS,
    last: told.last,
    at: iso(nowUnixS),
  };
}

/** RFC 3339, UTC. */
export const iso = (unixS: number): string => new Date(unixS * 1000).toISOString();

/** Opens the file, and makes it where there is none. @throws EvidenceError `storage-newer`, `storage-failed` */
export function openAlarms(path: string): AlarmStore {
  return opened(path, () => {
    const db = new DatabaseSync(path, { timeout: BUSY_MS });
    db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    if (versionOf(db, path) === 0)
      db.exec(`BEGIN; ${SCHEMA} PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT`);
    return db;
  });
}

/** Opens it to look only, also while the anchor runs; undefined where there is none. @throws EvidenceError as {@link openAlarms} */
export function readAlarms(path: string): AlarmStore | undefined {
  if (!existsSync(path)) return undefined;
  return opened(path, () => {
    const db = new DatabaseSync(path, { readOnly: true, timeout: BUSY_MS });
    versionOf(db, path);
    return db;
  });
}

function opened(path: string, open: () => DatabaseSync): AlarmStore {
  try {
    return new AlarmStore(open());
  } catch (error) {
    if (error instanceof EvidenceError) throw error;
    throw storageFailed(
      `${path}: can't use it; where it is damaged, move it away: alarms are told anew`,
      error,
    );
  }
}

function versionOf(db: DatabaseSync, path: string): number {
  const version = Number(db.prepare("PRAGMA user_version").get()?.["user_version"] ?? 0);
  if (version > SCHEMA_VERSION)
    throw new EvidenceError("storage-newer", `${path}: written by a newer version; upgrade tally-anchor`, {
      version,
      known: SCHEMA_VERSION,
    });
  return version;
}

/** Milliseconds of these spans that are after a moment. */
export function watchedSinceMs(spans: readonly { since: number; until: number }[], unixS: number): number {
  let seconds = 0;
  for (const { since, until } of spans) {
    if (until <= unixS) break; // newest first, and they don't overlap
    seconds += until - Math.max(since, unixS);
  }
  return seconds * 1000;
}
