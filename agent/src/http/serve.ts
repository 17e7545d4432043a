/**
 * `GET /healthz` and `GET /metrics` of a running agent, on loopback, for whoever watches over it. Loaded only where the configuration asks for it.
 *
 * @module
 */
import { createServer, type Server } from "node:http";
import process from "node:process";
import { EvidenceError } from "@tallystick/evidence";
import type { Stage } from "@tallystick/evidence/node";
import { loopbackAddress } from "../config/config.ts";
import type { Log } from "../log.ts";
import type { Look } from "../commands/look.ts";
import { healthOf, metricsOf } from "./figures.ts";

const MAX_CONNECTIONS = 16;
const REQUEST_MS = 5000;

/**
 * Takes the address, before anything else is begun, and gives what answers there once there is something to look at.
 *
 * @throws EvidenceError `address-not-loopback`, `address-in-use`
 */
export async function watching(listen: string, log: Log): Promise<(look: Look) => Stage> {
  let look: Look | undefined;
  const server = createServer(
    { headersTimeout: REQUEST_MS, requestTimeout: REQUEST_MS, keepAliveTimeout: 1000, maxHeaderSize: 4096 },
    (request, response) => {
      const [status, type, body] = look === undefined ? STARTING : answer(request.method, request.url, look);
      response.writeHead(status, { "content-type": type }).end(body);
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  await listening(server, listen);
  log.info({ http: listen }, "health and metrics are served");
  return (given) => {
    look = given;
    return async (signal) => {
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
      server.close();
      server.closeAllConnections();
    };
  };
}

type Answer = readonly [status: number, type: string, body: string];

const JSON_TYPE = "application/json";
const STARTING: Answer = [503, JSON_TYPE, '{"status":"starting"}\n'];
const NOT_FOUND: Answer = [404, JSON_TYPE, '{"error":"not found"}\n'];

function answer(method: string | undefined, url: string | undefined, look: Look): Answer {
  if (method !== "GET") return [405, JSON_TYPE, '{"error":"GET only"}\n'];
  if (url === "/metrics")
    return [200, "text/plain; version=0.0.4", metricsOf(look(), process.memoryUsage.rss())];
  if (url !== "/healthz") return NOT_FOUND;
  const health = healthOf(look());
  return [health.status === "failing" ? 503 : 200, JSON_TYPE, `${JSON.stringify(health)}\n`];
}

async function listening(server: Server, listen: string): Promise<void> {
  const { host, port } = loopbackAddress(listen);
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const inUse = `http.listen: ${listen} is taken: end the other program or choose another port`;
      reject(cause.code === "EADDRINUSE" ? new EvidenceError("address-in-use", inUse, {}, cause) : cause);
    });
    server.listen({ host, port }, resolve);
  });
}
