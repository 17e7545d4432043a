/** The agent whole, from a source to a verified receipt and back over restarts, on a test's own time. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { decimal, equalBytes, toHex, type Statement } from "@tallystick/evidence";
import { BUILD, ISS, NOW, observation, Rig, STREAM } from "../../support/agent-rig.ts";

const kinds = (statements: readonly Statement[]): readonly (string | undefined)[] =>
  statements.map(({ event, content }) => event?.kind ?? content.type);

/** Each chain without holes, each statement naming the one before. */
function expectWhole(statements: readonly Statement[]): void {
  const last = new Map<string, Statement>();
  for (const statement of statements) {
    const { sub, ch, seq, prev } = statement.claims;
    const key = `${sub} ${toHex(ch ?? new Uint8Array())}`;
    const before = last.get(key);
    expect(seq).toBe((before?.claims.seq ?? -1) + 1);
    expect(prev === undefined ? undefined : toHex(prev)).toBe(
      before === undefined ? undefined : toHex(before.hash),
    );
    last.set(key, statement);
  }
}

describe("the agent", () => {
  test("reads, seals after a minute, and has its receipt", async () => {
    const rig = new Rig();
    rig.connectAnchor();
    await rig.start();
    rig.source.push(observation(1581123));
    await rig.time.advance(59_000);
    expect(kinds(rig.sealed(STREAM))).toEqual(["stream-opened"]);
    await rig.time.advance(1000);
    expect(kinds(rig.sealed(STREAM))).toEqual(["stream-opened", "senml"]);
    expect(kinds(rig.sealed("sys"))).toEqual(["stream-opened", "config-changed", "boot"]);
    const { outbox, seen, lastReceipt, iss } = rig.report();
    expect(iss).toBe(ISS);
    expect(outbox.waiting.count).toBe(0);
    expect(outbox.receipted.count).toBe(5);
    expect(seen?.size).toBe(rig.anchor.size);
    expect(lastReceipt?.size).toBe(rig.anchor.size);
    expectWhole(rig.anchor.arrived);
    const [sealed] = rig.sealed(STREAM).slice(1);
    expect(sealed?.claims).toMatchObject({
      iss: ISS,
      seq: 1,
      tq: 2,
      lvl: 1,
      iat: Math.floor(NOW / 1000) + 60,
    });
    expect(sealed?.claims.seen?.size).toBeGreaterThan(1);
  });

  test("goes on with its chains after a restart, and tells of it", async () => {
    const rig = new Rig();
    rig.connectAnchor();
    await rig.start();
    rig.source.push(observation(1));
    await rig.time.advance(61_000);
    await rig.stop();
    await rig.time.advance(3_600_000);
    await rig.start();
    rig.source.push(observation(2));
    await rig.time.advance(61_000);
    expectWhole(rig.anchor.arrived);
    expect(kinds(rig.sealed(STREAM))).toEqual(["stream-opened", "senml", "gap", "senml"]);
    const gap = rig.sealed(STREAM)[2]?.event;
    expect(gap).toMatchObject({
      reason: "agent-stopped",
      count: 3610, // its meter had been silent for a minute before the agent ended
      time: { from: decimal(NOW + 51_000, -3), to: decimal(NOW + 3_662_000, -3) },
    });
    expect(kinds(rig.sealed("sys"))).toEqual([
      "stream-opened",
      "config-changed",
      "boot",
      "heads",
      "boot",
      "heads",
    ]);
    const boot = rig.sealed("sys").at(-2)?.event;
    const alive = Math.floor(NOW / 1000) + 61;
    expect(boot).toMatchObject({ kind: "boot", alive: expect.closeTo(alive, -1) as number });
  });

  test("seals what was journalled when the power failed, and nothing twice", async () => {
    const rig = new Rig();
    await rig.start();
    rig.source.push(observation(1));
    rig.source.push(observation(2));
    await rig.time.advance(15_000); // journalled after ten seconds, sealed only after sixty
    expect(rig.report().streams[0]?.journalled).toBe(2);
    rig.crash();
    await rig.start();
    expect(rig.report().streams[0]?.journalled).toBe(0);
    const [, pack] = rig.sealed(STREAM);
    expect(pack?.records).toBe(2);
    expectWhole(rig.sealed());
    rig.crash();
    await rig.start();
    expect(kinds(rig.sealed(STREAM))).toEqual(["stream-opened", "senml"]);
  });

  test("a database that is gone is told of as lost; a new device's is not", async () => {
    const rig = new Rig();
    await rig.start();
    rig.source.push(observation(1));
    await rig.time.advance(1000);
    expect(rig.sealed("sys")[0]?.event).toMatchObject({ kind: "stream-opened", before: "none" });
    rig.crash();
    for (const name of ["agent.db", "agent.db-wal", "agent.db-shm"])
      rmSync(join(rig.folder, name), { force: true });
    await rig.start();
    rig.source.push(observation(2));
    await rig.time.advance(1000);
    for (const sub of ["sys", STREAM]) {
      expect(rig.sealed(sub)[0]?.event).toMatchObject({
        before: { lost: "the agent's database was missing" },
      });
    }
  });

  test("the configuration can say that the device existed before", async () => {
    const rig = new Rig(`previous: { lost: "new disk" }`);
    await rig.start();
    expect(rig.sealed("sys")[0]?.event).toMatchObject({ before: { lost: "new disk" } });
  });

  test("a stream that left the configuration is sealed and closed; taken up again it names its last head", async () => {
    const rig = new Rig();
    await rig.start();
    rig.source.push(observation(1));
    await rig.time.advance(15_000);
    rig.crash();
    rig.configure("streams: []");
    await rig.start();
    expect(kinds(rig.sealed(STREAM))).toEqual(["stream-opened", "senml", "stream-closed"]);
    const closed = rig.sealed(STREAM).at(-1);
    await rig.stop();
    rig.configure("");
    await rig.start();
    rig.source.push(observation(2));
    await rig.time.advance(1000);
    const opened = rig.sealed(STREAM).at(-1)?.event;
    if (opened?.kind !== "stream-opened" || typeof opened.before === "string" || "lost" in opened.before)
      throw new Error("no head before");
    expect(opened.before.seq).toBe(2);
    expect(equalBytes(opened.before.hash, closed?.hash ?? new Uint8Array())).toBe(true);
  });

  test("a database of another device is refused", async () => {
    const rig = new Rig();
    await rig.start();
    rig.crash();
    rig.configure("device: gw-2");
    await expect(rig.start()).rejects.toMatchObject({ code: "storage-exists" });
  });

  test("a clock in 1970 gives statements without a time, and readings without one", async () => {
    const rig = new Rig();
    rig.system.set(5000);
    rig.system.isSynchronised = false;
    await rig.start();
    rig.source.push(observation(1, null));
    await rig.time.advance(61_000);
    for (const { claims } of rig.sealed()) {
      expect(claims.tq).toBe(0);
      expect(claims.iat).toBeUndefined();
    }
    rig.system.set(NOW);
    rig.system.isSynchronised = true;
    await rig.time.advance(60_000);
    const step = rig.sealed("sys").at(-1)?.event;
    expect(step?.kind).toBe("clock-step");
    if (step?.kind !== "clock-step") return;
    expect(step.tq).toBe(2);
    expect(Number(step.after.mantissa)).toBeGreaterThan(NOW);
    expect(Number(step.before.mantissa)).toBeLessThan(BUILD + 200_000);
    rig.source.push(observation(2));
    await rig.time.advance(61_000);
    expect(rig.sealed(STREAM).at(-1)?.claims).toMatchObject({ tq: 2 });
  });
});
