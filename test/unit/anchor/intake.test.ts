import type { MqttClient } from "mqtt";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CHECKPOINT_TOPIC, decodeUtf8, downTopic, upTopic } from "@tallystick/evidence";
import {
  connectMqtt,
  Intake,
  type Connection,
  type IntakeEvents,
  type IntakeSurroundings,
} from "../../../anchor/src/intake/intake.ts";
import { FakeTime } from "../../support/fake-time.ts";
import { PlainBroker } from "../../support/plain-broker.ts";

const ISS = "city/gw-1";
let broker: PlainBroker;
const intakes: Intake[] = [];

beforeEach(async () => {
  broker = await PlainBroker.start();
});
afterEach(async () => {
  for (const intake of intakes.splice(0)) await intake.end({ force: true });
  await broker.stop();
});

type Seen = { readonly what: string; readonly value: string };

/** An intake whose events are kept, and can be waited for. */
function start(
  events: Partial<IntakeEvents> = {},
  more: Partial<Connection> = {},
  surroundings?: IntakeSurroundings,
): { intake: Intake; seen: Seen[]; until: (what: string, times?: number) => Promise<void> } {
  const seen: Seen[] = [];
  let wake = Promise.withResolvers<void>();
  const note = (what: string, value = ""): void => {
    seen.push({ what, value });
    wake.resolve();
    wake = Promise.withResolvers();
  };
  const connection = {
    url: broker.url,
    clientId: "anchor",
    maxUnacknowledged: 100,
    maxUnacknowledgedBytes: 1000,
    settleMs: 20,
    ...more,
  };
  const known: IntakeEvents = {
    message: (iss, payload) => note("message", `${iss} ${decodeUtf8(payload)}`),
    whenRoom: (resume) => resume(),
    checkpoint: (bytes) => note("checkpoint", decodeUtf8(bytes)),
    state: (iss, state) => note("state", `${iss} ${state}`),
    settled: () => note("settled"),
    stray: () => note("stray"),
    connection: (state, reason) => note(state, reason),
    ...events,
  };
  const intake = new Intake(connection, known, surroundings);
  intakes.push(intake);
  const until = async (what: string, times = 1): Promise<void> => {
    while (seen.filter((one) => one.what === what).length < times) await wake.promise;
  };
  return { intake, seen, until };
}

/** The next message that a client gets. */
const messageTo = (client: MqttClient): Promise<{ payload: Buffer; retain: boolean }> =>
  new Promise((resolve) => {
    client.once("message", (_topic, payload, { retain }) => resolve({ payload, retain }));
  });

