import mqtt, { type IClientOptions } from "mqtt";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { connected, eventually, inbox, startBroker } from "./start.ts";

const UP = "tally/v1/acme/gw-1/up";
const DOWN = "tally/v1/acme/gw-1/down";
const STATE = "tally/v1/acme/gw-1/state";

const refusedWith = async (url: string, options: mqtt.IClientOptions): Promise<number> => {
  try {
    await mqtt.connectAsync(url, { protocolVersion: 4, reconnectPeriod: 0, ...options }, false);
  } catch (error) {
    return (error as { code: number }).code;
  }
  return 0;
};

describe("carries", () => {
  test("statements from a device to the ledger, and receipts back", async () => {
    const broker = await startBroker();
    const anchor = await connected(broker, "anchor");
    const device = await connected(broker, "acme/gw-1");
    const atAnchor = inbox(anchor);
    const atDevice = inbox(device);
    await anchor.subscribeAsync("tally/v1/+/+/up", { qos: 1 });
    await device.subscribeAsync(DOWN, { qos: 1 });
    await device.publishAsync(UP, "statement", { qos: 1 });
    expect(await atAnchor.next(1)).toEqual(["statement"]);
    await anchor.publishAsync(DOWN, "receipt", { qos: 1 });
    expect(await atDevice.next(1)).toEqual(["receipt"]);
    expect(broker.codes).toEqual([]);
  });

  test("10,000 messages of 40 devices, each device's in order", async () => {
    const broker = await startBroker();
    const anchor = await connected(broker, "anchor");
    const atAnchor = inbox(anchor);
    await anchor.subscribeAsync("tally/v1/+/+/up", { qos: 1 });
    const devices = await Promise.all(
      Array.from({ length: 40 }, (_, d) => connected(broker, `acme/gw-${d}`)),
    );
    for (let n = 0; n < 250; n++) {
      for (const [d, device] of devices.entries()) {
        device.publish(`tally/v1/acme/gw-${d}/up`, `${d} ${n}`, { qos: 1 });
      }
    }
    const texts = await atAnchor.next(10_000);
    for (const d of devices.keys()) {
      const own = texts.filter((text) => text.startsWith(`${d} `)).map((text) => Number(text.split(" ")[1]));
      expect(own).toEqual(Array.from({ length: 250 }, (_, n) => n));
    }
    expect(broker.codes).toEqual([]);
  });

  // aedes takes what comes to a client out of the order of its own numbering for a duplicate, and drops it.
  test("retained, QoS 0 and QoS 1 messages interleaved, and loses none", async () => {
    const broker = await startBroker({
      services: [
        { id: "anchor", publish: ["down", "checkpoint"], subscribe: ["up", "state"], whenSlow: "wait" },
      ],
    });
    const anchor = await connected(broker, "anchor");
    const atAnchor = inbox(anchor);
    await anchor.subscribeAsync(["tally/v1/+/+/up", "tally/v1/+/+/state"], { qos: 1 });
    const device = await connected(broker, "acme/gw-1");
    const sent: string[] = [];
    for (let n = 0; n < 300; n++) {
      device.publish(UP, `u${n}`, { qos: 1 });
      device.publish(STATE, `r${n}`, { qos: 1, retain: true });
      device.publish(STATE, `q${n}`, { qos: 0 });
      sent.push(`u${n}`, `r${n}`, `q${n}`);
    }
    const got = await atAnchor.next(900);
    expect(got.toSorted()).toEqual(sent.toSorted());
    // what is sent one way stays in order
    expect(got.filter((text) => text.startsWith("u"))).toEqual(sent.filter((text) => text.startsWith("u")));
  });

  test("a message of the largest size, and nothing larger", async () => {
    const broker = await startBroker();
    const anchor = await connected(broker, "anchor");
    const atAnchor = inbox(anchor);
    await anchor.subscribeAsync("tally/v1/+/+/up", { qos: 1 });
    const device = await connected(broker, "acme/gw-1");
    await device.publishAsync(UP, Buffer.alloc(65_536, 7), { qos: 1 });
    await atAnchor.next(1);
    expect(atAnchor.messages[0]?.payload.length).toBe(65_536);
    const gone = new Promise<void>((resolve) => device.once("close", resolve));
    device.publish(UP, Buffer.alloc(65_537), { qos: 1 });
    await gone;
    expect(broker.codes).toEqual(["too-large"]);
  });
});

