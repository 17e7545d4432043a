/**
 * `tally-agent run`: puts the stages together and keeps them going until the operator asks to stop, or one of them fails.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import process from "node:process";
import { ed25519Key, parseVkey } from "@tallystick/evidence";
import {
  bytesWritten,
  createNodeProvider,
  freeBytesAt,
  nodeSha256,
  runStages,
  ServiceManager,
  type Arguments,
  type Stage,
  systemTimer,
} from "@tallystick/evidence/node";
import { startAgent } from "./agent.ts";
import { boundMachine } from "./storage/binding.ts";
import { monotonicMs } from "./clock/clock.ts";
import { configPath, readSettings, type Settings } from "./config/config.ts";
import type { Log } from "./log.ts";
import { markIn } from "./storage/identity.ts";
import { readMachine } from "./self/machine.ts";
import { openKeyStore, type KeyStore } from "./keys/store.ts";
import { DISK_FULL, fullMarkIn, isDiskFull, openWithRoom } from "./storage/room.ts";
import { openSigningKey, SigningKeys } from "./seal/signing-key.ts";
import { lookAtSelf } from "./self/self.ts";
import { openSource } from "./sources/open.ts";
import { openStorage, type Storage } from "./storage/storage.ts";
import { machineTime } from "./clock/system-time.ts";
import { brokerLine } from "./uplink/uplink.ts";
import { BUILD_UNIX_MS, VERSION } from "./self/version.ts";

/** How long a clean stop may take before the process is ended all the same. */
const GRACE_MS = 8000;

export async function runAgent({ values }: Arguments): Promise<void> {
  const settings = readSettings(configPath(values["config"], process.env), process.env);
  const { pino } = await import("pino");
  const log: Log = pino({ base: null }, pino.destination({ dest: 2, sync: true }));
  const keys = await openKeyStore(settings, { timer: systemTimer, log });
  try {
    await runWith(settings, keys, log);
  } finally {
    await keys.close();
  }
}

export type RunOptions = {
  /** No source is opened: the device only says what there is to be said of itself, and delivers. */
  readonly systemOnly?: boolean;
  /** One more stage, which may look into the database. When it ends, all end. */
  readonly watching?: (storage: Storage) => Stage;
};

/** Runs the agent until it is asked to stop. @throws EvidenceError `machine-mismatch`; what ends an agent */
export async function runWith(
  settings: Settings,
  keys: KeyStore,
  log: Log,
  { systemOnly = false, watching }: RunOptions = {},
): Promise<void> {
  const machine = readMachine();
  const bound = boundMachine(settings.data, machine);
  const manager = ServiceManager.of(process.env, (message) => log.warn({}, message));
  await manager.ready();
  const opened = await untilSignal((signal) =>
    openWithRoom(
      {
        directory: settings.data,
        open: () => openStorage(settings.data),
        freeBytes: () => freeBytesAt(settings.data),
        timer: systemTimer,
        log,
        onFull: () => manager.alive(),
      },
      signal,
    ),
  );
  if (opened === undefined) return;
  const { storage, waited } = opened;
  const fullMark = fullMarkIn(settings.data);
  const wasFull = waited || fullMark.isThere();
  try {
    const signing = new SigningKeys(await openSigningKey(storage, keys));
    const stages = await startAgent(settings, {
      storage,
      ...(wasFull ? { absence: DISK_FULL } : {}),
      mark: markIn(settings.data),
      systemOnly,
      signing,
      keys,
      self: lookAtSelf(bound ?? machine.hash),
      logs: settings.log
        .map(parseVkey)
        .map(({ name, publicKey }) => ({ origin: name, key: ed25519Key(publicKey) })),
      provider: createNodeProvider(),
      hash: nodeSha256,
      version: VERSION,
      clock: { monotonicMs, buildUnixMs: BUILD_UNIX_MS, source: machineTime },
      timer: systemTimer,
      written: () => bytesWritten("self"),
      ...(settings.http === undefined || systemOnly
        ? {}
        : { watch: await (await import("./http/serve.ts")).watching(settings.http.listen, log) }),
      connect: brokerLine(settings, () => signing.all),
      openSource,
      openProgram: async (options, context) =>
        (await import("./sources/exec/program.ts")).openProgram(options, context),
      randomBytes: (length) => new Uint8Array(randomBytes(length)),
      random: Math.random,
      answerTo: (answers) => manager.watch(answers),
      log,
    });
    if (wasFull && !systemOnly) fullMark.remove(); // it is in the database now
    await runStages(watching === undefined ? stages : [...stages, watching(storage)], GRACE_MS);
    log.info({}, "stopped");
  } catch (error) {
    if (isDiskFull(error)) fullMark.make();
    throw error;
  } finally {
    storage.close();
  }
}

/** Waits for `what`, which ends early where the operator asks to stop. */
async function untilSignal<T>(what: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  try {
    return await what(stop.signal);
  } finally {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}
