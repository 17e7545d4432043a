/**
 * The stages of a running anchor, wired in the order in which a statement meets them; and their end, in the same order, so that each drains
 * into the next.
 *
 * @module
 */
import type { Logger } from "pino";
import type { EvidenceCode } from "@tallystick/evidence";
import { sleep } from "@tallystick/evidence/node";
import { Admission } from "./admission/admit.ts";
import { connectionOf } from "./intake/broker-connection.ts";
import { placesOf, type Config } from "./config.ts";
import { Inbox } from "./registry/inbox.ts";
import { connectMqtt, Intake, type ConnectBroker, type IntakeEvents } from "./intake/intake.ts";
import { runLedger, type Work } from "./ledger.ts";
import type { OpenLog } from "./log/open-log.ts";
import { ClockWatch } from "./sequence/commit-time.ts";
import { Places } from "./sequence/place.ts";
import type { Pool } from "./intake/pool.ts";
import { Ready } from "./sequence/ready.ts";
import { Receipts } from "./receipts/receipts.ts";
import { Refusals } from "./receipts/refusals.ts";
import { Restoring } from "./restore/restoring.ts";
import { Machines } from "./admission/machines.ts";
import { Rotations } from "./registry/rotations.ts";
import type { Registrations } from "./scrapi/registrations.ts";
import { SignatureThreads } from "./admission/signature-threads.ts";
import type { Silence } from "./silence/stage.ts";
import { storageFailed } from "./storage/database.ts";
import type { Tally } from "./tally.ts";
import { machineTime, type Time } from "./time.ts";
import type { Own } from "./trail/open.ts";
import { ownNameOf } from "./trail/own-device.ts";

/** What the stages have from outside this process's memory. */
export type Surroundings = {
  readonly time: Time;
  readonly connect: ConnectBroker;
  readonly inbox: Pick<Inbox, "folder" | "look" | "done" | "refuse">;
  readonly threads: Pick<SignatureThreads, "job" | "check" | "idle" | "close">;
};

/** How the line to the broker stands, and why it doesn't. */
export type BrokerLine = { connected: boolean; fault?: string | undefined };

export type Running = {
  readonly config: Config;
  readonly opened: OpenLog;
  readonly tally: Tally;
  readonly pool: Pool;
  /** Kept up to date for whoever asks about health. */
  readonly connection: BrokerLine;
  readonly logger: Logger;
  /** The watch for silent devices. */
  readonly silence?: Silence;
  /** Statements that come over HTTP. */
  readonly registrations?: Registrations;
  /** What the anchor says itself. */
  readonly own?: Own;
  readonly nowUnixS: () => number;
  readonly signal: AbortSignal;
  /** @param fail - told of what ends the process */
  readonly surroundings?: (fail: (error: unknown) => void) => Surroundings;
};

/** How often the operators' inbox is looked at. */
const INBOX_MS = 500;

/**
 * Runs until the signal fires, then drains.
 *
 * @throws EvidenceError what makes an anchor stop: `storage-failed`, `checkpoint-ahead`, `log-equivocation`. Nothing further is signed then
 */
export async function runStages(running: Running): Promise<void> {
  const { signal, opened, logger, pool } = running;
  const fault = Promise.withResolvers<never>();
  fault.promise.catch(() => undefined); // whoever waits below gets it
  const halt = { halted: false };
  const fail = (error: unknown): void => {
    halt.halted = true;
    fault.reject(error);
  };
  const stages = wire(running, fail, halt);
  const { intake, admission, threads, ready, ledger, restoring } = stages;
  let sequencing: Promise<void> | undefined;
  // Until then a session may bring more than there is room for. Were it held back, the answer to the subscription would be, too: it comes behind it.
  pool.draining = false;
  const stopped = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
  const mayBegin = Promise.race([restoring.heard, stopped]);
  const watching = mayBegin.then(() => watchInbox({ ...stages, opened, signal }));
  const quiet = new AbortController();
  const watchingSilence = running.silence?.run(AbortSignal.any([signal, quiet.signal]));
  watchingSilence?.catch(fail);
  const ownWork = running.own?.run(AbortSignal.any([signal, quiet.signal]));
  ownWork?.catch(fail);
  const orFault = <T>(...some: readonly Promise<T>[]): Promise<T> => Promise.race([...some, fault.promise]);
  try {
    // Nothing is sequenced before the broker's retained checkpoint was seen: it may know of a larger tree than this database.
    await orFault(intake.settled, stopped, watching);
    if (!signal.aborted) {
      sequencing = ledger();
      pool.draining = true;
      running.registrations?.open(admission);
      running.own?.begin((work) => ready.push(work));
    }
    await orFault(stopped, watching, ...(sequencing === undefined ? [] : [sequencing]));
    logger.info("stopping: the last batch is committed, published and answered");
    intake.stop();
    running.registrations?.close();
    running.own?.stop();
    await orFault(watching);
    if (ownWork !== undefined) await orFault(ownWork);
    admission.flush();
    await orFault(threads.idle());
    ready.close();
    if (sequencing !== undefined) await orFault(sequencing);
    if (watchingSilence !== undefined) await orFault(watchingSilence);
  } catch (error) {
    fail(error);
    throw error;
  } finally {
    ready.close();
    quiet.abort();
    running.own?.end();
    await Promise.allSettled([sequencing, watchingSilence, ownWork]);
    running.registrations?.abandon();
    await intake.end({ force: halt.halted });
    await threads.close();
  }
}

type Halt = { readonly halted: boolean };