describe("who may connect", () => {
  test.for(["gw-1", "acme/gw-1/x", "Acme/gw-1", "", "acme/", "anchor2", "$SYS", "__proto__", "constructor"])(
    "client id %j is refused",
    async (clientId) => {
      const broker = await startBroker();
      expect(await refusedWith(broker.url, { clientId })).toBe(2);
      expect(broker.codes).toEqual(["client-unknown"]);
    },
  );

  test.for([0, 3601, 65_535])("keep-alive %d is refused", async (keepalive) => {
    const broker = await startBroker();
    expect(await refusedWith(broker.url, { clientId: "acme/gw-1", keepalive })).toBe(5);
    expect(broker.codes).toEqual(["keepalive-range"]);
  });

  test.for([
    { topic: "tally/v1/acme/gw-2/state", payload: "offline", code: "topic-owner" },
    { topic: "tally/v1/acme/gw-1/up", payload: "offline", qos: 1 as const, code: "topic-owner" },
    { topic: "tally/v1/checkpoint", payload: "forged", code: "topic-owner" },
    { topic: "elsewhere", payload: "x", code: "topic-malformed" },
    { topic: STATE, payload: "x".repeat(65), code: "too-large" },
  ])("a will for $topic is refused with $code", async ({ topic, payload, qos = 0, code }) => {
    const broker = await startBroker();
    expect(
      await refusedWith(broker.url, {
        clientId: "acme/gw-1",
        will: { topic, payload: Buffer.from(payload), qos: qos as 0 | 1, retain: false },
      }),
    ).toBe(5);
    expect(broker.codes).toEqual([code]);
  });

  test("MQTT 5 is refused", async () => {
    const broker = await startBroker();
    await refusedWith(broker.url, { clientId: "acme/gw-1", protocolVersion: 5 });
    await broker.seen("mqtt-version");
  });

  test("the same client id again takes the place of the connection before", async () => {
    const broker = await startBroker();
    const first = await connected(broker, "acme/gw-1");
    const gone = new Promise<void>((resolve) => first.once("close", resolve));
    await connected(broker, "acme/gw-1");
    await gone;
    expect(await broker.metric("connections")).toBe(1);
  });
});

describe("who may write", () => {
  test.for([
    { topic: "tally/v1/acme/gw-2/up", code: "topic-owner" },
    { topic: "tally/v1/acme/gw-2/state", code: "topic-owner" },
    { topic: "tally/v1/acme/gw-1/down", code: "topic-owner" },
    { topic: "tally/v1/checkpoint", code: "topic-owner" },
    { topic: "tally/v1/acme/gw-1", code: "topic-malformed" },
    { topic: "tally/v2/acme/gw-1/up", code: "topic-malformed" },
    { topic: "$SYS/x/new/clients", code: "topic-malformed" },
    { topic: "a/".repeat(30), code: "packet-malformed" },
  ])("a device's publish to $topic ends its connection with $code", async ({ topic, code }) => {
    const broker = await startBroker();
    const anchor = await connected(broker, "anchor");
    await anchor.subscribeAsync("tally/v1/+/+/up", { qos: 1 });
    const atAnchor = inbox(anchor);
    const device = await connected(broker, "acme/gw-1");
    const gone = new Promise<void>((resolve) => device.once("close", resolve));
    let acknowledged = false;
    device.publish(topic, "x", { qos: 1 }, (error) => {
      acknowledged = error === undefined || error === null;
    });
    await gone;
    expect(acknowledged).toBe(false);
    expect(broker.codes).toEqual([code]);
    expect(atAnchor.messages).toEqual([]);
  });

  test.for([
    { qos: 0 as const, retain: false, code: "qos-unsupported" },
    { qos: 2 as const, retain: false, code: "qos-unsupported" },
    { qos: 1 as const, retain: true, code: "retain-refused" },
  ])("QoS $qos with retain $retain on up is refused with $code", async ({ qos, retain, code }) => {
    const broker = await startBroker();
    const device = await connected(broker, "acme/gw-1");
    device.publish(UP, "x", { qos, retain });
    await broker.seen(code as "retain-refused");
  });

  test("the ledger may not speak as a device", async () => {
    const broker = await startBroker();
    const anchor = await connected(broker, "anchor");
    anchor.publish(UP, "forged", { qos: 1 });
    await broker.seen("topic-owner");
  });
});

