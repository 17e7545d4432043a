/**
 * The registry of the configuration, opened.
 *
 * @module
 */
import type { Logger } from "pino";
import { openRegistry, type Registry } from "./follow.ts";
import { openSource, readTrustPolicy, type RegistrySettings } from "./settings.ts";

/** A source that stays away is mentioned at once, then this often. */
const REMIND_MS = 60_000;

/**
 * @param data - the broker's folder
 * @throws EvidenceError `policy-malformed`, `operators-not-pinned`, `tls-malformed`
 */
export function followed(
  settings: RegistrySettings,
  data: string,
  log: Pick<Logger, "warn">,
): Promise<Registry> {
  let said = { message: "", atMs: 0 };
  return openRegistry({
    source: openSource(settings),
    policy: readTrustPolicy(settings.policy),
    folder: data,
    pollMs: settings.pollMs,
    told({ code, message }) {
      const nowMs = performance.now();
      if (message === said.message && nowMs - said.atMs < REMIND_MS) return;
      said = { message, atMs: nowMs };
      log.warn({ code }, `the registry is not followed: ${message}; the keys that are known count on`);
    },
  });
}
