/**
 * A ledger that reads and does not acknowledge: its writers wait, and nobody else does.
 *
 * @module
 */
import { once } from "node:events";
import { generate, parser, type IPublishPacket } from "mqtt-packet";
import { describe, expect, test } from "vitest";
import {
  bareSocket,
  closed,
  connected,
  eventually,
  startBroker,
  type Running,
  connectPacket,
} from "./start.ts";

describe("a ledger that reads all and acknowledges when it likes", () => {
  const LIMIT_BYTES = 131_072;

  /** Its packets in the order in which they come, and a way to acknowledge them. */
  async function ledger(broker: Running) {
    const socket = await bareSocket(broker);
    const publishes: IPublishPacket[] = [];
    const others: string[] = [];
    const packets = parser({ protocolVersion: 4 });
    packets.on("packet", (packet) => {
      if (packet.cmd === "publish") publishes.push(packet);
      else others.push(packet.cmd);
    });
    socket.on("data", (bytes: Buffer) => packets.parse(bytes));
    socket.write(connectPacket("anchor", { clean: false }));
    await eventually(() => others.includes("connack"));
    const subscriptions = ["tally/v1/+/+/up", "tally/v1/checkpoint"].map((topic) => ({
      topic,
      qos: 1 as const,
    }));
    socket.write(generate({ cmd: "subscribe", messageId: 1, subscriptions }));
    await eventually(() => others.includes("suback"));
    let answered = 0;
    const acknowledge = (): void => {
      for (; answered < publishes.length; answered++)
        socket.write(generate({ cmd: "puback", messageId: publishes[answered]?.messageId ?? 0 }));
    };
    return { socket, publishes, others, acknowledge };
  }

  async function busy(drainTimeoutMs: number) {
    const broker = await startBroker({
      queues: {
        service: { maxMessages: 4000, maxBytes: 32 * LIMIT_BYTES },
        maxUnderwayBytes: 2 * LIMIT_BYTES,
      },
      limits: { drainTimeoutMs },
    });
    const anchor = await ledger(broker);
    const devices = await Promise.all(Array.from({ length: 5 }, (_, d) => connected(broker, `acme/gw-${d}`)));
    const sent = { acknowledged: 0 };
    for (let n = 0; n < 100; n++) {
      for (const [d, device] of devices.entries())
        device.publish(
          `tally/v1/acme/gw-${d}/up`,
          Buffer.alloc(10_000),
          { qos: 1 },
          () => sent.acknowledged++,
        );
    }
    // it has enough; what may be read beside that, and the last slice of it, is with it too
    const most = (3 * LIMIT_BYTES + 65_536) / 10_000 + 1;
    await eventually(() => anchor.publishes.length > LIMIT_BYTES / 10_000);
    return { broker, anchor, devices, sent, most };
  }

  test("gets no more before it has, so that the answers to what it sends are not behind it", async () => {
    const { broker, anchor, sent, most } = await busy(30_000);
    const receipt = { cmd: "publish", topic: "tally/v1/acme/gw-0/down", payload: "x", qos: 1 } as const;
    anchor.socket.write(generate({ ...receipt, messageId: 7, dup: false, retain: false }));
    await eventually(() => anchor.others.includes("puback"));
    await new Promise((resolve) => {
      setTimeout(resolve, 300);
    });
    expect(anchor.publishes.length).toBeLessThanOrEqual(most);
    expect(sent.acknowledged).toBeLessThanOrEqual(most);
    expect(await broker.metric("queued_messages")).toBe(0);
    await eventually(() => {
      anchor.acknowledge();
      return anchor.publishes.length === 500 && sent.acknowledged === 500;
    });
    expect(broker.codes).toEqual([]);
  });

  test("loses nothing where its queue is small, and many come at once with all they have", async () => {
    const broker = await startBroker({ queues: { service: { maxMessages: 256, maxBytes: 1 << 20 } } });
    const anchor = await ledger(broker);
    const sockets = await Promise.all(
      Array.from({ length: 40 }, async (_, d) => {
        const socket = await bareSocket(broker);
        socket.write(connectPacket(`acme/gw-${d}`));
        await once(socket, "data");
        return socket;
      }),
    );
    for (const [d, socket] of sockets.entries()) {
      const topic = `tally/v1/acme/gw-${d}/up`;
      const message = {
        cmd: "publish",
        topic,
        payload: Buffer.alloc(2800),
        qos: 1,
        dup: false,
        retain: false,
      } as const;
      socket.write(
        Buffer.concat(Array.from({ length: 50 }, (_, n) => generate({ ...message, messageId: n + 1 }))),
      );
    }
    await eventually(() => {
      anchor.acknowledge();
      return anchor.publishes.length >= 2000 || broker.codes.length > 0;
    });
    expect(broker.codes).toEqual([]);
  });

  test("is read from, whatever it has of its own to acknowledge", async () => {
    const { broker, anchor, sent } = await busy(30_000);
    const note = { cmd: "publish", topic: "tally/v1/checkpoint", payload: "x", qos: 1 } as const;
    // more than it may have: 4000 / 32
    for (let messageId = 1; messageId <= 200; messageId++)
      anchor.socket.write(generate({ ...note, messageId, dup: false, retain: true }));
    await eventually(() => anchor.others.filter((cmd) => cmd === "puback").length === 200);
    await eventually(() => {
      anchor.acknowledge();
      return anchor.publishes.length === 700 && sent.acknowledged === 500;
    });
    await eventually(async () => (await broker.metric("session_bytes")) === 0);
    expect(broker.codes).toEqual([]);
  });

  test("is cut off where it acknowledges nothing at all, and its writers go on", async () => {
    const { broker, anchor, devices, sent } = await busy(500);
    await closed(anchor.socket);
    await eventually(() => sent.acknowledged === 500);
    expect(broker.codes.filter((code) => code === "reader-stalled")).toEqual(["reader-stalled"]);
    expect(devices.every((device) => device.connected)).toBe(true);
  });

  test("keeps nobody from connecting, itself least of all", async () => {
    const { broker, anchor } = await busy(30_000);
    const gone = anchor.socket.once("close", () => {});
    const newcomer = await connected(broker, "acme/new", { connectTimeout: 3000 });
    const again = await connected(broker, "anchor", { connectTimeout: 3000, clean: false });
    expect([newcomer.connected, again.connected]).toEqual([true, true]);
    await closed(gone);
    expect(broker.codes).toEqual(["client-replaced"]);
  });
});
