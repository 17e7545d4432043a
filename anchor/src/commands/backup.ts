/**
 * `tally-anchor backup`: a copy of the whole log in one file, also while the anchor runs.
 *
 * @module
 */
import { chmodSync, copyFileSync, constants, existsSync, mkdirSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import process from "node:process";
import { EvidenceError } from "@tallystick/evidence";
import { EXIT, UsageError, type Command, terminalProgress } from "@tallystick/evidence/node";
import { backupLog } from "../backup/backup.ts";
import { noteBackup } from "../backup/backup-note.ts";
import { placesOf, type Places } from "../config.ts";
import { CONFIG_DETAILS, CONFIG_OPTIONS, CONFIG_USAGE, configOf, nowUnixS, text } from "./config-option.ts";

export const backup: Command = {
  summary: "Back up the log, also while it runs: one file with everything but the keys",
  usage: `-o FILE|DIR [--keys DIR] [--json] ${CONFIG_USAGE}`,
  details: `  -o FILE|DIR     where to: a file that isn't there yet, or a folder, in which the file gets origin and size as its name
  --keys DIR      also copy the private keys there, the log's, the operator's and the anchor's own; without it no key is copied
  --json          say what was written as JSON
${CONFIG_DETAILS}
Restore it with tally-anchor restore; see docs/restore.md.`,
  options: {
    ...CONFIG_OPTIONS,
    out: { type: "string", short: "o" },
    keys: { type: "string" },
    json: { type: "boolean" },
  },
  async run(given) {
    const config = configOf(given);
    const places = placesOf(config);
    const out = text(given.values, "out");
    if (out === undefined) throw new UsageError("-o is missing: name the file or folder of the backup");
    const keysTo = text(given.values, "keys");
    const written = await backupLog(places, out, { nowUnixS, progress: terminalProgress("backup") });
    await noteBackup(config.data, { file: resolve(written.file), size: written.size, timeUnixS: nowUnixS() });
    const keys = keysTo === undefined ? [] : copyKeys(places, keysTo);
    if (given.values["json"] === true) process.stdout.write(`${JSON.stringify({ ...written, keys })}\n`);
    else {
      const { file, bytes, origin, size } = written;
      const apart =
        keys.length === 0
          ? `the keys are not in it: keep copies of ${keysOf(places).join(", ")} where nobody else can read them`
          : `keys: ${keys.join(", ")}`;
      process.stdout.write(`${file}: ${origin} at size ${size}, ${bytes} bytes; ${apart}\n`);
    }
    return EXIT.good;
  },
};

/** Those that are here: an operator's need not live on the anchor, and its own is made with the trail. */
const keysOf = ({ logKey, operatorKey, anchorKey }: Places): readonly string[] =>
  [logKey, operatorKey, anchorKey].filter(existsSync);

/** @throws EvidenceError `key-file-exists`, `key-file-unreadable` */
function copyKeys(places: Places, folder: string): string[] {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return keysOf(places).map((key) => {
    const copy = join(folder, basename(key));
    if (existsSync(copy)) throw new EvidenceError("key-file-exists", `${copy}: a key is there already`);
    try {
      copyFileSync(key, copy, constants.COPYFILE_EXCL);
      chmodSync(copy, 0o600);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new EvidenceError("key-file-unreadable", `${key}: not copied: ${reason}`, {}, cause);
    }
    return copy;
  });
}
