/**
 * Room on the disk, how long it lasts while nothing is delivered, and how much is written to it.
 *
 * @module
 */
import { join } from "node:path";
import {
  databaseBytes,
  fail,
  freeBytesAt,
  inBytes,
  ok,
  unknown,
  warn,
  type Finding,
} from "@tallystick/evidence/node";
import { PROCESS_SCOPE } from "../storage/counters.ts";
import { sealingRate } from "../outbox/rate.ts";
import { MIN_FREE_BYTES } from "../storage/room.ts";
import { DATABASE_FILE } from "../storage/storage.ts";
import type { Patient } from "./patient.ts";

const DAY_S = 86_400;
/** What a statement takes on the disk, per byte of it: rows, indexes, half-filled pages. Measured on outboxes of 400-byte statements. */
const ON_DISK = 1.6;
/** Less than this is little for a gateway that is to last months. */
const FEW_DAYS = 14;
/** An SD card of 8 GB is worn out in some years by so much a day. */
const MUCH_FLASH_BYTES = 1e9;
/** Shorter runs say nothing of a day. */
const LEAST_RUN_S = 3600;

export function diskFindings(patient: Patient): readonly Finding[] {
  const { settings, record } = patient;
  const { data, outbox } = settings;
  const free = freeBytesAt(data);
  if (free === undefined)
    return record === undefined ? [] : [unknown("disk", `${data}: its free space can't be seen`, "try df")];
  const used = databaseBytes(join(data, DATABASE_FILE));
  const text = `${inBytes(free)} free, the database has ${inBytes(used)}`;
  if (free < MIN_FREE_BYTES)
    return [
      fail("disk", `${text}: it is full, and no source is read`, "free space; the agent goes on by itself"),
    ];
  const waiting = record?.report.outbox.waiting.bytes ?? 0;
  const kept = record?.report.outbox.receipted.bytes ?? 0;
  const left = Math.max(0, outbox.maxBytes - waiting);
  const needed = (left + Math.max(0, outbox.keepReceipted.maxBytes - kept)) * ON_DISK;
  return [
    needed <= free
      ? ok("disk", text)
      : warn(
          "disk",
          `${text}; a full outbox and what is kept with receipts may take ${inBytes(needed)} more`,
          "free space, or lower outbox.maxBytes and keepReceipted.maxBytes",
        ),
    offlineFinding(patient, Math.min(left, free / ON_DISK), left > free / ON_DISK),
    flashFinding(patient),
  ];
}

/** @param room - bytes of statements that still have room */
function offlineFinding({ record }: Patient, room: number, isDisk: boolean): Finding {
  const rate = record === undefined ? undefined : sealingRate(record.storage);
  if (rate === undefined)
    return ok("offline", "how long the outbox lasts isn't known yet: too little was sealed");
  const days = room / rate.bytesPerDay;
  const bound = isDisk ? "the disk" : "outbox.maxBytes";
  const text = `${days < 10 ? days.toFixed(1) : Math.floor(days)} days without a line would fill ${bound}, at ${inBytes(rate.bytesPerDay)} a day as of late`;
  return days >= FEW_DAYS
    ? ok("offline", text)
    : warn("offline", text, isDisk ? "free space" : "raise outbox.maxBytes, or sample less often");
}

function flashFinding({ record }: Patient): Finding {
  const counters = record?.report.counters[PROCESS_SCOPE];
  const bytes = counters?.["flash-bytes"] ?? 0;
  const runS = counters?.["run-s"] ?? 0;
  if (bytes === 0 || runS < LEAST_RUN_S) return ok("flash", "how much is written a day isn't known yet");
  const perDay = (bytes / runS) * DAY_S;
  const text = `${inBytes(perDay)} written a day, on average over ${(runS / DAY_S).toFixed(1)} days of running`;
  return perDay < MUCH_FLASH_BYTES
    ? ok("flash", text)
    : warn("flash", text, "seal less often (seal.maxWaitMs), raise maxLossMs, sample less often");
}
