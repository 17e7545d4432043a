/**
 * What one seed simulates: how many devices, how they are set, how often their meters speak, and for how long.
 *
 * @module
 */
import { defaultConfig, type Config } from "../../anchor/src/config.ts";
import { Device, type DeviceOptions } from "./device.ts";
import { foundedLogs } from "./founding.ts";
import { LedgerNode } from "./ledger-node.ts";
import type { Random } from "./random.ts";
import type { World } from "./world.ts";

export type Town = {
  readonly world: World;
  readonly node: LedgerNode;
  /** Those that are there when it is over; copies of them come and go. */
  readonly devices: readonly Device[];
  readonly copies: Device[];
  /** When the faults are over. */
  readonly endMs: number;
  /** Milliseconds between two telegrams of a meter. */
  readonly tickMs: number;
};

/** Telegrams of one meter while faults go on. */
const TELEGRAMS = { least: 3, most: 12 };
/** Now and then so many times more. */
const MANY = 5;
const DURATION_MS = { least: 5000, most: 400_000 };
/** Now and then everything lasts so many times longer. */
const LONG = 10;

export async function foundTown(world: World): Promise<Town> {
  const random = world.random("town");
  const { young, old } = await foundedLogs();
  const node = new LedgerNode(world, random.chance(0.5) ? young : old, anchorConfig(random));
  const names = random.chance(0.1) ? ["a", "b", "c"] : ["a", "b"];
  const devices = names.map((name) => new Device(world, deviceOptions(name, random), { next: 1 }));
  const long = random.chance(0.03) ? LONG : 1;
  const endMs = long * random.scale(DURATION_MS.least, DURATION_MS.most);
  const tickMs = endMs / ((random.chance(0.1) ? MANY : 1) * random.between(TELEGRAMS.least, TELEGRAMS.most));
  return { world, node, devices, copies: [], endMs, tickMs };
}

function deviceOptions(name: string, random: Random): DeviceOptions {
  const small = random.chance(0.4);
  return {
    name,
    iss: `city/gw-${name}`,
    streams: random.chance(0.2) ? ["meter/m-1", "meter/m-2"] : ["meter/m-1"],
    keepsTime: random.chance(0.5),
    settings: {
      heartbeatS: random.scale(20, 300),
      clock: { trust: random.pick(["auto", "auto", "rtc", "none", "system"]) },
      outbox: {
        maxBytes: small ? random.scale(3000, 20_000) : 1 << 20,
        whenFull: random.pick(["stop", "drop-oldest"]),
        keepReceipted: { days: 7, maxBytes: random.chance(0.3) ? random.scale(1000, 20_000) : 1 << 20 },
      },
      uplink: {
        window: {
          maxStatements: Math.round(random.scale(1, 200)),
          maxBytes: random.scale(2000, 200_000),
        },
        retry: { firstMs: random.scale(300, 10_000), maxMs: random.scale(10_000, 120_000) },
      },
      maxLossMs: random.pick([0, 0, 250, 2000, 10_000]),
      seal: {
        maxWaitMs: random.scale(100, 30_000),
        maxItems: Math.round(random.scale(1, 20)),
        maxBytes: Math.round(random.scale(200, 4000)),
      },
    },
  };
}

function anchorConfig(random: Random): Partial<Config> {
  const { broker, refusals } = defaultConfig("/simulated");
  return {
    batch: { maxItems: Math.round(random.scale(1, 100)), maxWaitMs: random.scale(5, 1000) },
    pool: { maxItems: Math.round(random.scale(2, 200)), maxBytes: random.scale(2000, 100_000) },
    receipts: { maxRepeats: Math.round(random.scale(1, 100)) },
    refusals: { ...refusals, perDevicePerMinute: Math.round(random.scale(5, 120)) },
    broker: {
      ...broker,
      settleMs: random.scale(10, 1000),
      maxUnacknowledged: Math.round(random.scale(2, 100)),
    },
  };
}
