/**
 * From journal entries to the contents of statements: readings that belong together share a pack, an event is a statement of its own, and order stays.
 *
 * @module
 */
import { isEvidenceError, type Content, type Level, type Reading } from "@tallystick/evidence";
import { packOf, type Entry, type Stamp } from "../storage/journal.ts";

/** What goes into one statement. `stamp` is that of the last entry. */
export type Pack = {
  readonly content: Content;
  readonly stamp: Stamp;
  readonly level: Level;
  readonly entries: readonly Entry[];
};

export type PackLimits = { readonly maxItems: number; readonly maxBytes: number };

/** How many readings an entry holds; an event counts as one. */
export const itemsOf = ({ what }: Entry): number => (what.kind === "event" ? 1 : what.readings.length);

/** Groups entries, in their order. Entries whose clocks or levels differ never share a statement: it has one of each. */
export function packsOf(base: string, entries: readonly Entry[], limits: PackLimits): readonly Pack[] {
  const groups: Entry[][] = [];
  let open: Entry[] = [];
  let items = 0;
  let bytes = 0;
  for (const entry of entries) {
    const last = open.at(-1);
    items += itemsOf(entry);
    bytes += entry.bytes.length;
    if (last === undefined || !joins(last, entry) || items > limits.maxItems || bytes > limits.maxBytes) {
      open = [];
      groups.push(open);
      items = itemsOf(entry);
      bytes = entry.bytes.length;
    }
    open.push(entry);
  }
  return groups.flatMap((group) => packed(base, group));
}

const joins = (a: Entry, b: Entry): boolean =>
  a.what.kind === "readings" &&
  b.what.kind === "readings" &&
  a.level === b.level &&
  a.stamp.scale === b.stamp.scale &&
  a.stamp.tq === b.stamp.tq;

function packed(base: string, entries: readonly Entry[]): readonly Pack[] {
  const [first] = entries;
  const last = entries.at(-1);
  if (first === undefined || last === undefined) return [];
  const { stamp, level } = last;
  if (entries.length === 1) {
    const type = first.what.kind === "event" ? "event" : "senml";
    return [{ content: { type, payload: first.bytes }, stamp, level, entries }];
  }
  const payload = together(base, entries.flatMap(readingsOf));
  if (payload !== undefined) return [{ content: { type: "senml", payload }, stamp, level, entries }];
  const half = Math.ceil(entries.length / 2);
  return [...packed(base, entries.slice(0, half)), ...packed(base, entries.slice(half))];
}

const readingsOf = ({ what }: Entry): readonly Reading[] => (what.kind === "readings" ? what.readings : []);

/**
 * One pack of readings that were good in packs of their own; undefined where they don't fit into one, as when one base time for all of them makes
 * the records longer.
 */
function together(base: string, readings: readonly Reading[]): Uint8Array | undefined {
  try {
    return packOf(base, readings);
  } catch (error) {
    if (isEvidenceError(error)) return undefined;
    throw error;
  }
}
