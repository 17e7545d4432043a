/**
 * The stages and stores of an agent, wired to one another; only its sources are still missing.
 *
 * @module
 */
import type { Hash, SignatureProvider } from "@tallystick/evidence";
import type { Timer } from "@tallystick/evidence/node";
import { Answers } from "./uplink/answers.ts";
import { Chains } from "./seal/chains.ts";
import type { Settings } from "./config/config.ts";
import { isStreamOf } from "./config/config-programs.ts";
import { Counters } from "./storage/counters.ts";
import { Delivery } from "./uplink/delivery.ts";
import { Housekeeping } from "./housekeeping.ts";
import { Journal } from "./storage/journal.ts";
import { LineState } from "./uplink/line-state.ts";
import { Lines } from "./programs/lines.ts";
import type { Log } from "./log.ts";
import { Meta } from "./storage/meta.ts";
import { Outbox } from "./outbox/outbox.ts";
import { Rotation, type RotationKeys } from "./seal/rotation.ts";
import { Sealer } from "./seal/seal.ts";
import type { Self } from "./self/self.ts";
import type { SigningKeys } from "./seal/signing-key.ts";
import { Standing } from "./sample/standing.ts";
import type { Storage } from "./storage/storage.ts";
import type { TimeSource } from "./clock/system-time.ts";
import { System } from "./self/system.ts";
import { Testimony } from "./uplink/testimony.ts";
import { Timekeeping } from "./clock/timekeeping.ts";
import { Trees, type PinnedLog } from "./uplink/trees.ts";
import type { Connect } from "./uplink/uplink.ts";

export type CoreParts = {
  readonly storage: Storage;
  readonly signing: SigningKeys;
  /** Where a next key may be; without it none is looked for. */
  readonly keys?: RotationKeys;
  /** What the program can say of itself; without it no boot evidence is said. */
  readonly self?: Self;
  /** Logs whose receipts are believed. */
  readonly logs: readonly PinnedLog[];
  readonly provider: SignatureProvider;
  readonly hash: Hash;
  readonly version: string;
  readonly clock: {
    readonly monotonicMs: () => number;
    readonly buildUnixMs: number;
    readonly source: TimeSource;
  };
  readonly timer: Timer;
  readonly connect: Connect;
  /** Bytes that this process has had written to storage so far; undefined where nobody can tell. */
  readonly written?: () => number | undefined;
  readonly log: Log;
  /** From 0 up to 1: spreads what many devices would do at one moment. */
  readonly random: () => number;
  /** Ids of chains and of starts; never the same twice. */
  readonly randomBytes: (length: number) => Uint8Array;
  /** Why chains before those of this database are unknown; undefined where there are none. */
  readonly lost: string | undefined;
};

export type Core = {
  readonly time: Timekeeping;
  readonly chains: Chains;
  readonly outbox: Outbox;
  readonly counters: Counters;
  readonly line: LineState;
  readonly journal: Journal;
  readonly lines: Lines;
  readonly standing: Standing;
  readonly sealer: Sealer;
  readonly system: System;
  readonly housekeeping: Housekeeping;
  readonly rotation: Rotation | undefined;
  readonly delivery: Delivery;
  /** Told of a fault that nobody waits for. */
  readonly fail: (error: unknown) => void;
  /** Rejects with the first such fault. */
  readonly failed: Promise<never>;
};

export function core(settings: Settings, parts: CoreParts): Core {
  const { storage, timer, log, provider, hash, logs, signing } = parts;
  const { iss, heartbeatS, metered } = settings;
  const { promise: failed, reject: fail } = Promise.withResolvers<never>();
  failed.catch(() => {}); // a stage watches it; until then it must not end the process by itself
  storage.measure(parts.clock.monotonicMs);
  const meta = new Meta(storage);
  const time = new Timekeeping({ storage, meta, trust: settings.clock.trust, ...parts.clock });
  const chains = new Chains(storage, parts.lost, parts.randomBytes);
  const outbox = new Outbox(storage, settings.outbox);
  const counters = new Counters(storage);
  const trees = new Trees(storage, meta, { logs, provider, hash });
  const standing = new Standing(storage, iss);
  const lines = new Lines(storage);
  const journal = new Journal(storage, { clock: time, timer, fail, standing, lines });
  const sealer = new Sealer({
    iss,
    signing,
    hash,
    storage,
    chains,
    outbox,
    seen: () => trees.seen,
    alongside: () => housekeeping.note(),
  });
  const names = new Set(settings.streams.map(({ name }) => name));
  const patterns = settings.programs.flatMap((program) => program.patterns);
  const isConfigured = (sub: string): boolean => names.has(sub) || isStreamOf(patterns, sub);
  const { randomBytes } = parts;
  const { uptimeMs } = parts.clock.source;
  const told = {
    version: parts.version,
    self: parts.self,
    heartbeatS,
    metered,
    configHash: settings.hash,
    isConfigured,
  };
  const system = new System({
    ...told,
    storage,
    chains,
    meta,
    outbox,
    sealer,
    signing,
    time,
    timer,
    log,
    randomBytes,
    uptimeMs,
  });
  const { keys } = parts;
  const rotation =
    keys && new Rotation({ storage, meta, outbox, sealer, signing, system, keys, time, timer, log });
  const keepDays = settings.outbox.keepReceipted.days;
  const line = new LineState(meta, time);
  const written = parts.written ?? ((): undefined => undefined);
  const kept = { storage, outbox, counters, line, written };
  const housekeeping = new Housekeeping({ ...kept, time, timer, system, keepDays });
  const answers = new Answers({ storage, outbox, trees, counters, time, log });
  const testimony = new Testimony({ storage, meta, clock: time, metered });
  const delivery = new Delivery({
    testimony,
    iss,
    brokerUrl: settings.broker.url,
    window: { ...settings.uplink.window, ...settings.uplink.retry },
    connect: parts.connect,
    outbox,
    answers,
    counters,
    line,
    clock: time,
    timer,
    log,
    random: parts.random,
  });
  const stores = { chains, outbox, counters, line, journal, lines, standing };
  return { time, ...stores, sealer, system, rotation, housekeeping, delivery, fail, failed };
}