describe("who may read", () => {
  test.for([
    ["#", "topic-malformed"],
    ["tally/#", "topic-malformed"],
    ["tally/v1/+/+/+", "topic-malformed"],
    ["+/v1/acme/gw-1/down", "topic-malformed"],
    ["$SYS/#", "topic-malformed"],
    ["$share/x/tally/v1/acme/gw-1/up", "topic-malformed"],
    ["tally/v1/+/+/up", "topic-owner"],
    ["tally/v1/acme/+/down", "topic-owner"],
    ["tally/v1/acme/gw-2/down", "topic-owner"],
    [UP, "topic-owner"],
  ] as const)(
    "a device's subscription to %s is refused with %s, and it stays connected",
    async ([filter, code]) => {
      const broker = await startBroker();
      const device = await connected(broker, "acme/gw-1");
      await expect(device.subscribeAsync(filter, { qos: 1 })).rejects.toThrow();
      expect(broker.codes).toEqual([code]);
      expect(device.connected).toBe(true);
    },
  );

  test("what was refused beside what was granted brings nothing, not even after a return", async () => {
    const broker = await startBroker();
    const session = { clean: false };
    const nosy = await connected(broker, "acme/nosy", session);
    await nosy
      .subscribeAsync({
        "tally/v1/acme/nosy/down": { qos: 1 },
        "tally/v1/+/+/up": { qos: 1 },
        "#": { qos: 1 },
      })
      .catch(() => {});
    expect(broker.codes).toEqual(["topic-owner", "topic-malformed"]);
    await nosy.endAsync();
    const device = await connected(broker, "acme/gw-1");
    await device.publishAsync(UP, "not for you", { qos: 1 });
    const anchor = await connected(broker, "anchor");
    await anchor.publishAsync("tally/v1/acme/nosy/down", "for you", { qos: 1 });
    const again = mqtt.connect(broker.url, {
      clientId: "acme/nosy",
      protocolVersion: 4,
      reconnectPeriod: 0,
      ...session,
    });
    const atNosy = inbox(again);
    expect(await atNosy.next(1)).toEqual(["for you"]);
    await again.endAsync();
    expect(atNosy.messages.length).toBe(1);
  });

  test("no more subscriptions than the limit", async () => {
    const broker = await startBroker({ limits: { maxSubscriptions: 3 } });
    const anchor = await connected(broker, "anchor");
    for (let n = 0; n < 3; n++) await anchor.subscribeAsync(`tally/v1/acme/gw-${n}/up`, { qos: 1 });
    await expect(anchor.subscribeAsync("tally/v1/acme/gw-9/up", { qos: 1 })).rejects.toThrow();
    expect(broker.codes).toEqual(["subscription-limit"]);
    await anchor.unsubscribeAsync("tally/v1/acme/gw-0/up");
    await anchor.subscribeAsync("tally/v1/acme/gw-9/up", { qos: 1 });
  });

  test("what is beyond the limit is not stored beside what is within it", async () => {
    const broker = await startBroker({ limits: { maxSubscriptions: 1 } });
    const session = { clean: false };
    const anchor = await connected(broker, "anchor", session);
    await anchor
      .subscribeAsync({ "tally/v1/acme/gw-1/up": { qos: 1 }, "tally/v1/acme/gw-2/up": { qos: 1 } })
      .catch(() => {});
    expect(broker.codes).toEqual(["subscription-limit"]);
    await anchor.endAsync();
    for (const id of ["acme/gw-2", "acme/gw-1"]) {
      const device = await connected(broker, id);
      await device.publishAsync(`tally/v1/${id}/up`, id, { qos: 1 });
    }
    const again = mqtt.connect(broker.url, { clientId: "anchor", protocolVersion: 4, ...session });
    const atAnchor = inbox(again);
    expect(await atAnchor.next(1)).toEqual(["acme/gw-1"]);
    await again.endAsync();
    expect(atAnchor.messages).toHaveLength(1);
  });
});

