/**
 * An agent of a town with a meter of its own, and the account between the two: what surely arrived is known after each of the agent's lives.
 *
 * @module
 */
import { AgentBook } from "./agent-book.ts";
import type { CountingMeter, Served } from "./counting-meter.ts";
import { issOf, type AgentName, type Town } from "./town.ts";
import type { Gateway } from "./world-check.ts";

export const METER = "meter/m-1";
const HOST = "host/gateway";

export type MeteredSettings = {
  readonly name: AgentName;
  readonly maxLossMs: number;
  readonly sealMs: number;
  readonly heartbeatS: number;
  /** Whether it reads the machine that it runs on, too. */
  readonly host?: boolean;
};

export class MeteredAgent {
  readonly name: AgentName;
  readonly iss: string;
  readonly book: AgentBook;
  readonly meter: CountingMeter;
  protected readonly town: Town;
  protected readonly settings: MeteredSettings;
  #launches = 0;
  /** Connections of the meter before this life of the agent. */
  #before = 0;

  constructor(town: Town, meter: CountingMeter, settings: MeteredSettings) {
    this.town = town;
    this.meter = meter;
    this.settings = settings;
    this.name = settings.name;
    this.iss = issOf(settings.name);
    this.book = new AgentBook(town.path(settings.name), this.iss);
  }

  configure(): void {
    const { maxLossMs, sealMs, heartbeatS, host = false, name } = this.settings;
    const tcp = { host: "127.0.0.1", port: this.meter.port };
    const seal = { maxWaitMs: sealMs };
    const meter = { name: METER, source: { kind: "p1", tcp }, every: 0, maxLossMs, seal };
    const own = { name: HOST, source: { kind: "host" }, every: 1, maxLossMs, seal };
    this.town.writeAgentConfig(
      {
        heartbeat: heartbeatS,
        clock: { trust: "system" },
        uplink: { retry: { firstMs: 300, maxMs: 3000 } },
        streams: host ? [meter, own] : [meter],
      },
      name,
    );
  }

  launch(): void {
    this.beginLife();
    this.town.launch(this.name);
  }

  /** To be called before the agent is launched by somebody else. */
  beginLife(): void {
    this.#before = this.meter.connections.length;
    this.#launches += 1;
  }

  async stop(): Promise<void> {
    await this.town.stop(this.name);
    this.endLife();
  }

  /** After a life of the agent: whatever of it is on the disk has surely arrived, and all that came before it. */
  endLife(): void {
    const onDisk = this.book.newestSecond(METER) ?? 0;
    for (const served of this.life) {
      served.sure = Math.max(served.sure, served.seconds.findLastIndex((second) => second <= onDisk) + 1);
    }
  }

  /** Whether this life of the agent is connected to its meter. */
  get connected(): boolean {
    return this.life.length > 0;
  }

  /** Whether it was sent something in this life. */
  get reads(): boolean {
    return this.life.some(({ seconds }) => seconds.length > 0);
  }

  /** Whether all that it has is in statements that have their receipts. */
  get isDelivered(): boolean {
    return this.book.waiting() === 0 && this.book.newestJournalledSecond(METER) === undefined;
  }

  /** Whether its meter's newest telegram has its receipt, and whatever else there is. */
  get isUpToDate(): boolean {
    return this.isDelivered && this.book.newestReceiptedSecond(METER) === this.meter.newest;
  }

  /** For the world check. */
  get books(): Gateway {
    const own = this.settings.host === true ? [{ sub: HOST }] : [];
    const streams = [{ sub: METER, meter: this.meter }, ...own];
    return { iss: this.iss, book: this.book, streams, boots: { atLeast: 1, atMost: this.#launches } };
  }

  /** Connections of the meter in this life. */
  protected get life(): readonly Served[] {
    return this.meter.connections.slice(this.#before);
  }
}

/** A clean stop waits two seconds for the last receipts, which may be too short for a busy machine: then the next one has to do. */
const MAX_STOPS = 8;

/** Stops an agent until each of its statements has its receipt. A start connects at once, where one that runs may be in a long pause. */
export async function closeBooks(town: Town, agent: MeteredAgent): Promise<void> {
  for (let stops = 1; ; stops++) {
    await agent.stop();
    if (agent.isDelivered) return;
    if (stops === MAX_STOPS)
      throw new Error(`${agent.iss}: ${agent.book.waiting()} statements still wait after ${stops} stops`);
    agent.launch();
    await town.until(`${agent.iss} delivers what waits`, () => agent.isDelivered);
  }
}
