/** Lines of a program: journalled before they are acknowledged, evidence exactly once, and refused by code. */
import {
  decodePack,
  EvidenceError,
  formatDecimal,
  toHex,
  type Reading,
  type Statement,
} from "@tallystick/evidence";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { baseName } from "../../../agent/src/storage/journal.ts";
import { readStorage } from "../../../agent/src/storage/storage.ts";
import { ISS, NOW, Rig } from "../../support/agent-rig.ts";
import { programLine } from "../../support/program-lines.ts";

const PROGRAM = (rest = ""): string => `streams: []
programs: [{ name: office, command: [/bin/true], streams: [meter/*, toll/lane-3]${rest === "" ? "" : `, ${rest}`} }]`;

const METER = "meter/m-1";
const LANE = "toll/lane-3";
const T = Math.floor(NOW / 1000);

const register = (id: string, v: string | number, more: object = {}): object => ({
  id,
  stream: METER,
  name: "1-0:1.8.0",
  unit: "kWh",
  v,
  t: T,
  ...more,
});

const passage = (id: string, more: object = {}): object => ({
  id,
  stream: LANE,
  event: {
    kind: "toll-transaction",
    tx: id,
    plaza: "plaza-12",
    lane: "lane-3",
    t: `2026-11-20T12:00:00.5Z`,
    direction: "in",
    class: { measured: 2, declared: null },
    validity: "ok",
    amount: { minor: 450, currency: "EUR", tariff: "2026-B" },
    refs: [],
    ...more,
  },
});

async function started(yaml = PROGRAM()): Promise<Rig> {
  const rig = new Rig(yaml);
  await rig.start();
  return rig;
}

async function said(rig: Rig, ...lines: readonly (string | object)[]) {
  rig.program.print(...lines);
  await rig.time.advance(0);
  return rig.program.takeAnswers();
}

/** As after a power cut, and started again. */
async function again(rig: Rig): Promise<void> {
  rig.crash();
  rig.program.forget();
  await rig.start();
}

const readingsOf = (statements: readonly Statement[], sub = METER): readonly Reading[] =>
  statements.flatMap(({ content }) =>
    content.type === "senml" ? decodePack(content.payload, baseName(ISS, sub)) : [],
  );
const valuesOf = (rig: Rig): readonly string[] =>
  readingsOf(rig.sealed(METER)).map(({ value }) =>
    "v" in value && "mantissa" in value.v ? formatDecimal(value.v) : "?",
  );
const kinds = (rig: Rig, sub: string): readonly string[] =>
  rig.sealed(sub).map(({ event, records }) => event?.kind ?? `${records} readings`);
const journalled = (rig: Rig): number =>
  rig.storage.query<{ n: number }>("SELECT count(*) AS n FROM journal").get()?.n ?? -1;

/** Journal entries as another process sees them: none of a transaction that isn't committed. */
function asOthersSee(rig: Rig): number {
  const storage = readStorage(rig.folder);
  try {
    return storage.query<{ n: number }>("SELECT count(*) AS n FROM journal").get()?.n ?? -1;
  } finally {
    storage.close();
  }
}

