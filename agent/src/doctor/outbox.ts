/**
 * What waits for a receipt, what the log refused, and what an operator must look at.
 *
 * @module
 */
import { fail, inBytes, ok, warn, type Finding } from "@tallystick/evidence/node";
import type { Patient } from "./patient.ts";

/** A larger share of the outbox's bound that waits is much. */
const MUCH = 0.5;
const MAX_SHOWN = 5;

/** What to do about the refusals that devices meet, by code. */
const ADVICE: Readonly<Record<string, string>> = {
  "key-unknown": "enrol this device's key: tally-agent key print, then tally-anchor enrol",
  "key-revoked": "this key was revoked: have the device enrolled again",
  "key-superseded": "another key took this one's place: is this a copy of the device?",
  "key-stream": "the enrolment doesn't cover this stream: enrol it, or rename the stream",
  fork: "two devices sign with this key, or an old copy of the data came back: stop one, and re-enrol",
  "log-ended": "pin the log that succeeds it",
  "log-restoring": "the log is being restored: wait",
};

export function outboxFindings({ settings, record }: Patient): readonly Finding[] {
  if (record === undefined) return [];
  const { outbox, rejections, alarms, streams } = record.report;
  const { waiting, refused, dropped } = outbox;
  const share = waiting.bytes / settings.outbox.maxBytes;
  const text = `${waiting.count} statements wait for a receipt, ${inBytes(waiting.bytes)}, ${Math.floor(100 * share)} % of its bound`;
  const unread = streams.filter(({ unreadSince }) => unreadSince !== null);
  return [
    share >= MUCH
      ? warn("outbox", text, "see broker; when it is full, outbox.whenFull decides")
      : ok("outbox", text),
    ...dropped.map(({ sub, count }) =>
      warn(
        "outbox",
        `${count} statements of ${sub} were let go for want of room`,
        "a signed gap tells of them; raise outbox.maxBytes",
      ),
    ),
    ...unread.map(({ sub, unreadSince, unreadReason }) =>
      warn(
        "outbox",
        `${sub} has not been read since ${unreadSince ?? ""}: ${unreadReason ?? ""}`,
        "a signed gap will tell of it",
      ),
    ),
    ...refusalFindings(refused, rejections),
    ...alarms.map(({ code, at, text: alarm }) =>
      fail(
        "alarm",
        `${code} at ${at}: ${alarm}`,
        `see ${code} in docs/codes.md; keep the data folder as evidence`,
      ),
    ),
  ];
}

function refusalFindings(
  refused: number,
  rejections: NonNullable<Patient["record"]>["report"]["rejections"],
): readonly Finding[] {
  if (refused === 0) return [];
  const newest = new Map<string, string>();
  for (const { code, text } of rejections) if (!newest.has(code)) newest.set(code, text);
  return [...newest]
    .slice(0, MAX_SHOWN)
    .map(([code, text]) =>
      warn(
        "refused",
        `${refused} statements wait that the log refused, ${code}: ${text}`,
        ADVICE[code] ?? `see ${code} in docs/codes.md`,
      ),
    );
}
