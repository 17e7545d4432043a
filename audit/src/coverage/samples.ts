/**
 * Samples of one stream: readings that were taken together, and the moment that stands for them, as `samples.ts` of the evidence package
 * counts them; here from the facts, and for a stream of a year in some bytes a sample.
 *
 * @module
 */
import { EvidenceError } from "@tallystick/evidence";
import type { TimedRow } from "./view.ts";

/** A moment in microseconds; `device` where the time is the device's own. */
export type Moment = { readonly us: number; readonly device: boolean };

type Timed = TimedRow & { readonly t: number };

/** The samples of a statement's readings, in its order; those without a time are none. */
export function momentsOf(rows: readonly TimedRow[]): readonly Moment[] {
  const timed = rows.filter((row): row is Timed => row.t !== null);
  if (timed.length <= 1) return timed.map(({ t, rx }) => ({ us: t, device: rx !== null }));
  // What arrived together was taken together; without a time of arrival, the time is the gateway's own.
  return [...Map.groupBy(timed, ({ t, rx }) => rx ?? t).values()].flatMap((one) => together(one));
}

/** One sample, or several that waited and were read at one moment: then a name comes as often as there are. */
function together(rows: readonly Timed[]): readonly Moment[] {
  const device = rows.every(({ rx }) => rx !== null);
  let chosen: readonly Timed[] = [];
  for (const named of Map.groupBy(rows, ({ name }) => name).values()) {
    const isMore = named.length > chosen.length;
    if (isMore || (named.length === chosen.length && newest(named) > newest(chosen))) chosen = named;
  }
  return chosen.map(({ t }) => ({ us: t, device }));
}

const newest = (rows: readonly Timed[]): number => rows.reduce((most, { t }) => Math.max(most, t), -Infinity);

/** A year of a sample every four seconds. */
const MAX_SAMPLES = 1 << 23;

/** Many moments in little memory; given back in order of time. */
export class Samples {
  #us = new Float64Array(1024);
  /** Chain of the sample and whose clock it is: chain x 2, and 1 where it is the device's. */
  #of = new Uint32Array(1024);
  #count = 0;
  #ascending = true;

  /** @throws EvidenceError `too-large` */
  add({ us, device }: Moment, chain: number): void {
    if (this.#count === MAX_SAMPLES)
      throw new EvidenceError(
        "too-large",
        `more than ${MAX_SAMPLES} samples of one stream: take a shorter period`,
      );
    if (this.#count === this.#us.length) this.#grow();
    if (this.#count > 0 && us < (this.#us[this.#count - 1] ?? us)) this.#ascending = false;
    this.#us[this.#count] = us;
    this.#of[this.#count] = chain * 2 + (device ? 1 : 0);
    this.#count++;
  }

  /** By time; of one moment one. */
  *inOrder(): Generator<Moment & { readonly chain: number }> {
    const order = this.#ascending ? undefined : this.#sorted();
    let last = NaN;
    for (let i = 0; i < this.#count; i++) {
      const at = order?.[i] ?? i;
      const us = this.#us[at] ?? 0;
      const of = this.#of[at] ?? 0;
      if (us !== last) yield { us, device: of % 2 === 1, chain: of >> 1 };
      last = us;
    }
  }

  #sorted(): Uint32Array {
    const order = Uint32Array.from({ length: this.#count }, (_, i) => i);
    return order.sort((a, b) => (this.#us[a] ?? 0) - (this.#us[b] ?? 0) || a - b);
  }

  #grow(): void {
    const [us, of] = [new Float64Array(this.#count * 2), new Uint32Array(this.#count * 2)];
    us.set(this.#us);
    of.set(this.#of);
    [this.#us, this.#of] = [us, of];
  }
}
