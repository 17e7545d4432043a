/**
 * HTTP on loopback (docs/formats.md section 13): the public directory, the archive, health and metrics, which are read only; and registration.
 *
 * @module
 */
import type { AddressInfo } from "node:net";
import { createAdaptorServer, type ServerType } from "@hono/node-server";
import { Hono, type Context, type Env } from "hono";
import { EvidenceError, isEvidenceError, type EvidenceCode } from "@tallystick/evidence";
import type { ListenAddress } from "../config.ts";
import type { Lookups } from "./lookups.ts";
import { addOpenApi } from "../openapi/document.ts";
import type { SilenceState } from "../silence/stage.ts";
import { silenceJson } from "../silence/report.ts";
import { serveCheckpoint, serveTile } from "./public-files.ts";
import { hashParam, optionalUint, textQuery } from "./query.ts";
import { erased } from "../reads/pages.ts";
import { addReadRoutes, refusalOf, type ReadRoutes } from "../reads/routes.ts";
import { addScrapiRoutes, type ScrapiParts } from "../scrapi/routes.ts";

export type Health = {
  readonly status: "ok" | "degraded";
  readonly origin: string;
  /** Entries that are published. */
  readonly size: number;
  readonly lastCommitAgeS: number;
  readonly broker: "connected" | "lost";
  readonly brokerFault?: string;
  readonly archive: "ok" | "failed";
  /** Entries whose statements a restored log has not got back. */
  readonly missing: number;
};

export type Served = {
  readonly publicFolder: string;
  readonly lookups: Lookups;
  readonly health: () => Health;
  readonly metrics: () => Promise<string>;
  readonly silence?: () => SilenceState;
  readonly scrapi?: ScrapiParts;
  readonly reads?: ReadRoutes;
};

const COSE = "application/cose";
const CBOR = "application/cbor";
/** Statements in one answer about a chain. */
const MAX_LINES = 1000;
const MAX_CONNECTIONS = 256;
const CLOSE_MS = 1000;

/** What is everybody's. */
export type PublicRoutes = { readonly publicFolder: string; readonly lookups: Pick<Lookups, "items"> };

/** The public directory, the registry's items one by one, and what all this is. */
export function addPublicRoutes<E extends Env>(app: Hono<E>, { publicFolder, lookups }: PublicRoutes): void {
  app.get("/checkpoint", (c) => serveCheckpoint(c, publicFolder));
  app.get("/tile/*", (c) => serveTile(c, publicFolder));
  app.get("/registry/*", (c) => serveTile(c, publicFolder));
  app.get("/items", (c) => binary(c, lookups.items(optionalUint(c, "from") ?? 0), "application/cbor-seq"));
  addOpenApi(app);
}

export function createApp({ publicFolder, lookups, health, metrics, silence, scrapi, reads }: Served): Hono {
  const app = new Hono();
  addPublicRoutes(app, { publicFolder, lookups });
  if (scrapi !== undefined) addScrapiRoutes(app, scrapi);
  if (reads !== undefined) addReadRoutes(app, reads);
  app.get("/statements/:hash", async (c) => {
    const hash = hashParam(c, "hash", 32);
    const by = lookups.erasedBy(hash);
    if (by !== undefined) return refusalOf(c, erased(by));
    try {
      const found = await lookups.statement(hash, optionalUint(c, "size"));
      return found === undefined ? missing(c) : binary(c, found, COSE);
    } catch (error) {
      if (isEvidenceError(error)) return refusalOf(c, error);
      throw error;
    }
  });
  app.get("/keys/:kid", async (c) => {
    const found = await lookups.key(hashParam(c, "kid", 32), optionalUint(c, "size"));
    return found === undefined ? missing(c) : binary(c, found, CBOR);
  });
  app.get("/streams", (c) => c.json(lookups.streams(c.req.query("iss"))));
  app.get("/chains/:ch", (c) => {
    const named = { iss: textQuery(c, "iss"), sub: textQuery(c, "sub"), ch: hashParam(c, "ch", 8) };
    const found = lookups.chain(named, {
      from: optionalUint(c, "from") ?? 0,
      to: optionalUint(c, "to") ?? Number.MAX_SAFE_INTEGER,
      limit: Math.min(optionalUint(c, "limit") ?? MAX_LINES, MAX_LINES),
    });
    return found === undefined ? missing(c) : c.json(found);
  });
  app.get("/healthz", (c) => {
    const now = health();
    return c.json(now, now.archive === "ok" ? 200 : 503);
  });
  app.get("/silent", (c) => (silence === undefined ? missing(c) : c.json(silenceJson(silence()))));
  app.get("/metrics", async (c) =>
    c.text(await metrics(), 200, { "Content-Type": "text/plain; version=0.0.4" }),
  );
  app.notFound((c) => missing(c));
  app.onError(answerFault);
  return app;
}

/** What is told of an error in a request. */
export function answerFault(error: Error, c: Context): Response {
  if (isEvidenceError(error) && error.disposition === "refuse")
    return fault(c, 400, error.code, error.message);
  return fault(c, 500, "storage-failed", "the archive can't be read");
}

/**
 * Listens, and resolves with the server and its address once it does.
 *
 * @throws EvidenceError `address-in-use`; the system's error otherwise
 */
export async function listen(
  app: Hono,
  address: ListenAddress,
): Promise<{ server: ServerType; url: string }> {
  const server = createAdaptorServer({ fetch: app.fetch });
  if ("maxConnections" in server) server.maxConnections = MAX_CONNECTIONS;
  return { server, url: `http://${await listening(server, address, "http.listen")}` };
}

/**
 * Has a server listen, and resolves with `host:port`.
 *
 * @param setting - what names the address in the configuration
 * @throws EvidenceError `address-in-use`; the system's error otherwise
 */
export function listening(
  server: ServerType,
  { host, port }: ListenAddress,
  setting: string,
): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      reject(
        error.code === "EADDRINUSE"
          ? new EvidenceError(
              "address-in-use",
              `${setting}: ${host}:${port} is taken: end the other program or choose another port`,
              {},
              error,
            )
          : error,
      );
    });
    server.listen(port, host, () => {
      const { family, address, port: actual } = server.address() as AddressInfo;
      resolve(`${family === "IPv6" ? `[${address}]` : address}:${actual}`);
    });
  });
}

/** Ends the server: open requests get a moment. */
export function close(server: ServerType): Promise<void> {
  return new Promise((resolve) => {
    const overdue = setTimeout(() => {
      if ("closeAllConnections" in server) server.closeAllConnections();
    }, CLOSE_MS);
    server.close(() => {
      clearTimeout(overdue);
      resolve();
    });
    if ("closeIdleConnections" in server) server.closeIdleConnections();
  });
}

const binary = (c: Context, bytes: Uint8Array, type: string): Response =>
  c.body(new Uint8Array(bytes), 200, { "Content-Type": type });

const missing = (c: Context): Response => c.json({ error: "not found" }, 404);

const fault = (c: Context, status: 400 | 500, code: EvidenceCode, error: string): Response =>
  c.json({ code, error }, status);
