/**
 * The outbox's questions to the database, each prepared once.
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import type { Dropped, LetGo, Outgoing, OutboxItem } from "./outbox.ts";
import type { Query, Storage } from "../storage/storage.ts";

/** A statement that a full outbox may let go. */
export type Droppable = {
  readonly id: number;
  readonly chain: number;
  readonly seq: number;
  readonly size: number;
  readonly sealed: number;
  readonly tq: number;
};

type OutboxQueries = {
  readonly next: Query<Outgoing & { size: number }>;
  readonly read: Query<Outgoing>;
  readonly find: Query<OutboxItem>;
  readonly dropped: Query<Dropped>;
  readonly oldest: Query<{ id: number; size: number }>;
  readonly old: Query<{ id: number; size: number }>;
  readonly droppable: Query<Droppable>;
  readonly openings: Query<Droppable>;
  readonly heads: Query<Droppable>;
  readonly tells: Query<LetGo>;
  readonly insert: StatementSync;
  readonly insertBytes: StatementSync;
  readonly receipted: StatementSync;
  readonly refuse: StatementSync;
  readonly remove: StatementSync;
  readonly removeBytes: StatementSync;
  readonly orphans: StatementSync;
  readonly endedChains: StatementSync;
  readonly drop: StatementSync;
  readonly told: StatementSync;
  readonly tell: StatementSync;
  readonly untell: StatementSync;
};

const FIELDS = "o.id, c.sub, o.seq, o.hash, o.size, o.state FROM outbox o JOIN chain c ON c.id = o.chain";
const DROPPABLE = "SELECT id, chain, seq, size, sealed, tq FROM outbox WHERE state <> 1";
/** True of a chain, given by its row, after which another of its stream was opened. */
const ENDED = "chain NOT IN (SELECT max(id) FROM chain GROUP BY sub)";
/** True of the last statement of such a chain: the opening of the next one names it, and the log refuses an opening whose head it never had. */
const NAMED_HEAD = `(${ENDED} AND seq = (SELECT seq FROM chain WHERE id = outbox.chain))`;
/** True of a statement that hands over to another key: without it the log would take nothing from this device any more. */
const HANDS_OVER = "id IN (SELECT value FROM meta WHERE name = 'rotation-item')";
/** True of what may go before anything else. The first statement of a chain tells what the others are: it stays. */
const ORDINARY = `seq > 0 AND NOT ${NAMED_HEAD} AND NOT ${HANDS_OVER}`;

export const prepareOutbox = (storage: Storage): OutboxQueries => ({
  next: storage.query(
    "SELECT o.id, o.size, s.bytes FROM outbox o JOIN statement s ON s.id = o.id WHERE o.state = ? AND o.state <> 1 AND o.id > ? ORDER BY o.id LIMIT ?",
  ),
  read: storage.query("SELECT o.id, s.bytes FROM outbox o JOIN statement s ON s.id = o.id WHERE o.id = ?"),
  find: storage.query(`SELECT ${FIELDS} WHERE o.hash = ?`),
  dropped: storage.query(
    "SELECT d.chain, c.sub, c.ch, d.first, d.last, d.count, d.since, d.tq FROM dropped d JOIN chain c ON c.id = d.chain ORDER BY d.chain",
  ),
  oldest: storage.query("SELECT id, size + share AS size FROM outbox WHERE state = 1 ORDER BY id LIMIT ?"),
  old: storage.query(
    `SELECT o.id, o.size + o.share AS size FROM outbox o JOIN receipt r ON r.id = o.receipt
     WHERE o.state = 1 AND r.time < ?1 AND o.tq > 0 AND o.sealed < ?1 * 1000 ORDER BY o.id LIMIT ?2`,
  ),
  // By state, so that each half comes in order from its index: receipted rows, which may be many more, aren't looked at.
  droppable: storage.query(
    `${DROPPABLE} AND state = 0 AND ${ORDINARY} UNION ALL ${DROPPABLE} AND state = 2 AND ${ORDINARY} ORDER BY id`,
  ),
  openings: storage.query(
    `${DROPPABLE} AND seq = 0 AND ${ENDED} AND NOT ${NAMED_HEAD} AND NOT ${HANDS_OVER} ORDER BY id`,
  ),
  heads: storage.query(`${DROPPABLE} AND ${NAMED_HEAD} AND NOT ${HANDS_OVER} ORDER BY id`),
  tells: storage.query<LetGo>("SELECT chain, first, last, count, since, tq FROM told WHERE id = ?"),
  insert: storage.prepare(
    "INSERT INTO outbox (id, chain, seq, hash, size, sealed, tq) VALUES (?, ?, ?, ?, ?, ?, ?)",
  ),
  insertBytes: storage.prepare("INSERT INTO statement (id, bytes) VALUES (?, ?)"),
  receipted: storage.prepare(
    "UPDATE outbox SET state = 1, receipt = ?, place = ?, share = ? WHERE id = ? AND state <> 1",
  ),
  refuse: storage.prepare("UPDATE outbox SET state = 2 WHERE id = ? AND state = 0"),
  remove: storage.prepare("DELETE FROM outbox WHERE id = ?"),
  removeBytes: storage.prepare("DELETE FROM statement WHERE id = ?"),
  orphans: storage.prepare(
    "DELETE FROM receipt WHERE id < (SELECT max(id) FROM receipt) AND id NOT IN (SELECT receipt FROM outbox WHERE receipt IS NOT NULL)",
  ),
  // Whether any have ended comes first: only then all of the outbox is looked through.
  endedChains: storage.prepare(
    `DELETE FROM chain WHERE id IN (
       SELECT id FROM chain WHERE id NOT IN (SELECT max(id) FROM chain GROUP BY sub)
         AND id NOT IN (SELECT chain FROM outbox) AND id NOT IN (SELECT chain FROM dropped) AND id NOT IN (SELECT chain FROM told)
       LIMIT ?)`,
  ),
  drop: storage.prepare(
    `INSERT INTO dropped (chain, first, last, count, since, tq) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET first = min(first, excluded.first), last = max(last, excluded.last), count = count + excluded.count`,
  ),
  told: storage.prepare("DELETE FROM dropped WHERE chain = ?"),
  tell: storage.prepare(
    "INSERT INTO told (id, chain, first, last, count, since, tq) VALUES (?, ?, ?, ?, ?, ?, ?)",
  ),
  untell: storage.prepare("DELETE FROM told WHERE id = ?"),
});
