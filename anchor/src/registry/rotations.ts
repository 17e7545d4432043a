/**
 * Devices that change their keys. A `key-rotated` statement of a device's present key, once it is in the log, becomes a registry item: signed by the anchor where it has the
 * operator's key and may use it, else by an operator, for whom the statement is laid out as a file.
 *
 * What is still to be done follows from archive and registry alone: a statement without its item is found again at each start.
 *
 * @module
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Logger } from "pino";
import {
  equalBytes,
  fromHex,
  isEvidenceError,
  parseIss,
  parseStatement,
  SYSTEM_STREAM,
  toHex,
  type KeyState,
  type Signer,
  type Statement,
} from "@tallystick/evidence";
import { loadSigner, nodeSha256, writeDurable } from "@tallystick/evidence/node";
import type { Config, Places } from "../config.ts";
import { endOf, PublishedRegistry } from "./published-registry.ts";
import type { Store } from "../sequence/sequence.ts";
import { fateOf, sealItem, submit, type Submitted } from "./submit.ts";

/** Items that wait in the inbox at a time. */
const MAX_SUBMITTED = 32;
/** As often an item is made anew that was refused because others came before it. */
const ATTEMPTS = 3;
/** Devices looked at in one go at the start. */
const PAGE = 500;

export type RotationParts = {
  readonly config: Pick<Config, "registry">;
  readonly places: Pick<Places, "inbox" | "requests" | "operatorKey">;
  readonly store: Pick<Store, "archive" | "chains">;
  readonly keys: KeyState;
  readonly nowUnixS: () => number;
  readonly logger: Pick<Logger, "info" | "warn">;
};

/** A device's word for its next key. */
type Asked = {
  readonly iss: string;
  /** Of the statement. */
  readonly hash: Uint8Array;
  attempts: number;
  submitted?: Submitted;
  /** It lies in the folder of requests. */
  laidOut: boolean;
};

export class Rotations {
  readonly #parts: RotationParts;
  /** By kid of the present key. */
  readonly #asked = new Map<string, Asked>();
  readonly #signer: Signer | undefined;
  /** Where the look through the devices has got to; undefined once it is through. */
  #from: number | undefined = 0;

  /** @throws EvidenceError a code of key files, where the configuration says that the anchor signs */
  constructor(parts: RotationParts) {
    this.#parts = parts;
    this.#signer = signerOf(parts);
  }

