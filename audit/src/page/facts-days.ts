/**
 * The days of a stream, of UTC, as a coverage of its own span sees them.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import { isEvidenceError, type Scope } from "@tallystick/evidence";
import { coverFacts } from "../coverage/cover.ts";
import type { StreamCoverage } from "../coverage/body.ts";
import { Zone } from "../zone.ts";
import type { DayState, Strip } from "./block.ts";

/** What a coverage colours a day with. */
export const DAY_STATES: Record<StreamCoverage["days"][number]["colour"], DayState> = {
  green: "whole",
  amber: "explained",
  red: "unexplained",
  none: "empty",
};

/** Days that a strip shows: the last ones. */
export const MAX_DAYS = 372;
const DAY_S = 86_400;
const MICROSECONDS = 1_000_000;
/** Lateness is not shown here. */
const NEVER_LATE_S = Number.MAX_SAFE_INTEGER / MICROSECONDS / 2;

/** None for a stream without readings that have a time, or with more than a coverage holds. */
export function daysOf(
  db: DatabaseSync,
  { id, iss, sub }: { readonly id: number; readonly iss: string; readonly sub: string },
  scopes: readonly Scope[],
): Strip["days"] {
  const span = db
    .prepare("SELECT min(t) AS first, max(t) AS last FROM readings WHERE stream = ?")
    .get(id) as {
    first: number | null;
    last: number | null;
  };
  if (span.first === null || span.last === null) return [];
  const to = Math.floor(span.last / MICROSECONDS) + 1;
  const from = Math.max(Math.floor(span.first / MICROSECONDS), to - MAX_DAYS * DAY_S);
  try {
    const { body } = coverFacts(db, {
      zone: new Zone("UTC"),
      from,
      to,
      lateAfterS: NEVER_LATE_S,
      streams: [{ iss, sub }],
      scopes,
      write: () => undefined,
      progress: () => undefined,
    });
    return (body.streams[0]?.days ?? []).map(({ label, colour }) => ({
      day: label,
      state: DAY_STATES[colour],
    }));
  } catch (error) {
    if (isEvidenceError(error)) return [];
    throw error;
  }
}
