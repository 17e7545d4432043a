/**
 * Trips through the city's toll lanes: one to three passages of one vehicle each, on different lanes.
 *
 * @module
 */
import { nodeSha256 } from "@tallystick/evidence/node";
import type { Dice } from "../support/dice.ts";
import { CLOCK_BACK_UNIX_S, HOUR_S, localTime, type Period } from "./calendar.ts";

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

/** What happens to a trip between lane and bill; to most, nothing. */
const FATES = [
  "twice",
  "unbilled",
  "overcharged",
  "lost",
  "refunded",
  "rerated",
  "superseded",
  "superseded-unheeded",
  "unattested",
  "discounted",
  "misdiscounted",
] as const;
export type Fate = (typeof FATES)[number] | "spread" | "twin" | "plain";

export type Trip = { readonly id: string; readonly passages: readonly Passage[]; readonly fate: Fate };

/** By class of vehicle. */
export const TARIFF_CENTS = [0, 250, 480, 1234] as const;
export const TARIFF = "2026-A";

const MINUTE_MS = 60_000;
const APART_MS = 4 * MINUTE_MS;
/** A quiet hour at both ends of the period, so that no trip lies across them. */
const EDGE_MS = 60 * MINUTE_MS;

/** Of so many trips, one has each fate. */
const TRIPS_A_FATE = 800;
/** Between a passage and its twin: the same lane and class. */
const TWIN_AFTER_MS = 20_000;
/** Trips of the night of the change: 02:10 before the clock is set back, and 02:40 after it. */
const NIGHT_OF_CHANGE_UNIX_S = [CLOCK_BACK_UNIX_S - 3000, CLOCK_BACK_UNIX_S + 2400] as const;

/** @param perLane - passages of a lane in a day, on average */
export function tripsOf(period: Period, lanes: number, perLane: number, dice: Dice): readonly Trip[] {
  const { days, fromUnixS, toUnixS } = period;
  const count = Math.floor((days * lanes * perLane) / 1.5);
  const spanMs = (toUnixS - fromUnixS) * 1000 - 2 * EDGE_MS;
  const taken = Array.from({ length: lanes }, () => new Set<number>());
  const begins = Array.from({ length: count }, () => fromUnixS * 1000 + EDGE_MS + dice.whole(0, spanMs));
  const inOrder = [...begins, ...NIGHT_OF_CHANGE_UNIX_S.map((unixS) => unixS * 1000)]
    .filter((ms) => isAwake(ms, dice))
    .toSorted((a, b) => a - b);
  const trips = inOrder
    .map((beginMs, i) => tripAt(`T${String(i + 1).padStart(6, "0")}`, beginMs, lanes, dice))
    .filter(({ passages }) => passages.every(({ lane, timeMs }) => isAlone(taken[lane], timeMs)));
  return withFates(trips, dice);
}

/** Each fate meets trips of one passage, far from the night of the change. */
function withFates(trips: readonly Trip[], dice: Dice): readonly Trip[] {
  const free = dice.shuffled(
    trips.filter(({ passages }) => passages.length === 1 && !isOfNight(passages[0]?.timeMs ?? 0)),
  );
  const fates = new Map<string, Fate>();
  for (let i = 0; i * TRIPS_A_FATE < trips.length; i++)
    for (const fate of [...FATES, "twin"] as const) fates.set(free.pop()?.id ?? "", fate);
  return trips.flatMap((trip) => {
    const fate = fates.get(trip.id) ?? (trip.passages.length > 1 && dice.next() < 0.5 ? "spread" : "plain");
    return fate === "twin" ? twins(trip) : [{ ...trip, fate }];
  });
}

/** Another vehicle right behind: who doesn't know their keys can't tell which is which. */
function twins({ id, passages }: Trip): readonly Trip[] {
  const again = passages.map((passage) => ({
    ...passage,
    tx: passage.tx.replace(id, `${id}b`),
    timeMs: passage.timeMs + TWIN_AFTER_MS,
    tag: nodeSha256(passage.tag),
  }));
  return [
    { id, passages, fate: "twin" },
    { id: `${id}b`, passages: again, fate: "twin" },
  ];
}

const isOfNight = (timeMs: number): boolean => Math.abs(timeMs / 1000 - CLOCK_BACK_UNIX_S) < 3 * HOUR_S;

/** Two passages of a lane are minutes apart, unless it is planned otherwise: so nothing is ambiguous by chance. */
function isAlone(taken: Set<number> | undefined, timeMs: number): boolean {
  const slot = Math.floor(timeMs / APART_MS);
  if (taken === undefined || [slot - 1, slot, slot + 1].some((one) => taken.has(one))) return false;
  taken.add(slot);
  return true;
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
  return { id, passages, fate: "plain" };
}

/** Few drive at night; in that of the change only those who are sent. */
function isAwake(timeMs: number, dice: Dice): boolean {
  if (NIGHT_OF_CHANGE_UNIX_S.some((unixS) => unixS * 1000 === timeMs)) return true;
  const hour = Number(localTime(Math.floor(timeMs / 1000)).hour);
  if (isOfNight(timeMs)) return false;
  return hour >= 6 && hour < 22 ? true : dice.next() < 0.3;
}
