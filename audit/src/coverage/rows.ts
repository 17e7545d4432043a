/**
 * Statements and their readings, side by side as they come from the facts.
 *
 * @module
 */
import { SECOND_US } from "./moments.ts";
import type { StatementRow, TimedRow } from "./view.ts";

export type Times = readonly [fromUs: number, toUs: number];

/** When a statement is of: its readings or its event, else its sealing, else its commit. */
export function timesOf(row: StatementRow, rows: readonly TimedRow[]): Times | undefined {
  let [from, to] = [Infinity, -Infinity];
  for (const { t } of rows) {
    if (t === null) continue;
    from = Math.min(from, t);
    to = Math.max(to, t);
  }
  if (from <= to) return [from, to];
  const seconds = row.iat ?? row.committed;
  const us = row.t ?? (seconds === null ? null : seconds * SECOND_US);
  return us === null ? undefined : [us, us];
}

/** Gives a statement's readings; statements are asked for in the order of the readings. */
export function joined(readings: Iterable<TimedRow>): (statement: number) => readonly TimedRow[] {
  const rows = readings[Symbol.iterator]();
  let waiting: TimedRow | undefined;
  let ended = false;
  return (statement) => {
    const found: TimedRow[] = [];
    while (!ended) {
      if (waiting === undefined) {
        const step = rows.next();
        if (step.done === true) {
          ended = true;
          break;
        }
        waiting = step.value;
      }
      if (waiting.statement > statement) break;
      if (waiting.statement === statement) found.push(waiting);
      waiting = undefined;
    }
    return found;
  };
}
