/**
 * What the checks look at: the configuration, the database as far as it is there, and whether an anchor runs on it.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import { isEvidenceError } from "@tallystick/evidence";
import { failure, lockHolder, unreadable, type Finding } from "@tallystick/evidence/node";
import { placesOf, type Config, type Places } from "../config.ts";
import { readAlarms, type AlarmStore } from "../silence/store.ts";
import { BatchStore } from "../storage/batches.ts";
import type { BatchRow } from "../storage/batches.ts";
import { readDatabase } from "../storage/database.ts";

/** What the database says of the log. */
export type LogRecord = {
  readonly db: DatabaseSync;
  readonly batches: BatchStore;
  readonly origin: string;
  /** Of the key that signs. */
  readonly kid: Uint8Array;
  readonly last: BatchRow | undefined;
};

export type Patient = {
  /** The configuration's file; undefined where there is only a data folder. */
  readonly file: string | undefined;
  readonly config: Config;
  readonly places: Places;
  readonly record: LogRecord | undefined;
  /** Why it can't be read. */
  readonly fault: Finding | undefined;
  readonly alarms: AlarmStore | undefined;
  /** The process that runs on this data; null where none does, undefined where that can't be seen. */
  readonly pid: number | null | undefined;
};

export function openPatient(file: string | undefined, config: Config): Patient {
  const places = placesOf(config);
  const common = { file, config, places, pid: lockHolder(places.lock), alarms: alarmsOf(places) };
  try {
    return { ...common, record: recordOf(readDatabase(places.database)), fault: undefined };
  } catch (error) {
    return {
      ...common,
      record: undefined,
      fault: closedTo([config.data, places.database]) ?? failure("database", error),
    };
  }
}

export function closePatient({ record, alarms }: Patient): void {
  record?.db.close();
  alarms?.close();
}

function recordOf(db: DatabaseSync): LogRecord {
  const batches = new BatchStore(db);
  const { origin, kid } = db.prepare("SELECT origin, kid FROM log").get() as {
    origin: string;
    kid: Uint8Array;
  };
  return { db, batches, origin, kid, last: batches.last() };
}

const closedTo = (paths: readonly string[]): Finding | undefined =>
  paths.map((path) => unreadable("database", path)).find((one) => one !== undefined);

function alarmsOf({ alarms }: Places): AlarmStore | undefined {
  try {
    return readAlarms(alarms);
  } catch (error) {
    if (isEvidenceError(error)) return undefined; // the run says what is wrong with it
    throw error;
  }
}
