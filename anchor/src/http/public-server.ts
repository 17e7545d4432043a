/**
 * HTTPS for everybody: the public directory, the registry's items, registration, and enrolment; reads for whoever has a token. Nothing else of the archive, of health or of metrics is here. Whoever connects is a stranger: what he may
 * cost is bounded by address, time and size.
 *
 * @module
 */
import { createServer, type Server } from "node:https";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { createAdaptorServer, type HttpBindings } from "@hono/node-server";
import { Hono, type Context } from "hono";
import { bodyLimit } from "hono/body-limit";
import { isEvidenceError, MAX_CWT_BYTES, type EvidenceCode } from "@tallystick/evidence";
import { exporterOf, ownPin, readTls, reloadTls, type Timer, type TlsPin } from "@tallystick/evidence/node";
import { addressOf } from "../config.ts";
import { AddressBudget, networkOf } from "../enrolment/budget.ts";
import type { Desk } from "../enrolment/desk.ts";
import type { PublicConfig } from "../enrolment/settings.ts";
import { addReadRoutes, type ReadRoutes } from "../reads/routes.ts";
import { addScrapiRoutes, isScrapi, tooMany as tooManyEntries, type ScrapiParts } from "../scrapi/routes.ts";
import { addPublicRoutes, answerFault, close, listening, type PublicRoutes } from "./serve.ts";

const HANDSHAKE_MS = 10_000;
const HEADERS_MS = 10_000;
const KEEP_ALIVE_MS = 5000;
/** How often it is looked for requests that take too long. */
const LOOK_MS = 1000;
const MAX_HEADER_BYTES = 8192;
/** What a refused request costs of an address's budget; one that is granted, or waits, costs 1. */
const REFUSED_COST = 10;
const RETRY_AFTER_S = 30;
/** Of one address in a minute: connections, each of which costs a handshake; and requests for what is public, by whoever copies the whole log. */
const CONNECTS_PER_MINUTE = 600;
const READS_PER_MINUTE = 60_000;

type Log = {
  info(about: object, message: string): void;
  warn(about: object, message: string): void;
  error(about: object, message: string): void;
};

export type PublicParts = PublicRoutes & {
  readonly desk: Pick<Desk, "ask">;
  readonly scrapi?: ScrapiParts;
  readonly reads?: ReadRoutes;
  readonly perAddressPerMinute: number;
  readonly timer: Timer;
  readonly nowMs: () => number;
  readonly log: Log;
};

export type PublicServer = {
  /** `https://127.0.0.1:8443` */
  readonly url: string;
  readonly pin: TlsPin;
  close(): Promise<void>;
};

/**
 * Listens.
 *
 * @throws EvidenceError `tls-malformed`, `key-file-mode`, `address-in-use`
 */
export async function openPublic(config: PublicConfig, parts: PublicParts): Promise<PublicServer> {
  const { timer, log } = parts;
  const { options, pin } = readTls(config.tls);
  const server = createAdaptorServer({
    fetch: createPublicApp(parts).fetch,
    createServer,
    serverOptions: {
      ...options,
      handshakeTimeout: HANDSHAKE_MS,
      headersTimeout: Math.min(HEADERS_MS, config.requestMs),
      requestTimeout: config.requestMs,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: LOOK_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
    },
  }) as Server;
  server.setTimeout(config.requestMs); // where nothing moves, in either direction
  server.maxConnections = config.maxConnections;
  limitPerAddress(server, config.maxPerAddress, parts.nowMs);
  const { host, port } = addressOf(config.listen);
  const at = await listening(server, { host, port }, "public.listen");
  const endWatch = reloadTls(server, config.tls, timer, (outcome) => {
    if (isEvidenceError(outcome))
      log.error({ code: outcome.code }, `${outcome.message}; the certificate before goes on`);
    else log.info({ pin: outcome }, outcome === pin ? "a renewed certificate is shown" : PIN_CHANGED);
  });
  const end = (): Promise<void> => {
    endWatch();
    return close(server);
  };
  return { url: `https://${at}`, pin, close: end };
}

const PIN_CHANGED =
  "a certificate with another key is shown: invites that were given out before name the old one";

