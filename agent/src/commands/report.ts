/**
 * What `tally-agent status` tells: read from the database alone, also while the agent runs.
 *
 * @module
 */
import { toHex } from "@tallystick/evidence";
import { inUtc } from "../clock/utc.ts";
import { Meta } from "../storage/meta.ts";
import type { Storage } from "../storage/storage.ts";

type StreamReport = {
  readonly sub: string;
  readonly ch: string;
  readonly seq: number;
  readonly hash: string;
  /** Last number that a heads event named, -1 before the first. */
  readonly attested: number;
  readonly closed: boolean;
  readonly source: string;
  readonly meter: string | null;
  /** Readings and events that are journalled and not yet sealed. */
  readonly journalled: number;
  /** Since when the source has not been read, and why, as far as no gap tells of it yet; of `sys`, since when it leaves out what it has to say. */
  readonly unreadSince: string | null;
  readonly unreadReason: string | null;
};

export type Report = {
  readonly iss: string | null;
  /** The newest time that the agent noted, at most a minute and a half old while it runs. */
  readonly noted: string | null;
  readonly streams: readonly StreamReport[];
  readonly outbox: {
    /** Without a receipt; `refused` of them were advised against. */
    readonly waiting: { readonly count: number; readonly bytes: number };
    readonly refused: number;
    /** Their bytes are with those of their receipts. */
    readonly receipted: { readonly count: number; readonly bytes: number };
    readonly oldestWaiting: {
      readonly sub: string;
      readonly seq: number;
      readonly sealed: string | null;
    } | null;
    readonly dropped: readonly {
      readonly sub: string;
      readonly first: number;
      readonly last: number;
      readonly count: number;
    }[];
  };
  /** A rotation of the key under way: from which key to which, and whether the old one's last word has its receipt. */
  readonly rotation: { readonly from: string; readonly to: string; readonly isReceipted: boolean } | null;
  readonly lastReceipt: { readonly origin: string; readonly size: number; readonly time: string } | null;
  readonly seen: { readonly origin: string; readonly size: number; readonly root: string } | null;
  readonly rejections: readonly {
    readonly sub: string | null;
    readonly seq: number | null;
    readonly hash: string;
    readonly code: string;
    readonly text: string;
    readonly first: string;
    readonly last: string;
    readonly count: number;
  }[];
  readonly alarms: readonly { readonly code: string; readonly at: string; readonly text: string }[];
  /** By stream; the uplink's under the empty name. */
  readonly counters: Readonly<Record<string, Readonly<Record<string, number>>>>;
};

/** Rejections shown at most; the newest first. */
const MAX_REJECTIONS_SHOWN = 100;

export function makeReport(storage: Storage): Report {
  const meta = new Meta(storage);
  const time = meta.number("time");
  return {
    iss: meta.text("iss") ?? null,
    noted: time === undefined ? null : inUtc(time),
    streams: streamsOf(storage),
    outbox: outboxOf(storage),
    rotation: rotationOf(storage, meta),
    lastReceipt: lastReceiptOf(storage),
    seen: seenOf(meta),
    rejections: storage
      .query<{
        sub: string | null;
        seq: number | null;
        hash: Uint8Array;
        code: string;
        text: string;
        first: number;
        last: number;
        count: number;
      }>("SELECT sub, seq, hash, code, text, first, last, count FROM rejection ORDER BY last DESC LIMIT ?")
      .all(MAX_REJECTIONS_SHOWN)
      .map(({ hash, first, last, ...row }) => ({
        ...row,
        hash: toHex(hash),
        first: inUtc(first),
        last: inUtc(last),
      })),
    alarms: storage
      .query<{ code: string; at: number; text: string }>("SELECT code, at, text FROM alarm ORDER BY id")
      .all()
      .map(({ at, ...row }) => ({ ...row, at: inUtc(at) })),
    counters: countersOf(storage),
  };
}

