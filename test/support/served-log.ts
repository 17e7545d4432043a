/**
 * A test's log over HTTP, as its anchor serves it, and bundles that an auditor makes of it.
 *
 * @module
 */
import { encodeBundle, parsePolicy } from "@tallystick/evidence";
import { createNodeProvider, nodeSha256, noProgress, openPlace } from "@tallystick/evidence/node";
import { Lookups } from "../../anchor/src/http/lookups.ts";
import { createMetrics } from "../../anchor/src/metrics.ts";
import { KeyStates } from "../../anchor/src/registry/registry.ts";
import { serviceKeys } from "../../anchor/src/scrapi/keys.ts";
import type { ScrapiConfig } from "../../anchor/src/scrapi/settings.ts";
import { close, createApp, listen } from "../../anchor/src/http/serve.ts";
import { createSodiumProvider } from "../../anchor/src/admission/sodium.ts";
import { buildBundle } from "../../audit/src/bundle/build.ts";
import { openLog } from "../../audit/src/log/note.ts";
import type { AnchorLog } from "./anchor-log.ts";
import type { AnchorPipeline } from "./anchor-pipeline.ts";

const means = { provider: createNodeProvider(), hash: nodeSha256, progress: noProgress };

export type ServedLog = { readonly url: string; close(): Promise<void> };

export async function serveLog(
  log: AnchorLog,
  { tally, pool, registrations }: AnchorPipeline,
  { perAddressPerMinute, retiredKeys }: Partial<ScrapiConfig> = {},
): Promise<ServedLog> {
  const { opened } = log;
  const size = (): number => opened.publisher.size;
  const keyStates = new KeyStates(opened.keys, opened.store.archive, createSodiumProvider());
  const lookups = new Lookups(opened, keyStates);
  const app = createApp({
    publicFolder: log.publicFolder,
    lookups,
    scrapi: {
      lookups,
      registrations,
      keys: serviceKeys(opened.log.signer.key, retiredKeys ?? []),
      perAddressPerMinute: perAddressPerMinute ?? 1_000_000,
      nowMs: () => 0, // no budget fills again
    },
    health: () => ({
      status: "ok",
      origin: "o",
      size: size(),
      lastCommitAgeS: 1,
      broker: "connected",
      archive: "ok",
      missing: 0,
    }),
    metrics: createMetrics({ tally, pool, size, missing: () => 0, brokerConnected: () => true }),
  });
  const { server, url } = await listen(app, { host: "127.0.0.1", port: 0 });
  return { url, close: () => close(server) };
}

/** A bundle of a device's streams, whole, at the newest checkpoint. */
export async function bundleOf(
  { url }: ServedLog,
  policy: string,
  streams: readonly { readonly iss: string; readonly sub: string }[],
): Promise<Uint8Array> {
  const place = openPlace(url);
  const log = await openLog(place, parsePolicy(policy), means.provider);
  const period = { by: "seq", from: 0, to: Number.MAX_SAFE_INTEGER } as const;
  return encodeBundle(await buildBundle({ place, log, streams, period, ...means }));
}
