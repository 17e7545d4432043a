/**
 * The generated city: gateways with meters, toll lanes, and a ledger that has what they said; faults planted by a plan that follows from the seed.
 *
 *     folder/anchor/       the anchor's data folder, its public directory in it
 *     folder/policy.txt    whom to trust
 *
 * @module
 */
import { Dice } from "../support/dice.ts";
import { MARGIN_S, periodOf, QUARTER_S, type Period } from "./calendar.ts";
import { Device } from "./device.ts";
import { ALONE, Gateway, SILENCE_S } from "./gateway.ts";
import { signerOf } from "./keys.ts";
import { Lane, laneName } from "./lane.ts";
import { Ledger } from "./ledger.ts";
import { Meter } from "./meter.ts";
import type { Move, Order } from "./faults/meters.ts";
import { meetFates } from "./faults/passages.ts";
import { plant } from "./plan.ts";
import type { Planted } from "./planted.ts";
import { Post } from "./post.ts";
import { tripsOf, type Trip } from "./trips.ts";

export type CityOptions = {
  readonly seed: number;
  readonly meters: number;
  readonly lanes: number;
  readonly days: number;
};

export type City = {
  readonly folder: string;
  readonly options: CityOptions;
  readonly period: Period;
  readonly gateways: readonly Gateway[];
  readonly meters: readonly Meter[];
  readonly lanes: readonly Lane[];
  readonly trips: readonly Trip[];
  /** Filled by the plan. */
  readonly moves: Move[];
  /** What is to be erased once the city is made. */
  readonly orders: Order[];
  /** Meters that nothing happens to. */
  readonly untouched: Meter[];
  readonly post: Post;
  readonly ledger: Ledger;
};

export type MadeCity = City & {
  readonly size: number;
  readonly planted: readonly Planted[];
};

/** Meters behind a gateway, unless a fault needs one of its own. */
const METERS_A_GATEWAY = 6;
const PASSAGES_A_LANE = 40;
/** From a quarter's end to its commit. */
const COMMIT_AFTER_S = 20;

export type Say = (done: number, total: number) => void;

/** @throws Error where the log refuses what it should have taken */
export async function makeCity(
  folder: string,
  options: CityOptions,
  say: Say = () => undefined,
): Promise<MadeCity> {
  const period = periodOf(options.days);
  const beginUnixS = period.fromUnixS - MARGIN_S;
  const endUnixS = period.toUnixS + MARGIN_S;
  const ledger = await Ledger.create(folder, options.seed, beginUnixS - 60);
  const city = found(folder, options, period, ledger);
  const plants = [...plant(city), ...meetFates(city.lanes, city.trips)];
  const devices = [...city.gateways.map(({ device }) => device), ...city.lanes.map(({ device }) => device)];
  await ledger.enact(
    devices.map(({ iss, signer }) => ({
      kind: "enrol" as const,
      device: iss,
      key: signer.key,
      streams: ["*"],
      silenceS: SILENCE_S,
    })),
    beginUnixS - 60,
  );
  for (const gateway of city.gateways) await gateway.open(beginUnixS);
  for (const lane of city.lanes) await lane.open(beginUnixS);
  for (let nowUnixS = beginUnixS; nowUnixS <= endUnixS; nowUnixS += QUARTER_S) {
    for (const device of devices) device.seen = ledger.seen;
    if (nowUnixS > beginUnixS) await step(city, nowUnixS);
    take(city, nowUnixS);
    say(nowUnixS - beginUnixS, endUnixS - beginUnixS);
  }
  const { size } = ledger;
  await ledger.finish();
  return { ...city, size, planted: plants.map((told) => told()) };
}

/** Each party's Dice are its own: one more throw in one place changes no other. */
function found(folder: string, options: CityOptions, period: Period, ledger: Ledger): City {
  const { seed, lanes: laneCount } = options;
  const post = new Post();
  const gateways: Gateway[] = [];
  const meters: Meter[] = [];
  const deviceOf = (iss: string): Device => new Device(iss, signerOf(seed, iss));
  for (let i = 0; i < options.meters; i++) {
    let gateway = gateways.at(-1);
    if (gateway === undefined || gateway.meters.length === sizeOf(gateways.length - 1)) {
      gateway = new Gateway(deviceOf(`energy/gw-${gateways.length + 1}`), post);
      gateways.push(gateway);
    }
    const number = String(i + 1).padStart(3, "0");
    const parts = { post, dice: new Dice(seed * 1009 + i), serial: `KX-${number}-${seed}` };
    const meter = new Meter(gateway.device, `meter/m-${number}`, parts);
    gateway.meters.push(meter);
    meters.push(meter);
  }
  const trips = tripsOf(period, laneCount, PASSAGES_A_LANE, new Dice(seed * 31 + 7));
  const passages = trips.flatMap((trip) => trip.passages).toSorted((a, b) => a.timeMs - b.timeMs);
  const lanes = Array.from({ length: laneCount }, (_, number) => {
    const device = deviceOf(`tolls/lane-${laneName(number)}`);
    return new Lane(
      device,
      number,
      passages.filter(({ lane }) => lane === number),
      post,
    );
  });
  return {
    folder,
    options,
    period,
    gateways,
    meters,
    lanes,
    trips,
    moves: [],
    orders: [],
    untouched: [],
    post,
    ledger,
  };
}

const sizeOf = (gateway: number): number => (gateway < ALONE ? 1 : METERS_A_GATEWAY);

async function step({ gateways, lanes }: City, nowUnixS: number): Promise<void> {
  if (nowUnixS % 3600 === 0) for (const gateway of gateways) await gateway.hour(nowUnixS);
  for (const lane of lanes) await lane.until(nowUnixS);
}

function take({ post, ledger }: City, nowUnixS: number): void {
  const letters = post.take(nowUnixS);
  const refused = ledger.commit(
    letters.map(({ statement }) => statement),
    nowUnixS + COMMIT_AFTER_S,
  );
  for (const { statement, code, text } of refused) {
    const { iss, sub, seq } = statement.claims;
    throw new Error(`the log refused ${iss}/${sub} ${seq}: ${code}: ${text}`);
  }
  for (const { arrived } of letters) arrived?.();
}
