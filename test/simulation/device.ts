/**
 * A device: the agent's own code from source to uplink, on a disk and a clock that the world owns; killed, started again, and sometimes set back to an older state or copied.
 *
 * @module
 */
import { ed25519Key, formatVkey, isEvidenceError, parseVkey } from "@tallystick/evidence";
import { nodeSha256, runTogether } from "@tallystick/evidence/node";
import { startAgent, type AgentParts } from "../../agent/src/agent.ts";
import { parseSettings, type Settings } from "../../agent/src/config/config.ts";
import type { Log } from "../../agent/src/log.ts";
import { SigningKeys } from "../../agent/src/seal/signing-key.ts";
import { storageOn } from "../../agent/src/storage/storage.ts";
import { MachineClock } from "./clock.ts";
import { keyPair, type KeyPair } from "./keys.ts";
import { Life, wordsOf } from "./life.ts";
import { agentLine, type Way } from "./lines.ts";
import { Meter } from "./meter.ts";
import type { Random } from "./random.ts";
import { Store } from "./sim-database.ts";
import { BUILD_UNIX_MS, LOG_KEY, ORIGIN, type World } from "./world.ts";

/** What one agent process is made of. */
export type DeviceParts = AgentParts;

export type DeviceOptions = {
  readonly name: string;
  readonly iss: string;
  readonly streams: readonly string[];
  readonly settings: Omit<Partial<Settings>, "streams"> & {
    readonly maxLossMs: number;
    readonly seal: Settings["streams"][number]["seal"];
  };
  readonly keepsTime: boolean;
};

/** After the process has ended by itself; like a service manager. */
const RESTART_MS = { least: 200, most: 8000 };
/** A clean stop takes no longer; then the process is killed. */
const GRACE_MS = 8000;

export class Device {
  readonly name: string;
  readonly iss: string;
  readonly pair: KeyPair;
  readonly store: Store;
  readonly clock: MachineClock;
  readonly way: Way = { speed: { maxLatencyMs: 50, dead: false }, reachable: true };
  readonly meters: ReadonlyMap<string, Meter>;
  readonly settings: Settings;
  /** Somebody else goes on, or went on, under this name from the same or an older state: forks are to be expected. */
  tainted = false;
  life: Life | undefined;
  readonly #world: World;
  readonly #options: DeviceOptions;
  readonly #numbers: { next: number };
  readonly #random: Random;
  #stop: AbortController | undefined;
  #mark = false;
  #lives = 0;
  /** Lives in a row that were short: a service manager waits longer each time. */
  #failures = 0;
  #startedMs = 0;
  /** False: whoever stopped it starts it again. */
  #restarts = true;

  constructor(world: World, options: DeviceOptions, numbers: { next: number }, content?: Uint8Array) {
    this.#world = world;
    this.#options = options;
    this.#numbers = numbers;
    this.name = options.name;
    this.iss = options.iss;
    this.pair = keyPair(options.iss);
    this.#random = world.random(`device ${options.name}`);
    this.clock = new MachineClock(world.schedule);
    const { witness } = world;
    this.store = new Store(
      (writes, life) => witness.agentCommitted(this, writes, life),
      (life) => witness.fail("F7", `${life.name} writes on after a write of its failed`),
      content,
    );
    this.#mark = content !== undefined;
    this.settings = settingsOf(options);
    this.meters = new Map(
      options.streams.map((sub) => [
        sub,
        new Meter(numbers, (number, life) => witness.taken(this, sub, number, life, world.schedule.nowMs)),
      ]),
    );
  }

  get running(): boolean {
    return this.life?.alive === true;
  }

  get maxLossMs(): number {
    return this.#options.settings.maxLossMs;
  }

  /** Another device of the same name and state, with meters that go on counting where these do. */
  twin(name: string): Device {
    return new Device(this.#world, { ...this.#options, name }, this.#numbers, this.store.copy());
  }

  start(): void {
    if (this.running) return;
    this.#restarts = true;
    const world = this.#world;
    this.#startedMs = world.schedule.nowMs;
    const life: Life = new Life(`${this.name}#${++this.#lives}`, world.schedule, () =>
      this.#died("died at an effect"),
    );
    this.life = life;
    world.note(() => `${life.name} starts`);
    const stop = new AbortController();
    this.#stop = stop;
    this.#run(life, stop).then(
      () => this.#ended(life, undefined),
      (error: unknown) => this.#ended(life, error),
    );
  }