describe("a reading", () => {
  test("is on disk when it is acknowledged, and sealed as imported, digit by digit", async () => {
    const rig = await started();
    const onDisk: number[] = [];
    rig.program.onAnswer = () => onDisk.push(asOthersSee(rig));
    expect(await said(rig, register("1", "001581.120"))).toEqual([{ ack: "1" }]);
    expect(onDisk[0]).toBe(1);
    expect(journalled(rig)).toBe(1);
    await rig.time.advance(60_000);
    expect(journalled(rig)).toBe(0);
    const sealed = rig.sealed(METER);
    expect(kinds(rig, METER)).toEqual(["stream-opened", "1 readings"]);
    expect(sealed.map(({ claims }) => claims.lvl)).toEqual([1, 0]);
    expect(sealed[0]?.event).toMatchObject({
      source: "exec",
      names: [{ name: "1-0:1.8.0", unit: "kWh", type: "counter", digits: null }],
    });
    const [reading] = readingsOf(sealed);
    expect(valuesOf(rig)).toEqual(["1581.120"]);
    expect(reading).toMatchObject({ unit: "kWh", quality: [] });
    expect(reading?.received).toBeDefined();
  });

  test("without a time has the gateway's, and says so", async () => {
    const rig = await started();
    await said(rig, { id: "1", stream: METER, name: "n", v: 5 });
    await rig.time.advance(60_000);
    expect(readingsOf(rig.sealed(METER))[0]).toMatchObject({ quality: ["gateway-time"] });
  });

  test("of an hour and more ahead is marked", async () => {
    const rig = await started();
    await said(rig, register("1", 1, { t: T + 3700, q: ["estimated"] }));
    await rig.time.advance(60_000);
    expect(readingsOf(rig.sealed(METER))[0]?.quality).toEqual(["estimated", "future"]);
  });

  test("with another value for the same moment is a conflict; with the same it is no other reading", async () => {
    const rig = await started();
    await said(rig, register("1", "5"), register("2", "6"), register("3", "5"));
    await rig.time.advance(60_000);
    expect(readingsOf(rig.sealed(METER)).map(({ quality }) => quality)).toEqual([[], ["conflict"]]);
  });

  test("of another meter tells the change first", async () => {
    const rig = await started();
    await said(rig, register("1", "5", { meter: "A" }), register("2", "0", { meter: "B", t: T + 1 }));
    await rig.time.advance(60_000);
    expect(kinds(rig, METER)).toEqual(["stream-opened", "1 readings", "meter-changed", "1 readings"]);
    expect(rig.sealed(METER)[2]?.event).toMatchObject({ old: "A", new: "B" });
  });
});

describe("an event", () => {
  test("is sealed at once, as imported, and its statement is named", async () => {
    const rig = await started();
    const [ack, sealed] = await said(rig, passage("t-1"));
    const [opening, statement] = rig.sealed(LANE);
    expect(ack).toEqual({ ack: "t-1" });
    expect(sealed).toEqual({ sealed: "t-1", statement: toHex(statement?.hash ?? new Uint8Array()) });
    expect(opening?.claims.lvl).toBe(1);
    expect(statement?.claims.lvl).toBe(0);
    expect(statement?.event).toMatchObject({
      kind: "toll-transaction",
      tx: "t-1",
      class: { measured: 2, declared: null },
      amount: { minor: 450, currency: "EUR", tariff: "2026-B" },
    });
  });

  test("names a line in place of a statement, in the same batch, later, and after a restart", async () => {
    const rig = await started();
    const adjustment = (id: string, line: string): object => ({
      id,
      stream: LANE,
      event: {
        kind: "toll-adjustment",
        ref: { line },
        reason: "wrong class",
        amount: { minor: -50, currency: "EUR", tariff: "2026-B" },
      },
    });
    await said(rig, passage("t-1"), adjustment("a-1", "t-1"));
    await said(rig, adjustment("a-2", "t-1"));
    await again(rig);
    await said(rig, adjustment("a-3", "t-1"));
    const base = rig.sealed(LANE)[1]?.hash;
    const refs = rig
      .sealed(LANE)
      .flatMap(({ event }) => (event?.kind === "toll-adjustment" ? [event.ref] : []));
    expect(refs).toEqual([base, base, base]);
  });

  test("that rests on a reading has the reading's pack sealed first", async () => {
    const rig = await started();
    const invoice = {
      kind: "ref",
      id: "I-1",
      type: "invoice",
      t: T,
      refs: [{ line: "r-1" }],
      hash: "0a".repeat(32),
    };
    await said(rig, register("r-1", "5"), { id: "i-1", stream: METER, event: invoice });
    const [, pack, event] = rig.sealed(METER);
    expect(event?.event).toMatchObject({ kind: "ref", id: "I-1", type: "invoice", refs: [pack?.hash] });
  });

  test("that rests on a line nobody knows is refused", async () => {
    const rig = await started();
    const invoice = { kind: "ref", id: "I-1", type: "invoice", t: T, refs: [{ line: "r-1" }] };
    expect(await said(rig, { id: "i-1", stream: METER, event: invoice })).toMatchObject([
      { refused: "i-1", code: "line-unknown" },
    ]);
    expect(rig.sealed(METER)).toEqual([]);
  });
});

