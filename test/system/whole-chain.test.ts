/**
 * The whole chain over real sockets: a meter, an agent, a broker and an anchor, each of the three programs killed once as a power cut would, and
 * started again. Afterwards the two halves of the tally are laid together: nothing that reached the agent is missing, nothing is there twice,
 * and the auditor finds every chain complete.
 *
 * @module
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { ed25519Key, openCheckpoint, parseVkey, SYSTEM_STREAM, toHex } from "@tallystick/evidence";
import { createNodeProvider } from "@tallystick/evidence/node";
import { expect, test } from "vitest";
import type { Report } from "../../agent/src/report.ts";
import { AgentBook, readingsOf, secondOf } from "../support/agent-book.ts";
import { CountingMeter } from "../support/counting-meter.ts";
import { DeviceWire } from "../support/device-wire.ts";
import { copyLedger, type ChainCopy } from "../support/ledger-copy.ts";
import { accountFaults } from "../support/telegram-account.ts";
import { ISS, Town, type Daemon } from "../support/town.ts";
import { expectHalvesToFit, expectWholeChains } from "../support/two-halves.ts";

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

const provider = createNodeProvider();

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

    const chains = await copyLedger(town.anchorUrl, ISS);
    this.#checkReadings(chains);
    expectWholeChains(chains, { subs: [HOST, METER, SYSTEM_STREAM], starts: this.#starts });
    await this.#checkForks();
    expectHalvesToFit(this.#book.entries(), chains, ed25519Key(parseVkey(town.logVkey).publicKey), provider);
    await this.#audit(chains);
    await this.#checkRetained(chains);
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
  async #killMidTraffic(name: Exclude<Daemon, "agent">): Promise<void> {
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

  #checkReadings(chains: readonly ChainCopy[]): void {
    const heldOf = (sub: string) =>
      chains
        .filter((chain) => chain.sub === sub)
        .flatMap(({ statements }) => statements.flatMap(({ statement }) => readingsOf(statement)));
    // One connection for each life of the agent; and the account is not of nothing.
    const { connections } = this.#meter;
    expect(connections).toHaveLength(this.#starts);
    for (const { sure } of connections) expect(sure).toBeGreaterThanOrEqual(LEAST_TELEGRAMS);
    expect(accountFaults(this.#meter, heldOf(METER))).toEqual([]);
    const host = heldOf(HOST).map((reading) => `${reading.name} ${secondOf(reading)}`);
    expect(host.length).toBeGreaterThan(0);
    expect(new Set(host).size).toBe(host.length);
  }

  async #checkForks(): Promise<void> {
    expect(await this.#town.metric('outcomes_total{outcome="fork"}')).toBe(0);
    const db = new DatabaseSync(this.#town.path("anchor", "anchor.db"), { readOnly: true });
    try {
      expect(db.prepare("SELECT count(*) AS forks FROM forks").get()).toEqual({ forks: 0 });
    } finally {
      db.close();
    }
  }

  /** What an auditor says, with the agent's half beside the log, and of a bundle of each stream. */
  async #audit(chains: readonly ChainCopy[]): Promise<void> {
    const town = this.#town;
    const halves = town.path("halves");
    mkdirSync(halves);
    for (const { statement, transparent } of this.#book.entries()) {
      writeFileSync(join(halves, `${toHex(statement.hash)}.cose`), transparent ?? statement.bytes);
    }
    const policy = ["--policy", town.policyFile];
    const log = await town.run(
      "audit",
      "log",
      town.publicFolder,
      "--statements",
      halves,
      "--json",
      ...policy,
    );
    expect(JSON.parse(log.stdout)).toMatchObject({ verdict: "restricted", restrictions: ["no-witness"] });
    expect(log.code).toBe(0);
    for (const { sub, last } of chains) {
      const file = town.path(`${sub.replaceAll("/", "-")}.tally`);
      const stream = ["--stream", `${ISS}/${sub}`, "-o", file];
      const made = await town.run("audit", "bundle", `${town.anchorUrl}/`, ...stream, ...policy);
      expect(made).toMatchObject({ code: 0 });
      const { code, stdout } = await town.run("audit", "verify", file, ...policy, "--json");
      const { verdict, restrictions, checks } = JSON.parse(stdout) as {
        verdict: string;
        restrictions: readonly string[];
        checks: readonly { name: string; reason?: string }[];
      };
      // Nobody tells the head of `sys`: its own next statement would have to.
      const own = sub === SYSTEM_STREAM ? ["tail-not-attested"] : [];
      expect({ sub, code, verdict, restrictions }).toEqual({
        sub,
        code: 0,
        verdict: "restricted",
        restrictions: ["no-witness", ...own],
      });
      if (sub === SYSTEM_STREAM) continue;
      const complete = checks.find(({ name }) => name === "completeness")?.reason;
      expect(complete).toBe(`complete ${ISS}/${sub} 0..${last}`);
    }
  }

  /** What the broker retains for whoever comes is what is published. */
  async #checkRetained(chains: readonly ChainCopy[]): Promise<void> {
    const published = readFileSync(join(this.#town.publicFolder, "checkpoint"), "utf8");
    const wire = await DeviceWire.connect(this.#town.brokerUrl, "city/observer");
    try {
      await wire.watchCheckpoint();
      await this.#town.until("a retained checkpoint", () => wire.checkpoint !== undefined);
      expect(wire.checkpoint).toBe(published);
    } finally {
      wire.end();
    }
    const { size } = openCheckpoint(published, parseVkey(this.#town.logVkey), provider);
    expect(size).toBe(ITEMS + chains.reduce((sum, { count }) => sum + count, 0));
  }
}
