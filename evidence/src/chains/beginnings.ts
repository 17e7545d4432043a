/**
 * Beginnings of streams (`docs/formats.md` section 6): of a stream's chains only the one that was opened first says that there was none before it. Its opening
 * may come late, behind those of the chains that continue it.
 *
 * @module
 */
import { toHex } from "../bytes.ts";
import type { Before } from "../events/event-kinds.ts";

export type Opening = { readonly ch: Uint8Array; readonly before: Before };

/**
 * The openings that say `none` although another chain was opened before that doesn't continue theirs, directly or through others whose openings are here. So
 * it is at admission, too, which knows of them all.
 *
 * @param inOrder - of one stream, in the order of the log
 */
export function lateBeginnings<O extends Opening>(inOrder: readonly O[]): O[] {
  const begins = beginningsOf(inOrder);
  const begun = new Set<string>();
  return inOrder.filter(({ ch, before }) => {
    const name = toHex(ch);
    const others = begun.size - (begun.has(name) ? 1 : 0);
    begun.add(begins.get(name) ?? name);
    return before === "none" && others > 0;
  });
}

/** Of each chain the one in which its way back ends: it says `none` or `lost`, or its own opening isn't here. */
function beginningsOf(openings: readonly Opening[]): ReadonlyMap<string, string> {
  const named = new Map<string, Before>();
  for (const { ch, before } of openings) if (!named.has(toHex(ch))) named.set(toHex(ch), before);
  const begins = new Map<string, string>();
  for (const name of named.keys()) {
    const way: string[] = [];
    let at = name;
    // hostile: each step is taken once, however long the ways are; a circle ends at the first of it that is met again
    while (!begins.has(at)) {
      const before = named.get(at);
      begins.set(at, at);
      way.push(at);
      if (before === undefined || before === "none" || "lost" in before) break;
      at = toHex(before.ch);
    }
    const beginning = begins.get(at) ?? at;
    for (const one of way) begins.set(one, beginning);
  }
  return begins;
}