describe("a line that is sent again", () => {
  test("is acknowledged, and says nothing new: at once, later, and after a crash at any moment", async () => {
    const rig = await started();
    expect(await said(rig, register("1", "5"), register("1", "5"))).toEqual([{ ack: "1" }, { ack: "1" }]);
    expect(await said(rig, register("1", "5"))).toEqual([{ ack: "1" }]);
    await again(rig); // journalled, not sealed
    expect(await said(rig, register("1", "5"), passage("t-1"))).toEqual([
      { ack: "1", statement: expect.any(String) as string },
      { ack: "t-1" },
      expect.objectContaining({ sealed: "t-1" }),
    ]);
    await rig.time.advance(60_000);
    await again(rig);
    const statement = toHex(rig.sealed(METER)[1]?.hash ?? new Uint8Array());
    expect(await said(rig, register("1", "5"))).toEqual([{ ack: "1", statement }]);
    expect(await said(rig, passage("t-1"))).toEqual([
      { ack: "t-1", statement: expect.any(String) as string },
    ]);
    await rig.time.advance(60_000);
    expect(valuesOf(rig)).toEqual(["5"]);
    expect(kinds(rig, LANE)).toEqual(["stream-opened", "toll-transaction"]);
  });

  test("is the same in whatever order its members stand", async () => {
    const rig = await started();
    await said(rig, '{"id":"1","stream":"meter/m-1","name":"n","v":"5","t":1795000000}');
    expect(await said(rig, '{ "t":1795000000, "v":"5","name":"n","stream":"meter/m-1","id":"1"}')).toEqual([
      { ack: "1" },
    ]);
  });

  test("with another content is refused, and what was taken stands", async () => {
    const rig = await started();
    await said(rig, register("1", "5"));
    expect(await said(rig, register("1", "5.0"))).toMatchObject([{ refused: "1", code: "line-conflict" }]);
    await again(rig);
    expect(await said(rig, register("1", "6"))).toMatchObject([{ refused: "1", code: "line-conflict" }]);
    await rig.time.advance(60_000);
    expect(valuesOf(rig)).toEqual(["5"]);
  });

  test("as the same reading under another id is remembered too", async () => {
    const rig = await started();
    await said(rig, register("1", "5"));
    expect(await said(rig, register("2", "5"))).toEqual([{ ack: "2" }]);
    await again(rig);
    expect(await said(rig, register("2", "6"))).toMatchObject([{ refused: "2", code: "line-conflict" }]);
  });

  test("is known among the last `remember`, and no more than a thousand beyond them", async () => {
    const rig = await started(PROGRAM("remember: 1000"));
    for (let batch = 0; batch < 30; batch++) {
      const ids = Array.from({ length: 100 }, (_, i) => batch * 100 + i);
      await said(rig, ...ids.map((n) => register(String(n), n, { t: T + n })));
    }
    const rows = rig.storage.query<{ n: number }>("SELECT count(*) AS n FROM line").get()?.n ?? 0;
    expect(rows).toBeGreaterThanOrEqual(1000);
    expect(rows).toBeLessThanOrEqual(2000);
    expect(await said(rig, register("2000", 2000, { t: T + 2000 }))).toMatchObject([{ ack: "2000" }]);
    expect(rig.program.counters.framesGood).toBe(3000);
  });
});

