/**
 * Reads, wired to a log that is open.
 *
 * @module
 */
import type { Logger } from "pino";
import { placesOf, type Config } from "../config.ts";
import type { Lookups } from "../http/lookups.ts";
import type { OpenLog } from "../log/open-log.ts";
import type { Tally } from "../tally.ts";
import { machineTime } from "../time.ts";
import type { Trail } from "../trail/trail.ts";
import { Pages } from "./pages.ts";
import { Reads } from "./reads.ts";
import type { ReadRoutes } from "./routes.ts";
import { TokenStore } from "./tokens.ts";
import { Transparents } from "./transparent.ts";
import { Turnstile } from "./turnstile.ts";

export type ReadsOptions = {
  readonly config: Config;
  readonly opened: Pick<OpenLog, "store" | "log" | "publisher">;
  readonly lookups: Lookups;
  readonly trail: Pick<Trail, "tell" | "mustSpeak" | "iss">;
  readonly tally: Tally;
  readonly logger: Pick<Logger, "info" | "error">;
  readonly nowUnixS: () => number;
};

/** One of each for all listeners: what is bounded is bounded together. */
export function openReads({
  config,
  opened,
  lookups,
  trail,
  tally,
  logger,
  nowUnixS,
}: ReadsOptions): ReadRoutes {
  const { store, log, publisher } = opened;
  const settings = config.reads;
  const publishedSize = (): number => publisher.size;
  const nowMs = (): number => machineTime.nowMs();
  const transparents = new Transparents(store, log);
  return {
    tokens: new TokenStore(placesOf(config).tokens),
    reads: new Reads({ store, trail, settings, publishedSize, nowUnixS, nowMs, logger }),
    pages: new Pages({ store, lookups, transparents, ownIss: trail.iss, publishedSize }),
    turnstile: new Turnstile(settings.maxPages, settings.maxPagesPerToken),
    lookups,
    log,
    tally,
    nowUnixS,
    logger,
  };
}
