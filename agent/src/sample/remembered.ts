/**
 * What a stream's sampler knows again: of each name the device times taken last, and the values that it had then.
 *
 * It takes at most 3 MB, whatever the device sends: so many values and no more, each a short text or a hash, none of them a slice of what came in.
 *
 * @module
 */
import { hash } from "node:crypto";

/** Names whose last value is remembered; a meter has some forty. Beyond, the one seen longest ago is forgotten. */
const MAX_NAMES = 1024;
/** Device times remembered of each name: a device may say the one before again, after the newest. */
const MAX_TIMES = 8;
/** Values remembered for one name and time; beyond, each counts as another one. */
const MAX_VALUES = 8;
/** Values remembered of a stream, of all names and times. Beyond, the names seen longest ago are forgotten: what they say again would be new. */
const MAX_REMEMBERED = 8192;
/** A longer text is remembered by its hash. */
const MAX_TEXT = 40;
const DIGEST_BYTES = 16;

/** The device times of a name, oldest first, each with its values. */
type Times = { readonly time: string; readonly values: string[] }[];

export class Remembered {
  readonly #names = new Map<string, Times>();
  /** Values in it. */
  #count = 0;

  clear(): void {
    this.#names.clear();
    this.#count = 0;
  }

  /** Remembers what a name said of a time, and says what that is beside what was remembered: a conflict is another value of a time. */
  note(name: string, time: string, value: string): "new" | "repeat" | "conflict" {
    const key = keyOf(name);
    const times = this.#names.get(key) ?? [];
    this.#names.delete(key); // and in again at the end: the map's order is that of use
    this.#names.set(key, times);
    const verdict = this.#compare(times, keyOf(time), keyOf(value));
    this.#forgetOldest();
    return verdict;
  }

  #compare(times: Times, time: string, value: string): "new" | "repeat" | "conflict" {
    const values = times.find((known) => known.time === time)?.values;
    if (values === undefined) {
      times.push({ time, values: [value] });
      this.#count += 1;
      if (times.length > MAX_TIMES) this.#count -= times.shift()?.values.length ?? 0;
      return "new";
    }
    if (values.includes(value)) return "repeat";
    if (values.length < MAX_VALUES) {
      values.push(value);
      this.#count += 1;
    }
    return "conflict";
  }

  /** Lets go of the names seen longest ago, where more is remembered than may be; the newest alone is never too much. */
  #forgetOldest(): void {
    for (const [name, times] of this.#names) {
      if (this.#names.size <= MAX_NAMES && this.#count <= MAX_REMEMBERED) return;
      this.#names.delete(name);
      for (const { values } of times) this.#count -= values.length;
    }
  }
}

/** What a text is remembered by: equal only where the texts are, to the last bit. */
const keyOf = (text: string): string =>
  text.length > MAX_TEXT
    ? `#${hash("sha256", bitsOf(text), "buffer").toString("latin1", 0, DIGEST_BYTES)}`
    : ownCopy(`=${text}`);

/** A text that stands by itself: a piece of a telegram's text keeps all of it in memory. */
export const ownCopy = (text: string): string => bitsOf(text).toString("utf16le");

/** UTF-8 would make one of texts that differ where they are no good Unicode. */
const bitsOf = (text: string): Buffer => Buffer.from(text, "utf16le");
