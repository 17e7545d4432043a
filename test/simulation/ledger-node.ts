/**
 * The anchor: its own code from intake to receipts, on a database and a public folder that the world owns.
 *
 * @module
 */
import type { Logger } from "pino";
import {
  ed25519Key,
  encodeItem,
  esp256Key,
  isEvidenceError,
  parseStatement,
  sealStatement,
  type Statement,
} from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import { defaultConfig, type Config } from "../../anchor/src/config.ts";
import { resumeLog, type ResumeOptions } from "../../anchor/src/log/open-log.ts";
import { Pool } from "../../anchor/src/intake/pool.ts";
import { runStages, type Surroundings } from "../../anchor/src/running.ts";
import { runJob, SignatureJob, verdictsOf } from "../../anchor/src/admission/signature-job.ts";
import { Tally } from "../../anchor/src/tally.ts";
import { MachineClock } from "./clock.ts";
import { allFailed } from "./device.ts";
import { OPERATOR, OPERATOR_KEY } from "./founding.ts";
import { keyPair } from "./keys.ts";
import { Life, wordsOf } from "./life.ts";
import { anchorLine, type Way } from "./lines.ts";
import type { Random } from "./random.ts";
import { Store } from "./sim-database.ts";
import { SimFiles } from "./sim-disk.ts";
import { LOG_KEY, ORIGIN, type World } from "./world.ts";

/** What one anchor process is made of. */
export type LedgerParts = { readonly resume: ResumeOptions; readonly surroundings: Surroundings };

export const PUBLIC = "/public";
const RESTART_MS = { least: 200, most: 5000 };
const GRACE_MS = 15_000;
const MAX_THREAD_MS = 5;

type Waiting = { readonly file: string; readonly statement: Statement };

export class LedgerNode {
  readonly store: Store;
  readonly files: SimFiles;
  readonly clock: MachineClock;
  readonly way: Way = { speed: { maxLatencyMs: 20, dead: false }, reachable: true };
  readonly config: Config;
  life: Life | undefined;
  pool: Pool | undefined;
  /** It was set back: it has to stop, with one of these codes, before it signs. */
  mustStop = false;
  /** How it stopped then. */
  stoppedWith: string | undefined;
  readonly #world: World;
  readonly #random: Random;
  readonly #inbox = new Map<string, Waiting>();
  #stop: AbortController | undefined;
  /** Device that an item of the inbox enrols. */
  readonly #enrolling = new Map<string, string>();
  #lives = 0;
  /** Lives in a row that were short: a service manager waits longer each time. */
  #failures = 0;
  #startedMs = 0;
  #restarts = true;

  constructor(world: World, content: Uint8Array, config: Partial<Config>) {
    this.#world = world;
    this.#random = world.random("anchor");
    this.config = { ...defaultConfig("/simulated"), ...config };
    this.clock = new MachineClock(world.schedule);
    const { witness } = world;
    this.store = new Store(
      (writes, life) => witness.anchorCommitted(this, writes, life),
      (life) => witness.fail("F7", `${life.name} writes on after a write of its failed`),
      content,
    );
    this.files = new SimFiles(world.random("files"));
    this.files.onSync = (path) => witness.synced(this, path);
    this.files.onRename = (path, bytes) => witness.renamed(this, path, bytes);
  }

  get running(): boolean {
    return this.life?.alive === true;
  }

  /** Items of the operator's that are not in the log yet. */
  get waitingItems(): number {
    return this.#inbox.size;
  }

  /** Size of the tree that its database holds. */
  get storedSize(): number {
    return Number(this.store.db.prepare("SELECT max(size) AS size FROM batches").get()?.["size"]);
  }

  /** Size of the tree whose checkpoint is out; 0 where there is none. */
  get publishedSize(): number {
    const note = this.files.read(`${PUBLIC}/checkpoint`);
    return note === undefined ? 0 : Number(new TextDecoder().decode(note).split("\n")[1]);
  }

