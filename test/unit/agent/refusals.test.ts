/** What the log refuses for long is said on `sys`: little, late, once, and nothing that the wire makes up. */
import { describe, expect, test } from "vitest";
import { encodeDown, toHex, type Event, type EvidenceCode } from "@tallystick/evidence";
import { observation, Rig, STREAM } from "../../support/agent-rig.ts";

const told = (rig: Rig): readonly Extract<Event, { kind: "refused" }>[] =>
  rig.sealed("sys").flatMap(({ event }) => (event?.kind === "refused" ? [event] : []));

/** Statements of the stream, all refused, for so many hours. */
async function refusedFor(hours: number, code: EvidenceCode = "fork"): Promise<Rig> {
  const rig = new Rig(
    `streams: [{ name: ${STREAM}, source: { kind: host }, every: 0, seal: { maxItems: 1 } }]`,
  );
  rig.connectAnchor();
  rig.anchor.judge = ({ claims }) => (claims.sub === STREAM ? { reject: code } : "receipt");
  await rig.start();
  for (let n = 0; n < 20; n++) {
    rig.source.push(observation(n));
    await rig.time.advance(1000);
  }
  await rig.time.advance(hours * 3_600_000);
  return rig;
}

describe("a refused statement", () => {
  test("is told of after an hour, by number, hash and code, a few an hour, each once", async () => {
    const rig = await refusedFor(0.9);
    expect(told(rig)).toEqual([]);
    await rig.time.advance(600_000);
    const first = told(rig);
    expect(first.length).toBeGreaterThan(0);
    expect(first.length).toBeLessThanOrEqual(4);
    const own = new Map(rig.sealed(STREAM).map(({ claims, hash }) => [claims.seq, toHex(hash)]));
    for (const { seq, hash, code, sub } of first) {
      expect(own.get(seq)).toBe(toHex(hash));
      expect([code, sub]).toEqual(["fork", STREAM]);
    }
    await rig.time.advance(12 * 3_600_000);
    const hashes = told(rig).map(({ hash }) => toHex(hash));
    expect(new Set(hashes).size).toBe(hashes.length);
    expect(hashes.length).toBeLessThanOrEqual(own.size);
    expect(rig.report().outbox.refused, "they are kept, and tried again").toBe(own.size);
  }, 30_000);

  test("that is taken in the end isn't told of any more", async () => {
    const rig = await refusedFor(0.5, "key-unknown");
    rig.anchor.judge = () => "receipt";
    await rig.time.advance(3 * 3_600_000);
    expect(told(rig)).toEqual([]);
    expect(rig.report().outbox.waiting.count).toBe(0);
  });

  test("of sys, or one that isn't ours, is not told of; a code that the wire made up isn't signed", async () => {
    const rig = new Rig();
    rig.connectAnchor();
    rig.anchor.judge = () => "silence";
    await rig.start();
    rig.source.push(observation(1));
    await rig.time.advance(61_000);
    const say = (): void => {
      for (const { hash } of rig.sealed())
        rig.down(encodeDown({ kind: "rejected", hash, code: "pay-here", text: "now" }));
      rig.down(encodeDown({ kind: "rejected", hash: new Uint8Array(32), code: "fork", text: "" }));
    };
    for (let n = 0; n < 8; n++) {
      say();
      await rig.time.advance(900_000);
    }
    expect(new Set(told(rig).map(({ sub, code }) => `${sub} ${code}`))).toEqual(new Set([`${STREAM} other`]));
  }, 30_000);
});
