/**
 * The crash campaign: a whole town at work, its programs killed at random moments; then the world check. Every ten minutes a new town.
 *
 * @module
 */
import { CountingMeter } from "../support/counting-meter.ts";
import { Dice } from "../support/dice.ts";
import { WorldFault } from "../support/finding.ts";
import type { Seen } from "../support/fault-run.ts";
import { LogWitness, WITNESS_SERVICE } from "../support/log-witness.ts";
import { closeBooks, type MeteredSettings } from "../support/metered-agent.ts";
import { Town } from "../support/town.ts";
import { checkWorld } from "../support/world-check.ts";
import { GatewayUnderFire } from "./gateway.ts";
import { Hunt } from "./hunt.ts";

export type CampaignOptions = {
  readonly seed: number;
  readonly minutes: number;
  /** On a slow machine it goes on until there were so many. */
  readonly leastKills: number;
  readonly say: (what: string) => void;
};

/** Telegrams of each meter: twenty a second. */
const TELEGRAM_MS = 50;
/** One town lives no longer: what is checked in the end has to fit into memory. */
const TOWN_MINUTES = 10;
/** Start, the last receipts, the check; and what a slow machine takes longer to come to its kills. */
const REST_MS = 400_000;
const GATEWAYS: readonly MeteredSettings[] = [
  { name: "agent", maxLossMs: 0, sealMs: 300, heartbeatS: 2 },
  { name: "agent-2", maxLossMs: 250, sealMs: 900, heartbeatS: 2 },
  { name: "agent-3", maxLossMs: 0, sealMs: 150, heartbeatS: 2, host: true },
];

const SERVICES = [
  { id: "anchor", publish: ["down", "checkpoint"], subscribe: ["up", "checkpoint"], whenSlow: "wait" },
  WITNESS_SERVICE,
];

/** @throws WorldFault where something does not hold, with the last words of every program */
export async function runCampaign({ seed, minutes, leastKills, say }: CampaignOptions): Promise<Seen> {
  const total = new Map<string, number>();
  const towns = Math.ceil(minutes / TOWN_MINUTES);
  for (let i = 0; i < towns; i++) {
    const seen = await campaignInOneTown({
      seed: (seed + i) >>> 0,
      minutes: minutes / towns,
      leastKills: Math.ceil(leastKills / towns),
      say: (what) =>
        say(towns === 1 ? what : `town ${i + 1} of ${towns} (seed ${(seed + i) >>> 0}): ${what}`),
    });
    for (const [name, value] of Object.entries(seen)) total.set(name, (total.get(name) ?? 0) + value);
  }
  return Object.fromEntries(total);
}

async function campaignInOneTown(options: CampaignOptions): Promise<Readonly<Record<string, number>>> {
  const hour = Math.floor(Date.now() / 3_600_000) * 3600;
  const meters = await Promise.all(GATEWAYS.map(() => CountingMeter.start(hour, TELEGRAM_MS)));
  let seen: Readonly<Record<string, number>> = {};
  try {
    const story = async (town: Town): Promise<void> => {
      const gateways = GATEWAYS.map(
        (settings, i) => new GatewayUnderFire(town, meterAt(meters, i), settings),
      );
      seen = await tell(town, gateways, options);
    };
    await Town.run(story, { broker: { services: SERVICES } }, options.minutes * 60_000 + REST_MS);
    return seen;
  } finally {
    await Promise.all(meters.map((meter) => meter.stop()));
  }
}

async function tell(
  town: Town,
  gateways: readonly GatewayUnderFire[],
  { seed, minutes, leastKills, say }: CampaignOptions,
): Promise<Readonly<Record<string, number>>> {
  say("starting the town");
  await town.start("broker");
  await town.start("anchor");
  const witness = new LogWitness(town.logVkey);
  witness.watch(town.brokerUrl, town.publicFolder);
  try {
    for (const gateway of gateways) {
      await town.enrol(gateway.iss, town.keyFile(gateway.name));
      gateway.configure();
      gateway.launch();
    }
    const hunt = new Hunt(town, gateways, new Dice(seed));
    await hunt.back(gateways.map(({ name }) => name));
    const endMs = performance.now() + minutes * 60_000;
    await hunt.run(() => performance.now() >= endMs && hunt.kills >= leastKills, say);
    say(`${hunt.kills} kills; the last statements get their receipts`);
    await hunt.back(["broker", "anchor", ...gateways.map(({ name }) => name)]);
    for (const gateway of gateways) gateway.meter.pause();
    for (const gateway of gateways) await closeBooks(town, gateway);
    const checked = await checkWorld({
      town,
      gateways: gateways.map(({ books }) => books),
      witness,
      bundles: true,
      say,
    });
    const findings = [...gateways.flatMap((gateway) => gateway.findings), ...checked.findings];
    if (findings.length > 0) throw new WorldFault(findings);
    const timed = gateways.reduce((sum, gateway) => sum + gateway.timed, 0);
    return {
      kills: hunt.kills,
      ...Object.fromEntries(hunt.blows),
      "kills of agents with what they had read in time": timed,
      "telegrams that surely arrived": checked.telegrams,
      "readings in the ledger": checked.readings,
      statements: checked.statements,
      "size of the log": checked.size,
      "notes seen": witness.seen.notes,
      "receipts seen": witness.seen.receipts,
      "sizes of trees seen": witness.seen.sizes,
    };
  } finally {
    witness.end();
  }
}

function meterAt(meters: readonly CountingMeter[], i: number): CountingMeter {
  const meter = meters[i];
  if (meter === undefined) throw new RangeError(`no meter ${i}`);
  return meter;
}
