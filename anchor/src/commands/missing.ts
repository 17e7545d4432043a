/**
 * `tally-anchor missing`: which statements a restored log has only the hashes of, and the decision to go on without them.
 *
 * @module
 */
import { existsSync } from "node:fs";
import process from "node:process";
import { toHex } from "@tallystick/evidence";
import { EXIT, type Command } from "@tallystick/evidence/node";
import { placesOf } from "../config.ts";
import { Places } from "../sequence/place.ts";
import { openStore } from "../sequence/sequence.ts";
import { inTransaction, openDatabase, readDatabase } from "../storage/database.ts";
import { takeLock } from "../storage/lock.ts";
import { MissingStore } from "../storage/missing.ts";
import { CONFIG_DETAILS, CONFIG_OPTIONS, CONFIG_USAGE, configOf } from "./config-option.ts";

const AT_ONCE = 1000;

export const missing: Command = {
  summary: "List the statements that a restored log waits for, or go on without them",
  usage: `[--give-up] [--json] ${CONFIG_USAGE}`,
  details: `  --give-up       take new statements in again without them (the anchor must be stopped); they stay asked for
  --json          one JSON object a line: {"index", "hash"}
${CONFIG_DETAILS}
After --give-up a device's key could be used to write another statement in the place of one that never comes back: see docs/restore.md.`,
  options: { ...CONFIG_OPTIONS, "give-up": { type: "boolean" }, json: { type: "boolean" } },
  run(given) {
    const places = placesOf(configOf(given));
    if (given.values["give-up"] === true) giveUp(places);
    else list(places.database, given.values["json"] === true);
    return Promise.resolve(EXIT.good);
  },
};

function list(path: string, json: boolean): void {
  const db = readDatabase(path);
  try {
    const store = new MissingStore(db);
    for (let some = store.after(-1, AT_ONCE); some.length > 0;) {
      for (const { index, hash } of some) {
        const line = json ? JSON.stringify({ index, hash: toHex(hash) }) : `entry ${index} ${toHex(hash)}`;
        process.stdout.write(`${line}\n`);
      }
      some = store.after(some.at(-1)?.index ?? Infinity, AT_ONCE);
    }
    if (!json) process.stdout.write(`${count(store.count())} missing\n`);
  } finally {
    db.close();
  }
}

/** @throws EvidenceError `storage-in-use` while the anchor runs */
function giveUp({ database, lock: lockFile }: { readonly database: string; readonly lock: string }): void {
  if (!existsSync(database)) openDatabase(database); // says what is missing, before a lock file is made
  const lock = takeLock(lockFile);
  try {
    const db = openDatabase(database);
    try {
      const { archive, chains, missing: store } = openStore(db);
      const restored = store.restored();
      const left = store.count();
      if (restored !== undefined && left > 0) {
        inTransaction(db, () => {
          new Places(archive, chains).relink(restored.firstMissing);
          store.giveUp();
        });
      }
      process.stdout.write(`${count(left)} given up; new ones are taken in again\n`);
    } finally {
      db.close();
    }
  } finally {
    lock.release();
  }
}

const count = (n: number): string => `${n} ${n === 1 ? "statement" : "statements"}`;
