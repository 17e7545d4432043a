/**
 * Time, as the stages get it: from here and nowhere else, so that a test can own it.
 *
 * @module
 */
import { systemTimer, type Timer } from "@tallystick/evidence/node";

export type Time = Timer & {
  /** Milliseconds since some fixed moment of this run; never steps. */
  nowMs(): number;
  /** Calls `run` as soon as whatever else is ready to run had its turn. */
  soon(run: () => void): void;
};

/** This machine's. */
export const machineTime: Time = {
  ...systemTimer,
  nowMs: () => performance.now(),
  soon: (run) => void setImmediate(run),
};
