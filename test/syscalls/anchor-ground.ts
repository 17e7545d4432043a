/**
 * Where the anchor is tried: a town whose agent and broker run on, while the anchor is started under strace, takes some batches and an enrolment, publishes,
 * answers and stops; is started again as usual, and takes what is still to be taken. The next case goes on from there.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { CountingMeter } from "../support/counting-meter.ts";
import { LogWitness } from "../support/log-witness.ts";
import { METER, MeteredAgent } from "../support/metered-agent.ts";
import { makeKeyFile, Registrar } from "../support/registrar.ts";
import type { Town } from "../support/town.ts";
import { checkWorld } from "../support/world-check.ts";
import { anchorFiles, type DataFiles } from "./data-files.ts";
import type { Ground } from "./ground.ts";
import { isJournalName, Subject, type Case, type Told } from "./story.ts";
import type { Call } from "./strace.ts";

/** Batches of the story: so many telegrams, one after the other. */
const TELEGRAMS = 3;
const SECONDS_BEFORE_HOUR = 100_000;

export class AnchorGround implements Ground {
  readonly target = "anchor";
  readonly #town: Town;
  readonly #agent: MeteredAgent;
  readonly #registrar: Registrar;
  readonly #witness: LogWitness;
  #size = 0;

  private constructor(town: Town, agent: MeteredAgent, registrar: Registrar, witness: LogWitness) {
    this.#town = town;
    this.#agent = agent;
    this.#registrar = registrar;
    this.#witness = witness;
  }

  static async prepare(town: Town): Promise<AnchorGround> {
    const hour = Math.floor(Date.now() / 3_600_000) * 3600;
    const meter = await CountingMeter.start(hour - SECONDS_BEFORE_HOUR, 1000);
    meter.pause();
    const settings = { name: "agent", maxLossMs: 0, sealMs: 20, heartbeatS: 86_400 } as const;
    const agent = new MeteredAgent(town, meter, settings);
    const registrar = new Registrar(town.path("anchor"));
    const witness = new LogWitness(town.logVkey);
    const ground = new AnchorGround(town, agent, registrar, witness);
    try {
      await ground.#begin();
      return ground;
    } catch (error) {
      await ground.end();
      throw error;
    }
  }

  files(): DataFiles {
    const from = { size: this.#size, items: this.#registrar.items };
    return anchorFiles(this.#town.path("anchor"), from);
  }

  async tell(one: Partial<Case>): Promise<Told> {
    const subject = new Subject(this.#town, "anchor", this.files(), one);
    await subject.ready();
    for (let i = 0; i < TELEGRAMS && subject.running; i++) {
      this.#agent.meter.tick();
      await subject.until("the telegram has its receipt", () => this.#agent.isUpToDate);
      if (i === 0) await this.#enrolOne(subject);
    }
    return subject.end();
  }

  async recover(): Promise<void> {
    await this.#town.start("anchor");
    await this.#takeOne();
  }

  async check(): Promise<Awaited<ReturnType<typeof checkWorld>>> {
    this.#agent.endLife();
    const checked = await checkWorld({
      town: this.#town,
      gateways: [this.#agent.books],
      witness: this.#witness,
    });
    this.#size = checked.size;
    return checked;
  }

  async rest(): Promise<void> {
    await this.#town.stop("anchor");
  }

  async end(): Promise<void> {
    this.#witness.end();
    await this.#agent.meter.stop();
  }

  /**
   * Closing the database brings its log back into it. What fails there is left in the log, and done at the next start; the process is at its end anyway, and
   * every commit had returned before.
   */
  harmless(call: Call, told: Told): boolean {
    if (isJournalName(call, told)) return true;
    return (
      told.words.includes('"msg":"stopped"') &&
      /(anchor\.(db|lock)|alarms\.db)(-wal|-shm|-journal)?$/.test(call.path)
    );
  }

  async #begin(): Promise<void> {
    const town = this.#town;
    const agent = this.#agent;
    await town.start("broker");
    this.#witness.watch(town.brokerUrl, town.publicFolder);
    await this.#registrar.enrol(agent.iss, makeKeyFile(town.keyFile("agent")));
    agent.configure();
    await town.start("anchor");
    agent.launch();
    await town.until("the agent reads its meter", () => agent.connected);
    await this.#takeOne();
    await this.check();
    await town.stop("anchor");
  }

  async #takeOne(): Promise<void> {
    this.#agent.meter.tick();
    await this.#town.until(`${METER}: the telegram has its receipt`, () => this.#agent.isUpToDate);
  }

  async #enrolOne(subject: Subject): Promise<void> {
    const spare = this.#town.path("spare.key");
    const file = await this.#registrar.enrol(`city/spare-${this.#registrar.items}`, makeKeyFile(spare));
    await subject.until("the enrolment is taken", () => !existsSync(file));
  }
}
