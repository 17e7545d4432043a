/**
 * Alerts on their way to somebody's server: kept in the state until they are taken, in the order in which they happened (docs/watch.md).
 *
 * @module
 */
import { postTo, signedHeaders, type Hook } from "@tallystick/evidence/node";
import type { Change } from "./alert.ts";
import type { WatchState } from "./state.ts";

/** Alerts that may wait; where there are more, the oldest are let go. */
const MAX_WAITING = 10_000;
const MAX_AT_ONCE = 100;
const TIMEOUT_MS = 10_000;

type Outgoing = Pick<WatchState, "origin" | "outgoing" | "dropped">;

/** Notes down what is to be sent. */
export function enqueue(state: Outgoing, changes: readonly Change[]): void {
  state.outgoing.push(...changes);
  const many = state.outgoing.length - MAX_WAITING;
  if (many <= 0) return;
  state.outgoing.splice(0, many);
  state.dropped += many;
}

/**
 * Sends what waits, as long as it is taken.
 *
 * @param save - called after each that was
 * @returns why the rest was not taken
 */
export async function deliver(
  state: Outgoing,
  hook: Hook,
  nowUnixS: () => number,
  save: () => Promise<void>,
): Promise<string | undefined> {
  const post = postTo(hook);
  while (state.outgoing.length > 0) {
    const some = state.outgoing.slice(0, MAX_AT_ONCE);
    const { origin, dropped } = state;
    const body = JSON.stringify({ v: 1, origin, dropped, alerts: some });
    try {
      const headers = signedHeaders(hook.secret, nowUnixS(), body);
      const status = await post(body, headers, AbortSignal.timeout(TIMEOUT_MS));
      if (status < 200 || status > 299) return `it answered ${status}`;
    } catch (cause) {
      return cause instanceof Error ? cause.message : String(cause);
    }
    state.outgoing.splice(0, some.length);
    await save();
  }
  return undefined;
}
