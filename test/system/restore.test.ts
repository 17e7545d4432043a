/**
 * A disk is lost: with real programs, a backup is made while statements flow, everything of the anchor but its keys is removed, and the log is restored,
 * first to an older state, which has to stop before it signs anything, then with a copy of the public directory, after which the agent
 * sends again what is missing.
 *
 * @module
 */
import { cpSync, existsSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openCheckpoint, parseVkey } from "@tallystick/evidence";
import { createNodeProvider } from "@tallystick/evidence/node";
import type { Report } from "../../agent/src/commands/report.ts";
import type { Restored } from "../../anchor/src/restore/restore.ts";
import { AgentBook } from "../support/agent-book.ts";
import { CountingMeter } from "../support/counting-meter.ts";
import { LogWitness, WITNESS_SERVICE } from "../support/log-witness.ts";
import { ISS, Town } from "../support/town.ts";
import { checkWorld } from "../support/world-check.ts";

const METER = "meter/m-1";
const TELEGRAM_MS = 100;
/** Times that the agent may be asked to stop until its last receipts are there. */
const MAX_STOPS = 4;
const ANCHOR_SERVICE = {
  id: "anchor",
  publish: ["down", "checkpoint"],
  subscribe: ["up", "checkpoint", "state"],
  whenSlow: "wait",
};

test("a lost disk: the restored log stops where it is older than what it signed, and gets back what is missing", async () => {
  const meter = await CountingMeter.start(Math.floor(Date.now() / 1000), TELEGRAM_MS);
  try {
    await Town.run((town) => new Story(town, meter).tell(), {
      broker: { services: [ANCHOR_SERVICE, WITNESS_SERVICE] },
    });
  } finally {
    await meter.stop();
  }
});

class Story {
  readonly #town: Town;
  readonly #meter: CountingMeter;
  readonly #book: AgentBook;
  readonly #witness: LogWitness;
  #starts = 0;

  constructor(town: Town, meter: CountingMeter) {
    this.#town = town;
    this.#meter = meter;
    this.#book = new AgentBook(town.path("agent"), ISS);
    this.#witness = new LogWitness(town.logVkey);
  }

