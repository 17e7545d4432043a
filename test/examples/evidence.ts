/**
 * The evidence behind the worked examples of docs/reconcile.md: two toll lanes, four meters, one office, in a world of their own. The same at every run.
 *
 * @module
 */
import {
  decimal,
  encodeBundle,
  encodePack,
  parseDecimal,
  type Event,
  type Reading,
} from "@tallystick/evidence";
import { World } from "../support/world.ts";
import type { Chain } from "../support/world-device.ts";

const REGISTER = "1-0:1.8.0";

type Passage = {
  readonly tx: string;
  readonly at: string;
  readonly cents?: number;
  readonly plaza: string;
  readonly supersedes?: Uint8Array;
};

/** Unix seconds of an RFC 3339 time. */
const unix = (at: string): number => Date.parse(at) / 1000;

class Town {
  readonly world: World;
  readonly chains: Chain[] = [];

  constructor(world: World) {
    this.world = world;
  }

  /** The log's clock may only go on. */
  #until(at: string): void {
    this.world.timeUnixS = Math.max(this.world.timeUnixS, Math.ceil(unix(at)));
  }

  async chain(
    device: string,
    sub: string,
    opening: Partial<Extract<Event, { kind: "stream-opened" }>>,
  ): Promise<Chain> {
    const chain = (await this.world.enrol(device)).chain(sub);
    this.chains.push(chain);
    await this.world.commit();
    await chain.open(opening);
    return chain;
  }

  meter(device: string, sub: string, meter: string, whole = 6): Promise<Chain> {
    const names = [{ name: REGISTER, unit: "kWh", type: "counter", digits: { whole, fraction: 3 } }] as const;
    return this.chain(device, sub, { source: "p1", meter, interval: decimal(3600), names });
  }

  lane(device: string, sub: string): Promise<Chain> {
    return this.chain(device, sub, { source: "exec", interval: decimal(0), names: [] });
  }

  /** @returns the hash of the statement */
  async passage(lane: Chain, { tx, at, cents, plaza, supersedes }: Passage): Promise<Uint8Array> {
    this.#until(at);
    const { hash } = await lane.event({
      kind: "toll-transaction",
      tx,
      plaza,
      lane: lane.sub.split("/").at(-1) ?? "",
      t: decimal(Math.round(unix(at) * 1000), -3),
      direction: "in",
      class: { measured: 1, declared: null },
      validity: "valid",
      refs: [],
      ...(cents === undefined ? {} : { amount: { minor: cents, currency: "EUR", tariff: "2026-A" } }),
      ...(supersedes === undefined ? {} : { supersedes }),
    });
    return hash;
  }

  async adjust(lane: Chain, ref: Uint8Array, at: string, cents: number): Promise<void> {
    this.#until(at);
    const amount = { minor: cents, currency: "EUR", tariff: "2026-A" };
    await lane.event({ kind: "toll-adjustment", ref, reason: "vehicle class corrected", amount });
  }

  /** One statement of readings: time and register. */
  async read(
    meter: Chain,
    readings: readonly (readonly [at: string, value: string])[],
    estimated = false,
  ): Promise<void> {
    this.#until(readings.at(-1)?.[0] ?? "");
    const pack = readings.map(([at, value]): Reading => ({
      name: REGISTER,
      unit: "kWh",
      value: { v: parseDecimal(value) },
      time: decimal(unix(at)),
      quality: estimated ? ["estimated"] : [],
    }));
    const payload = encodePack(`${meter.device.iss}/${meter.sub}/`, pack);
    await meter.add({ type: "senml", payload });
  }
}

/** Hourly registers of the day on which the clocks are set back: 25 hours. */
function autumnDay(
  first: number,
  perHour: (hour: number) => number,
  turn: number,
): [at: string, value: string][] {
  let wh = first;
  return Array.from({ length: 26 }, (_, hour) => {
    const at = new Date(Date.parse("2026-10-24T22:00:00Z") + hour * 3_600_000).toISOString();
    const value = `${Math.floor(wh / 1000)}.${String(wh % 1000).padStart(3, "0")}`;
    wh = (wh + perHour(hour)) % turn;
    return [at, value];
  });
}

