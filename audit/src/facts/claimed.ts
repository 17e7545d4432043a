/**
 * What evidence says is complete in it: the scope of a bundle, the chains of a case.
 *
 * @module
 */
import { decodeBundle, isEvidenceError, type Scope } from "@tallystick/evidence";
import { readEvidence } from "../log/given.ts";
import type { Facts } from "./open.ts";

/** Nothing where a bundle can't be read: its verdict says that. */
export async function claimedBy({ files, path }: Facts): Promise<readonly Scope[]> {
  if (files !== null) return files.manifest.chains;
  try {
    return decodeBundle(await readEvidence(path)).scope;
  } catch (error) {
    if (isEvidenceError(error)) return [];
    throw error;
  }
}
