/**
 * Alarms on their way to somebody else's server: a signed POST, one at a time, in order, again with growing pauses until it is taken (docs/alarms.md).
 *
 * @module
 */
import { signedHeaders, sleep, type Post, type Timer } from "@tallystick/evidence/node";
import type { AlarmStore } from "./store.ts";

export type WebhookParts = {
  readonly post: Post;
  readonly secret: string;
  readonly origin: string;
  readonly store: AlarmStore;
  readonly timer: Timer;
  readonly nowUnixS: () => number;
  /** Told of the first fault, and when it is over. */
  readonly told: (fault: string | undefined) => void;
};

const MAX_AT_ONCE = 100;
const RETRY_FIRST_MS = 5000;
const RETRY_MAX_MS = 900_000;
const TIMEOUT_MS = 10_000;

export class Webhook {
  readonly #parts: WebhookParts;
  /** Alarms taken by the receiver, and attempts that failed, since the start. */
  sent = 0;
  failures = 0;
  #wake = (): void => {};

  constructor(parts: WebhookParts) {
    this.#parts = parts;
  }

  /** Runs until `signal` is aborted; what isn't taken by then is sent after the next start. */
  async run(signal: AbortSignal): Promise<void> {
    const { timer, told } = this.#parts;
    let pauseMs = RETRY_FIRST_MS;
    let isFaulty = false;
    signal.addEventListener("abort", () => this.#wake(), { once: true });
    while (!signal.aborted) {
      const fault = await this.#sendSome(signal);
      if (signal.aborted) return;
      if (fault === undefined) {
        if (isFaulty) told(undefined);
        isFaulty = false;
        pauseMs = RETRY_FIRST_MS;
        if (this.#parts.store.waitingCount === 0) await this.#something();
        continue;
      }
      this.failures += 1;
      if (!isFaulty) told(fault);
      isFaulty = true;
      await sleep(timer, pauseMs, signal);
      pauseMs = Math.min(2 * pauseMs, RETRY_MAX_MS);
    }
  }

  /** Something may wait that didn't before. */
  wake(): void {
    this.#wake();
  }

  #something(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** Sends what waits, if anything does. @returns why it was not taken */
  async #sendSome(signal: AbortSignal): Promise<string | undefined> {
    const { store, post, secret, origin, nowUnixS } = this.#parts;
    const some = store.waiting(MAX_AT_ONCE);
    const last = some.at(-1);
    if (last === undefined) return undefined;
    const alarms = some.map(({ body }) => body).join(",");
    const body = `{"v":1,"origin":${JSON.stringify(origin)},"dropped":${store.dropped},"alarms":[${alarms}]}`;
    const headers = signedHeaders(secret, nowUnixS(), body);
    try {
      const status = await post(body, headers, AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]));
      if (status < 200 || status > 299) return `it answered ${status}`;
    } catch (cause) {
      return cause instanceof Error ? cause.message : String(cause);
    }
    store.sent(last.number);
    this.sent += some.length;
    return undefined;
  }
}