  /** Puts the enrolment of a device into the operator's inbox, after those that are in the log or wait already. */
  async enrol(iss: string): Promise<void> {
    const last = [...this.#inbox.values()].at(-1)?.statement ?? this.#lastItem();
    const seq = last.claims.seq + 1;
    const item = {
      kind: "enrol",
      device: iss,
      key: keyPair(iss).key,
      streams: ["*"],
      silenceS: 900,
    } as const;
    const statement = await sealStatement(
      { iss: OPERATOR, sub: "registry", iat: 1_790_000_000, seq, prev: last.hash, tq: 2, lvl: 1 },
      { type: "registry", payload: encodeItem(item) },
      { key: OPERATOR_KEY.key, sign: (message) => Promise.resolve(OPERATOR_KEY.sign(message)) },
      nodeSha256,
    );
    const file = `${String(seq).padStart(8, "0")}.cose`;
    this.#inbox.set(file, { file, statement });
    this.#enrolling.set(file, iss);
  }

  start(): void {
    if (this.running) return;
    this.#restarts = true;
    const { schedule } = this.#world;
    this.#startedMs = schedule.nowMs;
    const life: Life = new Life(`anchor#${++this.#lives}`, schedule, () =>
      this.#died("died at an effect", this.#random.chance(0.5)),
    );
    this.life = life;
    this.#world.note(() => `${life.name} starts`);
    const stop = new AbortController();
    this.#stop = stop;
    this.#run(life, stop.signal).then(
      () => this.#ended(life, undefined),
      (error: unknown) => this.#ended(life, error),
    );
  }

  kill({ power = false, restarts = true }: { power?: boolean; restarts?: boolean } = {}): void {
    this.#restarts = restarts;
    if (this.running) this.#died(power ? "power cut" : "killed", power);
  }

