/**
 * The numbers of a chain: which are held, which are missing, and why. Closed ranges, ascending, none overlapping another.
 *
 * @module
 */
import { CAUSES, type ByCause, type Cause, type Seqs } from "./body.ts";

/** Numbers that are missing for one cause; `why` is what is known of it: a gap's reason, a code. */
export type Part = Seqs & { readonly cause: Cause; readonly why: string | null };

/** Numbers about which somebody says something. */
export type Said = Seqs & { readonly cause: Cause; readonly why: string | null };

/**
 * Cuts missing ranges by what is said of them. Of several causes the one that stands first in {@link CAUSES} counts, of one cause what was said
 * first; numbers of which nothing is said are unexplained.
 *
 * @param missing - ascending, none overlapping another
 */
export function explain(missing: readonly Seqs[], said: readonly Said[]): readonly Part[] {
  let open = missing;
  const parts: Part[] = [];
  for (const cause of CAUSES) {
    const layer = said
      .filter((one) => one.cause === cause)
      .toSorted((a, b) => a.from - b.from || a.to - b.to);
    if (layer.length > 0) open = cut(open, layer, parts);
  }
  for (const { from, to } of open) parts.push({ from, to, cause: "unexplained", why: null });
  return parts.toSorted((a, b) => a.from - b.from);
}

/** Moves what a layer covers from `open` to `parts`, and gives what is left. hostile: each range is looked at once. */
function cut(open: readonly Seqs[], layer: readonly Said[], parts: Part[]): readonly Seqs[] {
  const left: Seqs[] = [];
  let next = 0;
  for (const { from, to } of open) {
    let at = from;
    for (let one = layer[next]; one !== undefined && one.from <= to; one = layer[++next]) {
      if (one.to >= at) {
        if (one.from > at) left.push({ from: at, to: one.from - 1 });
        const end = Math.min(one.to, to);
        parts.push({ from: Math.max(at, one.from), to: end, cause: one.cause, why: one.why });
        at = end + 1;
      }
      if (one.to > to) break;
    }
    if (at <= to) left.push({ from: at, to });
  }
  return left;
}

/** The parts of ranges that lie within `from` to `to`. */
export const within = <R extends Seqs>(ranges: readonly R[], from: number, to: number): readonly R[] =>
  ranges.flatMap((one) =>
    one.to < from || one.from > to
      ? []
      : [{ ...one, from: Math.max(one.from, from), to: Math.min(one.to, to) }],
  );

export const noneOf = (): Record<Cause, number> => ({
  unexplained: 0,
  bad: 0,
  "not-handed-over": 0,
  lost: 0,
  erased: 0,
  told: 0,
  silent: 0,
});

export const totalOf = (counts: ByCause): number => CAUSES.reduce((sum, cause) => sum + counts[cause], 0);

/** How much a cause says: the lower the less. */
export const rankOf = (cause: Cause): number => CAUSES.indexOf(cause);

/** True where somebody who may says why, and that it is as it is. */
export const isExplained = (cause: Cause): boolean => cause === "erased" || cause === "told";
