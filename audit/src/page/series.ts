/**
 * Collects the readings of one name, one at a time and in any number: the first, the last, the difference, and enough points for a plot.
 *
 * @module
 */
import {
  decimalToNumber,
  formatDecimal,
  isEvidenceError,
  subtractDecimal,
  type Decimal,
} from "@tallystick/evidence";
import type { Point } from "./block.ts";
import type { ShownReading, Series } from "./evidence.ts";

/** Rows that are shown from each end. */
const SHOWN = 10;
/** Points that are kept before they are thinned. */
const MAX_POINTS = 8192;

export class SeriesCollector {
  readonly #name: string;
  readonly #unit: string;
  readonly #head: ShownReading[] = [];
  #tail: ShownReading[] = [];
  #count = 0;
  #first: Decimal | undefined;
  #last: Decimal | undefined;
  #points: Point[] = [];

  constructor(name: string, unit: string) {
    this.#name = name;
    this.#unit = unit;
  }

  /** @param exact - the value where it is an exact number; `float` where it is a binary one */
  add(row: ShownReading, exact: Decimal | undefined, float?: number): void {
    this.#count++;
    if (this.#head.length < SHOWN) this.#head.push(row);
    else this.#tail.push(row);
    if (this.#tail.length > 4 * SHOWN) this.#tail = this.#tail.slice(-SHOWN);
    if (exact !== undefined) {
      this.#first ??= exact;
      this.#last = exact;
    }
    const value = exact === undefined ? float : decimalToNumber(exact);
    if (row.at === null || value === undefined) return;
    this.#points.push({ at: row.at, value });
    if (this.#points.length > MAX_POINTS) this.#points = halved(this.#points);
  }

  series(): Series {
    return {
      name: this.#name,
      unit: this.#unit,
      count: this.#count,
      head: this.#head,
      tail: this.#tail.slice(-SHOWN),
      difference: difference(this.#first, this.#last),
      points: this.#points,
    };
  }
}

function difference(first: Decimal | undefined, last: Decimal | undefined): string | null {
  if (first === undefined || last === undefined) return null;
  try {
    return formatDecimal(subtractDecimal(last, first));
  } catch (error) {
    if (isEvidenceError(error)) return null; // more digits than a decimal holds
    throw error;
  }
}

/** Lowest and highest of each four, in their order: no peak is lost. */
function halved(points: readonly Point[]): Point[] {
  const kept: Point[] = [];
  for (let i = 0; i < points.length; i += 4) {
    const some = points.slice(i, i + 4).toSorted((a, b) => a.value - b.value);
    const [low, high] = [some[0], some.at(-1)];
    if (low === undefined || high === undefined) continue;
    kept.push(...(low === high ? [low] : low.at <= high.at ? [low, high] : [high, low]));
  }
  return kept;
}
