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
  type RegistryItem,
  type Signer,
  type Statement,
} from "@tallystick/evidence";
import { nodeSha256, writeDurable } from "@tallystick/evidence/node";
import { ITEM_ENDING, refusedName } from "../inbox.ts";
import { PublishedRegistry } from "../published-registry.ts";
import { nowUnixS } from "./config-option.ts";

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
export async function registryWith(from: string, inbox: string): Promise<PublishedRegistry> {
  const registry = await PublishedRegistry.read(from);
  await registry.addWaiting(inbox);
  return registry;
}

/** Puts the statement into the inbox under its number, which no other can have taken by then. */
export async function submit(
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
export async function taken(file: string, { hash }: Statement): Promise<void> {
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
