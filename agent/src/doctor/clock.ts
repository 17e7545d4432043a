/**
 * The time of day, who vouches for it, and what statements say of it.
 *
 * @module
 */
import { fail, inTime, ok, synchronisedBy, warn, type Finding } from "@tallystick/evidence/node";
import { inUtc } from "../clock/utc.ts";
import { BUILD_UNIX_MS } from "../self/version.ts";
import type { Patient } from "./patient.ts";

/** The clock may stand so far before a time that was noted: slewing, and rounding. */
const BACK_MS = 60_000;

export async function clockFindings({ settings, record }: Patient): Promise<readonly Finding[]> {
  const { trust } = settings.clock;
  const nowUnixMs = Date.now();
  const notedUnixMs = record?.meta.number("time");
  const by = trust === "none" ? undefined : await synchronisedBy();
  const findings = [finding(trust, by, nowUnixMs, notedUnixMs)];
  if (notedUnixMs !== undefined && nowUnixMs < notedUnixMs - BACK_MS) {
    const back = inTime((notedUnixMs - nowUnixMs) / 1000);
    const text = `it stands ${back} before the newest time that the agent noted, ${inUtc(notedUnixMs)}`;
    findings.push(
      warn("clock", text, "see what sets this clock; the agent tells of the step by a clock-step event"),
    );
  }
  return findings;
}

function finding(
  trust: string,
  by: string | undefined,
  nowUnixMs: number,
  notedUnixMs: number | undefined,
): Finding {
  const now = inUtc(nowUnixMs);
  const free =
    notedUnixMs === undefined ? "tq 0: statements carry no time" : "tq 1: times are marked unsynchronised";
  if (nowUnixMs < BUILD_UNIX_MS)
    return fail(
      "clock",
      `${now} is before this program was made: it isn't believed (${free})`,
      "let NTP set it",
    );
  if (by !== undefined) return ok("clock", `${now}, synchronised (${by}): tq 2`);
  if (trust === "system")
    return ok(
      "clock",
      `${now}, believed because clock.trust is system; nothing on this machine shows it: tq 2`,
    );
  if (trust === "none")
    return warn("clock", `${now} isn't believed, since clock.trust is none (${free})`, "set clock.trust");
  if (trust === "rtc" && (notedUnixMs === undefined || nowUnixMs >= notedUnixMs - BACK_MS))
    return warn(
      "clock",
      `${now}, not synchronised, and taken because clock.trust is rtc: tq 1`,
      "let NTP reach this machine",
    );
  const todo =
    "let systemd-timesyncd, chrony or ntpd reach a server; in a container, set clock.trust: system";
  return warn("clock", `${now}, and nothing shows that it is synchronised (${free})`, todo);
}
