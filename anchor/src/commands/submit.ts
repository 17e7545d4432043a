/**
 * What the commands that bring a registry item have in common: their options, and what they tell.
 *
 * @module
 */
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { toHex, type RegistryItem, type Signer, type Statement } from "@tallystick/evidence";
import { writeDurable, type Arguments } from "@tallystick/evidence/node";
import type { Places } from "../config.ts";
import { PublishedRegistry } from "../registry/published-registry.ts";
import { fateOf, sealItem, submit, type Submitted } from "../registry/submit.ts";
import { nowUnixS, text } from "./config-option.ts";

/** How often it is looked for what became of an item. */
const LOOK_MS = 100;

/** Options of every command that brings an item. */
export const SUBMIT_OPTIONS = {
  operator: { type: "string" },
  registry: { type: "string" },
  out: { type: "string", short: "o" },
  wait: { type: "boolean" },
  json: { type: "boolean" },
} as const;

/** What they mean; `--operator` is told by the command. */
export const SUBMIT_DETAILS = `  --registry X    the public folder, or the last registry item as a file (default: the data folder's public)
  -o FILE         write the statement there; without it, it goes to the inbox of the data folder
  --wait          wait until the anchor has taken it (exit 1 if it refused)
  --json          one line: {"item", "hash", "does", "file"}`;

/**
 * Signs the item that continues `registry`, where it would count.
 *
 * @throws EvidenceError the code with which the anchor would refuse it
 */
export async function sealCounting(
  item: RegistryItem,
  registry: PublishedRegistry,
  signer: Signer,
): Promise<Statement> {
  const statement = await sealItem(item, registry, signer, nowUnixS());
  registry.mustTake(statement);
  return statement;
}

/**
 * Makes the item, brings it where the options say, and tells what it does.
 *
 * @param does - "enrols city/gw-1"; a function where that is known once the item is made
 */
export async function bring(
  values: Arguments["values"],
  places: Pick<Places, "public" | "inbox">,
  make: (registry: PublishedRegistry) => Promise<Statement>,
  does: string | (() => string),
): Promise<void> {
  const from = text(values, "registry") ?? places.public;
  const out = text(values, "out");
  const tell = ({ claims, hash }: Statement, file: string): void => {
    const what = typeof does === "string" ? does : does();
    const said = { item: claims.seq, hash: toHex(hash), does: what, file };
    const line =
      values["json"] === true
        ? JSON.stringify(said)
        : `registry item ${said.item} ${said.hash} ${what}: ${file}`;
    process.stdout.write(`${line}\n`);
  };
  if (out !== undefined) {
    const registry = await PublishedRegistry.read(from);
    await registry.addWaiting(places.inbox);
    const statement = await make(registry);
    await writeDurable(out, statement.bytes);
    tell(statement, out);
    return;
  }
  const submitted = await submit(make, () => PublishedRegistry.read(from), places.inbox);
  tell(submitted.statement, submitted.file);
  if (values["wait"] === true) await taken(submitted);
}

/** Waits until the anchor has taken an item. @throws Error with the code with which the anchor refused the item */
export async function taken(submitted: Submitted): Promise<void> {
  for (;;) {
    const fate = fateOf(submitted);
    if (fate === "done") return;
    if (fate !== undefined) throw new Error(`the anchor refused it: ${fate.reason} [${fate.code}]`);
    await delay(LOOK_MS);
  }
}
