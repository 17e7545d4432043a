/**
 * A note of the newest backup, beside the database: for `doctor`. Where it can't be written, the backup is none the worse.
 *
 * @module
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { writeDurable } from "@tallystick/evidence/node";

export type BackupNote = { readonly file: string; readonly size: number; readonly timeUnixS: number };

const FILE = "last-backup.json";

/** True where it was written. */
export async function noteBackup(data: string, note: BackupNote): Promise<boolean> {
  try {
    await writeDurable(join(data, FILE), `${JSON.stringify(note)}\n`);
    return true;
  } catch {
    return false;
  }
}

/** Undefined where there is none, or none that can be read. */
export function lastBackup(data: string): BackupNote | undefined {
  const path = join(data, FILE);
  if (!existsSync(path)) return undefined;
  try {
    const { file, size, timeUnixS } = JSON.parse(readFileSync(path, "utf8")) as Partial<BackupNote>;
    if (typeof file !== "string" || typeof size !== "number" || typeof timeUnixS !== "number")
      return undefined;
    return { file, size, timeUnixS };
  } catch {
    return undefined;
  }
}
