/**
 * Reads the registry as published and checks it as a chain: numbers, predecessors, nothing left out. What the items mean, and
 * whether their signers may say so, is judged when they are replayed with their places in the log.
 *
 * @module
 */
import {
  equalBytes,
  EvidenceError,
  HASH_BYTES,
  isEvidenceError,
  parseStatement,
  type Statement,
} from "@tallystick/evidence";
import type { Place } from "@tallystick/evidence/node";
import { registryCount, registryItems } from "./registry-files.ts";
import type { Finding } from "./walk.ts";

/** The part of the registry that holds together from item 0 on, and why it ends there. */
export type Chain = {
  readonly count: number;
  /** 32 bytes an item. */
  readonly hashes: Uint8Array;
  /** Items published, those after a fault included. */
  readonly published: number;
  readonly finding?: Finding;
};

/**
 * Reads item after item; ends at the first fault, which becomes the finding.
 *
 * @param atLeast - items that a receipt says there are
 * @throws EvidenceError `unreachable`, `http-answer` where nothing can be said
 */
export async function readChain(place: Place, atLeast: number): Promise<Chain> {
  const published = await registryCount(place, atLeast);
  const hashes = new Uint8Array(published * HASH_BYTES);
  let count = 0;
  const end = (finding: Finding): Chain => ({
    count,
    published,
    hashes: hashes.slice(0, count * HASH_BYTES),
    finding,
  });
  try {
    for await (const { n, bytes, path } of registryItems(place, published)) {
      const previous = hashes.subarray((n - 1) * HASH_BYTES, n * HASH_BYTES);
      const statement = parseItem(bytes, n, path);
      if (n > 0 && !equalBytes(statement.claims.prev ?? new Uint8Array(), previous)) {
        const reason = `${path}: item ${n} names another predecessor than item ${n - 1}: one of the two was altered`;
        return end({ code: "registry-order", path, reason });
      }
      hashes.set(statement.hash, n * HASH_BYTES);
      count++;
    }
  } catch (error) {
    if (!isEvidenceError(error) || error.disposition !== "refuse") throw error;
    return end({ code: error.code, path: String(error.where["path"] ?? "registry"), reason: error.message });
  }
  if (published === 0)
    return end({ code: "registry-missing", path: "registry", reason: "no registry is published" });
  return { count, published, hashes };
}

/** @throws EvidenceError `registry-malformed`, `registry-order` with the item's number and file */
export function parseItem(bytes: Uint8Array, n: number, path: string): Statement {
  const where = { path, item: n };
  let statement: Statement;
  try {
    statement = parseStatement(bytes);
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    throw new EvidenceError(error.code, `${path}: item ${n} of the registry: ${error.message}`, where, error);
  }
  if (statement.content.type !== "registry") {
    throw new EvidenceError("registry-malformed", `${path}: item ${n} is not a registry item`, where);
  }
  if (statement.claims.seq !== n) {
    throw new EvidenceError(
      "registry-order",
      `${path}: item ${n} says that it is item ${statement.claims.seq}`,
      where,
    );
  }
  return statement;
}
