/**
 * What happens, in lines for people.
 *
 * @module
 */
import { toHex } from "@tallystick/evidence";
import { formatReading, type Receipted } from "./passing.ts";

/** Readings that a line shows; the rest are counted. */
const SHOWN = 2;

/** The way of one statement: what was read → signed → entry → receipt verified here. */
export function journey({ statement, readings, index, size, latencyMs, sent }: Receipted): string {
  const { sub, seq } = statement.claims;
  const read = readings.length > 0 ? `read ${readingWords(readings)}` : saidWords(statement);
  const signed = `signed #${seq} (${statement.bytes.length} bytes, ${toHex(statement.hash).slice(0, 8)}…)`;
  const again = sent > 1 ? `, sent ${sent} times` : "";
  return `${sub}: ${read} → ${signed} → entry ${index} → receipt verified here (tree of ${size}, ${Math.round(latencyMs)} ms${again})`;
}

const saidWords = ({ event }: Receipted["statement"]): string =>
  event === undefined ? "boot evidence" : `event ${event.kind}`;

function readingWords(readings: Receipted["readings"]): string {
  const shown = telling(readings).slice(0, SHOWN);
  const rest = readings.length - shown.length;
  return `${shown.map(formatReading).join(", ")}${rest > 0 ? ` and ${rest} more` : ""}`;
}

/** The reading that stands for a stream in the table: what changes most and means something. */
export function newestWords({ readings, statement }: Receipted): string {
  const newest = telling(readings).at(-1);
  return newest === undefined ? (statement.event?.kind ?? "boot evidence") : formatReading(newest);
}

/** The newest of those readings that tell most to somebody who watches; of others, the newest. */
function telling(readings: Receipted["readings"]): Receipted["readings"] {
  const found = TELLING.flatMap((name) => readings.findLast((reading) => reading.name === name) ?? []);
  return found.length > 0 ? found : readings.slice(-SHOWN);
}

/** Energy drawn at the second tariff and power; load and free memory. */
const TELLING: readonly string[] = ["1-0:1.8.2", "1-0:1.7.0", "memory/available", "load/1"];

export const count = (n: number, one: string, many = `${one}s`): string => `${n} ${n === 1 ? one : many}`;
