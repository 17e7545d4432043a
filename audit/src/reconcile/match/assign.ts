/**
 * Which line is of which event, by time alone: an assignment of two rows of points, one to one.
 *
 * Lines and events of one lane keep their order. Of all assignments within the window this is one that has, in this order: the most pairs; the
 * fewest repeats among the lines that have one (a repeat is a line like another in time and value); the least total distance; the
 * earliest events. Giving up the order would gain nothing: two crossing pairs can be exchanged, stay within the window and get no further
 * apart. Costs lines times events per window, in time and memory.
 *
 * @module
 */

/** `value`: what the line asks for; lines of the same time and value are repeats of one another. Times in microseconds. */
export type Claim = { readonly t: number; readonly value: string };
/** `value`: what the event would prove: where it is the same, it makes no difference which event a line has. */
export type Candidate = { readonly t: number; readonly value: string };

export type Window = { readonly before: number; readonly after: number; readonly margin: number };

export type Assigned = {
  /** Index of each line's event; -1 where it has none. */
  readonly events: Int32Array;
  /**
   * 1 where time doesn't tell. Always: another assignment in order, as good in all respects, would give the line an event of another value, or
   * none, or one after all. With a margin also: another event of its window is no more than that further from it than its own.
   */
  readonly ambiguous: Uint8Array;
};

/** Most pairs to look at in one cluster: two arrays of 16 bytes each. */
const MAX_CELLS = (1 << 21) - 1;
/** A pair counts more than all ranks of repeats together: at most 2^21 lines of a rank below 2^10. */
const PAIR = 2 ** 32;
const MAX_RANK = 1023;

/**
 * Assigns the lines of a cluster. Both must be sorted: lines by time and value, events by time.
 *
 * @returns undefined where there are too many cells
 */
export function assign(
  lines: readonly Claim[],
  events: readonly Candidate[],
  window: Window,
): Assigned | undefined {
  const bands = bandsOf(lines, events, window);
  if (bands === undefined) return undefined;
  const table = new Table(lines, events, bands);
  const assigned = table.assignment();
  const ambiguous = table.tied();
  if (window.margin > 0) markClose(lines, events, bands, assigned, window.margin, ambiguous);
  return { events: assigned, ambiguous };
}

/** Marks lines whose own event isn't nearer by more than the margin than another one of the window, or another line would be to it. */
function markClose(
  lines: readonly Claim[],
  events: readonly Candidate[],
  { lo, hi }: Bands,
  assigned: Int32Array,
  margin: number,
  ambiguous: Uint8Array,
): void {
  const distance = (i: number, j: number): number => Math.abs((lines[i]?.t ?? 0) - (events[j]?.t ?? 0));
  const owner = new Int32Array(events.length).fill(-1);
  for (const [i, j] of assigned.entries()) if (j >= 0) owner[j] = i;
  for (const [i, own] of assigned.entries()) {
    for (let j = lo[i] ?? 0; j < (hi[i] ?? 0); j++) {
      if (own >= 0) {
        if (j !== own && distance(i, j) <= distance(i, own) + margin) ambiguous[i] = 1;
        continue;
      }
      // It has none: it may be the line of an event that another has, unless it only repeats that line.
      const other = owner[j] ?? -1;
      if (other < 0 || isRepeat(lines[i], lines[other])) continue;
      if (distance(i, j) <= distance(other, j) + margin) ambiguous[i] = ambiguous[other] = 1;
    }
  }
}

const isRepeat = (one: Claim | undefined, other: Claim | undefined): boolean =>
  one?.t === other?.t && one?.value === other?.value;

/** For each line the events in its window, `lo` on and before `hi`; and where its cells begin: one more than it has events. */
type Bands = {
  readonly lo: Int32Array;
  readonly hi: Int32Array;
  readonly start: Int32Array;
  readonly cells: number;
};

