/**
 * An electricity meter of the city behind its gateway: a register of kWh, read each quarter of an hour, sealed each hour. What goes wrong with it are its
 * twists (`faults/`): each may change what is read, what is said, and what arrives.
 *
 * @module
 */
import {
  decimal,
  decimalToNumber,
  type DeclaredName,
  type Quality,
  type Reading,
  type Statement,
} from "@tallystick/evidence";
import type { Dice } from "../support/dice.ts";
import { localTime, QUARTER_S } from "./calendar.ts";
import type { Device, Opening } from "./device.ts";
import type { Post } from "./post.ts";

export const REGISTER = "1-0:1.8.0";
/** 6 digits before the point, 3 behind it: it turns over at a million kWh. */
export const TURN_WH = 1_000_000_000;
/** From the full hour to its sealing. */
export const SEALED_AFTER_S = 5;

/** What may happen to a meter; the hour is the one that ends at `hourUnixS`. */
export type MeterTwist = {
  /** What is sealed of an hour in place of what was read: null, nothing at all. */
  readonly readings?: (hourUnixS: number, read: readonly Reading[]) => readonly Reading[] | null;
  /** When a statement arrives, and as which of those that arrive together; null: never. */
  readonly delivery?: (hourUnixS: number, sealed: Statement) => Delivery | null;
  /** In an hour at whose end it isn't running. */
  readonly installed?: (hourUnixS: number) => Promise<void>;
  /** When the hour was sealed. */
  readonly afterwards?: (hourUnixS: number) => Promise<void>;
};

export type Delivery = { readonly dueUnixS: number; readonly rank: number };

const NAMES: readonly DeclaredName[] = [
  { name: REGISTER, unit: "kWh", type: "counter", digits: { whole: 6, fraction: 3 } },
];

export class Meter {
  readonly device: Device;
  readonly sub: string;
  readonly twists: MeterTwist[] = [];
  /** The meter's own number. */
  serial: string;
  /** False before it is installed, and after it was taken down. */
  running = true;
  readonly #post: Post;
  readonly #dice: Dice;
  #totalWh = 0;
  /** Watt-hours, without the digits that the register has no room for. */
  registerWh: number;
  /** What the register showed at each quarter. */
  readonly shownWh = new Map<number, number>();
  /** Watt-hours used since the beginning, at each quarter, whatever the register makes of them. */
  readonly usedWh = new Map<number, number>();
  /** What its register lost at a quarter without a word that holds. */
  readonly lost: { readonly atUnixS: number; readonly wh: number }[] = [];
  readonly #arrived = new Set<number>();
  /** Quarters whose statements prove nothing, though they arrived. */
  readonly spoiled = new Set<number>();
  /** The newest statement of readings, and their times. */
  newest: { readonly hash: Uint8Array; readonly seq: number; readonly times: readonly number[] } | undefined;

  constructor(device: Device, sub: string, { post, dice, serial }: MeterParts) {
    this.device = device;
    this.sub = sub;
    this.serial = serial;
    this.#post = post;
    this.#dice = dice;
    this.registerWh = dice.whole(1_000_000, 90_000_000);
  }

  get name(): string {
    return `${this.device.iss}/${this.sub}`;
  }

  get opening(): Opening {
    return { source: "p1", meter: this.serial, interval: decimal(QUARTER_S), names: NAMES };
  }

  /** Whether the ledger proves its register at that quarter. */
  proves(unixS: number): boolean {
    return this.#arrived.has(unixS) && !this.spoiled.has(unixS);
  }

  async open(atUnixS: number): Promise<void> {
    this.send(await this.device.open(this.sub, this.opening, atUnixS), atUnixS);
  }

  /** The four quarters of the hour that ends now, whoever reads them. */
  read(hourUnixS: number): readonly Reading[] {
    return [3, 2, 1, 0].map((quarters) => {
      const timeUnixS = hourUnixS - quarters * QUARTER_S;
      const usedWh = this.#usageWh(timeUnixS);
      this.#totalWh += usedWh;
      this.usedWh.set(timeUnixS, this.#totalWh);
      this.registerWh = (this.registerWh + usedWh) % TURN_WH;
      this.shownWh.set(timeUnixS, this.registerWh);
      return readingOf(timeUnixS, this.registerWh);
    });
  }

  async hour(hourUnixS: number): Promise<void> {
    const read = this.read(hourUnixS);
    if (!this.running) {
      for (const { installed } of this.twists) await installed?.(hourUnixS);
      return;
    }
    const readings = this.twists.reduce<readonly Reading[] | null>(
      (so, { readings: change }) => (so === null || change === undefined ? so : change(hourUnixS, so)),
      read,
    );
    if (readings !== null && readings.length > 0) await this.report(hourUnixS, readings);
    for (const { afterwards } of this.twists) await afterwards?.(hourUnixS);
  }

  /** Seals readings of the hour, and sends them unless a twist has it otherwise. */
  async report(hourUnixS: number, readings: readonly Reading[]): Promise<void> {
    const sealed = await this.device.report(this.sub, readings, hourUnixS + SEALED_AFTER_S);
    const times = readings.flatMap(({ time }) => (time === null ? [] : [decimalToNumber(time)]));
    this.newest = { hash: sealed.hash, seq: sealed.claims.seq, times };
    this.send(sealed, hourUnixS, () => {
      for (const time of times) this.#arrived.add(time);
    });
  }

  send(sealed: Statement, hourUnixS: number, arrived?: () => void): void {
    let delivery: Delivery | null = { dueUnixS: hourUnixS, rank: 0 };
    for (const { delivery: change } of this.twists) {
      if (change !== undefined && delivery !== null) delivery = change(hourUnixS, sealed) ?? null;
    }
    if (delivery !== null) this.#post.send(sealed, delivery.dueUnixS, delivery.rank, arrived);
  }

  /** More in the evening than at night. */
  #usageWh(timeUnixS: number): number {
    const hour = Number(localTime(timeUnixS).hour);
    const most = hour < 6 ? 60 : hour < 17 ? 160 : hour < 22 ? 320 : 110;
    return this.#dice.whole(10, most);
  }
}

export type MeterParts = { readonly post: Post; readonly dice: Dice; readonly serial: string };

/** A register at a quarter, as the meter says it. */
export const readingOf = (timeUnixS: number, wh: number, quality: readonly Quality[] = []): Reading => ({
  name: REGISTER,
  unit: "kWh",
  value: { v: decimal(wh, -3) },
  time: decimal(timeUnixS),
  quality,
  received: decimal(timeUnixS + 2),
});
