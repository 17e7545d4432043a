/**
 * What a stream told last of each name: read back at every start, so that what a source says again after it is known for a repeat. A sub-meter's
 * reading stands in every telegram until the next one, for an hour or more.
 *
 * What the newest pack says is known from it, and what it lacks is noted where it stands ({@link Standing}). A name that is in neither, as an older version of
 * this program may have left it, is looked for in the statements before, not without end.
 *
 * @module
 */
import { decodePack, parseStatement, type Reading } from "@tallystick/evidence";
import { baseName, type Entry } from "../storage/journal.ts";
import type { Standing } from "./standing.ts";
import type { Storage } from "../storage/storage.ts";

/** Newest statements of all streams among which this one's are looked for, those of them that are read, and their bytes. */
const MAX_ROWS = 4096;
const MAX_STATEMENTS = 256;
const MAX_BYTES = 4 << 20;

export type Recalled = {
  readonly iss: string;
  readonly sub: string;
  /** Names to be found: those that the stream's chain declared. */
  readonly names: readonly string[];
  /** What an earlier run journalled and didn't seal. */
  readonly left: readonly Entry[];
  readonly standing: Standing;
};

/** The newest readings of these names, oldest first. Nothing from before another meter took the place of this one. */
export function recall(storage: Storage, { iss, sub, names, left, standing }: Recalled): readonly Reading[] {
  const change = left.findLastIndex(
    ({ what }) => what.kind === "event" && what.event.kind === "meter-changed",
  );
  const journalled = readingsOf(left.slice(change + 1));
  if (change >= 0) return journalled;
  const known = new Set(journalled.map(({ name }) => name));
  const missing = new Set(names.filter((name) => !known.has(name)));
  const packs: (readonly Reading[])[] = [journalled];
  const find = (readings: readonly Reading[]): void => {
    const found = readings.filter(({ name }) => missing.has(name));
    for (const { name } of found) missing.delete(name);
    packs.push(found);
  };
  let isNewest = true;
  let bytesLeft = MAX_BYTES;
  for (const { bytes } of newest(storage, sub)) {
    bytesLeft -= bytes.length;
    if (!isNewest && (missing.size === 0 || bytesLeft < 0)) break;
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    // Spares most of the decoding.
    const wanted =
      isNewest || text.includes("meter-changed") || missing.values().some((name) => text.includes(name));
    if (!wanted) continue;
    const { content, event } = parseStatement(bytes);
    if (event?.kind === "meter-changed") break;
    if (content.type !== "senml") continue;
    const readings = decodePack(content.payload, baseName(iss, sub));
    if (isNewest) standing.begin(sub, readings);
    find(readings);
    if (isNewest) find(standing.of(sub)); // what the newest pack lacks
    isNewest = false;
  }
  if (isNewest) find(standing.of(sub)); // other streams have told much since
  return packs.toReversed().flat();
}

const newest = (storage: Storage, sub: string): Iterable<{ bytes: Uint8Array }> =>
  storage
    .query<{ bytes: Uint8Array }>(
      `SELECT s.bytes FROM outbox o JOIN chain c ON c.id = o.chain JOIN statement s ON s.id = o.id
       WHERE o.id > (SELECT ifnull(max(id), 0) FROM outbox) - ? AND c.sub = ? ORDER BY o.id DESC LIMIT ?`,
    )
    .iterate(MAX_ROWS, sub, MAX_STATEMENTS);

const readingsOf = (entries: readonly Entry[]): readonly Reading[] =>
  entries.flatMap(({ what }) => (what.kind === "readings" ? what.readings : []));
