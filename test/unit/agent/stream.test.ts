/** From samples to statements: what shares a pack, what is sealed when, and what opens a chain anew. */
import { describe, expect, test } from "vitest";
import { decimal, decodePack, formatDecimal, type Event, type Statement } from "@tallystick/evidence";
import { baseName } from "../../../agent/src/storage/journal.ts";
import type { Observation } from "../../../agent/src/sources/source.ts";
import { COUNTER, ISS, NOW, observation, reading, Rig, STREAM } from "../../support/agent-rig.ts";

const stream = (rest: string): string =>
  `streams: [{ name: ${STREAM}, source: { kind: host }, every: 0, ${rest} }]`;

const kinds = (statements: readonly Statement[]): readonly string[] =>
  statements.map(({ event, records }) => event?.kind ?? `${records} readings`);

async function started(yaml = ""): Promise<Rig> {
  const rig = new Rig(yaml);
  await rig.start();
  return rig;
}

const opened = (statement: Statement | undefined): Extract<Event, { kind: "stream-opened" }> => {
  if (statement?.event?.kind !== "stream-opened") throw new Error("not a stream-opened");
  return statement.event;
};

describe("sealing", () => {
  test("a pack closes a minute after its first reading", async () => {
    const rig = await started();
    for (let n = 0; n < 3; n++) {
      rig.source.push(observation(n));
      await rig.time.advance(20_000);
    }
    rig.source.push(observation(3));
    await rig.time.advance(59_000);
    expect(kinds(rig.sealed(STREAM))).toEqual(["stream-opened", "3 readings"]);
    await rig.time.advance(1000);
    expect(kinds(rig.sealed(STREAM))).toEqual(["stream-opened", "3 readings", "1 readings"]);
  });

  test("a pack closes when it holds its count, whatever a sample holds", async () => {
    const rig = await started(stream("seal: { maxItems: 3 }"));
    const five = {
      ...observation(1),
      readings: Array.from({ length: 5 }, (_, i) => ({ ...reading(i), name: `r${i}` })),
    };
    rig.source.push({ ...five, registers: five.readings.map(({ name }) => ({ ...COUNTER, name })) });
    await rig.time.advance(1000);
    const sealed = rig.sealed(STREAM).slice(1);
    expect(Math.max(...sealed.map(({ records }) => records))).toBeLessThanOrEqual(3);
    expect(sealed.reduce((sum, { records }) => sum + records, 0)).toBe(5);
  });

  test("a pack closes when it holds its bytes", async () => {
    const rig = await started(stream("seal: { maxBytes: 1024 }"));
    for (let n = 0; n < 30; n++) {
      rig.source.push({ ...observation(n), readings: [{ ...reading(n), value: { vs: "x".repeat(100) } }] });
      await rig.time.advance(100);
    }
    const packs = rig.sealed(STREAM).slice(1);
    expect(packs.length).toBeGreaterThan(2);
    for (const { content } of packs)
      if (content.type === "senml") expect(content.payload.length).toBeLessThan(1200);
  });

  test("a sample too large for a statement is cut; a reading too large for one is missing, and a gap says so", async () => {
    const rig = await started();
    const texts = Array.from({ length: 300 }, (_, i) => ({
      ...reading(i),
      name: `t${i}`,
      value: { vs: "x".repeat(200) },
    }));
    rig.source.push({ ...observation(1), readings: texts });
    await rig.time.advance(61_000);
    expect(rig.sealed(STREAM).reduce((sum, { records }) => sum + records, 0)).toBe(300);
    rig.source.push({
      ...observation(1),
      readings: [{ ...reading(1), name: "raw", value: { vd: new Uint8Array(40_000) } }],
    });
    await rig.time.advance(1000);
    expect(rig.sealed(STREAM).at(-1)?.event).toMatchObject({
      kind: "gap",
      count: 1,
      reason: "refused: too-large",
    });
  });

  test("a reading that no statement may hold is refused with its code, and the stream goes on", async () => {
    const rig = await started();
    rig.source.push({ ...observation(1), readings: [{ ...reading(1), unit: "furlong" }] });
    await rig.time.advance(1000);
    expect(rig.sealed(STREAM).at(-1)?.event).toMatchObject({ kind: "gap", reason: "refused: senml-unit" });
    rig.source.push(observation(2));
    await rig.time.advance(61_000);
    expect(kinds(rig.sealed(STREAM)).at(-1)).toBe("1 readings");
  });

  test("values keep their digits from source to statement", async () => {
    const rig = await started();
    rig.source.push(observation(1581120));
    await rig.time.advance(61_000);
    const content = rig.sealed(STREAM)[1]?.content;
    if (content?.type !== "senml") throw new Error("no pack");
    const [one] = decodePack(content.payload, baseName(ISS, STREAM));
    expect(one && "v" in one.value && "mantissa" in one.value.v ? formatDecimal(one.value.v) : "").toBe(
      "1581.120",
    );
  });

  test("at maxLossMs 0 a sample is durable before the next is pulled", async () => {
    const rig = await started(stream("maxLossMs: 0"));
    rig.source.push(observation(1));
    await rig.time.advance(0);
    expect(rig.report().streams.find(({ sub }) => sub === STREAM)?.journalled).toBe(1);
  });

  test("a clean stop seals what is pending and tells the heads", async () => {
    const rig = await started();
    rig.source.push(observation(1));
    await rig.time.advance(1000);
    await rig.stop();
    expect(kinds(rig.sealed(STREAM))).toEqual(["stream-opened", "1 readings"]);
    expect(rig.sealed("sys").at(-1)?.event).toMatchObject({
      kind: "heads",
      heads: [{ sub: STREAM, seq: 1 }],
    });
  });
});