type StreamRow = {
  sub: string;
  ch: Uint8Array;
  seq: number;
  hash: Uint8Array;
  attested: number;
  closed: number;
  source: string;
  journalled: number;
  since: number | null;
  reason: string | null;
};

const streamsOf = (storage: Storage): readonly StreamReport[] =>
  storage
    .query<StreamRow>(
      `SELECT c.sub, c.ch, c.seq, c.hash, c.attested, c.closed, c.source, s.since, s.reason,
         (SELECT ifnull(sum(count), 0) FROM journal j WHERE j.sub = c.sub) AS journalled
       FROM chain c LEFT JOIN stopped s ON s.sub = c.sub WHERE c.id IN (SELECT max(id) FROM chain GROUP BY sub) ORDER BY c.sub`,
    )
    .all()
    .map(({ ch, hash, closed, source, since, reason, ...row }) => {
      const declared = JSON.parse(source) as { source: string; meter?: string };
      return {
        ...row,
        ch: toHex(ch),
        hash: toHex(hash),
        closed: closed === 1,
        source: declared.source,
        meter: declared.meter ?? null,
        unreadSince: since === null ? null : inUtc(since),
        unreadReason: reason,
      };
    });

function outboxOf(storage: Storage): Report["outbox"] {
  const totals = (where: string, size = "size"): { count: number; bytes: number } =>
    storage
      .query<{ count: number; bytes: number }>(
        `SELECT count(*) AS count, ifnull(sum(${size}), 0) AS bytes FROM outbox WHERE ${where}`,
      )
      .get() ?? {
      count: 0,
      bytes: 0,
    };
  const oldest = storage
    .query<{ sub: string; seq: number; sealed: number; tq: number }>(
      "SELECT c.sub, o.seq, o.sealed, o.tq FROM outbox o JOIN chain c ON c.id = o.chain WHERE o.state <> 1 ORDER BY o.id LIMIT 1",
    )
    .get();
  return {
    waiting: totals("state <> 1"),
    refused: totals("state = 2").count,
    receipted: totals("state = 1", "size + share"),
    oldestWaiting:
      oldest === undefined
        ? null
        : { sub: oldest.sub, seq: oldest.seq, sealed: oldest.tq === 0 ? null : inUtc(oldest.sealed) },
    dropped: storage
      .query<{ sub: string; first: number; last: number; count: number }>(
        "SELECT c.sub, d.first, d.last, d.count FROM dropped d JOIN chain c ON c.id = d.chain ORDER BY c.sub",
      )
      .all(),
  };
}

function rotationOf(storage: Storage, meta: Meta): Report["rotation"] {
  const [item, from, to] = [
    meta.number("rotation-item"),
    meta.bytes("rotation-old"),
    meta.bytes("rotation-next"),
  ];
  if (item === undefined || from === undefined || to === undefined) return null;
  const row = storage.query<{ state: number }>("SELECT state FROM outbox WHERE id = ?").get(item);
  return { from: toHex(from), to: toHex(to), isReceipted: row === undefined || row.state === 1 };
}

function lastReceiptOf(storage: Storage): Report["lastReceipt"] {
  const row = storage
    .query<{ origin: string; size: number; time: number }>(
      "SELECT origin, size, time FROM receipt ORDER BY id DESC LIMIT 1",
    )
    .get();
  return row === undefined ? null : { origin: row.origin, size: row.size, time: inUtc(row.time * 1000) };
}

function seenOf(meta: Meta): Report["seen"] {
  const [origin, size, root] = [meta.text("seen-origin"), meta.number("seen-size"), meta.bytes("seen-root")];
  return origin === undefined || size === undefined || root === undefined
    ? null
    : { origin, size, root: toHex(root) };
}

function countersOf(storage: Storage): Report["counters"] {
  const counters: Record<string, Record<string, number>> = {};
  const rows = storage.query<{ scope: string; name: string; value: number }>(
    "SELECT scope, name, value FROM counter ORDER BY scope, name",
  );
  for (const { scope, name, value } of rows.iterate()) (counters[scope] ??= {})[name] = value;
  return counters;
}
