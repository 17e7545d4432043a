/** A clock that is set back while nothing is read: how much is missing nobody knows then, that something is, everybody does. */
import { describe, expect, test } from "vitest";
import type { Gap } from "@tallystick/evidence";
import { samplesMissing } from "../../../agent/src/seal/gaps.ts";
import { observation, NOW, reading, Rig, STREAM } from "../../support/agent-rig.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const gaps = (rig: Rig): readonly Gap[] =>
  rig.sealed(STREAM).flatMap(({ event }) => (event?.kind === "gap" ? [event] : []));

async function sampled(rig: Rig, count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    const atUnixMs = rig.system.wallUnixMs();
    const value = Math.round(atUnixMs / 1000);
    rig.source.push({ ...observation(value), readings: [reading(value, atUnixMs)] });
    await rig.time.advance(MINUTE);
  }
}

const EVERY_MINUTE = `streams: [{ name: ${STREAM}, source: { kind: host }, every: 60 }]`;

describe("how many samples are missing", () => {
  const before = { since: NOW, tq: 2 } as const;
  const missing = (afterMs: number, more: { scale?: number } = {}): number | undefined =>
    samplesMissing({ ...before, ...more }, { atUnixMs: NOW + afterMs, tq: 2, scale: 7 }, 60);

  test("is known by a clock that ran on", () => {
    expect(missing(MINUTE)).toBe(0);
    expect(missing(10 * MINUTE)).toBe(9);
    expect(missing(10 * MINUTE, { scale: 7 })).toBe(9);
    expect(missing(-500), "slewed").toBe(0);
  });

  test("is not known where it stands before, or is another than it was", () => {
    expect(missing(-1500)).toBeUndefined();
    expect(missing(-DAY)).toBeUndefined();
    expect(missing(MINUTE, { scale: 6 })).toBeUndefined();
    expect(missing(10 * MINUTE, { scale: 6 })).toBeUndefined();
  });
});

test("over a restart", async () => {
  const rig = new Rig(EVERY_MINUTE);
  rig.system.set(NOW + DAY); // a wrong server
  await rig.start();
  await sampled(rig, 5);
  rig.crash();
  rig.time.nowMs += 5 * HOUR;
  rig.system.set(rig.system.wallUnixMs() - DAY);
  await rig.start();
  await sampled(rig, 3);
  expect(gaps(rig)).toMatchObject([{ reason: "agent-stopped", count: 0 }]);
});

test.for([-DAY, -2 * HOUR, DAY])("while the outbox is full, within one run: by %i ms", async (stepMs) => {
  const rig = new Rig(EVERY_MINUTE);
  const { outbox } = rig.settings;
  rig.settings = { ...rig.settings, outbox: { ...outbox, maxBytes: 6000, whenFull: "stop" } };
  rig.connectAnchor();
  rig.anchor.judge = () => "silence";
  await rig.start();
  while (rig.report().streams.every(({ unreadSince }) => unreadSince === null)) await sampled(rig, 1);
  await rig.time.advance(2 * HOUR);
  rig.system.set(rig.system.wallUnixMs() + stepMs);
  await rig.time.advance(2 * MINUTE);
  rig.anchor.judge = () => "receipt";
  await rig.time.advance(30 * MINUTE);
  await sampled(rig, 3);
  expect(gaps(rig)).toMatchObject([{ reason: "outbox-full", count: 0 }]);
});
