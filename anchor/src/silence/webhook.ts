/**
 * Alarms on their way to somebody else's server: a signed POST, one at a time, in order, again with growing pauses until it is taken (docs/alarms.md).
 *
 * @module
 */
import { createHmac } from "node:crypto";
import { request as requestPlain } from "node:http";
import { request as requestTls } from "node:https";
import { sleep, type Timer } from "@tallystick/evidence/node";
import type { AlarmStore } from "./store.ts";

export type Hook = {
  readonly url: string;
  /** What the receiver knows the sender by. */
  readonly secret: string;
  /** PEM of the authority behind its certificate; the system's where it is left out. */
  readonly ca?: string;
};

/** Sends one body; resolves to the status of the answer. */
export type Post = (
  body: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
) => Promise<number>;

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
    const headers = {
      "content-type": "application/json",
      "content-length": String(Buffer.byteLength(body)),
      "tallystick-signature": signatureOf(secret, nowUnixS(), body),
    };
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

/** `t=UNIX,hmac-sha256=HEX`: HMAC-SHA-256 with the secret over `UNIX.BODY`. */
export const signatureOf = (secret: string, unixS: number, body: string): string =>
  `t=${unixS},hmac-sha256=${createHmac("sha256", secret).update(`${unixS}.${body}`).digest("hex")}`;

/** Over the network: no redirect is followed, and of the answer only its status counts. */
export const postTo =
  ({ url, ca }: Hook): Post =>
  (body, headers, signal) =>
    new Promise((resolve, reject) => {
      const options = { method: "POST", headers, signal, agent: false, ...(ca !== undefined && { ca }) };
      const send = url.startsWith("https:") ? requestTls : requestPlain;
      const request = send(url, options, (response) => {
        resolve(response.statusCode ?? 0);
        response.destroy();
      });
      request.on("error", reject);
      request.end(body);
    });
