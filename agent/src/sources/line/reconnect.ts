/**
 * Keeps a line open for ever: what is lost is opened again, with growing pauses, until the agent stops.
 *
 * @module
 */
import { setTimeout as delay } from "node:timers/promises";
import type { SourceContext, SourceCounters } from "../source.ts";
import type { Connection, Transport } from "./connection.ts";

/** How a line is kept. Tests give shorter times. */
export type LinePatience = {
  /** After a failure the pause starts here and doubles. */
  readonly retryMinMs: number;
  readonly retryMaxMs: number;
  /** Silence that ends a frame without an end mark. */
  readonly silenceMs: number;
  /** Silence after which the line is taken for dead and opened anew. */
  readonly deadMs: number;
};

export const LINE_PATIENCE: LinePatience = {
  retryMinMs: 1000,
  retryMaxMs: 60_000,
  silenceMs: 500,
  deadMs: 120_000,
};

/** Bytes; or the line has been silent since the last bytes; or it was lost and what follows is another stream. */
export type LineItem = Uint8Array | "silence" | "lost";

export type LineOptions = {
  /** For messages: the kind of source. */
  readonly name: string;
  readonly patience: LinePatience;
  readonly signal: AbortSignal;
  readonly log: SourceContext["log"];
  readonly counters: SourceCounters;
};

/**
 * What comes down the line, for as long as the agent runs. Nothing is read while nobody pulls.
 *
 * A device that can't be opened is reported once for each cause and each doubling of the pause, so that a meter that is
 * away for months does not fill the log.
 */
export async function* readLine(
  transport: Transport,
  { name, patience, signal, log, counters }: LineOptions,
): AsyncGenerator<LineItem, void, undefined> {
  let pauseMs = patience.retryMinMs;
  let reported = "";
  while (!signal.aborted) {
    let cause: string;
    try {
      const connection = await transport.open(signal);
      log.info(`${name}: ${transport.place}: open`);
      const stop = (): void => void connection.close();
      signal.addEventListener("abort", stop, { once: true });
      if (signal.aborted) stop(); // while it was being opened
      try {
        for await (const item of readConnection(connection, patience)) {
          if (item !== "silence") {
            pauseMs = patience.retryMinMs; // only bytes prove that the device is back
            reported = "";
          }
          yield item;
          if (signal.aborted) return;
        }
        cause = `silent for ${patience.deadMs / 1000} s: check the device and the cable`;
      } catch (error) {
        cause = transport.explain(error);
      } finally {
        signal.removeEventListener("abort", stop);
        await connection.close();
      }
      if (!signal.aborted) yield "lost";
    } catch (error) {
      cause = transport.explain(error);
    }
    if (signal.aborted) return;
    counters.reconnects += 1;
    const report = `${name}: ${transport.place}: ${cause}`;
    if (report !== reported || pauseMs < patience.retryMaxMs) {
      log.warn(`${report}; trying again, at the latest every ${Math.ceil(patience.retryMaxMs / 1000)} s`);
    }
    reported = report;
    // Jitter, so that a hundred gateways don't knock in step at a converter that has just come back.
    await delay(pauseMs * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined);
    pauseMs = Math.min(pauseMs * 2, patience.retryMaxMs);
  }
}

/** One connection's bytes and silences; ends when it has been silent for `deadMs`. @throws when it is lost */
async function* readConnection(
  connection: Connection,
  { silenceMs, deadMs }: LinePatience,
): AsyncGenerator<Uint8Array | "silence", void, undefined> {
  for (;;) {
    const next = connection.read();
    next.catch(() => undefined); // nobody may be waiting any more when the line is closed
    const early = await within(next, silenceMs);
    if (early !== undefined) {
      yield early;
      continue;
    }
    yield "silence";
    const late = await within(next, deadMs - silenceMs);
    if (late === undefined) return;
    yield late;
  }
}

/** What `promise` brings within `ms`, or undefined; it stays pending then. */
async function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, ms, undefined);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
