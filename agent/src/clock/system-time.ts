/**
 * What the operating system says about its clock, and how far it is believed: `clock.trust` is
 * `auto` (where the system says that it is synchronised), `system` (this machine's clock is kept right by something that can't be seen from here, e.g. the
 * container's host), `rtc` (as auto; and unsynchronised, it is still believed where it is no earlier than the last time known: quality 1),
 * or `none` (never).
 *
 * @module
 */
import { uptime } from "node:os";
import { synchronisedBy } from "@tallystick/evidence/node";
import type { SystemTime } from "./clock.ts";

export type ClockTrust = "auto" | "system" | "rtc" | "none";

/** How the machine's own clock is read and judged; a test replaces it. */
export type TimeSource = {
  readonly wallUnixMs: () => number;
  /** Since the machine was started. */
  readonly uptimeMs: () => number;
  /** True where the operating system says that its clock is synchronised. Never throws. */
  readonly synchronised: () => Promise<boolean>;
};

export const machineTime: TimeSource = {
  wallUnixMs: () => Date.now(),
  uptimeMs: () => uptime() * 1000,
  synchronised: async () => (await synchronisedBy()) !== undefined,
};

/** Asks the machine for its time, and says how far `trust` lets it be believed. */
export async function askTime(trust: ClockTrust, source: TimeSource): Promise<SystemTime> {
  const quality = await judge(trust, source);
  return { wallUnixMs: source.wallUnixMs(), quality };
}

async function judge(trust: ClockTrust, source: TimeSource): Promise<SystemTime["quality"]> {
  if (trust === "none") return "unknown";
  if (trust === "system" || (await source.synchronised())) return "synchronised";
  return trust === "rtc" ? "plausible" : "unknown";
}
