/**
 * What the commands that bring a registry item have in common: their options, and what they tell.
 *
 * @module
 */
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { toHex, type Statement } from "@tallystick/evidence";
import { writeDurable, type Arguments } from "@tallystick/evidence/node";
import type { Places } from "../config.ts";
import { PublishedRegistry } from "../published-registry.ts";
import { fateOf, submit, type Submitted } from "../submit.ts";
import { text } from "./config-option.ts";

/** How often it is looked for what became of an item. */
const LOOK_MS = 100;

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
async function taken(submitted: Submitted): Promise<void> {
  for (;;) {
    const fate = fateOf(submitted);
    if (fate === "done") return;
    if (fate !== undefined) throw new Error(`the anchor refused it: ${fate.reason} [${fate.code}]`);
    await delay(LOOK_MS);
  }
}