function wire(
  {
    config,
    opened,
    tally,
    pool,
    connection,
    logger,
    silence,
    registrations,
    nowUnixS,
    surroundings = machine(config, logger),
  }: Running,
  fail: (error: unknown) => void,
  halt: Halt,
) {
  const { log, store, keys, history, sequencer, publisher } = opened;
  let { note } = opened;
  const { time, threads, inbox, connect: connectBroker } = surroundings(fail);
  const nowMs = (): number => time.nowMs();
  const inPlace = { ...placesOf(config), inbox: inbox.folder };
  const rotations = new Rotations({ config, places: inPlace, store, keys, nowUnixS, logger });
  const ready = new Ready<Work>(config.batch, time);
  /** What is thrown here is no refusal: the archive can't be read, or this log stands elsewhere. */
  const orFail = (work: () => void): void => {
    try {
      work();
    } catch (error) {
      fail(error);
    }
  };
  const events: IntakeEvents = {
    message: (iss, payload) => {
      if (halt.halted) return;
      tally.count("message");
      orFail(() => admission.receive(iss, payload));
    },
    whenRoom: (resume) => admission.whenRoom(resume),
    checkpoint: (bytes) => {
      // Mostly the note that was just published, come back.
      if (Buffer.from(bytes).toString() === note) return;
      orFail(() => void history.checkNote(bytes, "the checkpoint at the broker"));
    },
    settled: () => {
      intake.publishCheckpoint(note);
      restoring.begin();
      silence?.connected();
    },
    state: (iss, state) => orFail(() => restoring.state(iss, state)),
    stray: () => tally.count("message-stray"),
    connection: (state, reason) => {
      connection.connected = state === "connected";
      connection.fault = reason;
      if (state === "lost") {
        silence?.lost();
        restoring.lost();
      }
      const { url } = config.broker;
      if (state === "connected") logger.info({ broker: url }, "connected to the broker");
      else logger.warn({ broker: url, reason }, "no connection to the broker; trying on");
    },
  };
  const watchStates = Restoring.isOn(sequencer);
  const line = { ...connectionOf(config.broker), watchStates };
  const intake: Intake = new Intake(line, events, { connect: connectBroker, time });
  const onRefused = (code: EvidenceCode): void => tally.count(code);
  const refusals = new Refusals(intake, config.refusals, nowMs, onRefused);
  const receipts = new Receipts({
    store,
    log,
    downlink: intake,
    limits: config.receipts,
    tally,
    time,
    halted: () => halt.halted,
    onFault: fail,
  });
  const onPublished = (published: string): void => {
    note = published;
    intake.publishCheckpoint(published);
  };
  const restoring: Restoring = new Restoring({
    config,
    store,
    keys,
    sequencer,
    publisher,
    onPublished,
    downlink: intake,
    tally,
    time,
    logger,
    halted: () => halt.halted,
    onFault: fail,
  });
  const machines = new Machines({ tally, nowMs, logger });
  const clock = new ClockWatch({ nowUnixS, newestUnixS: store.batches.last()?.timeUnixS ?? 0, logger });
  const admission: Admission = new Admission({
    origin: log.origin,
    ownIss: ownNameOf(config.trail, keys),
    keys,
    history,
    threads,
    pool,
    receipts,
    refusals,
    ...(registrations !== undefined && { registrations }),
    tally,
    time,
    recovery: sequencer.recovery,
    wanted: restoring.wanted,
    places: new Places(store.archive, store.chains),
    size: () => sequencer.size,
    publishedSize: () => publisher.size,
    accept: (candidate) => ready.push(candidate),
    onReceipt: (iss) => restoring.receipt(iss),
    onFault: fail,
  });
  const ledger = (): Promise<void> =>
    runLedger({
      log,
      ready,
      sequencer,
      publisher,
      receipts,
      refusals,
      ...(registrations !== undefined && { registrations }),
      inbox,
      pool,
      tally,
      onPublished,
      onAdmitted: (admitted, timeUnixS) => {
        clock.committed(timeUnixS);
        silence?.admitted(admitted, timeUnixS);
      },
      onFilled: (filled) => restoring.filled(filled),
      onRotated: (statement) => rotations.asked(statement),
      onElsewhere: (statement) => machines.admitted(statement),
      nowMs,
      onFault: fail,
      halted: () => halt.halted,
    });
  return { intake, admission, threads, ready, inbox, ledger, time, restoring, rotations };
}

/** This machine's clock, disk, network and threads. */
const machine =
  (config: Config, logger: Logger) =>
  (fail: (error: unknown) => void): Surroundings => ({
    time: machineTime,
    connect: connectMqtt,
    inbox: new Inbox(placesOf(config).inbox, (file, err) =>
      logger.warn({ file, err }, "a file in the inbox can't be read, and is left there"),
    ),
    threads: new SignatureThreads(config.workers.signatures, fail),
  });

type Watched = {
  readonly inbox: Surroundings["inbox"];
  readonly ready: Ready<Work>;
  readonly rotations: Rotations;
  readonly time: Time;
  readonly opened: OpenLog;
  readonly signal: AbortSignal;
};

/** Hands registry items to the next batch; one that is in the log already (a crash before its file was moved) is only moved. */
async function watchInbox({ inbox, ready, rotations, time, opened, signal }: Watched): Promise<void> {
  const { archive } = opened.store;
  while (!signal.aborted) {
    try {
      for (const { file, statement } of await inbox.look()) {
        if (archive.byHash(statement.hash) === undefined) ready.push({ statement, charge: 0, file });
        else await inbox.done(file);
      }
      await rotations.look();
    } catch (error) {
      throw storageFailed(`${inbox.folder}: can't read the inbox`, error);
    }
    await sleep(time, INBOX_MS, signal);
  }
}