  async tell(): Promise<void> {
    const town = this.#town;
    await town.start("broker");
    await town.start("anchor");
    this.#witness.watch(town.brokerUrl, town.publicFolder);
    try {
      await town.enrol(ISS, town.path("device.key"), METER);
      this.#configure();
      await this.#startAgent();
      await this.#flows();
      const file = await this.#backUp();
      // The log goes on, and its newest entries are in no backup.
      await this.#flows();
      await this.#loseTheDisk();

      const { signed } = await this.#restore(file);
      const before = this.#witness.seen;
      await this.#stops(signed, "the checkpoint at the broker");
      // A broker that was restarted retains nothing: then the devices know.
      await town.kill("broker");
      await town.start("broker");
      await this.#stops(signed, `a receipt sent by ${ISS}`);
      expect(this.#witness.seen.receipts).toBe(before.receipts);
      expect(this.#witness.findings).toEqual([]);

      await this.#restoreFromAll(file);
      await town.start("anchor");
      await this.#comesBack();
      await this.#flows();
      await this.#stopAgent();
      await this.#check();
    } finally {
      this.#witness.end();
    }
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
      ],
    });
  }

  async #startAgent(): Promise<void> {
    await this.#town.start("agent");
    this.#starts += 1;
  }

  /** Resolves when a telegram that was sent after this call has its receipt. */
  async #flows(): Promise<void> {
    const before = this.#meter.newest ?? 0;
    await this.#town.until(
      "a new telegram has its receipt",
      () => (this.#book.newestReceiptedSecond(METER) ?? 0) > before + 10,
    );
  }

  /** A backup while statements flow. */
  async #backUp(): Promise<string> {
    const out = this.#town.path("log.backup");
    const { code, stdout, stderr } = await this.#anchor("backup", "-o", out, "--json");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const { file, keys } = JSON.parse(stdout) as { file: string; keys: string[] };
    expect({ file, keys }).toEqual({ file: out, keys: [] });
    expect((await this.#anchor("backup", "-o", out)).code).toBe(1);
    return file;
  }

  /** All but the keys is gone; a copy of the public directory is elsewhere. */
  async #loseTheDisk(): Promise<void> {
    const town = this.#town;
    await town.kill("anchor");
    cpSync(town.publicFolder, town.path("copy"), { recursive: true });
    for (const name of readdirSync(town.path("anchor"))) {
      if (name !== "keys") rmSync(town.path("anchor", name), { recursive: true });
    }
  }

  async #restore(...from: readonly string[]): Promise<Restored> {
    const sources = from.flatMap((one) => ["--from", one]);
    const { code, stdout, stderr } = await this.#anchor("restore", ...sources, "--json");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    return JSON.parse(stdout) as Restored;
  }

  /** The anchor ends by itself with the code and what to do, and has signed no newer tree than that of the newest note in the backup. */
  async #stops(signed: number, where: string): Promise<void> {
    const town = this.#town;
    const log = town.path("log", "anchor.log");
    const from = existsSync(log) ? readFileSync(log, "utf8").length : 0;
    town.launch("anchor");
    const { code } = await town.letEnd("anchor");
    const said = readFileSync(log, "utf8").slice(from);
    expect(code).toBe(1);
    expect(said).toContain("[checkpoint-ahead]");
    expect(said).toContain(where);
    expect(said).toContain("restore --from");
    const note = readFileSync(join(town.publicFolder, "checkpoint"), "utf8");
    expect(openCheckpoint(note, parseVkey(town.logVkey), createNodeProvider()).size).toBe(signed);
  }

  /** What the anchor said to do: the database that is behind is moved away, and is a source like the others. */
  async #restoreFromAll(backup: string): Promise<void> {
    const town = this.#town;
    const refused = await this.#anchor("restore", "--from", town.path("copy"));
    expect({ code: refused.code, stderr: refused.stderr.includes("[storage-exists]") }).toEqual({
      code: 1,
      stderr: true,
    });
    renameSync(town.path("anchor", "anchor.db"), town.path("behind.db"));
    for (const ending of ["-wal", "-shm"]) rmSync(town.path("anchor", `anchor.db${ending}`), { force: true });
    const { missing } = await this.#restore(backup, town.path("behind.db"), town.path("copy"));
    expect(missing.length).toBeGreaterThan(0);
    const { stdout } = await this.#anchor("missing", "--json");
    const count = missing.reduce((sum, [first, last]) => sum + last - first + 1, 0);
    expect(stdout.trim().split("\n")).toHaveLength(count);
  }

  /** The agent sends what is missing, and nothing of it is a new entry. */
  async #comesBack(): Promise<void> {
    const town = this.#town;
    await town.until(
      "all missing statements are back",
      async () => (await town.metric("missing_statements")) === 0,
    );
    expect(await town.metric('outcomes_total{outcome="filled"}')).toBeGreaterThan(0);
    expect((await this.#anchor("missing")).stdout).toBe("0 statements missing\n");
  }

  /** Stops the agent until its own books are closed. */
  async #stopAgent(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      await this.#town.stop("agent");
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
    const boots = { atLeast: this.#starts, atMost: this.#starts };
    // The meter's account is the whole chain's test; here the halves, every receipt ever given, and what an auditor says.
    const gateway = { iss: ISS, book: this.#book, streams: [{ sub: METER }], boots };
    const { findings, statements } = await checkWorld({
      town: this.#town,
      gateways: [gateway],
      witness: this.#witness,
      bundles: true,
    });
    expect(findings).toEqual([]);
    expect(statements).toBeGreaterThan(20);
  }

  #anchor(...args: readonly string[]): ReturnType<Town["run"]> {
    const [command = "", ...rest] = args;
    return this.#town.run("anchor", command, "--config", this.#town.configFile("anchor"), ...rest);
  }
}
