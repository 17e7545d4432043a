/**
 * The town: meter, broker, anchor and agent, started in their order and ended in the opposite one.
 *
 * @module
 */
import { ed25519Key, EvidenceError, splitUp, type PublicKey } from "@tallystick/evidence";
import {
  enrolDevice,
  prepareFolder,
  runArgs,
  writeAgentConfig,
  writeAnchorConfig,
  writeBrokerConfig,
  type Folder,
} from "./folder.ts";
import { Link } from "./link.ts";
import { DemoMeter } from "./meter.ts";
import { Passing, type PassingEvents } from "./passing.ts";
import type { Program, Programs } from "./program.ts";

export type TownEvents = PassingEvents & {
  /** Statements of a message that was lost on purpose. */
  readonly lost: (statements: number) => void;
};

export class Town {
  readonly programs: Programs;
  readonly meter: DemoMeter;
  readonly folder: Folder;
  readonly link: Link;
  readonly passing: Passing;
  /** Rejects when a program ends that should run, with its last words. */
  readonly broken: Promise<never>;
  readonly #broker: Program;
  readonly #brokerPort: number;
  readonly #fail: (error: Error) => void;
  /** Programs whose end is wanted. */
  readonly #dismissed = new Set<Program>();
  #anchor: Program | undefined;
  #agent: Program | undefined;
  #anchorUrl = "";
  #stopping = false;

  private constructor(
    parts: { programs: Programs; meter: DemoMeter; folder: Folder; broker: Program; brokerPort: number },
    events: TownEvents,
  ) {
    this.programs = parts.programs;
    this.meter = parts.meter;
    this.folder = parts.folder;
    this.#broker = parts.broker;
    this.#brokerPort = parts.brokerPort;
    this.passing = new Passing(logKeyOf(parts.folder), events);
    this.link = new Link(parts.brokerPort, {
      up: (payload) => this.passing.up(payload),
      down: (payload) => this.passing.down(payload),
      lost: (payload) => events.lost(splitUp(payload).items.length),
    });
    const broken = Promise.withResolvers<never>();
    this.broken = broken.promise;
    this.broken.catch(() => {}); // whoever waits gets it
    this.#fail = broken.reject;
    void this.#watch(this.#broker);
  }

  /**
   * Starts everything; resolves when the agent has been started.
   *
   * @throws ProgramError with the last words of what did not start; nothing is left running then
   */
  static async start(root: string, programs: Programs, events: TownEvents): Promise<Town> {
    const [meter, folder, { broker, port }] = await Promise.all([
      DemoMeter.start(),
      prepareFolder(root, programs),
      startBroker(root, programs),
    ]);
    const town = new Town({ programs, meter, folder, broker, brokerPort: port }, events);
    await Promise.all([town.startAnchor(), enrolDevice(folder, programs)]);
    const linkPort = await town.link.listen();
    await writeAgentConfig(folder, { brokerUrl: urlOf(linkPort), meterPort: meter.port });
    town.#agent = town.#start("agent");
    return town;
  }

  /** Address of the anchor's read interface. */
  get anchorUrl(): string {
    return this.#anchorUrl;
  }

  /** True until {@link stop}. */
  get isOpen(): boolean {
    return !this.#stopping;
  }

  get anchorRunning(): boolean {
    return this.#anchor?.running === true;
  }

  /** Starts the anchor, also after it was killed; resolves with the size of its log. */
  async startAnchor(): Promise<number> {
    await writeAnchorConfig(this.folder.root, urlOf(this.#brokerPort));
    this.#anchor = this.#start("anchor");
    const { url, size } = JSON.parse(await this.#anchor.ready()) as { url: string; size: number };
    this.#anchorUrl = url;
    return size;
  }

  /** Ends the anchor as a power cut would. */
  async killAnchor(): Promise<void> {
    if (this.#anchor === undefined) return;
    this.#dismissed.add(this.#anchor);
    await this.#anchor.kill();
  }

  /** Asks the agent to stop: it seals what is pending and tells its heads. */
  async stopAgent(): Promise<void> {
    if (this.#agent !== undefined) await this.#dismiss(this.#agent);
  }

  /** Ends everything; what is there already is left alone. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.stopAgent();
    if (this.#anchor !== undefined) await this.#dismiss(this.#anchor);
    await this.#dismiss(this.#broker);
    await Promise.all([this.link.close(), this.meter.unplug()]);
  }

  #start(name: "agent" | "anchor"): Program {
    const program = this.programs.start(name, runArgs(this.folder.root, name));
    void this.#watch(program);
    return program;
  }

  async #dismiss(program: Program): Promise<void> {
    this.#dismissed.add(program);
    await program.stop();
  }

  async #watch(program: Program): Promise<void> {
    const error = await program.ended;
    if (!this.#dismissed.has(program)) this.#fail(error);
  }
}

const urlOf = (port: number): string => `mqtt://127.0.0.1:${port}`;

async function startBroker(root: string, programs: Programs): Promise<{ broker: Program; port: number }> {
  await writeBrokerConfig(root);
  const broker = programs.start("broker", runArgs(root, "broker"));
  const { listening } = JSON.parse(await broker.ready()) as { listening: string };
  return { broker, port: Number(new URL(listening).port) };
}

function logKeyOf({ policy, policyFile }: Folder): PublicKey {
  const [log] = policy.logs;
  if (log === undefined) throw new EvidenceError("policy-malformed", `${policyFile} names no log`);
  return ed25519Key(log.vkey.publicKey);
}
