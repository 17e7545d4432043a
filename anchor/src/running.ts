/**
 * The stages of a running anchor, wired in the order in which a statement meets them; and their end, in the same order, so that each drains
 * into the next.
 *
 * @module
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import type { EvidenceCode } from "@tallystick/evidence";
import { Admission } from "./admit.ts";
import { connectionOf } from "./broker-connection.ts";
import { placesOf, type Config } from "./config.ts";
import { Inbox } from "./inbox.ts";
import { Intake } from "./intake.ts";
import { runLedger, type Work } from "./ledger.ts";
import type { OpenLog } from "./open-log.ts";
import { Places } from "./place.ts";
import type { Pool } from "./pool.ts";
import { Ready } from "./ready.ts";
import { Receipts } from "./receipts.ts";
import { Refusals } from "./refusals.ts";
import { SignatureThreads } from "./signature-threads.ts";
import { storageFailed } from "./storage/database.ts";
import type { Tally } from "./tally.ts";

export type Running = {
  readonly config: Config;
  readonly opened: OpenLog;
  readonly tally: Tally;
  readonly pool: Pool;
  /** Kept up to date for whoever asks about health. */
  readonly connection: { connected: boolean };
  readonly logger: Logger;
  readonly signal: AbortSignal;
};

/** How often the operators' inbox is looked at. */
const INBOX_MS = 500;

/**
 * Runs until the signal fires, then drains.
 *
 * @throws EvidenceError what makes an anchor stop: `storage-failed`, `checkpoint-ahead`, `log-equivocation`. Nothing further is signed then
 */
export async function runStages(running: Running): Promise<void> {
  const { signal, opened, logger } = running;
  const fault = Promise.withResolvers<never>();
  fault.promise.catch(() => undefined); // whoever waits below gets it
  const halt = { halted: false };
  const fail = (error: unknown): void => {
    halt.halted = true;
    fault.reject(error);
  };
  const { intake, admission, threads, ready, inbox, ledger } = wire(running, fail, halt);
  let sequencing: Promise<void> | undefined;
  const watching = watchInbox(inbox, ready, opened, signal);
  const stopped = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
  const orFault = <T>(...some: readonly Promise<T>[]): Promise<T> => Promise.race([...some, fault.promise]);
  try {
    // Nothing is sequenced before the broker's retained checkpoint was seen: it may know of a larger tree than this database.
    await orFault(intake.settled, stopped, watching);
    if (!signal.aborted) sequencing = ledger();
    await orFault(stopped, watching, ...(sequencing === undefined ? [] : [sequencing]));
    logger.info("stopping: the last batch is committed, published and answered");
    intake.stop();
    await orFault(watching);
    admission.flush();
    await orFault(threads.idle());
    ready.close();
    if (sequencing !== undefined) await orFault(sequencing);
  } catch (error) {
    fail(error);
    throw error;
  } finally {
    ready.close();
    await Promise.allSettled([sequencing]);
    await intake.end({ force: halt.halted });
    await threads.close();
  }
}

type Halt = { readonly halted: boolean };

function wire(
  { config, opened, tally, pool, connection, logger }: Running,
  fail: (error: unknown) => void,
  halt: Halt,
) {
  const { log, store, keys, history, sequencer, publisher } = opened;
  let { note } = opened;
  const ready = new Ready<Work>(config.batch);
  /** What is thrown here is no refusal: the archive can't be read, or this log stands elsewhere. */
  const orFail = (work: () => void): void => {
    try {
      work();
    } catch (error) {
      fail(error);
    }
  };
  const intake: Intake = new Intake(connectionOf(config.broker), {
    message: (iss, payload) => {
      tally.count("message");
      orFail(() => admission.receive(iss, payload));
    },
    whenRoom: (resume) => pool.whenRoom(resume),
    checkpoint: (bytes) => {
      // Mostly the note that was just published, come back.
      if (Buffer.from(bytes).toString() === note) return;
      orFail(() => void history.checkNote(bytes, "the checkpoint at the broker"));
    },
    settled: () => intake.publishCheckpoint(note),
    stray: () => tally.count("message-stray"),
    connection: (state, reason) => {
      connection.connected = state === "connected";
      const { url } = config.broker;
      if (state === "connected") logger.info({ broker: url }, "connected to the broker");
      else logger.warn({ broker: url, reason }, "no connection to the broker; trying on");
    },
  });
  const threads = new SignatureThreads(config.workers.signatures, fail);
  const nowMs = (): number => performance.now();
  const onRefused = (code: EvidenceCode): void => tally.count(code);
  const refusals = new Refusals(intake, config.refusals, nowMs, onRefused);
  const receipts = new Receipts({
    store,
    log,
    downlink: intake,
    limits: config.receipts,
    tally,
    onFault: fail,
  });
  const admission: Admission = new Admission({
    keys,
    history,
    threads,
    pool,
    receipts,
    refusals,
    tally,
    places: new Places(store.archive, store.chains),
    size: () => sequencer.size,
    publishedSize: () => publisher.size,
    accept: (candidate) => ready.push(candidate),
    onFault: fail,
  });
  const inbox = new Inbox(placesOf(config).inbox);
  const onPublished = (published: string): void => {
    note = published;
    intake.publishCheckpoint(published);
  };
  const ledger = (): Promise<void> =>
    runLedger({
      log,
      ready,
      sequencer,
      publisher,
      receipts,
      refusals,
      inbox,
      pool,
      tally,
      onPublished,
      nowMs,
      onFault: fail,
      halted: () => halt.halted,
    });
  return { intake, admission, threads, ready, inbox, ledger };
}

/** Hands registry items to the next batch; one that is in the log already (a crash before its file was moved) is only moved. */
async function watchInbox(
  inbox: Inbox,
  ready: Ready<Work>,
  { store }: OpenLog,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      for (const { file, statement } of await inbox.look()) {
        if (store.archive.byHash(statement.hash) === undefined) ready.push({ statement, charge: 0, file });
        else await inbox.done(file);
      }
    } catch (error) {
      throw storageFailed(`${inbox.folder}: can't read the inbox`, error);
    }
    await delay(INBOX_MS, undefined, { signal }).catch(() => undefined);
  }
}
