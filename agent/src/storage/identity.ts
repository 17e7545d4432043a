/**
 * Whose database this is, and whether this device had another one before.
 *
 * A chain that begins anew must not say that it is the first where it isn't: the log would call it a fork. So a mark beside the database
 * outlives it: where the mark is and the database was not, the earlier chains are lost, and new ones say so.
 *
 * @module
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { EvidenceError } from "@tallystick/evidence";
import { writeDurable } from "@tallystick/evidence/node";
import { Meta } from "./meta.ts";
import { storageError, type Storage } from "./storage.ts";

/** The mark beside the database: that an agent has begun here. */
export type Mark = {
  isThere(): boolean;
  /** Makes it; once this resolves it survives a power cut. @throws EvidenceError `storage-full`, `storage-failed` */
  make(iss: string): Promise<void>;
};

const MARK_FILE = "agent.began";
const MISSING = "the agent's database was missing";

/** The mark as a file of the data directory. */
export function markIn(directory: string): Mark {
  const path = join(directory, MARK_FILE);
  const make = async (iss: string): Promise<void> => {
    try {
      await writeDurable(path, `${iss}\n`);
    } catch (cause) {
      throw storageError(cause, path);
    }
  };
  return { isThere: () => existsSync(path), make };
}

/** The device whose data this directory holds, where an agent has begun here. */
export function deviceIn(directory: string): string | undefined {
  const path = join(directory, MARK_FILE);
  return existsSync(path) ? readFileSync(path, "utf8").trim() : undefined;
}

export type IdentityOptions = {
  readonly mark: Mark;
  readonly iss: string;
  /** The configuration's word for it, where the whole device was set up anew. */
  readonly lost: string | undefined;
};

/**
 * Binds a new database to the device, or checks that an old one is the device's.
 *
 * @returns why chains before those of this database are unknown; undefined where there are none
 * @throws EvidenceError `storage-exists` where it is another device's
 */
export async function bindIdentity(
  storage: Storage,
  { mark, iss, lost }: IdentityOptions,
): Promise<string | undefined> {
  const meta = new Meta(storage);
  const owner = meta.text("iss");
  if (owner === undefined) {
    const reason = lost ?? (mark.isThere() ? MISSING : undefined);
    storage.transaction(() => {
      meta.set("iss", iss);
      if (reason !== undefined) meta.set("lost", reason);
    });
  } else if (owner !== iss) {
    throw new EvidenceError(
      "storage-exists",
      `this data is ${owner}'s, not ${iss}'s; give each device a data directory of its own`,
    );
  }
  if (!mark.isThere()) await mark.make(iss);
  return meta.text("lost");
}
