/**
 * Where the agent is tried: broker and anchor run on, and each case has a device of its own: from an empty data folder its agent takes some telegrams
 * under strace, seals and delivers them, and stops; it is started again as usual, and delivers what is left.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { CountingMeter } from "../support/counting-meter.ts";
import { LogWitness } from "../support/log-witness.ts";
import { closeBooks, MeteredAgent } from "../support/metered-agent.ts";
import { makeKeyFile, Registrar } from "../support/registrar.ts";
import { issOf, type AgentName, type Town } from "../support/town.ts";
import { checkWorld } from "../support/world-check.ts";
import { agentFiles, type DataFiles } from "./data-files.ts";
import { MAX_CASES, type Ground } from "./ground.ts";
import { isJournalName, Subject, type Case, type Told } from "./story.ts";
import type { Call } from "./strace.ts";

const TELEGRAMS = 3;

export class AgentGround implements Ground {
  readonly target = "agent";
  readonly #town: Town;
  readonly #witness: LogWitness;
  #devices = 0;
  #agent: MeteredAgent | undefined;

  private constructor(town: Town, witness: LogWitness) {
    this.#town = town;
    this.#witness = witness;
  }

  static async prepare(town: Town): Promise<AgentGround> {
    const ground = new AgentGround(town, new LogWitness(town.logVkey));
    try {
      await ground.#begin();
      return ground;
    } catch (error) {
      await ground.end();
      throw error;
    }
  }

  files(): DataFiles {
    return agentFiles(this.#town.path(nameOf(this.#devices + 1)));
  }

  async tell(one: Partial<Case>): Promise<Told> {
    const town = this.#town;
    const files = this.files();
    this.#devices += 1;
    const hour = Math.floor(Date.now() / 3_600_000) * 3600;
    const meter = await CountingMeter.start(hour, 1000);
    meter.pause();
    const settings = { name: nameOf(this.#devices), maxLossMs: 0, sealMs: 20, heartbeatS: 86_400 };
    const agent = new MeteredAgent(town, meter, settings);
    this.#agent = agent;
    agent.configure();
    agent.beginLife();
    const subject = new Subject(town, agent.name, files, one);
    await subject.until(
      "the agent reads its meter",
      () => agent.connected && agent.book.entries().length > 0,
    );
    await subject.until("its start has receipts", () => agent.isDelivered);
    for (let i = 0; i < TELEGRAMS && subject.running; i++) {
      meter.tick();
      await subject.until("the telegram has its receipt", () => agent.isUpToDate);
    }
    const told = await subject.end();
    agent.endLife();
    return told;
  }

  async recover(): Promise<void> {
    const agent = this.#running;
    agent.launch();
    await this.#town.until("the agent reads its meter again", () => agent.connected);
    agent.meter.tick();
    await this.#town.until("the telegram has its receipt", () => agent.isUpToDate);
  }

  async check(): Promise<Awaited<ReturnType<typeof checkWorld>>> {
    await closeBooks(this.#town, this.#running);
    return checkWorld({ town: this.#town, gateways: [this.#running.books], witness: this.#witness });
  }

  async rest(): Promise<void> {
    await this.#running.meter.stop();
  }

  async end(): Promise<void> {
    this.#witness.end();
    await this.#agent?.meter.stop().catch(() => undefined);
  }

  /** As with the anchor: closing the database only tidies up. And at its start the agent waits for room on a full disk, and then goes on. */
  harmless(call: Call, told: Told): boolean {
    if (isJournalName(call, told)) return true;
    const closing =
      told.words.includes('"msg":"stopped"') && /agent\.(db|lock)(-wal|-shm|-journal)?$/.test(call.path);
    return closing || told.words.includes('"code":"storage-full"');
  }

  async #begin(): Promise<void> {
    const town = this.#town;
    const registrar = new Registrar(town.path("anchor"));
    for (let number = 1; number <= MAX_CASES; number++)
      await registrar.enrol(issOf(nameOf(number)), makeKeyFile(town.keyFile(nameOf(number))));
    await town.start("broker");
    this.#witness.watch(town.brokerUrl, town.publicFolder);
    await town.start("anchor");
    await town.until("the devices are enrolled", () => checkpointSize(town) > MAX_CASES);
  }

  get #running(): MeteredAgent {
    if (this.#agent === undefined) throw new Error("no story was told yet");
    return this.#agent;
  }
}

/** Entries that are published: the note's second line. */
const checkpointSize = (town: Town): number =>
  Number(readFileSync(join(town.publicFolder, "checkpoint"), "utf8").split("\n")[1]);

const nameOf = (number: number): AgentName => `agent-${number}`;
