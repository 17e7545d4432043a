/**
 * `GET /metrics` and `GET /healthz`, on loopback, for whoever watches over the broker.
 *
 * @module
 */
import { createServer, type Server } from "node:http";

/** An HTTP server, not yet listening; `metrics` gives the Prometheus text of the moment. */
export function metricsServer(metrics: () => string): Server {
  const server = createServer(
    { headersTimeout: 5000, requestTimeout: 5000, keepAliveTimeout: 1000 },
    (request, response) => {
      if (request.method !== "GET") {
        response.writeHead(405, { allow: "GET" }).end();
      } else if (request.url === "/metrics") {
        response.writeHead(200, { "content-type": "text/plain; version=0.0.4" }).end(metrics());
      } else if (request.url === "/healthz") {
        response.writeHead(200, { "content-type": "application/json" }).end('{"status":"ok"}\n');
      } else {
        response.writeHead(404).end();
      }
    },
  );
  server.maxConnections = 32;
  return server;
}
