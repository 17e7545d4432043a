/**
 * What the log itself knows of a device: when it admitted what last, of each stream. Asked once at the start, and when a device is enrolled.
 *
 * @module
 */
import { EvidenceError, formatDecimal, parseStatement, toHex, type Event } from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import type { Store } from "../sequence/sequence.ts";
import type { PastStream } from "./watch.ts";

/** Chains of one device that are looked at; each restart from nothing makes one. */
const MAX_CHAINS = 2000;

type Row = {
  readonly sub: string;
  readonly ch: Uint8Array;
  readonly last: number;
  readonly idx: number;
  readonly bytes: Uint8Array | null;
  readonly opening: Uint8Array | null;
};

/** Gives the newest chain of each stream of a device. */
export function pastOf({
  db,
  batches,
}: Pick<Store, "db" | "batches">): (iss: string) => readonly PastStream[] {
  const rows = db.prepare(
    `SELECT c.sub, c.ch, c.last, s.idx, s.bytes, (SELECT bytes FROM statements WHERE idx = c.opened) AS opening
     FROM chains c JOIN statements s ON s.chain = c.id AND s.seq = c.last
     WHERE c.iss = ? AND c.successor IS NULL ORDER BY c.id DESC LIMIT ?`,
  );
  return (iss) => {
    const newest = new Map<string, PastStream>();
    for (const row of rows.all(iss, MAX_CHAINS) as Row[]) {
      const before = newest.get(row.sub);
      if (before !== undefined && before.index > row.idx) continue;
      newest.set(row.sub, {
        sub: row.sub,
        ch: toHex(row.ch),
        seq: row.last,
        index: row.idx,
        timeUnixS: batches.holding(row.idx)?.timeUnixS ?? 0,
        intervalS: intervalOf(eventIn(row.opening, row.idx)),
        closed: eventIn(row.bytes, row.idx)?.kind === "stream-closed",
      });
    }
    return [...newest.values()];
  };
}

/** @throws EvidenceError `storage-failed` where what was admitted can't be read any more */
function eventIn(bytes: Uint8Array | null, index: number): Event | undefined {
  if (bytes === null) return undefined;
  try {
    return parseStatement(bytes, nodeSha256).event;
  } catch (cause) {
    const text = `the archive is damaged near entry ${index}: restore it from a backup (docs/restore.md)`;
    throw new EvidenceError("storage-failed", text, { index }, cause);
  }
}

/** Seconds between samples, as the opening of a stream says; 0 where they come as they come, or it isn't known. */
export const intervalOf = (event: Event | undefined): number =>
  event?.kind === "stream-opened" ? Math.max(0, Number(formatDecimal(event.interval))) : 0;
