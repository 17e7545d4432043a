/**
 * Submitting a registry item: signed as the next one of the registry, and put into the inbox under its number. Whoever does so, a command or the anchor itself, does it with this
 * code, and no two of them take one number.
 *
 * @module
 */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import {
  encodeItem,
  equalBytes,
  EvidenceError,
  parseIss,
  sealStatement,
  type Operator,
  type RegistryItem,
  type Signer,
  type Statement,
} from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import { ITEM_ENDING, refusedName } from "./inbox.ts";
import { makeOnce, readIfThere } from "../make-once.ts";
import type { PublishedRegistry } from "./published-registry.ts";

/** How often a number is tried for that others take at the same time. */
const ATTEMPTS = 20;
const AGAIN_MS = 100;
/** Whoever brings an item may be another user than the anchor: nothing in it is secret. */
const ITEM_MODE = 0o644;

/** An item in the inbox. */
export type Submitted = { readonly file: string; readonly statement: Statement };

/**
 * Signs the item that continues `registry`.
 *
 * @throws EvidenceError `key-unknown` where the signer is no operator of it
 */
export function sealItem(
  item: RegistryItem,
  registry: PublishedRegistry,
  signer: Signer,
  nowUnixS: number,
): Promise<Statement> {
  const { iss } = registry.mustKnow(signer.key, "the operator's key");
  return sealStatement(
    { iss, sub: "registry", iat: nowUnixS, seq: registry.count, prev: registry.last, tq: 1, lvl: 1 },
    { type: "registry", payload: encodeItem(item) },
    signer,
    nodeSha256,
  );
}

/** @throws EvidenceError `operator-org` unless the operator may act for the device's org */
export function mustActFor({ iss, actsFor }: Operator, device: string): void {
  const { org } = parseIss(device);
  if (actsFor !== "*" && actsFor !== org)
    throw new EvidenceError("operator-org", `${iss} may act for ${actsFor} and not for ${org}`);
}

/**
 * Puts what `make` signs into the inbox under its number, which no other can have taken by then.
 *
 * @param read - the registry as far as it is known, without what waits in the inbox
 * @throws EvidenceError `registry-order` where the number stays taken; what `read` and `make` throw
 */
export async function submit(
  make: (registry: PublishedRegistry) => Promise<Statement>,
  read: () => Promise<PublishedRegistry>,
  inbox: string,
): Promise<Submitted> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const registry = await read();
    await registry.addWaiting(inbox);
    const submitted = await put(await make(registry), inbox);
    if (submitted !== undefined) return submitted;
    await delay(AGAIN_MS);
  }
  throw new EvidenceError(
    "registry-order",
    `${inbox}: the number is taken by an item that does not continue the registry`,
  );
}

/** Puts an item into the inbox, whole or not at all; undefined where another one has its number. */
export async function put(statement: Statement, inbox: string): Promise<Submitted | undefined> {
  mkdirSync(inbox, { recursive: true, mode: 0o700 });
  const name = `${String(statement.claims.seq).padStart(9, "0")}${ITEM_ENDING}`;
  const file = join(inbox, name);
  if (existsSync(join(inbox, "done", name))) return undefined;
  if (!(await makeOnce(file, statement.bytes, ITEM_MODE))) return undefined;
  return { file, statement };
}

/** What became of an item. */
export type Fate = "done" | { readonly code: string; readonly reason: string };

/** What became of an item in the inbox; undefined as long as it waits. Its number may be another item's meanwhile: what is in `done` tells by its bytes whose it is. */
export function fateOf({
  file,
  statement: { hash },
}: {
  readonly file: string;
  readonly statement: Pick<Statement, "hash">;
}): Fate | undefined {
  const [inbox, name] = [dirname(file), basename(file)];
  const done = readIfThere(join(inbox, "done", name));
  if (done !== undefined && equalBytes(nodeSha256(done), hash)) return "done";
  const refused = join(inbox, "refused", `${refusedName(name, hash)}.code`);
  if (!existsSync(refused)) return undefined;
  const [code = "", reason = ""] = readFileSync(refused, "utf8").split("\n");
  return { code, reason };
}