  /** Ends it at once. @param power - the machine goes down with it, and its clock may forget the time */
  kill({ power = false, restarts = true }: { power?: boolean; restarts?: boolean } = {}): void {
    this.#restarts = restarts;
    if (power) this.clock.boot(this.#options.keepsTime);
    if (this.running) this.#died(power ? "power cut" : "killed");
  }

  /** Asks it to stop. */
  stop({ restarts = true }: { restarts?: boolean } = {}): void {
    const { life } = this;
    if (life === undefined || !life.alive) return;
    this.#restarts = restarts;
    this.#world.note(() => `${life.name} is asked to stop`);
    this.#stop?.abort(new Error("asked to stop"));
    this.#world.schedule.after(GRACE_MS, `${this.name}: grace is over`, () => {
      if (life.alive) this.#died("did not stop in time");
    });
  }

  /** Sets its disk back, or empties it. The mark beside the database stays. */
  replaceDisk(content: Uint8Array | undefined): void {
    this.kill({ restarts: false });
    this.store.replace(content);
    this.#world.witness.replaced(this);
  }

  async #run(life: Life, stop: AbortController): Promise<void> {
    const db = this.store.open(life);
    const storage = storageOn(this.#world.sabotage?.agentDb?.(db) ?? db, this.name);
    const stages = await startAgent(this.settings, this.#parts(life, storage));
    await runTogether(stages, stop);
  }

  #parts(life: Life, storage: AgentParts["storage"]): AgentParts {
    const { schedule, network, signatures, sabotage } = this.#world;
    const random = this.#random;
    const log = (level: string) => (about: object, message: string) =>
      this.#world.note(() => `${life.name} ${level}: ${message} ${JSON.stringify(about)}`);
    const startMs = schedule.nowMs;
    const parts: AgentParts = {
      storage,
      mark: {
        isThere: () => this.#mark,
        make: async () => {
          life.effect();
          await life.wait(1, "making the mark");
          this.#mark = true;
        },
      },
      signing: new SigningKeys(this.#world.signer(this.pair, life)),
      logs: this.settings.log
        .map(parseVkey)
        .map(({ name, publicKey }) => ({ origin: name, key: ed25519Key(publicKey) })),
      provider: signatures.provider,
      hash: nodeSha256,
      version: "0.0.0",
      clock: {
        monotonicMs: () => schedule.nowMs - startMs,
        buildUnixMs: BUILD_UNIX_MS,
        source: this.clock,
      },
      timer: { after: life.timer },
      connect: agentLine(network, this.way, life, this.iss),
      openProgram: () => Promise.reject(new Error("none is configured")),
      openSource: (options, context) => {
        const sub = "line" in options && options.line.kind === "tcp" ? options.line.host : "";
        const meter = this.meters.get(sub);
        if (meter === undefined) throw new Error(`no meter ${sub}`);
        return Promise.resolve(meter.source(life, context));
      },
      log: { info: log("info"), warn: log("warn"), error: log("error") } satisfies Log,
      random: random.unit,
      randomBytes: (length) => random.bytes(length),
    };
    return sabotage?.agent?.(parts) ?? parts;
  }

  /** By no will of its own. */
  #died(how: string): void {
    const { life } = this;
    if (life === undefined) return;
    life.end();
    this.store.rollBack();
    this.#world.note(() => `${life.name} ${how}`);
    this.#world.witness.ended(this, life, this.#world.schedule.nowMs, false);
    this.#startAgain(life);
  }

  #ended(life: Life, error: unknown): void {
    if (!life.alive) return;
    life.end();
    this.store.rollBack();
    const { witness, schedule } = this.#world;
    this.#world.note(() => `${life.name} ended: ${error === undefined ? "cleanly" : wordsOf(error)}`);
    const code = isEvidenceError(error) ? error.code : error === undefined ? undefined : "unexpected";
    if (code !== undefined && !(life.diskFailed && allFailed(error)))
      witness.fail(
        "F6",
        `${life.name} ended with ${wordsOf(error)}, and nothing was wrong with its disk`,
        error,
      );
    witness.ended(this, life, schedule.nowMs, error === undefined);
    this.#startAgain(life);
  }

  #startAgain(life: Life): void {
    if (!this.#restarts) return;
    this.#failures = this.#world.schedule.nowMs - this.#startedMs > RESTART_MS.most ? 0 : this.#failures + 1;
    const waitMs = this.#random.scale(RESTART_MS.least, RESTART_MS.most) * 1.5 ** Math.min(this.#failures, 8);
    this.#world.schedule.after(waitMs, `${this.name}: start`, () => {
      if (this.#restarts && this.life === life) this.start();
    });
  }
}

/** Several stages may fail of one fault. */
export const allFailed = (error: unknown): boolean =>
  error instanceof AggregateError
    ? error.errors.every(allFailed)
    : isEvidenceError(error) && (error.code === "storage-failed" || error.code === "storage-full");

function settingsOf({ iss, streams, settings }: DeviceOptions): Settings {
  const { maxLossMs, seal, ...rest } = settings;
  const [org, device] = iss.split("/");
  const lines = [
    "version: 1",
    `org: ${org}`,
    `device: ${device}`,
    "data: /simulated",
    `log: [${JSON.stringify(formatVkey(ORIGIN, LOG_KEY.key))}]`,
    "streams:",
    ...streams.map(
      (name) => `  - { name: ${name}, source: { kind: p1, tcp: { host: ${name}, port: 1 } }, every: 0 }`,
    ),
  ];
  const parsed = parseSettings(lines.join("\n"), "simulated", {});
  return {
    ...parsed,
    ...rest,
    streams: parsed.streams.map((stream) => ({ ...stream, everyS: 0, maxLossMs, seal })),
  };
}