describe("a bad line", () => {
  test.for<readonly [string, string | object, string, string | null]>([
    ["no JSON", "hello", "line-malformed", null],
    [
      "a number that isn't whole",
      '{"id":"1","stream":"meter/m-1","name":"n","v":1.50}',
      "line-malformed",
      null,
    ],
    ["a key twice", '{"id":"1","id":"2","stream":"meter/m-1","name":"n","v":1}', "line-malformed", null],
    ["no id", { stream: METER, name: "n", v: 1 }, "member-missing", null],
    ["no value", { id: "1", stream: METER, name: "n" }, "member-missing", "1"],
    ["a member too many", register("1", 1, { certified: true }), "unknown-member", "1"],
    ["value and text", register("1", 1, { vs: "x" }), "unknown-member", "1"],
    ["a unit that SenML doesn't have", register("1", 1, { unit: "furlong" }), "senml-unit", "1"],
    ["a name with a blank", register("1", 1, { name: "a b" }), "senml-malformed", "1"],
    ["the name of a frame", register("1", 1, { name: "raw" }), "senml-malformed", "1"],
    ["a time without a zone", register("1", 1, { t: "2026-11-20T12:00:00" }), "member-range", "1"],
    ["a time that is relative", register("1", 1, { t: -5 }), "senml-time", "1"],
    ["the 31st of February", register("1", 1, { t: "2026-02-31T12:00:00Z" }), "member-range", "1"],
    ["a quality that is the agent's to say", register("1", 1, { q: ["conflict"] }), "member-range", "1"],
    ["another stream", register("1", 1, { stream: "host/self" }), "line-stream", "1"],
    ["the device's own stream", register("1", 1, { stream: "sys" }), "line-stream", "1"],
    ["no stream, where there are several", { id: "1", name: "n", v: 1 }, "line-stream", "1"],
    ["a stream's name that is none", register("1", 1, { stream: "meter/../x" }), "name-malformed", "1"],
    [
      "an event of the agent's own",
      { id: "1", stream: LANE, event: { kind: "gap", reason: "x", count: 1 } },
      "member-range",
      "1",
    ],
    ["an event with a member too many", passage("1", { paid: true }), "unknown-member", "1"],
    ["an event without a member", passage("1", { validity: undefined }), "member-missing", "1"],
    ["a hash that is none", passage("1", { refs: ["abc"] }), "member-type", "1"],
    ["a plate that names a line", passage("1", { plate: { line: "1" } }), "member-type", "1"],
    [
      "an amount with a fraction",
      passage("1", { amount: { minor: "4.50", currency: "EUR", tariff: "t" } }),
      "member-type",
      "1",
    ],
    ["an amount beyond 2^53", passage("1", { amount: { minor: 1 } }), "member-missing", "1"],
    ["an event and a reading", { ...passage("1"), v: 1 }, "unknown-member", "1"],
  ])("is refused by code: %s", async ([, line, code, id]) => {
    const rig = await started();
    expect(await said(rig, line)).toMatchObject([{ refused: id, code }]);
    expect(await said(rig, register("good", 7))).toEqual([{ ack: "good" }]);
    await rig.time.advance(60_000);
    expect(valuesOf(rig)).toEqual(["7"]);
    expect(rig.sealed(LANE)).toEqual([]);
    expect([...rig.program.counters.framesBad]).toEqual([[code, 1]]);
  });

  test("is not remembered: mended under the same id it is taken", async () => {
    const rig = await started();
    await said(rig, register("1", 5, { unit: "furlong" }));
    await said(rig, register("1", 5, { unit: "furlong" }));
    expect(await said(rig, register("1", 5))).toEqual([{ ack: "1" }]);
    await rig.time.advance(60_000);
    expect(valuesOf(rig)).toEqual(["5"]);
  });

  test("of one stream too many", async () => {
    const rig = await started(PROGRAM("maxStreams: 2"));
    const answers = await said(
      rig,
      register("1", 1, { stream: "meter/a" }),
      register("2", 1, { stream: "meter/b" }),
      register("3", 1, { stream: "meter/c" }),
    );
    expect(answers).toMatchObject([{ ack: "1" }, { ack: "2" }, { refused: "3", code: "line-stream" }]);
  });
});

describe("streams", () => {
  test("a program of one stream needs not name it", async () => {
    const rig = await started(`streams: []
programs: [{ name: office, command: [/bin/true], streams: [${METER}] }]`);
    expect(await said(rig, { id: "1", name: "n", v: 1 })).toEqual([{ ack: "1" }]);
  });

  test("stay open over a restart while the configuration covers them, and are closed when it doesn't", async () => {
    const rig = await started();
    await said(rig, register("1", 1), passage("t-1"));
    await again(rig);
    expect(rig.sealed(LANE).map(({ event }) => event?.kind)).not.toContain("stream-closed");
    await rig.time.advance(60_000);
    expect(kinds(rig, METER)).toEqual(["stream-opened", "1 readings"]);
    await said(rig, register("2", 2, { t: T + 1 }));
    await rig.stop();
    rig.configure("streams: []");
    await rig.start();
    expect(kinds(rig, METER).at(-1)).toBe("stream-closed");
    expect(valuesOf(rig)).toEqual(["1", "2"]);
  });

  test("what is left of one that is gone is sealed as what it was: imported", async () => {
    const rig = await started();
    await said(rig, register("1", 1));
    rig.crash();
    rig.program.forget();
    rig.configure("streams: []");
    await rig.start();
    expect(rig.sealed(METER).map(({ claims }) => claims.lvl)).toEqual([1, 0, 1]);
  });

  test("no gap is told of a time in which the agent didn't run: the program keeps what isn't acknowledged", async () => {
    const rig = await started(PROGRAM("interval: 1"));
    await said(rig, register("1", 1));
    rig.crash();
    rig.program.forget();
    await rig.time.advance(3_600_000);
    await rig.start();
    await said(rig, register("2", 2, { t: T + 3600 }));
    await rig.time.advance(60_000);
    expect(kinds(rig, METER)).toEqual(["stream-opened", "1 readings", "1 readings"]);
  });
});

