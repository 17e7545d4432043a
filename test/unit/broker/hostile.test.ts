import { once } from "node:events";
import { connect as connectSocket } from "node:net";
import { generate } from "mqtt-packet";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import {
  bareSocket,
  closed,
  connected,
  drainedOrClosed,
  eventually,
  inbox,
  startBroker,
  type Running,
  connectPacket,
} from "./start.ts";

const UP = "tally/v1/acme/gw-1/up";
const MIB = 1 << 20;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Memory that this process, which the broker runs in, can't let go of. */
function memory(): number {
  collectGarbage();
  const { external, heapUsed } = process.memoryUsage();
  return external + heapUsed;
}

/** Writes until the other side closes; returns how many bytes it took. */
async function flood(broker: Running, head: Uint8Array, chunk: Uint8Array, bytes: number): Promise<number> {
  const socket = await bareSocket(broker);
  socket.write(head);
  let sent = 0;
  while (sent < bytes && !socket.destroyed) {
    sent += chunk.length;
    if (!socket.write(chunk)) {
      await drainedOrClosed(socket);
    }
  }
  await closed(socket);
  return socket.bytesWritten;
}

describe("packets that are too large", () => {
  test("10 MB announced: closed with a code before it is read, memory flat", async () => {
    const broker = await startBroker();
    const tenMegabytes = Uint8Array.of(0x32, 0x80, 0xad, 0xe2, 0x04);
    const before = memory();
    for (let n = 1; n <= 5; n++) {
      const taken = await flood(
        broker,
        Buffer.concat([connectPacket("acme/gw-1"), tenMegabytes]),
        Buffer.alloc(65_536),
        10_000_000,
      );
      expect(taken).toBeLessThan(10_000_000);
      await broker.seen("too-large", n);
    }
    expect(memory() - before).toBeLessThan(30 * MIB);
  });

  test("a CONNECT of 100 kB, before anybody was let in", async () => {
    const broker = await startBroker();
    await flood(broker, Uint8Array.of(0x10, 0xa0, 0x8d, 0x06), Buffer.alloc(4096), 100_000);
    expect(broker.codes).toEqual(["too-large"]);
  });
});

