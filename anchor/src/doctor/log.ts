/**
 * The ledger on disk: whole, growing how fast, and agreeing with what is published.
 *
 * @module
 */
import { execFile } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { equalBytes, formatVkey, openCheckpoint, parseVkey } from "@tallystick/evidence";
import {
  createNodeProvider,
  databaseBytes,
  fail,
  freeBytesAt,
  inBytes,
  inTime,
  ok,
  readPublicKeyFile,
  unknown,
  warn,
  type Finding,
} from "@tallystick/evidence/node";
import { CHECKPOINT_FILE } from "../publish/publish.ts";
import type { LogRecord, Patient } from "./patient.ts";

const DAY_S = 86_400;
const WEEK_S = 7 * DAY_S;
const FEW_DAYS = 30;
/** A database that can't be read through within so long is not checked in whole. */
const CHECK_MS = 15_000;
/** In a process of its own, which can be ended: SQLite itself can't be interrupted from here. */
const QUICK_CHECK = `const { DatabaseSync } = require("node:sqlite");
const db = new DatabaseSync(process.argv[1], { readOnly: true, timeout: 5000 });
console.log(db.prepare("PRAGMA quick_check(1)").get().quick_check);`;

export async function databaseFindings(
  { places, record, pid }: Patient,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  if (record === undefined) return [];
  const { db, last, origin } = record;
  const size = last?.size ?? 0;
  const missing = Number(db.prepare("SELECT count(*) AS n FROM missing").get()?.["n"] ?? 0);
  const forks = Number(db.prepare("SELECT count(*) AS n FROM forks").get()?.["n"] ?? 0);
  return [
    ok("log", `${origin}, ${size} entries`),
    lastCommit(last?.timeUnixS, pid),
    await quickCheck(places.database, signal),
    ...(missing > 0
      ? [
          warn(
            "log",
            `${missing} statements are missing since it was restored`,
            "their devices are asked for them; see tally-anchor missing",
          ),
        ]
      : []),
    ...(forks > 0
      ? [
          warn(
            "forks",
            `${forks} forks are kept as evidence`,
            "a device signed two statements under one number, or two devices share a key: see the refusals in the metrics",
          ),
        ]
      : []),
  ];
}

function lastCommit(timeUnixS: number | undefined, pid: Patient["pid"]): Finding {
  const ageS = Math.max(0, Date.now() / 1000 - (timeUnixS ?? 0));
  const text = `the newest was committed ${inTime(ageS)} ago`;
  const isOld = typeof pid === "number" && ageS > DAY_S;
  return isOld
    ? warn("commit", text, "the anchor runs, and no device has said anything: see broker and silence")
    : ok("commit", text);
}

function quickCheck(path: string, signal: AbortSignal): Promise<Finding> {
  return new Promise((resolve) => {
    const options = { timeout: CHECK_MS, killSignal: "SIGKILL", signal } as const;
    execFile(process.execPath, ["-e", QUICK_CHECK, path], options, (error, stdout) => {
      const said = stdout.trim();
      if (error?.killed === true)
        resolve(
          ok(
            "database",
            `larger than can be read in ${CHECK_MS / 1000} s: check it by hand, PRAGMA quick_check`,
          ),
        );
      else if (said === "ok") resolve(ok("database", "quick_check found nothing"));
      else if (said === "")
        resolve(unknown("database", error?.message.split("\n")[0] ?? "", "look at the disk"));
      else
        resolve(
          fail(
            "database",
            `damaged: ${said.split("\n")[0] ?? ""}`,
            "stop the anchor, look at the disk, and restore (docs/restore.md)",
          ),
        );
    });
  });
}

export function diskFindings({ config, places, record }: Patient): readonly Finding[] {
  const free = freeBytesAt(config.data);
  if (free === undefined) return [unknown("disk", `${config.data}: its free space can't be seen`, "try df")];
  const bytes = databaseBytes(places.database);
  const text = `${inBytes(free)} free, the database has ${inBytes(bytes)}`;
  const perDay = record === undefined ? undefined : growthPerDay(record, bytes);
  if (perDay === undefined) return [ok("disk", `${text}; how fast it grows isn't known yet`)];
  const days = free / perDay;
  const grows = `${text}, and grows by ${inBytes(perDay)} a day: full in ${Math.floor(Math.min(days, 99_999))} days`;
  return [
    days < FEW_DAYS
      ? warn("disk", grows, "make room, or move the anchor to a larger disk")
      : ok("disk", grows),
  ];
}

/** Of the last week, as far as the log reaches back; undefined in its first hour. */
function growthPerDay({ db, last }: LogRecord, bytes: number): number | undefined {
  if (last === undefined || last.size === 0) return undefined;
  const before = db
    .prepare("SELECT size, time FROM batches WHERE time >= ? ORDER BY size LIMIT 1")
    .get(last.timeUnixS - WEEK_S) as { size: number; time: number } | undefined;
  const seconds = last.timeUnixS - (before?.time ?? last.timeUnixS);
  if (before === undefined || seconds < 3600) return undefined;
  return ((bytes / last.size) * (last.size - before.size) * DAY_S) / seconds;
}

/** The published checkpoint is one of this database's trees, and not an old one. */
export function publicFindings({ places, record, pid }: Patient): readonly Finding[] {
  const about = "public";
  const path = join(places.public, CHECKPOINT_FILE);
  if (record?.last === undefined || !existsSync(places.logKey)) return [];
  if (!existsSync(path))
    return [
      warn(about, `${path} isn't there`, "the anchor writes it at its start: nothing is published by hand"),
    ];
  const vkey = parseVkey(formatVkey(record.origin, readPublicKeyFile(places.logKey)));
  const { size, root } = openCheckpoint(new Uint8Array(readFileSync(path)), vkey, createNodeProvider());
  const ageS = Math.max(0, (Date.now() - statSync(path).mtimeMs) / 1000);
  // The database may have grown since it was looked at.
  const newest = record.batches.last();
  if (newest !== undefined && size > newest.size)
    return [
      fail(
        about,
        `the published tree has ${size} entries, the database ${newest.size}: it is an older one`,
        "don't start the anchor; see docs/restore.md",
      ),
    ];
  const row = record.batches.at(size);
  if (row === undefined || !equalBytes(row.root, root))
    return [
      fail(
        about,
        `the published tree of ${size} entries is none of the database's`,
        "don't start the anchor; see docs/restore.md",
      ),
    ];
  const text = `the tree of ${size} entries is published, written ${inTime(ageS)} ago, and is the database's`;
  const isBehind = pid === null && newest !== undefined && size < newest.size;
  return [
    isBehind
      ? ok(about, `${text}; ${newest.size - size} more are published at the next start`)
      : ok(about, text),
  ];
}
