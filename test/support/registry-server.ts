/**
 * The read interface of a test's anchor log, over HTTP or TLS, as the anchor serves it.
 *
 * @module
 */
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { serve } from "@hono/node-server";
import { Lookups } from "../../anchor/src/http/lookups.ts";
import { KeyStates } from "../../anchor/src/registry/registry.ts";
import { createApp } from "../../anchor/src/http/serve.ts";
import { createSodiumProvider } from "../../anchor/src/admission/sodium.ts";
import { readTls, type TlsFiles } from "@tallystick/evidence/node";
import type { AnchorLog } from "./anchor-log.ts";

export type RegistryServer = { readonly url: string; readonly port: number; close(): Promise<void> };

/** @param port - 0 lets the system choose */
export async function serveLog(
  { opened, publicFolder }: AnchorLog,
  { tls, port = 0 }: { readonly tls?: TlsFiles; readonly port?: number } = {},
): Promise<RegistryServer> {
  const size = (): number => opened.publisher.size;
  const keyStates = new KeyStates(opened.keys, opened.store.archive, createSodiumProvider());
  const app = createApp({
    publicFolder,
    lookups: new Lookups(opened, keyStates),
    health: () => ({
      status: "ok",
      origin: "",
      size: size(),
      lastCommitAgeS: 1,
      broker: "connected",
      archive: "ok",
      missing: 0,
    }),
    metrics: () => Promise.resolve(""),
  });
  const secure =
    tls === undefined ? {} : { createServer: createTlsServer, serverOptions: readTls(tls).options };
  const server = serve({ fetch: app.fetch, hostname: "127.0.0.1", port, ...secure });
  await new Promise((resolve, reject) => {
    server.once("listening", resolve).once("error", reject);
  });
  const { port: bound } = server.address() as AddressInfo;
  return {
    url: `${tls === undefined ? "http" : "https"}://127.0.0.1:${bound}`,
    port: bound,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        if ("closeAllConnections" in server) server.closeAllConnections();
      }),
  };
}
