/**
 * What the operating system says about its clock. Node can't ask the kernel whether the clock is synchronised (adjtimex), so this looks
 * where Linux systems say it, without native code:
 *
 * - `/run/systemd/timesync/synchronized` is made by systemd-timesyncd at its first synchronisation after a start;
 * - `timedatectl` reports the kernel's own flag, whoever keeps the clock (chrony, ntpd, ptp4l with phc2sys).
 *
 * Containers have neither. There the administrator says it: `clock.trust` is
 * `auto` (only what is seen above), `system` (this machine's clock is kept right by something that can't be seen from here, e.g. the
 * container's host), `rtc` (as auto; and unsynchronised, it is still believed where it is no earlier than the last time known: quality 1),
 * or `none` (never).
 *
 * @module
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { uptime } from "node:os";
import type { SystemTime } from "./clock.ts";

export type ClockTrust = "auto" | "system" | "rtc" | "none";

const TIMESYNCD_MARK = "/run/systemd/timesync/synchronized";
const ASK_TIMEOUT_MS = 2000;

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

/** What says that the clock is synchronised; undefined where nothing does. */
export async function synchronisedBy(): Promise<string | undefined> {
  if (existsSync(TIMESYNCD_MARK)) return "systemd-timesyncd";
  return (await askTimedatectl()) ? "the kernel, by timedatectl" : undefined;
}

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

function askTimedatectl(): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = execFile(
      "timedatectl",
      ["show", "--property=NTPSynchronized", "--value"],
      { timeout: ASK_TIMEOUT_MS },
      (error, stdout) => resolve(error === null && stdout.trim() === "yes"),
    );
    asked.on("error", () => resolve(false)); // no such program
  });
}
