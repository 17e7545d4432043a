/**
 * A log's public files, and the anchor's read interface, on a web server. Each request ends within a fixed time and number
 * of bytes, whatever the server does: hangs, drips, never ends, redirects.
 *
 * @module
 */
import { setTimeout as delay } from "node:timers/promises";
import { EvidenceError, isEvidenceError } from "../../errors.ts";
import type { Place } from "./place.ts";

export interface HttpLimits {
  /** From the request to the last byte of its answer. */
  readonly timeoutMs: number;
  /** How often one file is asked for, the first time included. */
  readonly attempts: number;
  /** Wait before the second attempt; four times longer before each further one. */
  readonly retryMs: number;
}

export const HTTP_LIMITS: HttpLimits = { timeoutMs: 30_000, attempts: 3, retryMs: 250 };

/**
 * A web server's folder as a {@link Place}. Paths may carry a query: the anchor's read interface takes them.
 *
 * @throws EvidenceError `text-malformed` where the address is none, or has a query, a fragment or a password
 */
export function httpPlace(address: string, limits: HttpLimits): Place {
  const base = parseAddress(address);
  return {
    name: address,
    remote: true,
    read: (path, maxBytes) => withRetries(limits, () => request(new URL(path, base), path, maxBytes, limits)),
  };
}

export function parseAddress(address: string): URL {
  const base = URL.canParse(address) ? new URL(address) : undefined;
  const plain =
    base !== undefined && /^https?:$/.test(base.protocol) && base.search === "" && base.hash === "";
  if (base === undefined || !plain || base.username !== "" || base.password !== "") {
    throw new EvidenceError(
      "text-malformed",
      `${address}: give http://host[:port]/ or https://host/, nothing after it`,
    );
  }
  if (!base.pathname.endsWith("/")) base.pathname += "/";
  return base;
}

/** Tries again what another attempt may cure: no answer, a broken one, "too many requests", a fault of the server. */
export async function withRetries<T>(limits: HttpLimits, attempt: () => Promise<T>): Promise<T> {
  for (let count = 1, waitMs = limits.retryMs; ; count++, waitMs *= 4) {
    try {
      return await attempt();
    } catch (error) {
      if (count >= limits.attempts || !isCurable(error)) throw error;
      await delay(waitMs);
    }
  }
}

function isCurable(error: unknown): boolean {
  if (!isEvidenceError(error) || error.disposition !== "retry") return false;
  const status = error.where["status"];
  return typeof status !== "number" || status === 429 || status >= 500;
}

/** What a server answered, whatever it was. */
export type HttpAnswer = {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array;
};

/** How something is asked for other than by a plain GET. */
export type HttpAsk = {
  readonly method?: "GET" | "POST" | "DELETE";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** The body of an answer that is no success is wanted too: it says why. */
  readonly refusal?: boolean;
};

/** Of an answer that is no success: enough for a code and a sentence. */
const MAX_REFUSAL_BYTES = 65_536;

/**
 * Asks an HTTP server once.
 *
 * @param path - what messages call it
 * @param maxBytes - of an answer with status 200 or 201; of any other 64 KiB, where it is wanted
 * @throws EvidenceError `too-large`; `unreachable` where no whole answer came in time
 */
export async function askHttp(
  url: URL,
  path: string,
  maxBytes: number,
  { timeoutMs }: Pick<HttpLimits, "timeoutMs">,
  { refusal = false, ...init }: HttpAsk = {},
): Promise<HttpAnswer> {
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(url, { ...init, signal, redirect: "manual" });
    const { status, headers } = response;
    const success = status === 200 || status === 201;
    if (success || refusal)
      return {
        status,
        headers,
        bytes: await collect(response, path, success ? maxBytes : MAX_REFUSAL_BYTES),
      };
    await response.body?.cancel();
    return { status, headers, bytes: new Uint8Array() };
  } catch (error) {
    if (isEvidenceError(error)) throw error;
    const reason = signal.aborted ? `no whole answer within ${timeoutMs} ms` : networkFault(error);
    throw new EvidenceError("unreachable", `${path}: ${reason}`, { path }, error);
  }
}

async function request(
  url: URL,
  path: string,
  maxBytes: number,
  limits: HttpLimits,
): Promise<Uint8Array | undefined> {
  const { status, headers, bytes } = await askHttp(url, path, maxBytes, limits);
  if (status === 404 || status === 410) return undefined;
  if (status !== 200) throw badStatus(path, status, headers);
  return bytes;
}

function badStatus(path: string, status: number, headers: Headers): EvidenceError {
  const moved = headers.get("location");
  const hint = moved === null ? "" : `, it points to ${shown(moved)}: give that address`;
  return new EvidenceError("http-answer", `${path}: the server answers ${status}${hint}`, { path, status });
}

/** Reads the body and counts: a length that the server states is a promise, not a bound. */
async function collect(response: Response, path: string, maxBytes: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  const reader = response.body?.getReader();
  for (;;) {
    const step = await reader?.read();
    if (step === undefined || step.done) break;
    const chunk = step.value as Uint8Array;
    length += chunk.length;
    if (length > maxBytes) {
      await reader?.cancel();
      throw new EvidenceError("too-large", `${path}: more than ${maxBytes} bytes`, { path });
    }
    parts.push(chunk);
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** `fetch` hides the reason in the cause: ECONNREFUSED, ENOTFOUND, a certificate's fault. */
function networkFault(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  if (cause instanceof Error) {
    const code = "code" in cause && typeof cause.code === "string" ? cause.code : cause.message;
    return `no answer: ${shown(code)}`;
  }
  return "no answer";
}

/** Text from outside on its way to a terminal: printable, short. */
const shown = (text: string): string => text.replace(/[^\x20-\x7e]/g, "?").slice(0, 200);