/** Connections that one address may have at a time; more are ended before they cost a handshake. */
function limitPerAddress(server: Server, most: number, nowMs: () => number): void {
  const budget = new AddressBudget(CONNECTS_PER_MINUTE, nowMs);
  const counts = new Map<string, number>();
  server.prependListener("connection", (socket: Socket) => {
    const network = networkOf(socket.remoteAddress ?? "");
    const count = (counts.get(network) ?? 0) + 1;
    counts.set(network, count);
    socket.once("close", () => {
      const left = (counts.get(network) ?? 1) - 1;
      if (left > 0) counts.set(network, left);
      else counts.delete(network);
    });
    if (count > most || !budget.has(network)) socket.destroy();
    else budget.charge(network, 1);
  });
}

/** Its routes. */
export function createPublicApp(parts: PublicParts): Hono<{ Bindings: HttpBindings }> {
  const app = new Hono<{ Bindings: HttpBindings }>();
  const budget = new AddressBudget(parts.perAddressPerMinute, parts.nowMs);
  const reads = new AddressBudget(READS_PER_MINUTE, parts.nowMs);
  app.use((c, next) => {
    if (!reads.has(addressIn(c))) return Promise.resolve(tooMany(c));
    reads.charge(addressIn(c), 1);
    return next();
  });
  addPublicRoutes(app, parts);
  if (parts.scrapi !== undefined) addScrapiRoutes(app, parts.scrapi);
  if (parts.reads !== undefined) addGuardedReads(app, parts.reads, parts);
  app.post(
    "/enrol",
    (c, next) => {
      if (budget.has(addressIn(c))) return next();
      return Promise.resolve(tooMany(c));
    },
    bodyLimit({ maxSize: MAX_CWT_BYTES, onError: (c) => tooLarge(c, budget) }),
    (c) => enrol(c, parts, budget),
  );
  app.notFound((c) => c.json({ error: "not found" }, 404));
  app.onError((error, c) => answerFault(error, c));
  return app;
}

/** As everywhere, but whoever shows no good token pays for it. */
function addGuardedReads(
  app: Hono<{ Bindings: HttpBindings }>,
  reads: ReadRoutes,
  { perAddressPerMinute, nowMs }: PublicParts,
): void {
  const guesses = new AddressBudget(perAddressPerMinute, nowMs);
  app.use("/reads/*", (c, next) => (guesses.has(addressIn(c)) ? next() : Promise.resolve(tooMany(c))));
  addReadRoutes(app, reads, (c) => guesses.charge(addressIn(c as Asked), REFUSED_COST));
}

type Asked = Context<{ Bindings: HttpBindings }>;

const addressIn = (c: Asked): string => c.env.incoming.socket.remoteAddress ?? "";

function tooMany(c: Context): Response {
  if (isScrapi(c.req.path)) return tooManyEntries(c);
  c.header("Retry-After", String(RETRY_AFTER_S));
  return fault(c, 429, "rate-limited", "too many requests from this address: wait a little");
}

function tooLarge(c: Context, budget: AddressBudget): Response {
  budget.charge(addressIn(c as Asked), REFUSED_COST);
  return fault(c, 413, "too-large", `a request is at most ${MAX_CWT_BYTES} bytes`);
}

async function enrol(c: Asked, { desk, log }: PublicParts, budget: AddressBudget): Promise<Response> {
  const address = addressIn(c);
  try {
    const bytes = new Uint8Array(await c.req.arrayBuffer());
    const socket = c.env.incoming.socket as TLSSocket;
    const shown = { pin: ownPin(socket), exporter: exporterOf(socket), address };
    const answer = await desk.ask(bytes, shown);
    budget.charge(address, 1);
    return c.json(answer, answer.state === "waiting" ? 202 : 200);
  } catch (error) {
    budget.charge(address, REFUSED_COST);
    if (isEvidenceError(error) && error.disposition !== "stop")
      return fault(c, 403, error.code, error.message);
    if (isEvidenceError(error) && error.code === "machine-mismatch")
      return fault(c, 403, error.code, error.message);
    log.error({ err: error }, "a request to enrol could not be kept");
    return fault(c, 500, "storage-failed", "the request can't be kept now: try again later");
  }
}

const fault = (c: Context, status: 403 | 413 | 429 | 500, code: EvidenceCode, error: string): Response =>
  c.json({ code, error }, status);
