/**
 * Whether the operating system's clock is kept right, and by whom. Node can't ask the kernel (adjtimex), so this looks where Linux systems say it, without
 * native code:
 *
 * - `/run/systemd/timesync/synchronized` is made by systemd-timesyncd at its first synchronisation after a start;
 * - `timedatectl` reports the kernel's own flag, whoever keeps the clock (chrony, ntpd, ptp4l with phc2sys).
 *
 * Containers have neither.
 *
 * @module
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";

const TIMESYNCD_MARK = "/run/systemd/timesync/synchronized";
const ASK_TIMEOUT_MS = 2000;

/** What says that the clock is synchronised; undefined where nothing does. Never throws. */
export async function synchronisedBy(): Promise<string | undefined> {
  if (existsSync(TIMESYNCD_MARK)) return "systemd-timesyncd";
  return (await askTimedatectl()) ? "the kernel, by timedatectl" : undefined;
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
