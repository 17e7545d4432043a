/**
 * A smart meter's P1 port as a source: DSMR and ESMR 2.2 to 5, Belgium (e-MUCS), Sweden.
 *
 * @module
 */
import { isEvidenceError, type EvidenceError } from "@tallystick/evidence";
import { newSourceCounters, type Observation, type Source, type SourceContext } from "../source.ts";
import type { Transport } from "../line/connection.ts";
import { LINE_PATIENCE, readLine, type LineItem, type LinePatience } from "../line/reconnect.ts";
import type { P1Options } from "../open.ts";
import { P1Framer, type FrameResult } from "./frame.ts";
import { observe } from "./readings.ts";
import { readTelegram } from "./telegram.ts";

/** DSMR 5 and Belgium send every second, the others every ten: none is rarer. */
const TELEGRAM_INTERVAL_S = 10;

/** Opens nothing yet: that happens when the observations are pulled. */
export async function p1Source(options: P1Options, context: SourceContext): Promise<Source> {
  return p1SourceOver(await transportOf(options), context, { keepRaw: options.keepRaw });
}

async function transportOf({ line }: P1Options): Promise<Transport> {
  if (line.kind === "tcp") return (await import("../line/tcp.ts")).tcpTransport(line);
  return (await import("../line/serial.ts")).serialTransport(line);
}

/** The source over any transport. A refused telegram is counted by its code and gone: the log names the 1st, 2nd, 4th, 8th, … */
export function p1SourceOver(
  transport: Transport,
  { clock, log }: SourceContext,
  { keepRaw = false, patience = LINE_PATIENCE }: { keepRaw?: boolean; patience?: LinePatience } = {},
): Source {
  const counters = newSourceCounters();
  const refuse = (error: EvidenceError, bytes: number): void => {
    const count = (counters.framesBad.get(error.code) ?? 0) + 1;
    counters.framesBad.set(error.code, count);
    counters.bytesSkipped += bytes;
    if (!Number.isInteger(Math.log2(count))) return; // or a bad line fills the log
    log.warn(`p1: ${transport.place}: telegram refused: ${error.message} [${error.code}], ${count} so far`);
  };
  const toObservation = (result: FrameResult): Observation | undefined => {
    if ("error" in result) {
      refuse(result.error, result.skipped);
      return undefined;
    }
    try {
      const telegram = readTelegram(result.frame);
      counters.framesGood += 1;
      return observe(telegram, clock, keepRaw ? result.frame.raw : undefined);
    } catch (error) {
      if (!isEvidenceError(error)) throw error;
      refuse(error, result.frame.raw.length);
      return undefined;
    }
  };
  return {
    kind: "p1",
    intervalS: TELEGRAM_INTERVAL_S,
    counters,
    async *observations(signal) {
      let framer = new P1Framer();
      for await (const item of readLine(transport, { name: "p1", patience, signal, log, counters })) {
        for (const result of framed(framer, item)) {
          const observation = toObservation(result);
          counters.bytesSkipped += framer.takeNoise();
          if (signal.aborted) return;
          if (observation !== undefined) yield observation;
        }
        counters.bytesSkipped += framer.takeNoise();
        if (item === "lost") framer = new P1Framer();
      }
    },
  };
}

function framed(framer: P1Framer, item: LineItem): Iterable<FrameResult> {
  if (item === "silence") return framer.silence();
  return item === "lost" ? framer.end() : framer.push(item);
}
