/**
 * Whether one checkpoint grew from another, and the proof where it didn't.
 *
 * @module
 */
import { decodeUtf8, equalBytes, verifyConsistency, type Hash } from "@tallystick/evidence";
import type { AuthenticTiles } from "../log/authentic.ts";
import type { OpenLog } from "../log/note.ts";
import { beginningOf, type Beginning } from "../log/tree-reads.ts";
import type { FoundNote } from "./proof.ts";

/** Another tree of that size than the known one. */
export type OtherBeginning = Beginning & { readonly size: number };

/**
 * @param tiles - of the larger one
 * @returns undefined where it grew; else the tree of the smaller size out of which it grew instead
 * @throws EvidenceError `tile-…` where the tiles don't lead to the larger one, `unreachable`, `http-answer`
 */
export async function otherBeginning(
  smaller: OpenLog,
  larger: OpenLog,
  tiles: AuthenticTiles,
  hash: Hash,
): Promise<OtherBeginning | undefined> {
  if (smaller.size === 0) return undefined;
  if (smaller.size === larger.size) {
    const { size, root } = larger;
    return equalBytes(root, smaller.root) ? undefined : { size, root, path: [] };
  }
  const made = await beginningOf(smaller.size, larger.size, tiles, hash);
  verifyConsistency(smaller.size, made.root, larger.size, larger.root, made.path, hash);
  return equalBytes(made.root, smaller.root) ? undefined : { ...made, size: smaller.size };
}

export const foundNote = (from: string, { text }: OpenLog): FoundNote => ({ from, note: decodeUtf8(text) });
