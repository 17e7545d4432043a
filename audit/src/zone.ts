/**
 * Time zones, exactly: when a zone's clocks were set, what they show at an instant, and which instants a reading of such a clock can mean.
 *
 * The rules are those that come with the runtime (`Intl`, the IANA database). It is asked once for each zone and year, noon by noon, and the
 * moment of each change is found to the second by bisection; afterwards everything is a look-up.
 *
 * Instants are whole Unix seconds, UTC. A *wall* is what a clock shows, as the seconds at which a clock in UTC would show the same: it names a
 * date and a time of day, and not yet a moment. Years 1900 to 2199.
 *
 * @module
 */
import { EvidenceError } from "@tallystick/evidence";

/** A stretch of time, `from` on and before `to`, in which a zone's clocks are `offsetS` ahead of UTC. */
export type Stretch = { readonly from: number; readonly to: number; readonly offsetS: number };

/** Which instants a wall can mean. */
export type Meaning =
  | { readonly kind: "one"; readonly at: number }
  /** No clock showed it: it was set forward over it at the instant `at`. */
  | { readonly kind: "skipped"; readonly at: number }
  /** The clock showed it twice, before and after it was set back. */
  | { readonly kind: "ambiguous"; readonly earlier: number; readonly later: number };

const DAY_S = 86_400;
/** No zone was ever further from UTC since 1900: local dates lie within it, too. */
const FARTHEST_S = 16 * 3600;
const FIRST_YEAR = 1900;
const LAST_YEAR = 2199;
const FIRST_S = yearStart(FIRST_YEAR);
const END_S = yearStart(LAST_YEAR + 1);

export class Zone {
  /** As it was given. */
  readonly name: string;
  readonly #format: Intl.DateTimeFormat;
  readonly #years = new Map<number, readonly Stretch[]>();
  /** The stretch that was used last: neighbours in an export are neighbours in time. */
  #recent: Stretch = { from: 0, to: 0, offsetS: 0 };

  /**
   * @param name - of the IANA database: `Europe/Vienna`, `UTC`
   * @throws EvidenceError `name-malformed` where there is no such zone; a bare offset is none
   */
  constructor(name: string) {
    this.name = name;
    try {
      if (!/^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/.test(name)) throw new RangeError("not a zone's name");
      this.#format = new Intl.DateTimeFormat("en-US", { ...NUMERIC, timeZone: name });
    } catch (error) {
      throw new EvidenceError(
        "name-malformed",
        `no such time zone: give an IANA name such as Europe/Vienna or UTC`,
        {},
        error,
      );
    }
  }

  /**
   * Seconds that the zone's clocks are ahead of UTC.
   *
   * @param at - Unix seconds, of the years 1900 to 2199
   * @throws EvidenceError `member-range`
   */
  offsetAt(at: number): number {
    const { from, to, offsetS } = this.#recent;
    return from <= at && at < to ? offsetS : this.#stretchAt(at).offsetS;
  }

  /** What the clocks show at an instant. */
  wallAt(at: number): number {
    return at + this.offsetAt(at);
  }

  /**
   * Which instants a wall can mean. Where it is ambiguous the caller decides, or asks: nothing is guessed here.
   *
   * @throws EvidenceError `member-range` beyond the years 1900 to 2199
   */
  instantsOf(wall: number): Meaning {
    const recent = this.#recent;
    // No change anywhere near: the rule of all but two days a year.
    if (recent.from <= wall - FARTHEST_S && wall + FARTHEST_S < recent.to)
      return { kind: "one", at: wall - recent.offsetS };
    const stretches = this.stretches(wall - FARTHEST_S, wall + FARTHEST_S);
    const found = stretches.flatMap(({ from, to, offsetS }) => {
      const at = wall - offsetS;
      return from <= at && at < to ? [at] : [];
    });
    const [earlier, later] = found;
    if (earlier === undefined) return { kind: "skipped", at: skippedAt(stretches, wall) };
    return later === undefined ? { kind: "one", at: earlier } : { kind: "ambiguous", earlier, later };
  }

  /**
   * The stretches that meet `from` to `to`, in order; whole ones, where they go further.
   *
   * @throws EvidenceError `member-range`
   */
  stretches(from: number, to: number): readonly Stretch[] {
    const found = [this.#stretchAt(from)];
    for (let last = found[0]; last !== undefined && last.to <= to && last.to < END_S; last = found.at(-1))
      found.push(this.#stretchAt(last.to));
    return found;
  }

  #stretchAt(at: number): Stretch {
    if (!(FIRST_S <= at && at < END_S)) {
      throw new EvidenceError("member-range", "an instant beyond the years 1900 to 2199", { at });
    }
    const year = new Date(at * 1000).getUTCFullYear();
    let known = this.#years.get(year);
    if (known === undefined) this.#years.set(year, (known = this.#readYear(year)));
    const found = known.findLast(({ from }) => from <= at) ?? this.#recent;
    this.#recent = found;
    return found;
  }

  /** The stretches of a year; those at its ends are cut there. */
  #readYear(year: number): readonly Stretch[] {
    const [start, end] = [yearStart(year), yearStart(year + 1)];
    const changes = [start];
    for (let at = start; at < end; at += DAY_S) {
      const next = Math.min(at + DAY_S, end - 1);
      if (this.#ask(next) !== this.#ask(at)) changes.push(this.#changeBetween(at, next));
    }
    return changes.map((from, i) => ({ from, to: changes[i + 1] ?? end, offsetS: this.#ask(from) }));
  }

  /** The first second after `before`, and no later than `after`, at which the offset is that of `after`. */
  #changeBetween(before: number, after: number): number {
    const offsetS = this.#ask(after);
    let [low, high] = [before, after];
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (this.#ask(middle) === offsetS) high = middle;
      else low = middle;
    }
    return high;
  }

  #ask(at: number): number {
    const shown = this.#format.format(at * 1000);
    const [, month = 0, day = 0, year = 0, hour = 0, minute = 0, second = 0] = (SHOWN.exec(shown) ?? []).map(
      Number,
    );
    return Date.UTC(year, month - 1, day, hour, minute, second) / 1000 - at;
  }
}

const NUMERIC = {
  calendar: "gregory",
  numberingSystem: "latn",
  hourCycle: "h23",
  year: "numeric",
  month: "2-digit",
  day: "2-digit",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
} as const;

/** `10/25/2026, 02:30:00`: taken apart without a list of parts, which takes five times as long. */
const SHOWN = /^(\d\d)\/(\d\d)\/(\d{4}), (\d\d):(\d\d):(\d\d)$/;

/** The change over which a wall that no clock showed was passed. */
function skippedAt(stretches: readonly Stretch[], wall: number): number {
  const passed = stretches.find(({ to, offsetS }, i) => {
    const next = stretches[i + 1];
    return next !== undefined && to + offsetS <= wall && wall < to + next.offsetS;
  });
  return passed?.to ?? wall;
}

function yearStart(year: number): number {
  return Date.UTC(year, 0, 1) / 1000;
}