  stop({ restarts = true }: { restarts?: boolean } = {}): void {
    const { life } = this;
    if (life === undefined || !life.alive) return;
    this.#restarts = restarts;
    this.#world.note(() => `${life.name} is asked to stop`);
    this.#stop?.abort(new Error("asked to stop"));
    this.#world.schedule.after(GRACE_MS, "anchor: grace is over", () => {
      if (life.alive) this.#died("did not stop in time", false);
    });
  }

  async #run(life: Life, signal: AbortSignal): Promise<void> {
    const { sabotage } = this.#world;
    const own = this.#parts(life);
    const parts = sabotage?.anchor?.(own) ?? own;
    const resumed = await resumeLog(parts.resume);
    const opened = sabotage?.opened?.(resumed) ?? resumed;
    const pool = new Pool(this.config.pool);
    this.pool = pool;
    await runStages({
      config: this.config,
      opened,
      tally: new Tally(),
      pool,
      connection: { connected: false },
      logger: this.#logger(life),
      nowUnixS: parts.resume.nowUnixS,
      signal,
      surroundings: () => parts.surroundings,
    });
  }

  #parts(life: Life): LedgerParts {
    const { schedule, network, signatures, witness } = this.#world;
    const look = (message: Uint8Array): void => witness.signed(this, message);
    return {
      resume: {
        db: this.store.open(life),
        log: { origin: ORIGIN, signer: this.#world.signer(LOG_KEY, life, look) },
        folder: PUBLIC,
        disk: this.files.open(life),
        maxForks: this.config.refusals.maxForks,
        provider: signatures.provider,
        nowUnixS: () => Math.max(0, Math.floor(this.clock.wallUnixMs() / 1000)),
      },
      surroundings: {
        time: {
          nowMs: () => schedule.nowMs,
          after: life.timer,
          soon: (run) => void life.after(0, "turn", run),
        },
        connect: anchorLine(network, this.way, life),
        inbox: this.#inboxOf(life),
        threads: this.#threads(life),
      },
    };
  }

  #inboxOf(life: Life): Surroundings["inbox"] {
    const out = new Set<string>();
    const settle = async (file: string): Promise<void> => {
      life.effect();
      await life.wait(1, "inbox");
      life.effect();
      this.#inbox.delete(file);
      out.delete(file);
    };
    return {
      folder: "/inbox",
      look: () => {
        life.check();
        const items = [...this.#inbox.values()].filter(({ file }) => !out.has(file));
        for (const { file } of items) out.add(file);
        return Promise.resolve(items);
      },
      done: settle,
      refuse: async (file, code) => {
        const device = this.#enrolling.get(file);
        await settle(file);
        // Made while an older state of the anchor was all there was to see: the operator makes it anew.
        if (code === "registry-order" && device !== undefined) await this.enrol(device);
        else this.#world.witness.fail("F1", `the registry item ${file} was refused: ${code}`);
      },
    };
  }

  /** Answers come back late, and in the order in which they were asked for. */
  #threads(life: Life): Surroundings["threads"] {
    const { provider } = this.#world.signatures;
    let lastMs = 0;
    let open = 0;
    let idle: (() => void)[] = [];
    return {
      job: () => new SignatureJob(),
      check: (job, done) => {
        const buffer = job.take();
        const { nowMs } = this.#world.schedule;
        lastMs = Math.max(lastMs + 0.001, nowMs + this.#random.between(0, MAX_THREAD_MS));
        open += 1;
        life.after(lastMs - nowMs, "signatures checked", () => {
          runJob(buffer, (x, y, message, signature) =>
            provider.verify(y === undefined ? ed25519Key(x) : esp256Key(x, y), message, signature),
          );
          open -= 1;
          done(verdictsOf(buffer));
          if (open > 0) return;
          for (const resolve of idle) resolve();
          idle = [];
        });
      },
      idle: () => (open === 0 ? Promise.resolve() : new Promise((resolve) => idle.push(resolve))),
      close: () => Promise.resolve(),
    };
  }

  #logger(life: Life): Logger {
    const line = (about: object | string, message = ""): void =>
      this.#world.note(
        () => `${life.name}: ${typeof about === "string" ? about : `${message} ${JSON.stringify(about)}`}`,
      );
    return { info: line, warn: line, error: line } as unknown as Logger; // the part of it that the stages use
  }

  #lastItem(): Statement {
    const archive = this.store.db.prepare(
      "SELECT bytes FROM registry JOIN statements USING (idx) ORDER BY number DESC LIMIT 1",
    );
    return parseStatement(archive.get()?.["bytes"] as Uint8Array, nodeSha256);
  }

  #died(how: string, power: boolean): void {
    const { life } = this;
    if (life === undefined) return;
    life.end();
    this.store.rollBack();
    if (power) this.files.powerCut();
    this.pool = undefined;
    this.#world.note(() => `${life.name} ${how}`);
    this.#startAgain(life);
  }

  #ended(life: Life, error: unknown): void {
    if (!life.alive) return;
    life.end();
    this.store.rollBack();
    this.pool = undefined;
    this.#world.note(() => `${life.name} ended: ${error === undefined ? "cleanly" : wordsOf(error)}`);
    const code = isEvidenceError(error) ? error.code : error === undefined ? undefined : "unexpected";
    if (code === "checkpoint-ahead" || code === "log-equivocation") {
      this.stoppedWith = code;
      if (this.mustStop) this.#restarts = false;
      else
        this.#world.witness.fail(
          "F5",
          `${life.name} ended with ${wordsOf(error)}, and was never set back`,
          error,
        );
    } else if (code !== undefined && !(life.diskFailed && allFailed(error))) {
      this.#world.witness.fail(
        "F6",
        `${life.name} ended with ${wordsOf(error)}, and nothing was wrong with its disk`,
        error,
      );
    }
    this.#startAgain(life);
  }

  #startAgain(life: Life): void {
    if (!this.#restarts) return;
    this.#failures = this.#world.schedule.nowMs - this.#startedMs > RESTART_MS.most ? 0 : this.#failures + 1;
    const waitMs = this.#random.scale(RESTART_MS.least, RESTART_MS.most) * 1.5 ** Math.min(this.#failures, 8);
    this.#world.schedule.after(waitMs, "anchor: start", () => {
      if (this.#restarts && this.life === life) this.start();
    });
  }
}
