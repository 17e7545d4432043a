/**
 * The first receipt of a device that was just enrolled: the agent as it always runs, without its sources, until the log has answered.
 *
 * @module
 */
import { sleep, systemTimer, type Stage } from "@tallystick/evidence/node";
import type { Settings } from "../config/config.ts";
import type { KeyStore } from "../keys/store.ts";
import type { Log } from "../log.ts";
import { runWith } from "../run.ts";
import type { Storage } from "../storage/storage.ts";

const LOOK_MS = 50;

/** Of a receipt that was verified here: the tree that it is of, and its commit time. */
export type FirstReceipt = {
  readonly receipt: { readonly origin: string; readonly size: number; readonly timeUnixS: number };
};

/**
 * Runs the agent until it has verified a receipt that it didn't have before.
 *
 * @returns undefined where `signal` was aborted first
 * @throws EvidenceError what ends an agent
 */
export async function firstReceipt(
  settings: Settings,
  keys: KeyStore,
  log: Log,
  signal: AbortSignal,
): Promise<FirstReceipt | undefined> {
  let found: FirstReceipt | undefined;
  const watching = (storage: Storage): Stage => {
    const newest = storage.query<{ id: number; origin: string; size: number; time: number }>(
      "SELECT id, origin, size, time FROM receipt ORDER BY id DESC LIMIT 1",
    );
    const before = newest.get()?.id ?? 0;
    return async (stopped) => {
      while (!stopped.aborted && !signal.aborted) {
        const row = newest.get();
        if (row !== undefined && row.id > before) {
          found = { receipt: { origin: row.origin, size: row.size, timeUnixS: row.time } };
          return;
        }
        await sleep(systemTimer, LOOK_MS, stopped);
      }
    };
  };
  await runWith(settings, keys, log, { systemOnly: true, watching });
  return found;
}
