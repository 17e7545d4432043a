/**
 * A place that answers only until a moment: a server that drips can hold up a look for so long, and no longer.
 *
 * @module
 */
import { EvidenceError } from "@tallystick/evidence";
import type { Place } from "@tallystick/evidence/node";

export class TimedPlace implements Place {
  readonly name: string;
  readonly remote: boolean;
  readonly #place: Place;
  readonly #nowMs: () => number;
  #endMs = Infinity;
  readonly list?: (folder: string) => AsyncIterable<string>;

  /** @param nowMs - a clock that never steps */
  constructor(place: Place, nowMs: () => number) {
    this.#place = place;
    this.#nowMs = nowMs;
    this.name = place.name;
    this.remote = place.remote;
    if (place.list !== undefined) this.list = place.list;
  }

  /** From now on it answers for so long. */
  begin(ms: number): void {
    this.#endMs = this.#nowMs() + ms;
  }

  /** For how long it still answers. */
  get leftMs(): number {
    return this.#endMs - this.#nowMs();
  }

  /** Answers nothing any more. */
  end(): void {
    this.#endMs = 0;
  }

  read(path: string, maxBytes: number): Promise<Uint8Array | undefined> {
    if (this.#nowMs() < this.#endMs) return this.#place.read(path, maxBytes);
    const reason = `${path}: the time for this look is over: the place is too slow, or there is too much to read`;
    return Promise.reject(new EvidenceError("unreachable", reason, { path }));
  }
}
