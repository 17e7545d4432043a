/**
 * Which fault happens to whom, and when: by the seed. Each meter has one at most, so that what is found says which fault it is of.
 *
 * @module
 */
import { Dice } from "../support/dice.ts";
import { at } from "./calendar.ts";
import type { City } from "./city.ts";
import { hole, reordered, tail } from "./faults/arrival.ts";
import { amnesia, poweredOff, revoked, rotated, updated, wrongClock } from "./faults/gateways.ts";
import { erased, forked, moved, swapped } from "./faults/meters.ts";
import {
  backfill,
  backwards,
  conflicting,
  letGo,
  quiet,
  repeated,
  rollover,
  unsealed,
} from "./faults/samples.ts";
import { ALONE, type Gateway } from "./gateway.ts";
import { signerOf } from "./keys.ts";
import { TURN_WH, type Meter } from "./meter.ts";
import type { Plant } from "./planted.ts";

/** Meters that the plan takes for one of each fault, and one that nothing happens to. */
export const LEAST_METERS = ALONE + 19;
/** By which an end value is too low. */
const UNDERSTATED_WH = 5000;
export const LEAST_DAYS = 4;

/** Of so many meters with others behind the same gateway, one has each fault. */
const METERS_A_ROUND = 60;

export function plant(city: City): readonly Plant[] {
  const dice = new Dice(city.options.seed);
  const free = dice.shuffled(city.meters.slice(ALONE));
  const rounds = Math.max(1, Math.floor(free.length / METERS_A_ROUND));
  const meters = Array.from({ length: rounds }, () => plantMeters(city, free, dice));
  const planted = [...plantGateways(city, dice), ...meters.flat()];
  city.untouched.push(...free);
  return planted;
}

/** A working hour of a day that is neither the first, nor the last, nor that of the change. */
function someHour({ period }: City, dice: Dice): number {
  const change = Math.floor(period.days / 2);
  const days = Array.from({ length: period.days - 2 }, (_, i) => i + 1).filter((day) => day !== change);
  return at(period, dice.one(days), dice.whole(7, 15));
}

function plantGateways(city: City, dice: Dice): readonly Plant[] {
  const { gateways, ledger, options } = city;
  const alone = (number: number): Gateway => some(gateways[number]);
  const next = (number: number) => signerOf(options.seed, `${alone(number).device.iss} next`);
  const hour = (): number => someHour(city, dice);
  return [
    wrongClock(alone(0), hour()),
    poweredOff(alone(1), hour()),
    updated(alone(2), hour()),
    rotated(alone(3), ledger, hour(), next(3)),
    revoked(alone(4), ledger, hour(), next(4)),
    amnesia(alone(5), hour()),
  ];
}

/** @param free - meters that nothing happens to yet */
function plantMeters(city: City, free: Meter[], dice: Dice): readonly Plant[] {
  const { period, gateways } = city;
  const meter = (): Meter => some(free.pop());
  const hour = (): number => someHour(city, dice);
  const toFork = meter();
  const move = { from: meter(), to: meter(), atUnixS: hour() };
  city.moves.push(move);
  const gateway = some(gateways.find((one) => one.meters.includes(toFork)));
  return [
    hole(meter(), hour()),
    tail(meter(), at(period, period.days - 1, 21)),
    reordered(meter(), hour()),
    quiet(meter(), hour()),
    unsealed(meter(), hour()),
    letGo(meter(), hour()),
    backfill(meter(), hour()),
    repeated(meter(), hour()),
    conflicting(meter(), hour()),
    rollover(meter(), TURN_WH),
    backwards(meter(), hour()),
    swapped(meter(), hour()),
    swapped(meter(), hour(), UNDERSTATED_WH),
    moved(move),
    forked(gateway, toFork, hour()),
    erased(meter(), hour(), city.orders),
  ];
}

/** @throws RangeError where the city is too small for its plan */
function some<T>(one: T | undefined): T {
  if (one === undefined) throw new RangeError(`the plan needs ${LEAST_METERS} meters`);
  return one;
}