describe("a chain", () => {
  test("opens with what the source is", async () => {
    const rig = await started();
    rig.source.push({ ...observation(1), meter: "E0026" });
    await rig.time.advance(1000);
    expect(opened(rig.sealed(STREAM)[0])).toEqual({
      kind: "stream-opened",
      before: "none",
      source: "fake",
      meter: "E0026",
      interval: decimal(1),
      names: [COUNTER],
    });
  });

  test("is closed and opened anew when the source shows another name, and not for one that is missing", async () => {
    const rig = await started();
    rig.source.push(observation(1));
    await rig.time.advance(1000);
    const both = { ...COUNTER, name: "1-0:2.8.0" };
    const two: Observation = {
      ...observation(2),
      readings: [reading(2), { ...reading(3), name: both.name }],
      registers: [COUNTER, both],
    };
    rig.source.push(two);
    await rig.time.advance(1000);
    expect(kinds(rig.sealed(STREAM))).toEqual([
      "stream-opened",
      "1 readings",
      "stream-closed",
      "stream-opened",
    ]);
    const [first, , closed, again] = rig.sealed(STREAM);
    expect(opened(again).names).toEqual([COUNTER, both]);
    expect(opened(again).before).toEqual({ ch: first?.claims.ch, seq: 2, hash: closed?.hash });
    rig.source.push(observation(4));
    await rig.time.advance(61_000);
    expect(kinds(rig.sealed(STREAM)).slice(4)).toEqual(["3 readings"]);
  });

  test("is opened anew when a counter's width changes, and not for a gauge's", async () => {
    const rig = await started();
    const gauge = { name: "load", unit: null, type: "gauge", digits: { whole: 1, fraction: 2 } } as const;
    const both = (registers: Observation["registers"]): Observation => ({
      ...observation(1),
      readings: registers.map(({ name }) => ({
        name,
        value: { v: decimal(1) },
        time: decimal(BigInt(NOW), -3),
        quality: ["gateway-time"],
      })),
      registers,
    });
    rig.source.push(both([COUNTER, gauge]));
    rig.source.push(both([COUNTER, { ...gauge, digits: { whole: 2, fraction: 2 } }]));
    await rig.time.advance(1000);
    expect(kinds(rig.sealed(STREAM))).toEqual(["stream-opened"]);
    rig.source.push(both([{ ...COUNTER, digits: { whole: 7, fraction: 3 } }, gauge]));
    await rig.time.advance(1000);
    expect(kinds(rig.sealed(STREAM)).slice(1)).toEqual(["4 readings", "stream-closed", "stream-opened"]);
  });

  test("tells of another meter at once, over a restart too", async () => {
    const rig = await started();
    rig.source.push({ ...observation(1), meter: "old" });
    await rig.time.advance(61_000);
    await rig.stop();
    await rig.start();
    rig.source.push({ ...observation(2), meter: "new" });
    await rig.time.advance(1000);
    expect(rig.sealed(STREAM).at(-1)?.event).toMatchObject({ kind: "meter-changed", old: "old", new: "new" });
    expect(rig.report().streams.find(({ sub }) => sub === STREAM)?.meter).toBe("new");
    await rig.stop();
    await rig.start();
    rig.source.push({ ...observation(3), meter: "new" });
    await rig.time.advance(61_000);
    expect(kinds(rig.sealed(STREAM)).filter((kind) => kind === "meter-changed")).toHaveLength(1);
  });

  test("holds to 200 names, whatever the line brings", async () => {
    const rig = await started();
    const many = Array.from({ length: 300 }, (_, i) => ({ ...COUNTER, name: `r${i}` }));
    const all: Observation = {
      ...observation(1),
      readings: many.map(({ name }) => ({ ...reading(1), name })),
      registers: many,
    };
    rig.source.push(all);
    rig.source.push(all);
    await rig.time.advance(61_000);
    expect(opened(rig.sealed(STREAM)[0]).names).toHaveLength(200);
    expect(kinds(rig.sealed(STREAM)).filter((kind) => kind === "stream-opened")).toHaveLength(1);
  });

  test("opens without names where the source's can't be told", async () => {
    const rig = await started();
    const bad = { ...COUNTER, unit: "x".repeat(1000) };
    rig.source.push({ ...observation(1), registers: [bad] });
    rig.source.push({ ...observation(2), registers: [bad] });
    await rig.time.advance(61_000);
    expect(opened(rig.sealed(STREAM)[0]).names).toEqual([]);
    expect(kinds(rig.sealed(STREAM))).toEqual(["stream-opened", "2 readings"]);
  });
});