/** The bundle and the trust policy. */
export async function makeEvidence(): Promise<{ readonly bundle: Uint8Array; readonly policy: string }> {
  const town = new Town(await World.create());

  // Intervals: the 25th of October, hour by hour. E-1 turns over at 100,000 kWh; of E-2 two registers are missing.
  const e1 = await town.meter("grid/gw-1", "meter/e-1", "e-1", 5);
  const e2 = await town.meter("grid/gw-2", "meter/e-2", "e-2");
  const [day1, day2] = [
    autumnDay(99_998_000, (hour) => 250 + hour, 100_000_000),
    autumnDay(4_000_000, (hour) => 100 + 2 * hour, 1_000_000_000),
  ];
  await town.read(e1, day1);
  await town.read(e2, [...day2.slice(0, 10), ...day2.slice(12)]);
  await town.world.commit();

  // Registers: the ends of November.
  const e3 = await town.meter("grid/gw-3", "meter/e-3", "e-3");
  const e4 = await town.meter("grid/gw-4", "meter/e-4", "e-4");
  const [start, end] = ["2026-10-31T23:00:00Z", "2026-11-30T23:00:00Z"];
  await town.read(e1, [[start, "150.250"]]);
  await town.read(e2, [[start, "4020.000"]]);
  await town.read(e3, [[start, "812.500"]]);
  await town.read(e4, [[start, "33.100"]]);
  await town.world.commit();

  // Tolls: a lane in the north, one in the south, through November.
  const north = await town.lane("toll/plaza-north", "lane/1");
  const south = await town.lane("toll/plaza-south", "lane/1");
  const pass = (lane: Chain, tx: string, day: string, cents?: number, supersedes?: Uint8Array) =>
    town.passage(lane, {
      tx,
      at: `2026-11-${day}Z`,
      plaza: lane === north ? "north" : "south",
      ...(cents === undefined ? {} : { cents }),
      ...(supersedes === undefined ? {} : { supersedes }),
    });
  await pass(north, "N-101", "02T07:10:00.250", 350);
  await pass(north, "N-102", "02T07:15:30", 350);
  await pass(south, "S-201", "02T07:55:12", 420);
  await pass(north, "N-103", "05T16:20:00", 350);
  await pass(north, "N-104", "06T08:00:00", 350);
  await pass(south, "S-202", "07T09:30:00", 420);
  await pass(south, "S-203", "08T10:00:00", 420);
  const first = await pass(south, "S-204", "09T11:00:00", 800);
  await pass(south, "S-204", "09T11:00:00", 420, first);
  await pass(north, "N-105", "10T12:00:00");
  await pass(north, "N-106", "11T13:00:00", 350);
  const corrected = await pass(south, "S-205", "12T14:00:00", 800);
  await town.adjust(south, corrected, "2026-11-20T08:00:00Z", -380);
  await pass(south, "S-206", "13T15:00:00", 420);
  await town.world.commit();

  await town.read(e1, [[end, "430.750"]]);
  await town.read(e2, [[end, "4300.000"]]);
  await town.read(e3, [[end, "900.000"]], true);
  await town.read(e4, [[end, "41.600"]]);
  await town.passage(north, { tx: "N-107", at: "2026-12-01T06:00:00Z", cents: 350, plaza: "north" });
  await town.world.commit();

  const heads = [];
  for (const device of town.world.devices) heads.push(await device.heads());
  const at = await town.world.commit();
  const bundle = town.world.bundle(
    town.chains.map((chain) => ({ chain })),
    heads,
    at,
  );
  return { bundle: encodeBundle(bundle), policy: town.world.policy() };
}
