/**
 * The whole chain over real sockets: a meter, an agent, a broker and an anchor, each of the three programs killed once as a power cut would, and
 * started again. Afterwards the two halves of the tally are laid together: nothing that reached the agent is missing, nothing is there twice,
 * and the auditor finds every chain complete.
 *
 * @module
 */
import { expect, test } from "vitest";
import type { Report } from "../../agent/src/commands/report.ts";
import { AgentBook, secondOf } from "../support/agent-book.ts";
import { CountingMeter } from "../support/counting-meter.ts";
import { DeviceWire } from "../support/device-wire.ts";
import { ISS, Town } from "../support/town.ts";
import { checkWorld, retainedFindings } from "../support/world-check.ts";

const METER = "meter/m-1";
const HOST = "host/gateway";
/** A telegram each 100 ms, a second of the meter's clock later each time. */
const TELEGRAM_MS = 100;
/** The meter's hour ends after so many telegrams: its sub-meter, which is read once an hour, then has another time. */
const TELEGRAMS_BEFORE_HOUR = 40;
/** A clean stop waits two seconds for the last receipts, which may be too short for a busy machine: then the next one has to do. */
const MAX_STOPS = 4;
/** Telegrams that each life of the agent takes at least. */
const LEAST_TELEGRAMS = 10;
/** Registry items: the log's policy, and the enrolment. */
const ITEMS = 2;

test("nothing is lost and nothing doubled, whoever is killed", async () => {
  const hour = Math.floor(Date.now() / 3_600_000) * 3600;
  const meter = await CountingMeter.start(hour - TELEGRAMS_BEFORE_HOUR, TELEGRAM_MS);
  try {
    await Town.run((town) => new Story(town, meter).tell());
  } finally {
    await meter.stop();
  }
});

class Story {
  readonly #town: Town;
  readonly #meter: CountingMeter;
  readonly #book: AgentBook;
  /** Times that the agent was started. */
  #starts = 0;

  constructor(town: Town, meter: CountingMeter) {
    this.#town = town;
    this.#meter = meter;
    this.#book = new AgentBook(town.path("agent"), ISS);
  }

  async tell(): Promise<void> {
    const town = this.#town;
    await town.start("broker");
    await town.start("anchor");
    await town.enrol(ISS, town.path("device.key"), `${METER},${HOST}`);
    this.#configure();
    await this.#startAgent();
    await this.#flows();

    await this.#killMidTraffic("broker");
    await this.#killMidTraffic("anchor");
    await this.#endAgent("kill");
    await this.#startAgent();
    await this.#flows();
    await this.#stopAgent();

    await this.#check();
  }

  #configure(): void {
    this.#town.writeAgentConfig({
      heartbeat: 2,
      clock: { trust: "system" },
      uplink: { retry: { firstMs: 300, maxMs: 3000 } },
      streams: [
        {
          name: METER,
          source: { kind: "p1", tcp: { host: "127.0.0.1", port: this.#meter.port } },
          every: 0,
          maxLossMs: 0,
          seal: { maxWaitMs: 300 },
        },
        { name: HOST, source: { kind: "host" }, every: 1, maxLossMs: 0, seal: { maxWaitMs: 500 } },
      ],
    });
  }

  async #startAgent(): Promise<void> {
    await this.#town.start("agent");
    this.#starts += 1;
  }

  /** Resolves when this life of the agent took some telegrams, and one that was sent after this call has its receipt. */
  async #flows(): Promise<void> {
    const { connections } = this.#meter;
    const before = this.#meter.newest ?? 0;
    await this.#town.until("telegrams have their receipts", () => {
      const served = connections.at(this.#starts - 1)?.seconds.length ?? 0;
      return served > LEAST_TELEGRAMS && (this.#book.newestReceiptedSecond(METER) ?? 0) > before;
    });
  }

  /** Kills a program while statements are on their way, lets the agent gather more without it, and starts it again. */
  async #killMidTraffic(name: "broker" | "anchor"): Promise<void> {
    let gone = Promise.resolve();
    await this.#town.until("statements are on their way", () => {
      if (this.#book.waiting() === 0) return false;
      gone = this.#town.kill(name);
      return true;
    });
    await gone;
    const before = this.#meter.newest ?? 0;
    await this.#town.until("the agent reads on alone", () => {
      return (this.#book.newestSecond(METER) ?? 0) > before + 10 && this.#book.waiting() > 2;
    });
    await this.#town.start(name);
    await this.#flows();
  }

  /**
   * Ends the agent with telegrams arriving.
   *
   * The margin is exact. In one turn of this process: everything that the meter has written so far is seen on the agent's disk, the newest of it
   * journalled and not sealed; the meter writes one more telegram; the signal is sent. So exactly that telegram (and, where the agent takes
   * its time to stop, those after it) may be missing; all before it must be in the ledger. If it is on the disk afterwards, it must be there too.
   */
  async #endAgent(how: "kill" | "stop"): Promise<void> {
    let gone = Promise.resolve();
    await this.#town.until("the agent has journalled everything sent", () => {
      if (!this.#meter.isRead || this.#book.newestJournalledSecond(METER) !== this.#meter.newest)
        return false;
      this.#meter.sendInFlight();
      gone = this.#town[how]("agent");
      return true;
    });
    await gone;
    const kept = new Set(this.#book.readings(METER).map(secondOf));
    const served = this.#meter.connections.at(-1);
    while (served !== undefined && kept.has(served.seconds[served.sure] ?? Number.NaN)) served.sure += 1;
  }

  /** Stops the agent until its own books are closed: on a slow machine its last receipts may come too late for one stop. */
  async #stopAgent(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      await this.#endAgent("stop");
      const config = ["--config", this.#town.configFile("agent")];
      const { code, stdout } = await this.#town.run("agent", "status", "--json", ...config);
      const report = JSON.parse(stdout) as Report;
      expect({ code, alarms: report.alarms, rejections: report.rejections }).toEqual({
        code: 0,
        alarms: [],
        rejections: [],
      });
      if (report.outbox.waiting.count === 0) return;
      expect(attempt).toBeLessThan(MAX_STOPS);
      await this.#startAgent();
      await this.#flows();
    }
  }

  async #check(): Promise<void> {
    // One connection for each life of the agent; and the account is not of nothing.
    const { connections } = this.#meter;
    expect(connections).toHaveLength(this.#starts);
    for (const { sure } of connections) expect(sure).toBeGreaterThanOrEqual(LEAST_TELEGRAMS);
    const streams = [{ sub: METER, meter: this.#meter }, { sub: HOST }];
    const boots = { atLeast: this.#starts, atMost: this.#starts };
    const gateway = { iss: ISS, book: this.#book, streams, boots };
    const { findings, statements, size } = await checkWorld({
      town: this.#town,
      gateways: [gateway],
      bundles: true,
    });
    expect(findings).toEqual([]);
    expect(size).toBe(ITEMS + statements);
    await this.#checkRetained(size);
  }

  /** What the broker retains for whoever comes is what is published. */
  async #checkRetained(size: number): Promise<void> {
    const wire = await DeviceWire.connect(this.#town.brokerUrl, "city/observer");
    try {
      await wire.watchCheckpoint();
      await this.#town.until("a retained checkpoint", () => wire.checkpoint !== undefined);
      expect(retainedFindings(this.#town, wire.checkpoint, size)).toEqual([]);
    } finally {
      wire.end();
    }
  }
}