function bandsOf(
  lines: readonly Claim[],
  events: readonly Candidate[],
  { before, after }: Window,
): Bands | undefined {
  const [lo, hi, start] = [
    new Int32Array(lines.length),
    new Int32Array(lines.length),
    new Int32Array(lines.length),
  ];
  let [first, end, cells] = [0, 0, 0];
  for (const [i, { t }] of lines.entries()) {
    while (first < events.length && (events[first]?.t ?? 0) < t - before) first++;
    while (end < events.length && (events[end]?.t ?? 0) <= t + after) end++;
    end = Math.max(end, first);
    lo[i] = first;
    hi[i] = end;
    start[i] = cells;
    cells += end - first + 1;
    if (cells > MAX_CELLS) return undefined;
  }
  return { lo, hi, start, cells };
}

/** Pairs and ranks in one number, the more the better; distance in another, the less the better. */
type Score = { readonly pairs: number; readonly distance: number };

const better = (a: Score, b: Score): boolean =>
  a.pairs > b.pairs || (a.pairs === b.pairs && a.distance < b.distance);
const same = (a: Score, b: Score): boolean => a.pairs === b.pairs && a.distance === b.distance;
const plus = (a: Score, b: Score): Score => ({ pairs: a.pairs + b.pairs, distance: a.distance + b.distance });
const NONE: Score = { pairs: 0, distance: 0 };

class Table {
  readonly #lines: readonly Claim[];
  readonly #events: readonly Candidate[];
  readonly #bands: Bands;
  readonly #ranks: Int32Array;
  /** Cell (i, j): the best of the lines up to i with the events before j. */
  readonly #before: { readonly pairs: Float64Array; readonly distance: Float64Array };
  /** Cell (i, j): the best of the lines from i on with the events from j on. */
  readonly #after: { readonly pairs: Float64Array; readonly distance: Float64Array };

  constructor(lines: readonly Claim[], events: readonly Candidate[], bands: Bands) {
    this.#lines = lines;
    this.#events = events;
    this.#bands = bands;
    this.#ranks = ranksOf(lines);
    const room = () => ({ pairs: new Float64Array(bands.cells), distance: new Float64Array(bands.cells) });
    this.#before = room();
    this.#after = room();
    for (let i = 0; i < lines.length; i++) this.#fillBefore(i);
    for (let i = lines.length - 1; i >= 0; i--) this.#fillAfter(i);
  }

  #fillBefore(i: number): void {
    const [lo, hi] = this.#band(i);
    for (let j = lo; j <= hi; j++) {
      let best = this.#upTo(i - 1, j);
      if (j > lo) {
        const fewer = this.#upTo(i, j - 1);
        if (better(fewer, best)) best = fewer;
        const paired = plus(this.#upTo(i - 1, j - 1), this.#gain(i, j - 1));
        if (better(paired, best)) best = paired;
      }
      this.#set(this.#before, i, j, best);
    }
  }

  #fillAfter(i: number): void {
    const [lo, hi] = this.#band(i);
    for (let j = hi; j >= lo; j--) {
      let best = this.#from(i + 1, j);
      if (j < hi) {
        const fewer = this.#from(i, j + 1);
        if (better(fewer, best)) best = fewer;
        const paired = plus(this.#from(i + 1, j + 1), this.#gain(i, j));
        if (better(paired, best)) best = paired;
      }
      this.#set(this.#after, i, j, best);
    }
  }

