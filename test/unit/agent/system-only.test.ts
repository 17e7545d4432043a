/** Runs that read no source, as at an enrolment, and starts that come to nothing: they close no stream, and hide no time in which nothing was read. */
import { describe, expect, test } from "vitest";
import { decimalToNumber, EvidenceError, type Gap, type Statement } from "@tallystick/evidence";
import { eventContent } from "../../../agent/src/seal/seal.ts";
import { observation, reading, Rig, STREAM } from "../../support/agent-rig.ts";

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

const kinds = (statements: readonly Statement[]): readonly string[] =>
  statements.map(({ event, records }) => event?.kind ?? `${records} readings`);

const gaps = (rig: Rig): readonly Gap[] =>
  rig.sealed(STREAM).flatMap(({ event }) => (event?.kind === "gap" ? [event] : []));

/** An agent that journalled a reading, and was killed before it could seal it. */
async function killed(): Promise<Rig> {
  const rig = new Rig();
  await rig.start();
  rig.source.push(observation(1));
  await rig.time.advance(MINUTE / 3);
  rig.crash();
  return rig;
}

/** The device says what there is to be said of itself, and no more. */
async function systemOnly(rig: Rig): Promise<void> {
  await rig.start({ systemOnly: true });
  await rig.time.advance(1000);
  await rig.stop();
}

describe("what was journalled before such a run", () => {
  test("is sealed by the next start, which closes the stream that is gone", async () => {
    const rig = await killed();
    rig.configure("streams: []");
    await systemOnly(rig);
    expect(kinds(rig.sealed(STREAM))).toEqual(["stream-opened"]);
    await rig.start();
    expect(kinds(rig.sealed(STREAM))).toEqual(["stream-opened", "1 readings", "stream-closed"]);
  });

  test.for([
    ["gone", "streams: []", ["stream-opened", "1 readings", "stream-closed"]],
    ["there", "", ["stream-opened", "1 readings"]],
  ] as const)(
    "opens a chain anew where its own was closed over it, by an earlier version; the stream is %s",
    async ([, yaml, expected]) => {
      const rig = await killed();
      const content = eventContent({ kind: "stream-closed", reason: "removed from the configuration" });
      const { sealer, time } = rig.core();
      await sealer.seal(() => [{ sub: STREAM, time: time.now(), content, closes: true }]);
      rig.crash();
      rig.configure(yaml);
      await rig.start();
      expect(kinds(rig.sealed(STREAM))).toEqual(["stream-opened", "stream-closed", ...expected]);
      const [first, closed, again] = rig.sealed(STREAM);
      const { event } = again ?? {};
      if (event?.kind !== "stream-opened" || first?.event?.kind !== "stream-opened")
        throw new Error("not opened");
      expect(event.before).toEqual({ ch: first.claims.ch, seq: 1, hash: closed?.hash });
      expect(event.names).toEqual(first.event.names);
    },
  );
});

describe("days without the agent are told in full", () => {
  /** Samples a minute apart, and then none for days. */
  async function away(): Promise<Rig> {
    const rig = new Rig(`streams: [{ name: ${STREAM}, source: { kind: host }, every: 60 }]`);
    await rig.start();
    for (let n = 0; n < 5; n++) await sampled(rig, n);
    rig.crash();
    rig.time.nowMs += 4 * DAY;
    return rig;
  }

  async function sampled(rig: Rig, value: number): Promise<void> {
    const atUnixMs = rig.system.wallUnixMs();
    rig.source.push({ ...observation(value), readings: [reading(value, atUnixMs)] });
    await rig.time.advance(MINUTE);
  }

  async function expectTold(rig: Rig): Promise<void> {
    await rig.start();
    for (let n = 5; n < 7; n++) await sampled(rig, n);
    const [gap, ...more] = gaps(rig);
    expect(more).toEqual([]);
    expect(gap).toMatchObject({ reason: "agent-stopped" });
    expect(gap?.count).toBeGreaterThan((4 * DAY) / MINUTE - 2);
    const { from, to } = gap?.time ?? {};
    if (from === undefined || to === undefined) throw new Error("no range");
    expect(decimalToNumber(to) - decimalToNumber(from)).toBeGreaterThan((4 * DAY) / 1000 - 60);
  }

  test("after a run that read nothing, or two", async () => {
    const rig = await away();
    await systemOnly(rig);
    rig.time.nowMs += MINUTE;
    await systemOnly(rig);
    await expectTold(rig);
  });

  test("after starts that failed at a source", async () => {
    const rig = await away();
    for (let tries = 0; tries < 3; tries++) {
      const failed = rig.start({
        openSource: () => Promise.reject(new EvidenceError("unreachable", "gone")),
      });
      await expect(failed).rejects.toThrow("gone");
      rig.crash();
      rig.time.nowMs += 5 * MINUTE;
    }
    await expectTold(rig);
  });

  test("and a run that read nothing signs no gap of its own where nothing is missing", async () => {
    const rig = new Rig();
    await systemOnly(rig);
    await rig.start();
    rig.source.push(observation(1));
    await rig.time.advance(MINUTE + 1000);
    expect(kinds(rig.sealed(STREAM))).toEqual(["stream-opened", "1 readings"]);
  });
});