  /** The statement was committed. */
  asked({ kid, hash, claims: { iss } }: Pick<Statement, "kid" | "hash"> & { claims: { iss: string } }): void {
    // Of several the first counts: the key has one successor.
    if (!this.#asked.has(toHex(kid))) this.#asked.set(toHex(kid), { iss, hash, attempts: 0, laidOut: false });
  }

  /** Takes the next steps: finds what was left over, makes items, lays out requests, clears away what is done. */
  async look(): Promise<void> {
    this.#findLeftOver();
    if (this.#parts.keys.ended !== undefined) return;
    let submitted = this.#asked
      .values()
      .filter((one) => one.submitted !== undefined)
      .toArray().length;
    for (const [kid, asked] of this.#asked) {
      if (this.#isSettled(kid, asked)) this.#asked.delete(kid);
      else if (asked.submitted === undefined && this.#signer !== undefined && asked.attempts < ATTEMPTS) {
        if (submitted++ < MAX_SUBMITTED) await this.#submit(asked, this.#signer);
      } else if (asked.submitted === undefined) await this.#layOut(kid, asked);
    }
  }

  /** True where nothing is left to be done: the key has its successor, or can have none. */
  #isSettled(kid: string, asked: Asked): boolean {
    const { keys, places, logger } = this.#parts;
    const record = keys.get(fromHex(kid));
    const isCurrent = record !== undefined && record.superseded === null && record.revoked === null;
    if (!isCurrent) {
      rmSync(join(places.requests, rotationFile(kid)), { force: true });
      return true;
    }
    const fate = asked.submitted && fateOf(asked.submitted);
    if (fate !== undefined && fate !== "done") {
      logger.warn(
        { device: asked.iss, code: fate.code, reason: fate.reason },
        "the item of a key rotation was refused",
      );
      // Other items came before it: another one may count. Whatever else it is will be so again.
      asked.attempts = fate.code === "registry-order" ? asked.attempts + 1 : ATTEMPTS;
      delete asked.submitted;
    }
    return false;
  }

  async #submit(asked: Asked, signer: Signer): Promise<void> {
    const { keys, places, store, nowUnixS, logger } = this.#parts;
    const { iss, hash } = asked;
    const statement = store.archive.byHash(hash)?.bytes;
    if (!statement) return;
    const end = endOf(keys);
    const operator = end.operatorOf(signer.key);
    if (operator === undefined || (operator.actsFor !== "*" && operator.actsFor !== parseIss(iss).org)) {
      logger.warn(
        { device: iss },
        "the anchor's operator may not act for this org: a rotation waits for tally-anchor rotate",
      );
      asked.attempts = ATTEMPTS;
      return;
    }
    try {
      const waiting = PublishedRegistry.after(end);
      await waiting.addWaiting(places.inbox);
      if (waiting.bringsRotation(hash)) return; // made before a restart, or by an operator
      const make = (registry: PublishedRegistry) =>
        sealItem({ kind: "rotate", statement }, registry, signer, nowUnixS());
      asked.submitted = await submit(
        make,
        () => Promise.resolve(PublishedRegistry.after(endOf(keys))),
        places.inbox,
      );
      logger.info({ device: iss, item: asked.submitted.statement.claims.seq }, "a device changes its key");
    } catch (error) {
      if (!isEvidenceError(error)) throw error;
      logger.warn(
        { device: iss, code: error.code, reason: error.message },
        "a key rotation could not be registered; trying on",
      );
    }
  }

  async #layOut(kid: string, asked: Asked): Promise<void> {
    if (asked.laidOut) return;
    const { places, store, logger } = this.#parts;
    const statement = store.archive.byHash(asked.hash)?.bytes;
    if (!statement) return;
    mkdirSync(places.requests, { recursive: true, mode: 0o700 });
    const file = join(places.requests, rotationFile(kid));
    await writeDurable(file, statement, { mode: 0o600 });
    asked.laidOut = true;
    logger.warn({ device: asked.iss, file }, "a device asks for another key: tally-anchor rotate");
  }

  /** Statements that were committed and whose item was not made before the process ended; and files of those whose item was. */
  #findLeftOver(): void {
    const { store, keys, places } = this.#parts;
    if (this.#from === undefined) return;
    if (this.#from === 0) clearRequests(places.requests, keys);
    const page = store.chains.lastOf(SYSTEM_STREAM, this.#from, PAGE);
    for (const { bytes } of page) {
      if (
        bytes === null ||
        !Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes("key-rotated")
      )
        continue;
      const statement = parseStatement(bytes, nodeSha256);
      const current = keys.current(statement.claims.iss);
      const isAsked = statement.event?.kind === "key-rotated" && current !== undefined;
      if (isAsked && equalBytes(current.kid, statement.kid)) this.asked(statement);
    }
    this.#from = page.at(-1)?.id;
  }
}

function signerOf({ config, places, logger }: RotationParts): Signer | undefined {
  const { rotate } = config.registry;
  if (rotate === "ask" || (rotate === undefined && !existsSync(places.operatorKey))) return undefined;
  try {
    return loadSigner(places.operatorKey);
  } catch (error) {
    if (rotate === "auto" || !isEvidenceError(error)) throw error;
    logger.warn(
      { code: error.code, reason: error.message },
      "rotations of keys wait for tally-anchor rotate",
    );
    return undefined;
  }
}

/** Requests whose key has its successor by now. */
function clearRequests(folder: string, keys: KeyState): void {
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder).filter(isRotationFile)) {
    try {
      const { kid } = parseStatement(new Uint8Array(readFileSync(join(folder, name))), nodeSha256);
      if (keys.get(kid)?.superseded === null) continue;
    } catch (error) {
      if (!isEvidenceError(error)) throw error;
    }
    rmSync(join(folder, name), { force: true });
  }
}

/** Name of the file in which a rotation of this key waits for an operator. */
const rotationFile = (kid: string): string => `rotate-${kid.slice(0, 16)}.cose`;

export const isRotationFile = (name: string): boolean => /^rotate-[0-9a-f]{16}\.cose$/.test(name);