describe("malformed packets", () => {
  test.for([
    ["a response", Uint8Array.of(0x20, 2, 0, 0)],
    [
      "PUBLISH before CONNECT",
      generate({ cmd: "publish", topic: UP, payload: "x", qos: 0, dup: false, retain: false }),
    ],
    ["another protocol", Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n")],
    ["CONNECT of an unknown protocol", Buffer.from("\x10\x0c\x00\x04HTTP\x04\x02\x00\x3c\x00\x00", "latin1")],
    ["CONNECT cut short by its own lengths", Uint8Array.of(0x10, 4, 0, 0xff, 0x4d, 0x51)],
    ["five length bytes", Uint8Array.of(0x10, 0x80, 0x80, 0x80, 0x80, 1)],
  ] as const)("%s", async ([, bytes]) => {
    const broker = await startBroker();
    const socket = await bareSocket(broker);
    socket.write(bytes);
    await closed(socket);
    expect(broker.codes).toEqual(["packet-malformed"]);
  });

  test.for([
    ["QoS 3", Uint8Array.of(0x36, 5, 0, 1, 0x61, 0, 1)],
    ["a topic longer than its packet", Uint8Array.of(0x32, 4, 0xff, 0xff, 0x61, 0x61)],
    [
      "a wildcard in the topic",
      generate({
        cmd: "publish",
        topic: "tally/v1/+/gw-1/up",
        payload: "x",
        qos: 1,
        messageId: 1,
        dup: false,
        retain: false,
      }),
    ],
    [
      "a # in the topic",
      generate({
        cmd: "publish",
        topic: "tally/v1/#",
        payload: "x",
        qos: 1,
        messageId: 1,
        dup: false,
        retain: false,
      }),
    ],
    ["an empty topic", Uint8Array.of(0x32, 4, 0, 0, 0, 1)],
    ["a second CONNECT", connectPacket("acme/gw-2")],
    ["a SUBSCRIBE without a filter", Uint8Array.of(0x82, 2, 0, 1)],
    ["a SUBSCRIBE with wrong flags", Uint8Array.of(0x80, 2, 0, 1)],
    ["a PUBACK with wrong flags", Uint8Array.of(0x41, 2, 0, 1)],
  ] as const)("after CONNECT: %s", async ([, bytes]) => {
    const broker = await startBroker();
    const other = await connected(broker, "acme/other");
    const socket = await bareSocket(broker);
    socket.write(connectPacket("acme/gw-1"));
    await once(socket, "data");
    socket.write(bytes);
    await closed(socket);
    expect(broker.codes).toEqual(["packet-malformed"]);
    expect(other.connected).toBe(true);
  });

  test("random bytes after CONNECT never take the broker down", async () => {
    const broker = await startBroker({ limits: { connectTimeoutMs: 500 } });
    const anchor = await connected(broker, "anchor");
    const atAnchor = inbox(anchor);
    await anchor.subscribeAsync("tally/v1/+/+/up", { qos: 1 });
    const sockets = [];
    let seed = 1;
    const random = (): number => (seed = (seed * 48_271) % 2_147_483_647);
    for (let n = 0; n < 200; n++) {
      const socket = await bareSocket(broker);
      socket.write(connectPacket(`acme/gw-${n}`));
      // well-formed beginnings with wild bodies reach deeper than noise does
      const length = random() % 60;
      const first = [0x30, 0x32, 0x34, 0x40, 0x50, 0x62, 0x70, 0x82, 0xa2][random() % 9] ?? 0;
      const body = Uint8Array.from({ length }, () => random() & 255);
      socket.write(Buffer.concat([Uint8Array.of(first, length), body, Uint8Array.of(0xe0, 0)]));
      sockets.push(closed(socket));
    }
    await Promise.all(sockets);
    const device = await connected(broker, "acme/gw-1");
    await device.publishAsync(UP, "still here", { qos: 1 });
    expect(await atAnchor.next(1)).toEqual(["still here"]);
  });
});

test("more than a few packets before CONNACK are not kept waiting", async () => {
  const broker = await startBroker();
  const socket = await bareSocket(broker);
  const ping = generate({ cmd: "pingreq" });
  socket.write(Buffer.concat([connectPacket("acme/gw-1"), ...Array.from({ length: 50 }, () => ping)]));
  await closed(socket);
  expect(broker.codes).toEqual(["rate-limited"]);
});

describe("slow ones", () => {
  test("a connection without CONNECT, or with half of one, is cut off", async () => {
    const broker = await startBroker({ limits: { connectTimeoutMs: 200 } });
    const silent = await bareSocket(broker);
    const half = await bareSocket(broker);
    half.write(connectPacket("acme/gw-1").subarray(0, 7));
    await Promise.all([closed(silent), closed(half)]);
    await broker.seen("connect-timeout", 2);
  });

  test("a packet that trickles in is cut off by the keep-alive", async () => {
    const broker = await startBroker();
    const socket = await bareSocket(broker);
    const packet = generate({
      cmd: "connect",
      clientId: "acme/gw-1",
      protocolId: "MQTT",
      protocolVersion: 4,
      clean: true,
      keepalive: 1,
    });
    socket.write(packet);
    await once(socket, "data");
    socket.write(Uint8Array.of(0x32, 0x80, 0x20));
    const drip = setInterval(() => socket.write(Uint8Array.of(0)), 50);
    await closed(socket);
    clearInterval(drip);
    expect(broker.codes).toEqual(["keepalive-timeout"]);
  });

  test("a client that reads no answers is not read either, and cut off", async () => {
    const broker = await startBroker({ limits: { drainTimeoutMs: 1000 } });
    const socket = await bareSocket(broker);
    socket.write(connectPacket("acme/gw-1"));
    await once(socket, "data");
    socket.pause();
    const pings = Buffer.alloc(65_536, generate({ cmd: "pingreq" }));
    const before = memory();
    let most = 0;
    let rounds = 0;
    while (!socket.destroyed && socket.bytesWritten < 100 * MIB) {
      if (!socket.write(pings)) await drainedOrClosed(socket);
      if (++rounds % 32 === 0) most = Math.max(most, memory());
    }
    await broker.seen("reader-stalled");
    expect(most - before).toBeLessThan(20 * MIB);
  });
});

describe("a subscriber that never reads", () => {
  const services = [
    { id: "anchor", publish: ["down" as const], subscribe: ["up" as const], whenSlow: "wait" as const },
    { id: "watch", publish: [], subscribe: ["up" as const], whenSlow: "drop" as const },
  ];

  test("is bounded, loses the newest, is cut off in the end, and nobody else notices", async () => {
    const broker = await startBroker({
      services,
      queues: { service: { maxMessages: 5000, maxBytes: 4 * MIB } },
      limits: { drainTimeoutMs: 3000 },
    });
    const watch = await bareSocket(broker);
    watch.write(connectPacket("watch"));
    await once(watch, "data");
    watch.write(
      generate({
        cmd: "subscribe",
        messageId: 1,
        subscriptions: [{ topic: "tally/v1/+/+/up", qos: 1 }],
      }),
    );
    await once(watch, "data");
    watch.pause();

    const anchor = await connected(broker, "anchor");
    let got = 0;
    anchor.on("message", () => got++);
    await anchor.subscribeAsync("tally/v1/+/+/up", { qos: 1 });
    const device = await connected(broker, "acme/gw-1");
    const payload = Buffer.alloc(60_000);
    let most = 0;
    let sent = 0;
    // 30 MB: far more than its queue and the kernel's buffers take
    while (sent < 500) {
      await Promise.all(Array.from({ length: 20 }, () => device.publishAsync(UP, payload, { qos: 1 })));
      sent += 20;
      most = Math.max(most, await broker.metric("queued_bytes"));
    }
    await eventually(() => got === sent);
    await broker.seen("queue-full");
    expect(most).toBeLessThan(9 * MIB);
    await broker.seen("reader-stalled");
    await eventually(async () => (await broker.metric("queued_bytes")) === 0);
    expect(anchor.connected && device.connected).toBe(true);
  });

  test("if it is the ledger, its writers wait, and nothing is lost when it reads on", async () => {
    const broker = await startBroker({
      services,
      queues: { service: { maxMessages: 4000, maxBytes: 4 * MIB } },
    });
    const anchor = await connected(broker, "anchor");
    let held: (() => void) | undefined;
    let got = 0;
    let open = false;
    // MQTT.js reads on, and acknowledges, when the callback is called
    anchor.handleMessage = (_packet, done) => {
      got++;
      if (open) done();
      else held = done;
    };
    await anchor.subscribeAsync("tally/v1/+/+/up", { qos: 1 });
    const devices = await Promise.all(
      Array.from({ length: 20 }, (_, d) => connected(broker, `acme/gw-${d}`)),
    );
    const payload = Buffer.alloc(30_000);
    let acknowledged = 0;
    for (let n = 0; n < 100; n++) {
      for (const [d, device] of devices.entries()) {
        device.publish(`tally/v1/acme/gw-${d}/up`, payload, { qos: 1 }, () => acknowledged++);
      }
    }
    await eventually(async () => {
      return (await broker.metric("queued_bytes")) > MIB / 4;
    });
    // what is under way stands still: neither acknowledged nor taken
    let before = -1;
    await eventually(async () => {
      const same = before === acknowledged;
      before = acknowledged;
      await new Promise((resolve) => {
        setTimeout(resolve, 200);
      });
      return same;
    });
    expect(acknowledged).toBeLessThan(2000);
    expect(await broker.metric("queued_bytes")).toBeLessThan(5 * MIB);
    open = true;
    held?.();
    await eventually(() => got === 2000, 30_000);
    expect(broker.codes).toEqual([]);
  });

  test("if it is a dead ledger, its writers go on once it is cut off", async () => {
    const broker = await startBroker({
      services,
      queues: { service: { maxMessages: 4000, maxBytes: 4 * MIB } },
      limits: { drainTimeoutMs: 500 },
    });
    const anchor = await connected(broker, "anchor");
    anchor.handleMessage = () => {};
    await anchor.subscribeAsync("tally/v1/+/+/up", { qos: 1 });
    const device = await connected(broker, "acme/gw-1");
    const payload = Buffer.alloc(60_000);
    await Promise.all(Array.from({ length: 400 }, () => device.publishAsync(UP, payload, { qos: 1 })));
    expect(broker.codes).toContain("reader-stalled");
    expect(device.connected).toBe(true);
  });
});

describe("many", () => {
  test("connections beyond the limit are closed, those there are go on", async () => {
    const broker = await startBroker({ limits: { maxConnections: 20 } });
    const device = await connected(broker, "acme/gw-1");
    const flooding = Array.from({ length: 300 }, () => {
      const socket = connectSocket(broker.port, "127.0.0.1");
      socket.on("error", () => {});
      return socket;
    });
    await broker.seen("connection-limit", 281);
    await device.publishAsync(UP, "x", { qos: 1 });
    for (const socket of flooding) socket.destroy();
    await eventually(async () => {
      const socket = await bareSocket(broker);
      socket.write(connectPacket("acme/gw-2"));
      return (
        (await Promise.race([once(socket, "data"), once(socket, "close")])).length > 0 && !socket.destroyed
      );
    });
  });

  test("refused subscriptions and pings in great number cost nothing that stays", async () => {
    const broker = await startBroker();
    const device = await connected(broker, "acme/gw-1");
    for (let n = 0; n < 500; n++)
      await device.subscribeAsync(`tally/v1/x/y${n}/down`, { qos: 1 }).catch(() => {});
    expect(broker.codes.length).toBe(500);
    expect(device.connected).toBe(true);
  });
});