describe("retained messages and wills", () => {
  test("the newest state is kept, the will replaces it, and neither pins what came with it", async () => {
    const broker = await startBroker({
      services: [{ id: "watch", publish: [], subscribe: ["state", "checkpoint"], whenSlow: "drop" }],
    });
    const device = await connected(broker, "acme/gw-1", {
      will: { topic: STATE, payload: Buffer.from("offline"), qos: 1, retain: true },
    });
    await device.publishAsync(STATE, "online", { qos: 1, retain: true });
    const watch = await connected(broker, "watch");
    const atWatch = inbox(watch);
    await watch.subscribeAsync("tally/v1/+/+/state", { qos: 1 });
    expect(await atWatch.next(1)).toEqual(["online"]);
    expect(atWatch.messages[0]?.retain).toBe(true);
    device.stream.destroy();
    expect(await atWatch.next(2)).toEqual(["online", "offline"]);
    expect(await broker.metric("retained_messages")).toBe(1);
  });

  test("beyond the bound a new topic's message is not kept, but delivered", async () => {
    const broker = await startBroker({
      limits: { maxRetained: 2 },
      services: [{ id: "watch", publish: [], subscribe: ["state"], whenSlow: "drop" }],
    });
    const watch = await connected(broker, "watch");
    const atWatch = inbox(watch);
    await watch.subscribeAsync("tally/v1/+/+/state", { qos: 1 });
    for (let n = 0; n < 3; n++) {
      const device = await connected(broker, `acme/gw-${n}`);
      await device.publishAsync(`tally/v1/acme/gw-${n}/state`, "online", { qos: 1, retain: true });
    }
    await atWatch.next(3);
    expect(broker.codes).toEqual(["retained-full"]);
    expect(await broker.metric("retained_messages")).toBe(2);
  });
});

