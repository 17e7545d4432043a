import type { AedesPublishPacket, Client } from "aedes";
import { setImmediate as nextTurn, setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { Router, type RouterOptions } from "../../../broker/src/messages/router.ts";
import type { Treatment } from "../../../broker/src/messages/subscription.ts";

const ROOMY: Treatment = { maxMessages: 1000, maxBytes: 1 << 20, waitedFor: false };

let counter = 0;
const packet = (topic: string, payload: Buffer = Buffer.from("x"), clientId = "device"): AedesPublishPacket =>
  ({
    cmd: "publish",
    clientId,
    topic,
    payload,
    qos: 1,
    retain: false,
    dup: false,
    brokerCounter: ++counter,
  }) as unknown as AedesPublishPacket;

/** A router whose subscribers take messages only when they are told to. */
function routed(treatments: Readonly<Record<string, Treatment>> = {}, options: Partial<RouterOptions> = {}) {
  const dropped: string[] = [];
  const router = new Router({
    treatmentOf: ({ id }) => treatments[id] ?? ROOMY,
    waits: (id) => id !== "anchor",
    untilKnown: ROOMY,
    dropped: (client) => dropped.push(client),
    delivered: () => {},
    isKept: () => false,
    stalled: () => {},
    stalledAfterMs: 60_000,
    ...options,
  });
  const subscriber = (id: string, filter: string) => {
    const got: AedesPublishPacket[] = [];
    const pending: (() => void)[] = [];
    const listener = (message: AedesPublishPacket, done: () => void): void => {
      router.forwarding({ id } as Client);
      got.push(message);
      pending.push(done);
    };
    router.on(filter, listener);
    const take = (count = pending.length): void => {
      for (const done of pending.splice(0, count)) done();
    };
    return { got, take, leave: () => router.removeListener(filter, listener) };
  };
  const publish = (topic: string, payload?: Buffer, clientId?: string): { wentOn: boolean } => {
    const result = { wentOn: false };
    router.emit(packet(topic, payload, clientId), () => {
      result.wentOn = true;
    });
    return result;
  };
  return { router, dropped, subscriber, publish };
}

describe("routing", () => {
  test("a + stands for one segment, and nothing for several", () => {
    const { subscriber, publish } = routed();
    const all = subscriber("a", "tally/v1/+/+/up");
    const org = subscriber("b", "tally/v1/acme/+/up");
    const one = subscriber("c", "tally/v1/acme/gw/up");
    for (const topic of [
      "tally/v1/acme/gw/up",
      "tally/v1/acme/x/up",
      "tally/v1/o/x/up",
      "tally/v1/o/x/down",
      "tally/v1/up",
    ])
      publish(topic);
    expect([all.got.length, org.got.length, one.got.length]).toEqual([3, 2, 1]);
  });

  test("who left gets nothing", () => {
    const { subscriber, publish } = routed();
    const one = subscriber("a", "t/a");
    const other = subscriber("b", "t/a");
    const wild = subscriber("c", "t/+");
    one.leave();
    wild.leave();
    publish("t/a");
    expect([one.got.length, other.got.length, wild.got.length]).toEqual([0, 1, 0]);
  });
});

describe("a subscriber that does not take its messages", () => {
  test("loses the newest ones beyond its bound; others lose nothing and nobody waits", () => {
    const { subscriber, publish, dropped, router } = routed({ slow: { ...ROOMY, maxMessages: 3 } });
    const slow = subscriber("slow", "t");
    const quick = subscriber("quick", "t");
    for (let n = 0; n < 10; n++) {
      expect(publish("t", Buffer.from(String(n))).wentOn).toBe(true);
      quick.take();
    }
    expect(slow.got.map(({ payload }) => payload.toString())).toEqual(["0", "1", "2"]);
    expect(quick.got.length).toBe(10);
    expect(dropped).toEqual(Array(7).fill("slow"));
    slow.take(1);
    publish("t", Buffer.from("10"));
    expect(slow.got.at(-1)?.payload.toString()).toBe("10");
    slow.take();
    quick.take();
    expect(router.underway()).toEqual({ messages: 0, bytes: 0 });
  });

  test("is bounded in bytes too, whatever the number of messages", () => {
    const { subscriber, publish, dropped, router } = routed({ slow: { ...ROOMY, maxBytes: 10_000 } });
    subscriber("slow", "t");
    for (let n = 0; n < 20; n++) publish("t", Buffer.alloc(3000));
    expect(router.underway().bytes).toBeLessThanOrEqual(10_000);
    expect(dropped.length).toBe(17);
  });

  test("keeps alive no more than its own bytes of what they came in", () => {
    const { subscriber, publish } = routed();
    const slow = subscriber("slow", "t");
    const read = Buffer.from(new ArrayBuffer(65_536));
    for (let n = 0; n < 40; n++) publish("t", read.subarray(n, n + 6));
    const pinning = slow.got.filter(({ payload }) => (payload as Buffer).buffer === read.buffer);
    expect(pinning.length).toBe(16);
  });
});

describe("a subscriber that is waited for", () => {
  const LEDGER: Treatment = { maxMessages: 320, maxBytes: 1 << 20, waitedFor: true };
  const kept = (client: string): boolean => client === "anchor";

  const gone = (writes: readonly { wentOn: boolean }[]): number =>
    writes.filter(({ wentOn }) => wentOn).length;

  test("holds its writers once it has enough, until half of that is taken, and loses nothing", () => {
    const { subscriber, publish, dropped } = routed({ anchor: LEDGER });
    const anchor = subscriber("anchor", "up");
    const writes = Array.from({ length: 30 }, () => publish("up"));
    expect(gone(writes)).toBe(10);
    anchor.take(24);
    expect(gone(writes)).toBe(10);
    anchor.take(1);
    expect(gone(writes)).toBeGreaterThan(10);
    anchor.take();
    expect(dropped).toEqual([]);
    expect(anchor.got.length).toBe(30);
  });

  test("is brought no more than it has room for, however many wait", async () => {
    const { router, subscriber, publish } = routed({ anchor: LEDGER });
    const anchor = subscriber("anchor", "up");
    // each goes on to its next message as soon as it may
    let left = 200;
    const goOn = (): void => {
      if (left-- > 0) router.emit(packet("up"), goOn);
    };
    for (let n = 0; n < 40; n++) goOn();
    anchor.take();
    let most = 0;
    while (left > 0) {
      await nextTurn();
      most = Math.max(most, router.underway().messages);
      anchor.take();
    }
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(2 * 11);
    publish("up");
    expect(anchor.got.length).toBe(201);
  });

  test("lets all of them go on in the end, though none brings anything", async () => {
    const { subscriber, publish } = routed({ anchor: LEDGER });
    const anchor = subscriber("anchor", "up");
    const writes = Array.from({ length: 200 }, () => publish("up"));
    anchor.take();
    await expect.poll(() => gone(writes)).toBe(200);
  });

  test("has what it did not acknowledge, though it was written out", () => {
    const { router, subscriber, publish } = routed({ anchor: LEDGER }, { isKept: kept });
    const anchor = subscriber("anchor", "up");
    const writes = Array.from({ length: 30 }, () => publish("up"));
    anchor.take();
    expect(gone(writes)).toBe(10);
    const numbers = anchor.got.map(({ brokerCounter }) => brokerCounter);
    router.acknowledged("device", numbers[0]!);
    for (const number of numbers.slice(0, 24)) router.acknowledged("anchor", number);
    router.acknowledged("anchor", numbers[0]!);
    expect(gone(writes)).toBe(10);
    for (const number of numbers.slice(24)) router.acknowledged("anchor", number);
    expect(gone(writes)).toBe(30);
  });

  test("has no more to acknowledge in bytes than in messages", () => {
    const { subscriber, publish } = routed({ anchor: LEDGER }, { isKept: kept });
    const anchor = subscriber("anchor", "up");
    const writes = Array.from({ length: 10 }, () => {
      const write = publish("up", Buffer.alloc(10_000));
      anchor.take();
      return write;
    });
    expect(gone(writes)).toBe(3);
  });

  test("is told of when it acknowledges nothing while writers wait, and only then", async () => {
    const stalled: string[] = [];
    const options = { isKept: kept, stalled: (id: string) => stalled.push(id), stalledAfterMs: 200 };
    const { router, subscriber, publish } = routed({ anchor: LEDGER }, options);
    const anchor = subscriber("anchor", "up");
    const acknowledge = (packets: readonly AedesPublishPacket[]): void => {
      for (const { brokerCounter } of packets) router.acknowledged("anchor", brokerCounter);
    };
    for (let n = 0; n < 20; n++) publish("up");
    anchor.take();
    acknowledge(anchor.got); // nobody waits any longer
    for (let n = 0; n < 10; n++) publish("up"); // and nobody yet
    anchor.take();
    await delay(300);
    expect(stalled).toEqual([]);
    for (let n = 0; n < 5; n++) publish("up");
    await expect.poll(() => stalled).toEqual(["anchor"]);
  });

  test("does not wait for itself", () => {
    const { subscriber, publish } = routed({ anchor: LEDGER }, { isKept: kept });
    subscriber("anchor", "checkpoint");
    const writes = Array.from({ length: 30 }, () => publish("checkpoint", undefined, "anchor"));
    expect(gone(writes)).toBe(30);
    expect(publish("checkpoint").wentOn).toBe(false);
  });

  test("does not hold those who write to others", () => {
    const { subscriber, publish } = routed({ anchor: LEDGER });
    subscriber("anchor", "up");
    subscriber("device", "down");
    for (let n = 0; n < 30; n++) publish("up");
    expect(publish("down").wentOn).toBe(true);
  });

  test("loses the newest where its bound is reached all the same", () => {
    const { subscriber, publish, dropped } = routed({ anchor: LEDGER });
    subscriber("anchor", "up");
    for (let n = 0; n < 340; n++) publish("up");
    expect(dropped.length).toBe(20);
  });

  test("lets its writers go on when it leaves, and when the broker ends", () => {
    const first = routed({ anchor: LEDGER });
    const anchor = first.subscriber("anchor", "up");
    const writes = Array.from({ length: 30 }, () => first.publish("up"));
    anchor.leave();
    expect(gone(writes)).toBe(30);
    const second = routed({ anchor: LEDGER });
    second.subscriber("anchor", "u/+");
    const held = Array.from({ length: 30 }, () => second.publish("u/p"));
    second.router.close(() => {});
    expect(gone(held)).toBe(30);
  });
});
