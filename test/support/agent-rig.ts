/**
 * An agent in a folder of its own, on a test's own time: what the agent's tests start from.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import {
  decimal,
  ed25519Key,
  EvidenceError,
  nobleSigner,
  parseStatement,
  parseVkey,
  type Reading,
  type Statement,
} from "@tallystick/evidence";
import { createNodeProvider, nodeSha256, type Stage } from "@tallystick/evidence/node";
import { startAgent, type AgentParts } from "../../agent/src/agent.ts";
import { parseSettings, type Settings } from "../../agent/src/config/config.ts";
import { core, type Core } from "../../agent/src/core.ts";
import { markIn } from "../../agent/src/storage/identity.ts";
import { makeReport, type Report } from "../../agent/src/commands/report.ts";
import {
  newSourceCounters,
  type Observation,
  type Register,
  type Source,
} from "../../agent/src/sources/source.ts";
import { SigningKeys } from "../../agent/src/seal/signing-key.ts";
import { openStorage, readStorage, type Storage } from "../../agent/src/storage/storage.ts";
import type { TimeSource } from "../../agent/src/clock/system-time.ts";
import type { Connect } from "../../agent/src/uplink/uplink.ts";
import { FakeAnchor } from "./fake-anchor.ts";
import { FakeProgram } from "./fake-program.ts";
import { FakeTime } from "./fake-time.ts";

export const ISS = "city/gw-1";
export const STREAM = "meter/m-1";
/** When the tests' program was built, and a time at which they run. */
export const BUILD = Date.UTC(2026, 10, 1);
export const NOW = Date.UTC(2026, 10, 20, 12);

/** A clean stop takes no longer. */
const MAX_STOP_S = 20;

/** A line of the log. */
export type LogLine = {
  readonly level: "info" | "warn" | "error";
  readonly about: Record<string, unknown>;
  readonly message: string;
};

/** A machine's clock that a test sets. */
export class FakeSystemTime implements TimeSource {
  readonly #time: FakeTime;
  #offsetMs: number;
  isSynchronised: boolean;

  constructor(time: FakeTime, nowUnixMs = NOW, isSynchronised = true) {
    this.#time = time;
    this.#offsetMs = nowUnixMs - time.nowMs;
    this.isSynchronised = isSynchronised;
  }

  readonly wallUnixMs = (): number => this.#offsetMs + this.#time.nowMs;
  readonly uptimeMs = (): number => this.#time.nowMs;
  readonly synchronised = (): Promise<boolean> => Promise.resolve(this.isSynchronised);

  set(nowUnixMs: number): void {
    this.#offsetMs = nowUnixMs - this.#time.nowMs;
  }
}

/** A source that gives what a test pushes. */
class FakeSource implements Source {
  readonly kind = "fake";
  readonly intervalS = 1;
  readonly counters = newSourceCounters();
  readonly #queue: Observation[] = [];
  #wake = (): void => {};
  /** How often an observation was asked for. */
  pulls = 0;
  /** Observations that were taken. */
  given = 0;

  push(observation: Observation): void {
    this.#queue.push(observation);
    this.#wake();
  }

  /** Observations that nobody has pulled. */
  get left(): number {
    return this.#queue.length;
  }