  /** From the last line to the first, each with the earliest event that keeps the whole as good. */
  assignment(): Int32Array {
    const found = new Int32Array(this.#lines.length).fill(-1);
    let j = this.#events.length;
    for (let i = this.#lines.length - 1; i >= 0; i--) {
      const [lo, hi] = this.#band(i);
      j = Math.min(j, hi);
      while (j > lo && same(this.#upTo(i, j - 1), this.#upTo(i, j))) j--;
      if (j <= lo || same(this.#upTo(i - 1, j), this.#upTo(i, j))) continue;
      found[i] = --j;
    }
    return found;
  }

  /** Where another assignment in order, with as many pairs and repeats and the same distance, says something else of a line. */
  tied(): Uint8Array {
    const found = new Uint8Array(this.#lines.length);
    const best = this.#upTo(this.#lines.length - 1, this.#events.length);
    for (const [i, own] of this.assignment().entries()) {
      const [lo, hi] = this.#band(i);
      const value = own < 0 ? undefined : this.#events[own]?.value;
      for (let j = lo; j <= hi && found[i] === 0; j++) {
        const without = own >= 0 && same(plus(this.#upTo(i - 1, j), this.#from(i + 1, j)), best);
        const other =
          j < hi &&
          this.#events[j]?.value !== value &&
          same(plus(plus(this.#upTo(i - 1, j), this.#gain(i, j)), this.#from(i + 1, j + 1)), best);
        if (without || other) found[i] = 1;
      }
    }
    return found;
  }

  #band(i: number): [lo: number, hi: number] {
    return [this.#bands.lo[i] ?? 0, this.#bands.hi[i] ?? 0];
  }

  #gain(i: number, j: number): Score {
    const distance = Math.abs((this.#lines[i]?.t ?? 0) - (this.#events[j]?.t ?? 0));
    return { pairs: PAIR - (this.#ranks[i] ?? 0), distance };
  }

  #upTo(i: number, j: number): Score {
    if (i < 0) return NONE;
    const [lo, hi] = this.#band(i);
    return this.#get(this.#before, i, Math.max(lo, Math.min(j, hi)));
  }

  #from(i: number, j: number): Score {
    if (i >= this.#lines.length) return NONE;
    const [lo, hi] = this.#band(i);
    return this.#get(this.#after, i, Math.max(lo, Math.min(j, hi)));
  }

  #cell(i: number, j: number): number {
    return (this.#bands.start[i] ?? 0) + j - (this.#bands.lo[i] ?? 0);
  }

  #get({ pairs, distance }: { pairs: Float64Array; distance: Float64Array }, i: number, j: number): Score {
    const cell = this.#cell(i, j);
    return { pairs: pairs[cell] ?? 0, distance: distance[cell] ?? 0 };
  }

  #set(table: { pairs: Float64Array; distance: Float64Array }, i: number, j: number, score: Score): void {
    const cell = this.#cell(i, j);
    table.pairs[cell] = score.pairs;
    table.distance[cell] = score.distance;
  }
}

/** How many lines like it stand before each line. */
function ranksOf(lines: readonly Claim[]): Int32Array {
  const ranks = new Int32Array(lines.length);
  for (let i = 1; i < lines.length; i++) {
    const [one, before] = [lines[i], lines[i - 1]];
    if (isRepeat(one, before)) ranks[i] = Math.min(MAX_RANK, (ranks[i - 1] ?? 0) + 1);
  }
  return ranks;
}

/**
 * Lines of the same time may exchange their events at no cost: each then has one that agrees with it, as far as there are such.
 *
 * @param agrees - whether a line's value is what an event proves
 */
export function exchange(
  lines: readonly Claim[],
  assigned: Int32Array,
  agrees: (line: number, event: number) => boolean,
): void {
  for (let start = 0; start < lines.length;) {
    let end = start + 1;
    while (end < lines.length && lines[end]?.t === lines[start]?.t) end++;
    if (end - start > 1) exchangeWithin(assigned, start, end, agrees);
    start = end;
  }
}

/** Beyond it the lines of one instant keep what they have: looking for better takes the square of their number. */
const MAX_EXCHANGED = 1000;

function exchangeWithin(
  assigned: Int32Array,
  start: number,
  end: number,
  agrees: (line: number, event: number) => boolean,
): void {
  const lines = Array.from({ length: end - start }, (_, i) => start + i).filter(
    (i) => (assigned[i] ?? -1) >= 0,
  );
  if (lines.length > MAX_EXCHANGED) return;
  const left = lines.map((i) => assigned[i] ?? -1);
  const rest = lines.filter((i) => {
    const at = left.findIndex((event) => agrees(i, event));
    if (at < 0) return true;
    assigned[i] = left.splice(at, 1)[0] ?? -1;
    return false;
  });
  for (const [k, i] of rest.entries()) assigned[i] = left[k] ?? -1;
}