describe("the intake", () => {
  test("takes what devices send, in order, and says whose topic it was", async () => {
    const { until, seen } = start();
    await until("settled");
    const gateway = await broker.client(ISS);
    for (const text of ["one", "two", "three"]) await gateway.publishAsync(upTopic(ISS), text, { qos: 1 });
    await until("message", 3);
    expect(seen.filter(({ what }) => what === "message").map(({ value }) => value)).toEqual([
      `${ISS} one`,
      `${ISS} two`,
      `${ISS} three`,
    ]);
  });

  test("sees a checkpoint that the broker retains before it is settled", async () => {
    const other = await broker.client("other");
    await other.publishAsync(CHECKPOINT_TOPIC, "a note", { qos: 1, retain: true });
    const { until, seen } = start({}, { settleMs: 2000 });
    await until("settled");
    expect(seen.map(({ what }) => what)).toEqual(["connected", "checkpoint", "settled"]);
  });

  test("is not settled while messages come and the checkpoint may stand behind them", async () => {
    const gateway = await broker.client(ISS);
    const timers: (() => void)[] = [];
    let began = Promise.withResolvers<void>();
    const time: IntakeSurroundings["time"] = {
      after: (_ms, work) => {
        timers.push(work);
        began.resolve();
        return () => {};
      },
    };
    const { until, seen } = start({}, {}, { connect: connectMqtt, time });
    for (let n = 1; n <= 3; n++) {
      await began.promise;
      began = Promise.withResolvers();
      await gateway.publishAsync(upTopic(ISS), `message ${n}`, { qos: 1 });
      await until("message", n);
      timers.shift()?.();
    }
    await began.promise;
    await gateway.publishAsync(upTopic(ISS), "the last before it", { qos: 1 });
    await gateway.publishAsync(CHECKPOINT_TOPIC, "a note", { qos: 1, retain: true });
    await until("checkpoint");
    expect(seen.some(({ what }) => what === "settled")).toBe(false);
    timers.shift()?.();
    expect(seen.at(-1)?.what).toBe("settled");
    expect(timers).toEqual([]);
  });

  test("holds PUBACK back while there is no room, and no other message comes", async () => {
    const waiting: (() => void)[] = [];
    const { until, seen } = start({ whenRoom: (resume) => waiting.push(resume) });
    await until("settled");
    const gateway = await broker.client(ISS);
    for (const text of ["one", "two"]) await gateway.publishAsync(upTopic(ISS), text, { qos: 1 });
    await until("message");
    // The broker has delivered the second one long since: this round trip came after it.
    await gateway.publishAsync("somewhere/else", "x", { qos: 1 });
    expect(seen.filter(({ what }) => what === "message")).toHaveLength(1);
    waiting.shift()?.();
    await until("message", 2);
  });

  test("settles although what waited for it at the broker finds no room; that comes again", async () => {
    const away = start();
    await away.until("settled");
    await away.intake.end();
    const gateway = await broker.client(ISS);
    for (const text of ["one", "two", "three"]) await gateway.publishAsync(upTopic(ISS), text, { qos: 1 });
    const waiting: (() => void)[] = [];
    const { until, seen } = start({ whenRoom: (resume) => waiting.push(resume) });
    await until("settled");
    expect(seen.filter(({ what }) => what === "message")).toHaveLength(1);
    waiting.shift()?.();
    await gateway.publishAsync(upTopic(ISS), "two", { qos: 1 });
    await until("message", 2);
  });

  test("gets what was sent while it was away, for it has a session; what came while stopping comes again", async () => {
    const first = start();
    await first.until("settled");
    await first.intake.end();
    const gateway = await broker.client(ISS);
    await gateway.publishAsync(upTopic(ISS), "meanwhile", { qos: 1 });
    const second = start();
    await second.until("message");
    expect(second.seen.find(({ what }) => what === "message")?.value).toBe(`${ISS} meanwhile`);
    second.intake.stop();
    await gateway.publishAsync(upTopic(ISS), "too late", { qos: 1 });
    await second.intake.end();
    expect(second.seen.filter(({ what }) => what === "message")).toHaveLength(1);
    const third = start();
    await third.until("message");
    expect(third.seen.find(({ what }) => what === "message")?.value).toBe(`${ISS} too late`);
  });

  test("sends to devices, and leaves the note at the broker", async () => {
    const { intake, until } = start();
    await until("settled");
    const gateway = await broker.client(ISS);
    await gateway.subscribeAsync(downTopic(ISS), { qos: 1 });
    const message = messageTo(gateway);
    expect(intake.send(downTopic(ISS), Uint8Array.of(1, 2, 3))).toBe(true);
    expect((await message).payload.toString("hex")).toBe("010203");
    intake.publishCheckpoint("the note");
    await until("checkpoint");
    const late = await broker.client("late");
    const retained = messageTo(late);
    await late.subscribeAsync(CHECKPOINT_TOPIC, { qos: 1 });
    const { payload, retain } = await retained;
    expect([payload.toString(), retain]).toEqual(["the note", true]);
  });

  test("drops what it can't send: offline, or with too many unacknowledged", async () => {
    const { intake, until } = start({}, { maxUnacknowledged: 2 });
    expect(intake.send(downTopic(ISS), Uint8Array.of(1))).toBe(false);
    await until("settled");
    expect(intake.send(downTopic(ISS), new Uint8Array(1001))).toBe(false);
    expect(intake.send(downTopic(ISS), new Uint8Array(400))).toBe(true);
    expect(intake.send(downTopic(ISS), new Uint8Array(700))).toBe(false);
    expect(intake.send(downTopic(ISS), Uint8Array.of(1))).toBe(true);
    expect(intake.send(downTopic(ISS), Uint8Array.of(2))).toBe(false);
  });

  test("tries on until a broker is there, says so once, and subscribes again after each connection", async () => {
    const { port } = broker;
    await broker.stop();
    const { until, seen } = start({}, { url: `mqtt://127.0.0.1:${port}` });
    await until("lost");
    broker = await PlainBroker.start(port);
    await until("settled");
    expect(seen.map(({ what }) => what)).toEqual(["lost", "connected", "settled"]);
    await broker.stop();
    await until("lost", 2);
    broker = await PlainBroker.start(port);
    await until("settled", 2);
    const gateway = await broker.client(ISS);
    await gateway.publishAsync(upTopic(ISS), "again", { qos: 1 });
    await until("message");
  });

  test("a connection that ended before it settled says nothing of what the broker retains", async () => {
    const time = new FakeTime();
    const { until, seen } = start({}, { settleMs: 5000 }, { connect: connectMqtt, time });
    await until("connected");
    while (time.timers === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await broker.stop();
    await until("lost");
    await time.advance(60_000);
    expect(seen.map(({ what }) => what)).not.toContain("settled");
  });

  test("goes on asking for a subscription that the broker does not grant", async () => {
    broker.refuseSubscriptions = true;
    const { until, seen } = start();
    await until("lost");
    expect(seen.at(-1)?.value).toContain("does not grant");
    broker.refuseSubscriptions = false;
    await until("settled");
  });
});
