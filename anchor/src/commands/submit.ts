/**
 * Submitting a registry item: signed as the next one of the published registry, and put into the inbox of the data folder.
 *
 * @module
 */
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import {
  encodeItem,
  EvidenceError,
  sealStatement,
  toHex,
  type RegistryItem,
  type Signer,
  type Statement,
} from "@tallystick/evidence";
import { nodeSha256, writeDurable, type Arguments } from "@tallystick/evidence/node";
import type { Places } from "../config.ts";
import { ITEM_ENDING, refusedName } from "../inbox.ts";
import { PublishedRegistry } from "../published-registry.ts";
import { nowUnixS, text } from "./config-option.ts";

/** How often it is looked for what became of an item. */
const LOOK_MS = 100;
/** Attempts to take the next number when others submit at the same time. */
const ATTEMPTS = 20;

/**
 * Signs the item that continues `registry`.
 *
 * @throws EvidenceError `key-unknown` where the signer is no operator of it
 */
export function sealItem(
  item: RegistryItem,
  registry: PublishedRegistry,
  signer: Signer,
): Promise<Statement> {
  const { iss } = registry.mustKnow(signer.key, "the operator's key");
  return sealStatement(
    { iss, sub: "registry", iat: nowUnixS(), seq: registry.count, prev: registry.last, tq: 1, lvl: 1 },
    { type: "registry", payload: encodeItem(item) },
    signer,
    nodeSha256,
  );
}

/** The registry as published, and what waits in the inbox. */
async function registryWith(from: string, inbox: string): Promise<PublishedRegistry> {
  const registry = await PublishedRegistry.read(from);
  await registry.addWaiting(inbox);
  return registry;
}

/** Options of every command that brings an item. */
export const SUBMIT_OPTIONS = {
  operator: { type: "string" },
  registry: { type: "string" },
  out: { type: "string", short: "o" },
  wait: { type: "boolean" },
} as const;

/** What they mean; `--operator` is told by the command. */
export const SUBMIT_DETAILS = `  --registry X    the public folder, or the last registry item as a file (default: the data folder's public)
  -o FILE         write the statement there; without it, it goes to the inbox of the data folder
  --wait          wait until the anchor has taken it (exit 1 if it refused)`;

/** Makes the item, brings it where the options say, and tells what it does: "enrols city/gw-1". */
export async function bring(
  values: Arguments["values"],
  places: Pick<Places, "public" | "inbox">,
  make: (registry: PublishedRegistry) => Promise<Statement>,
  does: string,
): Promise<void> {
  const from = text(values, "registry") ?? places.public;
  const out = text(values, "out");
  const tell = ({ claims, hash }: Statement, file: string): void =>
    void process.stdout.write(`registry item ${claims.seq} ${toHex(hash)} ${does}: ${file}\n`);
  if (out !== undefined) {
    const statement = await make(await registryWith(from, places.inbox));
    await writeDurable(out, statement.bytes);
    tell(statement, out);
    return;
  }
  const { file, statement } = await submit(make, from, places.inbox);
  tell(statement, file);
  if (values["wait"] === true) await taken(file, statement);
}

/** Puts the statement into the inbox under its number, which no other can have taken by then. */
async function submit(
  make: (registry: PublishedRegistry) => Promise<Statement>,
  from: string,
  inbox: string,
): Promise<{ readonly file: string; readonly statement: Statement }> {
  mkdirSync(inbox, { recursive: true, mode: 0o700 });
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const statement = await make(await registryWith(from, inbox));
    const name = `${String(statement.claims.seq).padStart(9, "0")}${ITEM_ENDING}`;
    const file = join(inbox, name);
    const beside = join(inbox, `.${process.pid}-${name}.part`);
    await writeDurable(beside, statement.bytes);
    try {
      if (existsSync(join(inbox, "done", name))) throw new Taken();
      linkSync(beside, file); // fails where the name is taken
      return { file, statement };
    } catch (error) {
      const lost =
        error instanceof Taken || (error instanceof Error && "code" in error && error.code === "EEXIST");
      if (!lost) throw error;
    } finally {
      rmSync(beside, { force: true });
    }
    await delay(LOOK_MS);
  }
  throw new EvidenceError(
    "registry-order",
    `${inbox}: the number is taken by an item that does not continue the registry`,
  );
}

/** Somebody else's item has this number. */
class Taken extends Error {}

/** Waits until the anchor has taken an item. @throws Error with the code with which the anchor refused the item */
async function taken(file: string, { hash }: Statement): Promise<void> {
  const [inbox, name] = [dirname(file), basename(file)];
  for (;;) {
    if (existsSync(join(inbox, "done", name))) return;
    const refused = join(inbox, "refused", `${refusedName(name, hash)}.code`);
    if (existsSync(refused)) {
      const [code, reason] = readFileSync(refused, "utf8").split("\n");
      throw new Error(`the anchor refused it: ${reason} [${code}]`);
    }
    await delay(LOOK_MS);
  }
}
