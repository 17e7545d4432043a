/**
 * Trips through the city's toll lanes: one to three passages of one vehicle each, on different lanes.
 *
 * @module
 */
import { nodeSha256 } from "@tallystick/evidence/node";
import type { Dice } from "../support/dice.ts";
import { localTime, type Period } from "./calendar.ts";

export type Passage = {
  /** `T000123-2`: the second of its trip. */
  readonly tx: string;
  readonly lane: number;
  /** Milliseconds since 1970. */
  readonly timeMs: number;
  readonly vehicleClass: number;
  /** What the lane asks for, in cents. */
  readonly cents: number;
  /** A commitment, never the tag itself. */
  readonly tag: Uint8Array;
};

export type Trip = { readonly id: string; readonly passages: readonly Passage[] };

/** By class of vehicle. */
const TARIFF_CENTS = [0, 250, 480, 1234] as const;
export const TARIFF = "2026-A";

const MINUTE_MS = 60_000;
/** A quiet minute at both ends of the period, so that no trip lies across them. */
const EDGE_MS = 60 * MINUTE_MS;

/** @param perLane - passages of a lane in a day, on average */
export function tripsOf(
  { days, fromUnixS, toUnixS }: Period,
  lanes: number,
  perLane: number,
  dice: Dice,
): readonly Trip[] {
  const count = Math.floor((days * lanes * perLane) / 1.5);
  const spanMs = (toUnixS - fromUnixS) * 1000 - 2 * EDGE_MS;
  const begins = Array.from({ length: count }, () => fromUnixS * 1000 + EDGE_MS + dice.whole(0, spanMs));
  return begins
    .filter((ms) => isAwake(ms, dice))
    .toSorted((a, b) => a - b)
    .map((beginMs, i) => tripAt(`T${String(i + 1).padStart(6, "0")}`, beginMs, lanes, dice));
}

function tripAt(id: string, beginMs: number, lanes: number, dice: Dice): Trip {
  const length = dice.one([1, 1, 1, 2, 2, 3]);
  const vehicleClass = dice.one([1, 1, 1, 2, 3]);
  const tag = nodeSha256(Buffer.from(`tag ${id} ${dice.whole(0, 1_000_000)}`));
  const chosen = dice.shuffled(Array.from({ length: lanes }, (_, lane) => lane)).slice(0, length);
  let timeMs = beginMs;
  const passages = chosen.map((lane, i): Passage => {
    timeMs += dice.whole(3 * MINUTE_MS, 9 * MINUTE_MS);
    return { tx: `${id}-${i + 1}`, lane, timeMs, vehicleClass, cents: TARIFF_CENTS[vehicleClass] ?? 0, tag };
  });
  return { id, passages };
}

/** Few drive at night. */
function isAwake(timeMs: number, dice: Dice): boolean {
  const hour = Number(localTime(Math.floor(timeMs / 1000)).hour);
  return hour >= 6 && hour < 22 ? true : dice.next() < 0.3;
}