  async *observations(signal: AbortSignal): AsyncGenerator<Observation, void, undefined> {
    signal.addEventListener("abort", () => this.#wake());
    while (!signal.aborted) {
      this.pulls += 1;
      const next = this.#queue.shift();
      if (next !== undefined) {
        this.given += 1;
        yield next;
      } else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }
}

export const COUNTER: Register = {
  name: "1-0:1.8.0",
  unit: "kWh",
  type: "counter",
  digits: { whole: 6, fraction: 3 },
};

/** One reading of a register, timed by the device. */
export const reading = (value: number, timeUnixMs: number | null = NOW): Reading => ({
  name: COUNTER.name,
  unit: "kWh",
  value: { v: decimal(BigInt(value), -3) },
  time: timeUnixMs === null ? null : decimal(BigInt(timeUnixMs), -3),
  quality: timeUnixMs === null ? [] : ["gateway-time"],
});

export const observation = (value: number, timeUnixMs: number | null = NOW): Observation => ({
  readings: [reading(value, timeUnixMs)],
  registers: [COUNTER],
  receivedUnixMs: timeUnixMs ?? 0,
});

export class Rig {
  readonly folder: string;
  readonly time = new FakeTime();
  readonly system: FakeSystemTime;
  readonly anchor = new FakeAnchor();
  readonly source = new FakeSource();
  readonly program = new FakeProgram();
  readonly lines: LogLine[] = [];
  settings: Settings;
  /** Takes the place of the broker; by default nobody answers. */
  connect: Connect = (_onDown, signal) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(new EvidenceError("unreachable", "given up")));
    });
  /** Hands the agent a `down` message, on the connection that there is. */
  down: (payload: Uint8Array) => void = () => {};
  /** Cuts the connection that there is. */
  disconnect: (reason: string) => void = () => {};
  #storage: Storage | undefined;
  #stop: AbortController | undefined;
  #running: Promise<unknown> | undefined;

  /** @param yaml - settings of the test, in place of or besides those that every test has */
  constructor(yaml = "") {
    this.folder = mkdtempSync(join(tmpdir(), "tally-agent-"));
    onTestFinished(async () => {
      await this.stop();
      rmSync(this.folder, { recursive: true, force: true });
    });
    this.system = new FakeSystemTime(this.time);
    this.settings = settingsOf(this.folder, this.anchor.vkey, yaml);
  }

  /** Other settings, from the next start on. */
  configure(yaml: string): void {
    this.settings = settingsOf(this.folder, this.anchor.vkey, yaml);
  }

  get storage(): Storage {
    return (this.#storage ??= openStorage(this.folder));
  }

  parts(): AgentParts {
    return {
      storage: this.storage,
      mark: markIn(this.folder),
      signing: new SigningKeys(nobleSigner(new Uint8Array(32).fill(9))),
      logs: this.settings.log
        .map(parseVkey)
        .map(({ name, publicKey }) => ({ origin: name, key: ed25519Key(publicKey) })),
      provider: createNodeProvider(),
      hash: nodeSha256,
      version: "0.0.0",
      clock: { monotonicMs: this.time.monotonicMs, buildUnixMs: BUILD, source: this.system },
      timer: this.time,
      connect: (...given) => this.connect(...given),
      openSource: () => Promise.resolve(this.source),
      openProgram: () => Promise.resolve(this.program),
      log: {
        info: (about, message) => void this.lines.push({ level: "info", about: { ...about }, message }),
        warn: (about, message) => void this.lines.push({ level: "warn", about: { ...about }, message }),
        error: (about, message) => void this.lines.push({ level: "error", about: { ...about }, message }),
      },
      random: () => 0.5,
      randomBytes: (length) => new Uint8Array(randomBytes(length)),
    };
  }

  /** The stages' machinery without the stages. */
  core(lost?: string): Core {
    return core(this.settings, { ...this.parts(), lost });
  }

  /** Starts the whole agent. @param changes - parts that take the place of the test's own */
  async start(changes: Partial<AgentParts> = {}): Promise<void> {
    const stages = await startAgent(this.settings, { ...this.parts(), ...changes });
    const stop = new AbortController();
    this.#stop = stop;
    this.#running = Promise.all(stages.map((stage: Stage) => stage(stop.signal)));
    this.#running.catch(() => {});
    await this.time.advance(0);
  }

  /** Stops it cleanly, where it runs, and closes its database. @throws what a stage threw */
  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    this.#stop?.abort();
    let isOver = false;
    const over = running?.finally(() => {
      isOver = true;
    });
    over?.catch(() => {});
    try {
      for (let s = 0; running !== undefined && !isOver; s++) {
        if (s === MAX_STOP_S) throw new Error("the agent didn't stop");
        await this.time.advance(1000);
      }
      await over;
    } finally {
      this.crash();
    }
  }

  /** As a power cut would end it: nothing more is written. */
  crash(): void {
    this.#running = undefined;
    this.#storage?.close();
    this.#storage = undefined;
    this.time.clear();
  }

  /** Rejects with what ended the agent. */
  get ended(): Promise<unknown> {
    return this.#running ?? Promise.reject(new Error("the agent doesn't run"));
  }

  /** From here on the broker and the anchor are there: in memory, and without delay. */
  connectAnchor(): void {
    this.connect = async (onDown, signal) => {
      const { promise: closed, resolve } = Promise.withResolvers<string>();
      this.disconnect = resolve;
      this.down = onDown;
      if (signal.aborted) throw new EvidenceError("unreachable", "given up");
      return {
        closed,
        publish: async (_topic, payload) => {
          for (const answer of await this.anchor.take(payload)) onDown(answer);
        },
        end: async () => resolve("ended"),
      };
    };
  }

  report(): Report {
    const storage = readStorage(this.folder);
    try {
      return makeReport(storage);
    } finally {
      storage.close();
    }
  }

  /** Every statement that is in the outbox, in the order of sealing. */
  sealed(sub?: string): readonly Statement[] {
    const storage = readStorage(this.folder);
    try {
      const rows = storage.query<{ bytes: Uint8Array }>("SELECT bytes FROM statement ORDER BY id").all();
      const statements = rows.map(({ bytes }) => parseStatement(bytes));
      return sub === undefined ? statements : statements.filter(({ claims }) => claims.sub === sub);
    } finally {
      storage.close();
    }
  }
}

/** Settings of a test: what every test needs, and its own lines after it. */
function settingsOf(folder: string, vkey: string, yaml: string): Settings {
  const own = new Set(yaml.match(/^[a-z]+(?=:)/gm));
  const common: Readonly<Record<string, string>> = {
    version: "version: 1",
    org: "org: city",
    device: "device: gw-1",
    data: `data: ${JSON.stringify(folder)}`,
    log: `log: [${JSON.stringify(vkey)}]`,
    streams: `streams: [{ name: ${STREAM}, source: { kind: host }, every: 0 }]`,
  };
  const lines = Object.entries(common).flatMap(([key, line]) => (own.has(key) ? [] : [line]));
  return parseSettings([...lines, yaml].join("\n"), "agent.yaml", {});
}
