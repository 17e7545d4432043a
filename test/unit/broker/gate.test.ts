/** Before a byte is read: how many, from where, how often, and for how long. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { Bucket, Buckets } from "@tallystick/evidence/node";
import { groupOf } from "../../../broker/src/connections/gate.ts";
import { selfSigned, type TestCertificate } from "../../support/tls-files.ts";
import { device } from "../../support/token-client.ts";
import { WorldKeys } from "../../support/world-keys.ts";
import { eventually, startBroker, type Running } from "./start.ts";

describe("a bucket", () => {
  test("holds a second's worth, refills evenly, and says when there is some again", () => {
    const bucket = new Bucket(10, 0);
    const taken = Array.from({ length: 12 }, () => bucket.take(0)).filter(Boolean);
    expect(taken).toHaveLength(10);
    expect(bucket.take(99)).toBe(false);
    expect(bucket.take(101)).toBe(true);
    bucket.spend(20, 101);
    const waitMs = bucket.waitMs(101);
    expect(waitMs).toBeGreaterThan(1900);
    expect(waitMs).toBeLessThan(2100);
    expect(bucket.waitMs(101 + waitMs)).toBe(0);
    expect(bucket.take(1e9)).toBe(true);
  });

  test("of a name that was seen long ago is forgotten, and begins full", () => {
    const buckets = new Buckets(1, 2, { maxDebt: 5 });
    expect([buckets.take("a", 0), buckets.take("a", 0)]).toEqual([true, false]);
    for (const name of ["b", "c"]) buckets.take(name, 0);
    expect(buckets.take("a", 0)).toBe(true);
    expect(buckets.take("c", 0)).toBe(false);
    expect(buckets.waitMs("never seen", 0)).toBe(0);
    buckets.spend("c", 1000, 0);
    expect(buckets.waitMs("c", 0)).toBeLessThanOrEqual(5001);
  });
});

test.for([
  ["192.0.2.7", "192.0.2.7"],
  ["::ffff:192.0.2.7", "192.0.2.7"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:db8::1", "2001:db8:0:0::/64"],
  ["2001:DB8:0:0:9::", "2001:db8:0:0::/64"],
  ["fe80::1%eth0", "fe80:0:0:0::/64"],
  ["::1", "0:0:0:0::/64"],
  ["", ""],
] as const)("%s counts as %s", ([address, group]) => {
  expect(groupOf(address)).toBe(group);
});

describe("a listener on TLS", () => {
  let folder: string;
  let files: TestCertificate;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "tally-gate-"));
    files = selfSigned(folder, "broker");
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const ISS = "acme/gw-1";
  async function started(limits: NonNullable<Parameters<typeof startBroker>[0]>["limits"] = {}) {
    const keys = await WorldKeys.of(ISS);
    const tls = {
      listen: { host: "127.0.0.1", port: 0 },
      webSocket: { host: "127.0.0.1", port: 0 },
      ...files,
    };
    const broker = await startBroker({ listen: false, tls, limits }, keys);
    return { broker, signer: keys.named(ISS).signer };
  }

  /** A bare connection; what becomes of it is in `gone`. */
  async function bare(
    { port }: Running,
    from = "127.0.0.9",
  ): Promise<{ socket: Socket; gone: Promise<void> }> {
    const socket = connect({ port, host: "127.0.0.1", localAddress: from });
    socket.on("error", () => {}).resume();
    const gone = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    onTestFinished(() => void socket.destroy());
    await Promise.race([once(socket, "connect").catch(() => {}), gone]);
    return { socket, gone };
  }

  test("lets one address have so many that show nothing, and others are let in all the same", async () => {
    const { broker, signer } = await started({ address: { maxUnproved: 3 } });
    const first = await Promise.all([bare(broker), bare(broker), bare(broker)]);
    const fourth = await bare(broker);
    await fourth.gone;
    expect(broker.codes).toEqual(["address-limit"]);
    const client = await device(broker.url, ISS, signer, { from: "127.0.0.1" });
    client.end(true);
    first[0]?.socket.destroy();
    await eventually(async () => (await broker.metric("unproved_connections")) === 2);
    const fifth = await bare(broker);
    await eventually(async () => (await broker.metric("unproved_connections")) === 3);
    expect(fifth.socket.destroyed).toBe(false);
  });

  test("lets one address try so often in a minute", async () => {
    const { broker, signer } = await started({ address: { maxAttemptsPerMinute: 5 } });
    for (let n = 0; n < 8; n++) (await bare(broker)).socket.destroy();
    await broker.seen("address-limit", 3);
    (await device(broker.url, ISS, signer, { from: "127.0.0.1" })).end(true);
  });

  test("lets one address have so many connections, shown or not", async () => {
    const { broker, signer } = await started({ address: { maxConnections: 2 } });
    const client = await device(broker.url, ISS, signer, { from: "127.0.0.9" });
    await bare(broker);
    await (
      await bare(broker)
    ).gone;
    client.end(true);
    await broker.seen("address-limit");
    await eventually(async () => (await broker.metric("addresses")) === 1);
  });

  test("has so many that show nothing, of all addresses together; whoever holds most makes room for whoever holds less", async () => {
    const { broker } = await started({ maxUnproved: 4 });
    const [a, b, c] = ["127.0.1.1", "127.0.1.2", "127.0.1.3"];
    const oldest = await bare(broker, a);
    for (const from of [a, a, b]) await bare(broker, from);
    const newcomer = await bare(broker, c);
    await oldest.gone;
    const second = await bare(broker, c);
    const third = await bare(broker, c);
    await third.gone;
    expect(broker.codes).toEqual(["connection-limit", "connection-limit", "connection-limit"]);
    expect([newcomer, second].map(({ socket }) => socket.destroyed)).toEqual([false, false]);
    await eventually(async () => (await broker.metric("unproved_connections")) === 4);
  });

  test("cuts off whoever drips: before the handshake, after it, into a WebSocket's request", async () => {
    const { broker } = await started({ handshakeTimeoutMs: 300, connectTimeoutMs: 300 });
    const wss = { ...broker, port: Number(new URL(broker.urls["wss"] ?? "").port) };
    const hello = Buffer.from("16030101f0010001ec0303", "hex");
    const drip = (socket: Socket, byte: () => Uint8Array): void => {
      const timer = setInterval(() => void (socket.destroyed || socket.write(byte())), 40);
      onTestFinished(() => clearInterval(timer));
    };
    const handshake = await bare(broker);
    handshake.socket.write(hello);
    drip(handshake.socket, () => new Uint8Array(1));
    const secured = async ({ port }: Running, bytes: string) => {
      const socket = connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false });
      socket.on("error", () => {}).resume();
      const gone = new Promise<void>((resolve) => socket.once("close", () => resolve()));
      onTestFinished(() => void socket.destroy());
      await once(socket, "secureConnect");
      let at = 0;
      drip(socket, () => Buffer.from(bytes[at++] ?? "x"));
      return gone;
    };
    const before = performance.now();
    await Promise.all([
      handshake.gone,
      secured(broker, "\x10\x7f"),
      secured(wss, "GET /mqtt HTTP/1.1\r\nHost: localhost\r\n"),
    ]);
    expect(performance.now() - before).toBeLessThan(5000);
    expect(new Set(broker.codes)).toEqual(new Set(["tls-handshake", "connect-timeout"]));
    await eventually(async () => (await broker.metric("unproved_connections")) === 0);
  });

  test("tells what is no TLS apart, and takes no harm", async () => {
    const { broker, signer } = await started();
    for (const bytes of ["GET / HTTP/1.1\r\n\r\n", "\x10\x0c\x00\x04MQTT", "\0".repeat(1000)]) {
      const { socket, gone } = await bare(broker);
      socket.write(bytes);
      await gone;
    }
    expect(broker.codes).toEqual(["tls-handshake", "tls-handshake", "tls-handshake"]);
    (await device(broker.url, ISS, signer)).end(true);
  });
});
