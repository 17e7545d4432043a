/**
 * Lines in a capture: what they say, without a clock, without a stream and without an agent that could know other lines.
 *
 * @module
 */
import {
  encodePack,
  EvidenceError,
  HASH_BYTES,
  isEvidenceError,
  type Event,
  type Reading,
} from "@tallystick/evidence";
import { eventOf } from "./event.ts";
import { isRefused, readLine, type ParsedLine, type SaidReading } from "./line.ts";
import { LineSplitter } from "./split.ts";

/** What a line says, or why it is refused and which line it is, from 1. A statement that is named by its line shows as zeros. */
export type DecodedLine =
  { readonly readings: readonly Reading[] } | { readonly event: Event } | { readonly error: EvidenceError };

const UNKNOWN = new Uint8Array(HASH_BYTES);
const BASE = "org/device/stream/";

/** Goes through a capture of any length. */
export async function* decodeLines(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<DecodedLine, void, undefined> {
  const splitter = new LineSplitter();
  let number = 0;
  for await (const chunk of chunks)
    for (const line of splitter.push(chunk)) yield decoded(line, (number += 1));
  for (const line of splitter.end()) yield decoded(line, (number += 1));
  if (number === 0) yield { error: new EvidenceError("line-malformed", "no line is here") };
}

function decoded(bytes: Uint8Array | EvidenceError, number: number): DecodedLine {
  try {
    if (bytes instanceof EvidenceError) throw bytes;
    const line = readLine(bytes);
    if (isRefused(line)) throw line.error;
    return saidBy(line);
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    return { error: new EvidenceError(error.code, error.message, { line: number, ...error.where }, error) };
  }
}

function saidBy({ says }: ParsedLine): DecodedLine {
  if (says.kind === "event") return { event: eventOf(says.members, () => UNKNOWN) };
  const reading = readingOf(says);
  encodePack(BASE, [reading]); // which refuses what no statement can say
  return { readings: [reading] };
}

const readingOf = ({ register, value, time, quality }: SaidReading): Reading => ({
  name: register.name,
  ...(register.unit === null ? {} : { unit: register.unit }),
  value,
  time: time ?? null,
  quality,
});
