/**
 * What was erased stays erased: a log that was rebuilt from older backups has statements again that went out of the archive since. The anchor's own statements say which.
 *
 * @module
 */
import { parseStatement } from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import type { Store } from "../sequence/sequence.ts";
import { ACCESS_STREAM } from "../trail/own-device.ts";

/** Statements read at a time, and chains of one device looked at. */
const PAGE = 1000;
const MAX_CHAINS = 10_000;

/**
 * Erases once more whatever the `erased` statements of the anchor's own device name. Within a transaction.
 *
 * @param iss - the anchor's own device: nobody else's word takes anything out
 * @returns how many such statements there are
 */
export function eraseAgain({ archive, chains, erasures }: Store, iss: string): number {
  let found = 0;
  for (const { sub, ch } of chains.list(iss, MAX_CHAINS)) {
    const chain = sub === ACCESS_STREAM ? chains.find(iss, sub, ch) : undefined;
    if (chain === undefined) continue;
    for (let from = 0; from <= chain.last;) {
      const page = archive.page(chain.id, from, chain.last, PAGE);
      for (const { bytes, hash } of page) {
        const event = bytes === null ? undefined : parseStatement(bytes, nodeSha256).event;
        if (event?.kind !== "erased") continue;
        erasures.erase(event.hash, hash);
        found++;
      }
      from = (page.at(-1)?.seq ?? chain.last) + 1;
    }
  }
  return found;
}