describe("a full outbox", () => {
  test("while a batch refers to what can't be sealed yet, nothing of it is refused", async () => {
    const rig = new Rig(`${PROGRAM("maxStreams: 10")}
outbox: { maxBytes: 1048576 }`);
    rig.connect = () => Promise.reject(new EvidenceError("unreachable", "nobody answers"));
    await rig.start();
    const refs = Array.from({ length: 200 }, () => "0b".repeat(32));
    const lines = Array.from({ length: 400 }, (_, i) =>
      passage(`t-${i}`, { refs: i === 0 ? refs : [{ line: `t-${i - 1}` }, ...refs] }),
    );
    await said(rig, ...lines);
    await rig.stop(); // what has no answer then comes again
    expect([...rig.program.counters.framesBad]).toEqual([]);
    expect(rig.program.counters.framesGood).toBeLessThan(400);
    rig.program.forget();
    rig.connectAnchor();
    await rig.start();
    await said(rig, ...lines);
    await rig.time.advance(600_000);
    const lane = rig.sealed(LANE).filter(({ event }) => event?.kind === "toll-transaction");
    expect(lane.map(({ event }) => (event?.kind === "toll-transaction" ? event.tx : ""))).toEqual(
      Array.from({ length: 400 }, (_, i) => `t-${i}`),
    );
  });

  test("leaves the program unread, and takes up again where it was", async () => {
    const rig = new Rig(`${PROGRAM("maxStreams: 10")}
outbox: { maxBytes: 1048576 }`);
    rig.connect = () => Promise.reject(new EvidenceError("unreachable", "nobody answers"));
    await rig.start();
    const refs = Array.from({ length: 200 }, () => "0b".repeat(32));
    let sent = 0;
    for (; sent < 1000 && rig.program.pulled * 10 === sent; sent += 10)
      await said(rig, ...Array.from({ length: 10 }, (_, i) => passage(`t-${sent + i}`, { refs })));
    expect(sent).toBeLessThan(1000);
    const taken = rig.program.pulled * 10;
    await rig.time.advance(3_600_000);
    expect(rig.program.pulled * 10).toBe(taken);
    expect(rig.lines.map(({ message }) => message).join("\n")).toContain("office is left unread");
    rig.connectAnchor();
    await rig.time.advance(600_000);
    const lane = rig.sealed(LANE);
    expect(lane.filter(({ event }) => event?.kind === "toll-transaction")).toHaveLength(sent);
    expect(new Set(lane.map(({ event }) => (event?.kind === "toll-transaction" ? event.tx : ""))).size).toBe(
      sent + 1,
    );
  });
});

test("names that fill a statement beyond its brim are not told of, and nothing breaks", async () => {
  const rig = await started();
  for (let batch = 0; batch < 5; batch++) {
    const lines = Array.from({ length: 50 }, (_, i) => {
      const name = `${batch}-${i}-`.padEnd(128, "x");
      return register(`${batch} ${i}`, 1, { name, unit: "count" });
    });
    expect(await said(rig, ...lines)).toHaveLength(50);
  }
  await rig.time.advance(60_000);
  expect(readingsOf(rig.sealed(METER))).toHaveLength(250);
});

test("whatever a program prints, each line is answered, and the next good one is taken and sealed", async () => {
  const line = programLine(METER);
  const rig = await started();
  let good = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 20 }), async (lines) => {
      const answers = await said(
        rig,
        ...lines,
        register(`good-${good}`, good, { t: T + good, name: "good" }),
      );
      expect(answers.filter((one) => !("sealed" in one))).toHaveLength(lines.length + 1);
      expect(answers).toContainEqual({ ack: `good-${good}` });
      good += 1;
    }),
    { numRuns: 150 },
  );
  await rig.time.advance(60_000);
  const kept = readingsOf(rig.sealed(METER)).filter(({ name }) => name === "good");
  expect(kept).toHaveLength(good);
  expect(rig.program.counters.framesBad.size).toBeGreaterThan(5);
  expect(rig.program.counters.framesGood).toBeGreaterThan(good);
});