describe("sessions that outlive a connection", () => {
  test("what came while the client was away is delivered on its return, once", async () => {
    const broker = await startBroker();
    const first = await connected(broker, "acme/gw-1", { clean: false });
    await first.subscribeAsync(DOWN, { qos: 1 });
    await first.endAsync();
    const anchor = await connected(broker, "anchor");
    for (let n = 0; n < 5; n++) await anchor.publishAsync(DOWN, `r${n}`, { qos: 1 });
    await eventually(async () => (await broker.metric("session_bytes")) > 0);
    const second = mqtt.connect(broker.url, { clientId: "acme/gw-1", protocolVersion: 4, clean: false });
    const atSecond = inbox(second);
    expect(await atSecond.next(5)).toEqual(["r0", "r1", "r2", "r3", "r4"]);
    await eventually(async () => (await broker.metric("session_bytes")) === 0);
    await second.endAsync();
    const third = mqtt.connect(broker.url, { clientId: "acme/gw-1", protocolVersion: 4, clean: false });
    const atThird = inbox(third);
    await new Promise<void>((resolve) => third.once("connect", () => resolve()));
    await anchor.publishAsync(DOWN, "r5", { qos: 1 });
    expect(await atThird.next(1)).toEqual(["r5"]);
    await third.endAsync();
  });

  test("what came before and after a return has identifiers of its own, and all of it can be acknowledged", async () => {
    const broker = await startBroker();
    vi.spyOn(Math, "random").mockReturnValue(1000 / 65_535); // aedes' first identifier: the same on each connection
    onTestFinished(() => void vi.restoreAllMocks());
    const options: IClientOptions = { clean: false, reconnectPeriod: 0 };
    const first = await connected(broker, "acme/gw-1", options);
    first.handleMessage = () => {}; // acknowledges nothing
    await first.subscribeAsync(DOWN, { qos: 1 });
    const anchor = await connected(broker, "anchor");
    const atFirst = inbox(first);
    for (let n = 0; n < 3; n++) await anchor.publishAsync(DOWN, `before ${n}`, { qos: 1 });
    await atFirst.next(1); // and reads no further; the others are on their way to it
    first.stream.destroy();
    await eventually(async () => (await broker.metric("connections")) === 1);
    for (let n = 0; n < 3; n++) await anchor.publishAsync(DOWN, `after ${n}`, { qos: 1 });
    const second = mqtt.connect(broker.url, { clientId: "acme/gw-1", protocolVersion: 4, ...options });
    const atSecond = inbox(second);
    await atSecond.next(6);
    expect(new Set(atSecond.messages.map(({ messageId }) => messageId)).size).toBe(6);
    await eventually(async () => (await broker.metric("session_bytes")) === 0);
    await second.endAsync();
  });

  test("what is kept for an absent client is bounded, the newest is not kept", async () => {
    const broker = await startBroker({ sessions: { device: { maxMessages: 3 } } });
    const first = await connected(broker, "acme/gw-1", { clean: false });
    await first.subscribeAsync(DOWN, { qos: 1 });
    await first.endAsync();
    const anchor = await connected(broker, "anchor");
    for (let n = 0; n < 10; n++) await anchor.publishAsync(DOWN, `r${n}`, { qos: 1 });
    await broker.seen("session-full", 7);
    const second = mqtt.connect(broker.url, { clientId: "acme/gw-1", protocolVersion: 4, clean: false });
    expect(await inbox(second).next(3)).toEqual(["r0", "r1", "r2"]);
    await second.endAsync();
  });

  test("a connected client that acknowledges nothing is kept no more for, but still delivered to", async () => {
    const broker = await startBroker({ sessions: { service: { maxMessages: 3 } } });
    const anchor = await connected(broker, "anchor", { clean: false });
    // MQTT.js acknowledges when handleMessage calls back
    anchor.handleMessage = () => {};
    await anchor.subscribeAsync("tally/v1/+/+/up", { qos: 1 });
    const device = await connected(broker, "acme/gw-1");
    for (let n = 0; n < 10; n++) await device.publishAsync(UP, `s${n}`, { qos: 1 });
    await broker.seen("session-full", 7);
    expect(anchor.connected).toBe(true);
    expect(device.connected).toBe(true);
  });

  test("with no room for one more session it is a clean one, and CONNACK says so", async () => {
    const broker = await startBroker({ sessions: { max: 1 } });
    for (const id of ["acme/gw-1", "acme/gw-2"]) {
      const client = await connected(broker, id, { clean: false });
      await client.subscribeAsync(`tally/v1/${id}/down`, { qos: 1 });
      await client.endAsync();
    }
    expect(await broker.metric("sessions")).toBe(1);
    const present: boolean[] = [];
    for (const clientId of ["acme/gw-1", "acme/gw-2"]) {
      const client = mqtt.connect(broker.url, { clientId, protocolVersion: 4, clean: false });
      await new Promise<void>((resolve) => {
        client.once("connect", ({ sessionPresent }) => {
          present.push(sessionPresent);
          resolve();
        });
      });
      await client.endAsync();
    }
    expect(present).toEqual([true, false]);
  });
});
