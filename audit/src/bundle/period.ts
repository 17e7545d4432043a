/**
 * What a bundle is to cover, as the user says it: streams, and a period by commit time or by sequence number.
 *
 * @module
 */
import { checkStream, parseIss } from "@tallystick/evidence";

/** A stream's name. */
export type StreamName = { readonly iss: string; readonly sub: string };

/** From `fromS` on and before `toS`, by the log's commit time; or sequence numbers, both ends included. */
export type Period =
  | { readonly by: "time"; readonly fromS: number; readonly toS: number }
  | { readonly by: "seq"; readonly from: number; readonly to: number };

/**
 * Reads `org/device/stream`, e.g. `water/gw-1/meter/m-0417`.
 *
 * @throws EvidenceError `name-malformed`
 */
export function parseStream(text: string): StreamName {
  const [org = "", device = "", ...sub] = text.split("/");
  const name = { iss: `${org}/${device}`, sub: sub.join("/") };
  parseIss(name.iss);
  checkStream(name.sub);
  return name;
}

/** Seconds of an RFC 3339 instant with its zone; undefined for any other text. A day alone means its beginning in UTC. */
export function parseInstant(text: string): number | undefined {
  const full = /^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00Z` : text;
  if (!/^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:[Zz]|[+-]\d{2}:\d{2})$/.test(full))
    return undefined;
  const ms = Date.parse(full.replace(" ", "T").toUpperCase());
  if (Number.isNaN(ms)) return undefined;
  // Date.parse turns 2026-02-30 into the second of March.
  const day = new Date(Date.parse(`${full.slice(0, 10)}T00:00:00Z`)).toISOString().slice(0, 10);
  return day === full.slice(0, 10) ? ms / 1000 : undefined;
}

/** Reads `A..B`; undefined for any other text or an order that falls. */
export function parseSeqs(text: string): Period | undefined {
  const match = /^(\d{1,16})\.\.(\d{1,16})$/.exec(text);
  const [from, to] = [Number(match?.[1]), Number(match?.[2])];
  return Number.isSafeInteger(from) && Number.isSafeInteger(to) && from <= to
    ? { by: "seq", from, to }
    : undefined;
}
