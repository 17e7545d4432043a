/**
 * The anchor as one thing: the log opened and served over HTTP, ready to take statements in.
 *
 * @module
 */
import type { Logger } from "pino";
import type { SignatureProvider } from "@tallystick/evidence";
import { listenAddress, placesOf, type Config } from "./config.ts";
import { openEnrolment } from "./enrolment/open.ts";
import { Lookups } from "./http/lookups.ts";
import { createMetrics } from "./metrics.ts";
import { openLog, type OpenLog } from "./log/open-log.ts";
import { Pool } from "./intake/pool.ts";
import { openPublic, type PublicServer } from "./http/public-server.ts";
import { openReads } from "./reads/open.ts";
import type { ReadRoutes } from "./reads/routes.ts";
import { KeyStates } from "./registry/registry.ts";
import { runStages, type BrokerLine } from "./running.ts";
import { serviceKeys } from "./scrapi/keys.ts";
import { Registrations, type RegistrationLimits } from "./scrapi/registrations.ts";
import type { ScrapiParts } from "./scrapi/routes.ts";
import { close, createApp, listen, type Health } from "./http/serve.ts";
import { openSilence } from "./silence/open.ts";
import { createSodiumProvider } from "./admission/sodium.ts";
import { isStorageFailure, orStorageFailed } from "./storage/database.ts";
import { Tally } from "./tally.ts";
import { machineTime } from "./time.ts";
import { Own } from "./trail/open.ts";

export type Anchor = {
  readonly origin: string;
  /** Where HTTP listens, e.g. `http://127.0.0.1:8080`. */
  readonly url: string;
  /** Where strangers are served over TLS, if anywhere. */
  readonly publicUrl: string | undefined;
  /** Entries published. */
  size(): number;
  /** Reads from the database, as whoever asks for a receipt would. @throws the database's error */
  answer(): void;
  /** Runs until `signal` fires, then drains: the last batch is committed, published and answered. */
  run(signal: AbortSignal): Promise<void>;
};

/**
 * Opens the log and serves it; nothing is taken in before `run`.
 *
 * @throws EvidenceError as {@link openLog}, and `address-in-use`, `address-not-loopback`
 */
export async function openAnchor(config: Config, logger: Logger): Promise<Anchor> {
  const address = listenAddress(config.http.listen);
  const provider = createSodiumProvider();
  const nowUnixS = (): number => Math.floor(Date.now() / 1000);
  const opened = await openLog({ config, provider, nowUnixS });
  try {
    const { log, store, keys, publisher } = opened;
    const tally = new Tally();
    const pool = new Pool(config.pool);
    const connection: BrokerLine = { connected: false };
    const size = (): number => publisher.size;
    const keyStates = new KeyStates(keys, store.archive, provider);
    const { silence, close: closeSilence } = openSilence({ config, opened, logger, nowUnixS });
    const lookups = new Lookups(opened, keyStates);
    const registrations = new Registrations(waitingOf(config), machineTime, tally);
    const scrapi: ScrapiParts = {
      lookups,
      registrations,
      keys: serviceKeys(log.signer.key, config.scrapi.retiredKeys),
      perAddressPerMinute: config.scrapi.perAddressPerMinute,
      nowMs: () => machineTime.nowMs(),
    };
    const own = new Own({ config, opened, provider, logger, nowUnixS });
    const reads = openReads({ config, opened, lookups, trail: own.trail, tally, logger, nowUnixS });
    const app = createApp({
      scrapi,
      reads,
      silence: () => silence.state,
      publicFolder: placesOf(config).public,
      lookups,
      health: () => healthOf(opened, tally, connection),
      metrics: createMetrics({
        tally,
        pool,
        size,
        missing: () => opened.sequencer.recovery.missing,
        brokerConnected: () => connection.connected,
        silence: () => silence.state,
      }),
    });
    const { server, url } = await listen(app, address);
    const strangers = await serveStrangers(config, {
      opened,
      lookups,
      scrapi,
      reads,
      tally,
      provider,
      logger,
      nowUnixS,
    });
    const run = async (signal: AbortSignal): Promise<void> => {
      try {
        const stages = {
          config,
          opened,
          tally,
          pool,
          connection,
          logger,
          silence,
          registrations,
          own,
          nowUnixS,
          signal,
        };
        await runStages(stages);
      } catch (raised) {
        const error = orStorageFailed(raised);
        if (isStorageFailure(error)) opened.abandon();
        throw error;
      } finally {
        await Promise.all([close(server), strangers?.close()]);
        closeSilence();
        opened.close();
      }
    };
    const answer = (): void => void store.batches.last();
    return { origin: log.origin, url, publicUrl: strangers?.url, size, answer, run };
  } catch (error) {
    opened.close();
    throw error;
  }
}

/** Over TLS a connection on which nothing moves ends after a while: whoever waits there is told to ask again before that. */
function waitingOf({ scrapi, public: strangers }: Config): RegistrationLimits {
  const { maxWaiting, waitMs } = scrapi;
  return { maxWaiting, waitMs: Math.min(waitMs, (strangers?.requestMs ?? Infinity) / 2) };
}

type StrangersParts = {
  readonly opened: OpenLog;
  readonly lookups: Lookups;
  readonly scrapi: ScrapiParts;
  readonly reads: ReadRoutes;
  readonly tally: Tally;
  readonly provider: SignatureProvider;
  readonly logger: Logger;
  readonly nowUnixS: () => number;
};

/** The public directory and enrolment over TLS, where the configuration says so. */
async function serveStrangers(config: Config, parts: StrangersParts): Promise<PublicServer | undefined> {
  if (config.public === undefined) return undefined;
  const { opened, lookups, scrapi, reads, tally, provider, logger: log, nowUnixS } = parts;
  const nowMs = (): number => machineTime.nowMs();
  const timer = machineTime;
  const enrolment = openEnrolment({ config, opened, provider, tally, timer, log, nowUnixS });
  const { perAddressPerMinute } = config.enrolment;
  const publicFolder = placesOf(config).public;
  const { desk } = enrolment;
  const routes = { publicFolder, lookups, scrapi, reads, desk, perAddressPerMinute, timer, nowMs, log };
  const server = await openPublic(config.public, routes);
  log.info({ url: server.url, pin: server.pin }, "serving the public directory and enrolment over TLS");
  const end = async (): Promise<void> => {
    enrolment.close();
    await server.close();
  };
  return { ...server, close: end };
}

function healthOf(
  { log, store, publisher, sequencer, last }: OpenLog,
  tally: Tally,
  { connected, fault }: BrokerLine,
): Health {
  let archive: Health["archive"] = "ok";
  try {
    store.batches.last();
  } catch {
    archive = "failed";
  }
  const lastCommitUnixS = Math.max(tally.lastCommitUnixS, last.timeUnixS);
  return {
    status: archive === "ok" && connected ? "ok" : "degraded",
    origin: log.origin,
    size: publisher.size,
    lastCommitAgeS: Math.max(0, Math.round(Date.now() / 1000 - lastCommitUnixS)),
    broker: connected ? "connected" : "lost",
    ...(fault !== undefined && { brokerFault: fault }),
    archive,
    missing: sequencer.recovery.missing,
  };
}
