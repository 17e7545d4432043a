/**
 * What the checks look at: the configuration, the database as far as it is there, and whether an agent runs on it.
 *
 * @module
 */
import { join } from "node:path";
import { failure, lockHolder, unreadable, type Finding } from "@tallystick/evidence/node";
import { isEvidenceError } from "@tallystick/evidence";
import type { Settings } from "../config/config.ts";
import { Meta } from "../storage/meta.ts";
import { makeReport, type Report } from "../commands/report.ts";
import { DATABASE_FILE, LOCK_FILE, readStorage, type Storage } from "../storage/storage.ts";

export type Patient = {
  readonly file: string;
  readonly settings: Settings;
  /** What the database says; undefined where there is none, or it can't be read. */
  readonly record: { readonly storage: Storage; readonly meta: Meta; readonly report: Report } | undefined;
  /** Why it can't be read, where that is a fault. */
  readonly fault: Finding | undefined;
  /** The process that runs on this data; null where none does, undefined where that can't be seen. */
  readonly pid: number | null | undefined;
};

export function openPatient(file: string, settings: Settings): Patient {
  const pid = lockHolder(join(settings.data, LOCK_FILE));
  const common = { file, settings, pid };
  let storage: Storage | undefined;
  try {
    storage = readStorage(settings.data);
    const record = { storage, meta: new Meta(storage), report: makeReport(storage) };
    return { ...common, record, fault: undefined };
  } catch (error) {
    storage?.close();
    const paths = [settings.data, join(settings.data, DATABASE_FILE)];
    const closed = paths.map((path) => unreadable("database", path)).find((one) => one !== undefined);
    if (closed !== undefined) return { ...common, record: undefined, fault: closed };
    const isNew = isEvidenceError(error) && error.code === "storage-missing";
    return { ...common, record: undefined, fault: isNew ? undefined : failure("database", error) };
  }
}

export const closePatient = ({ record }: Patient): void => record?.storage.close();
