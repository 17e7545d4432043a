/**
 * The running broker: listens, says so, and goes on until it is asked to stop.
 *
 * @module
 */
import { once } from "node:events";
import type { Server } from "node:net";
import { isEvidenceError } from "@tallystick/evidence";
import { systemTimer, type TlsPin } from "@tallystick/evidence/node";
import { noKeys, type KeySource } from "./access/authenticate.ts";
import { createBroker } from "./broker.ts";
import type { Config } from "./config.ts";
import { Counters, type Notice } from "./counters.ts";
import { Gate } from "./connections/gate.ts";
import { listen, stopListening } from "./connections/listen.ts";
import { checkAddresses, openListeners, type Listeners, type Shown } from "./connections/listeners.ts";
import { metricsServer } from "./serve.ts";

/** Where the broker can be reached. */
export interface Addresses {
  /** By scheme: `mqtt`, `ws`, `mqtts`, `wss`. */
  readonly urls: Readonly<Record<string, string>>;
  /** Of the metrics. */
  readonly http?: string;
  /** Of the certificate, for the clients' configuration. */
  readonly pin?: TlsPin;
}

export interface Reports {
  /** At each refusal or loss. */
  readonly notice: Notice;
  /** Clients may connect. */
  readonly ready: (addresses: Addresses) => void;
  /** The certificate was renewed, or could not be: then `error` says why, and the one before goes on. */
  readonly renewed?: (outcome: { readonly pin: TlsPin } | { readonly error: Error }) => void;
}

/**
 * Runs a broker until `signal` fires, then ends all connections.
 *
 * @param registry - whose keys count; without one no device is let in where it has to show its key
 * @throws EvidenceError `address-not-loopback`, `address-in-use`, `tls-malformed`, `key-file-mode`
 */
export async function runBroker(
  config: Config,
  { notice, ready, renewed }: Reports,
  signal: AbortSignal,
  registry: KeySource = noKeys,
): Promise<void> {
  checkAddresses(config);
  const nowMs = (): number => performance.now();
  const counters = new Counters(notice);
  const broker = await createBroker(config, counters, nowMs, registry);
  const gate = new Gate({
    limits: config.limits,
    nowMs,
    refused: (code, address) => counters.refused(code, "", address),
  });
  let certificate: Shown | undefined;
  const gauges = (): Readonly<Record<string, number>> => ({
    ...broker.gauges(),
    unproved_connections: gate.unproved,
    addresses: gate.addresses,
    ...(certificate !== undefined && { certificate_expiry_timestamp_seconds: certificate.expiresUnixS }),
    ...registryGauges(registry),
  });
  const done = Promise.resolve();
  let listeners: Listeners | undefined;
  let web: Server | undefined;
  try {
    listeners = await openListeners({
      config,
      gate,
      timer: systemTimer,
      handle: (stream, peer) => broker.handle(stream, peer),
      refused: (code, address) => counters.refused(code, "", address),
      certificate(outcome) {
        if (isEvidenceError(outcome)) {
          renewed?.({ error: outcome });
          return;
        }
        if (certificate !== undefined) renewed?.({ pin: outcome.pin });
        certificate = outcome;
      },
    });
    if (config.http !== undefined) web = metricsServer(() => counters.text(gauges()));
    const http = web && config.http && `http://${await listen(web, config.http)}`;
    ready({
      urls: listeners.urls,
      ...(http !== undefined && { http }),
      ...(certificate !== undefined && { pin: certificate.pin }),
    });
    if (!signal.aborted) await once(signal, "abort");
  } finally {
    const stopped = Promise.all([
      listeners?.close() ?? done,
      web?.listening === true ? stopListening(web) : done,
    ]);
    await broker.close();
    await stopped;
  }
}

/** Nothing before the registry was read: an age of nothing says nothing. */
function registryGauges(registry: KeySource): Readonly<Record<string, number>> {
  const keys = registry.keys();
  return keys === undefined
    ? {}
    : { registry_items: keys.count, registry_age_seconds: registry.ageMs() / 1000 };
}
