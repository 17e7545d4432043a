/** MQTT in WebSocket frames: who is answered, and what a frame may hold. */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import mqtt from "mqtt";
import { generate } from "mqtt-packet";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { WebSocket, type ClientOptions } from "ws";
import { selfSigned, type TestCertificate } from "../../support/tls-files.ts";
import { tokenFor } from "../../support/token-client.ts";
import { WorldKeys } from "../../support/world-keys.ts";
import { connected, drainedOrClosed, eventually, inbox, startBroker, type Running } from "./start.ts";

const ISS = "acme/gw-1";
const UP = "tally/v1/acme/gw-1/up";
const HELLO = generate({
  cmd: "connect",
  clientId: ISS,
  protocolId: "MQTT",
  protocolVersion: 4,
  clean: true,
  keepalive: 60,
});

let folder: string;
let files: TestCertificate;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tally-ws-"));
  files = selfSigned(folder, "broker");
});
afterAll(() => rmSync(folder, { recursive: true }));

const ON = { host: "127.0.0.1", port: 0, auth: "none" as const, origins: ["https://watch.example"] };
const plain = (limits = {}): Promise<Running> => startBroker({ webSocket: ON, limits });

/** A WebSocket to the broker; its end is in `gone`. */
async function open(
  { urls }: Running,
  options: ClientOptions = {},
): Promise<{ socket: WebSocket; raw: Socket; gone: Promise<number> }> {
  const url = `${urls["ws"] ?? ""}/mqtt`;
  const raw = connect(Number(new URL(url).port), "127.0.0.1");
  const socket = new WebSocket(url, "mqtt", { ...options, createConnection: () => raw });
  socket.on("error", () => {});
  onTestFinished(() => socket.terminate());
  const gone = new Promise<number>((resolve) => socket.once("close", resolve));
  await once(socket, "open");
  return { socket, raw, gone };
}

describe("a client", () => {
  test("speaks MQTT as over TCP", async () => {
    const broker = await plain();
    const anchor = await connected(broker, "anchor");
    const atAnchor = inbox(anchor);
    await anchor.subscribeAsync("tally/v1/+/+/up", { qos: 1 });
    const options = { clientId: ISS, protocolVersion: 4, reconnectPeriod: 0 } as const;
    const client = await mqtt.connectAsync(`${broker.urls["ws"] ?? ""}/mqtt`, options);
    onTestFinished(() => void client.end(true));
    const atDevice = inbox(client);
    await client.subscribeAsync("tally/v1/acme/gw-1/down", { qos: 1 });
    await client.publishAsync(UP, Buffer.alloc(65_536, 7), { qos: 1 });
    await atAnchor.next(1);
    expect(atAnchor.messages[0]?.payload.length).toBe(65_536);
    for (let n = 0; n < 100; n++) anchor.publish("tally/v1/acme/gw-1/down", `${n}`, { qos: 1 });
    expect(await atDevice.next(100)).toEqual(Array.from({ length: 100 }, (_, n) => `${n}`));
    expect(broker.codes).toEqual([]);
  });

  test("on TLS shows its key, by the exporter of that connection", async () => {
    const keys = await WorldKeys.of(ISS);
    const address = { host: "127.0.0.1", port: 0 };
    const tls = { listen: address, webSocket: { ...address, origins: [] }, ...files };
    const broker = await startBroker({ listen: false, tls }, keys);
    const wss = new URL(broker.urls["wss"] ?? "");
    const socket = connectTls({ host: wss.hostname, port: Number(wss.port), rejectUnauthorized: false });
    await once(socket, "secureConnect");
    const password = await tokenFor(socket, ISS, keys.named(ISS).signer);
    const upgraded = new WebSocket(`${wss.href}mqtt`, "mqtt", {
      createConnection: () => socket,
    });
    onTestFinished(() => upgraded.terminate());
    await once(upgraded, "open");
    upgraded.send(
      generate({
        cmd: "connect",
        clientId: ISS,
        username: ISS,
        password,
        protocolId: "MQTT",
        protocolVersion: 4,
        clean: true,
        keepalive: 60,
      }),
    );
    const [connack] = (await once(upgraded, "message")) as [Buffer];
    expect([...connack]).toEqual([0x20, 2, 0, 0]);
    expect(await broker.metric("unproved_connections")).toBe(0);
  });

  test("may cut its packets into frames as it likes", async () => {
    const broker = await plain();
    const { socket } = await open(broker);
    for (const byte of HELLO) socket.send(Uint8Array.of(byte));
    const [connack] = (await once(socket, "message")) as [Buffer];
    expect([...connack]).toEqual([0x20, 2, 0, 0]);
  });

  test("of a page that the configuration names is answered, of any other it is not", async () => {
    const broker = await plain();
    await open(broker, { origin: "https://watch.example" });
    await expect(open(broker, { origin: "https://evil.example" })).rejects.toThrow("403");
    expect(broker.codes).toEqual(["websocket-malformed"]);
  });
});

describe("refused", () => {
  const request = (head: string) => `${head}\r\n\r\n`;
  const UPGRADE = "Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13";
  const KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";

  test.for<[string, string, string]>([
    ["no upgrade", request("GET /mqtt HTTP/1.1\r\nHost: x"), "426"],
    [
      "another path",
      request(`GET /other HTTP/1.1\r\n${UPGRADE}\r\n${KEY}\r\nSec-WebSocket-Protocol: mqtt`),
      "404",
    ],
    ["no subprotocol", request(`GET /mqtt HTTP/1.1\r\n${UPGRADE}\r\n${KEY}`), "400"],
    [
      "another subprotocol",
      request(`GET /mqtt HTTP/1.1\r\n${UPGRADE}\r\n${KEY}\r\nSec-WebSocket-Protocol: chat`),
      "400",
    ],
    ["no key", request(`GET /mqtt HTTP/1.1\r\n${UPGRADE}\r\nSec-WebSocket-Protocol: mqtt`), "400"],
    ["no HTTP", "\x10\x0c\x00\x04MQTT\r\n\r\n", "400"],
    ["headers without an end", `GET /mqtt HTTP/1.1\r\n${"X: y\r\n".repeat(4000)}`, "4"],
    [
      "a request with a body",
      request("POST /mqtt HTTP/1.1\r\nHost: x\r\nContent-Length: 5") + "hello",
      "426",
    ],
  ])("%s: answered and closed", async ([, bytes, status]) => {
    const broker = await plain();
    const socket = connect(Number(new URL(broker.urls["ws"] ?? "").port), "127.0.0.1");
    onTestFinished(() => void socket.destroy());
    let answer = "";
    socket.on("error", () => {}).on("data", (chunk: Buffer) => (answer += chunk.toString("latin1")));
    socket.write(bytes, "latin1");
    await new Promise((resolve) => socket.once("close", resolve));
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status}`));
    expect(broker.codes).toEqual(["websocket-malformed"]);
    await eventually(async () => (await broker.metric("unproved_connections")) === 0);
  });

  test.for<[string, (socket: WebSocket) => void, readonly string[]]>([
    ["text", (socket) => socket.send("hello"), ["websocket-malformed"]],
    ["a message larger than any packet", (socket) => socket.send(Buffer.alloc(200_000)), ["too-large"]],
    [
      "a packet that announces 10 MB",
      (socket) => socket.send(Uint8Array.of(0x10, 0x80, 0xad, 0xe2, 4)),
      ["too-large"],
    ],
    ["something else before CONNECT", (socket) => socket.send(Uint8Array.of(0xc0, 0)), ["packet-malformed"]],
    [
      "a message in very many frames",
      (socket) => {
        for (let n = 0; n < 3000; n++) socket.send(Uint8Array.of(0), { fin: false });
      },
      ["websocket-malformed"],
    ],
  ])("after the upgrade, %s: closed", async ([, act, codes]) => {
    const broker = await plain();
    const { socket, gone } = await open(broker);
    act(socket);
    await gone;
    expect(broker.codes).toEqual(codes);
  });

  test("frames that no client may send end the connection", async () => {
    for (const frame of ["c27f00", "8180000000", "8a05", "c18100000000aa", "827fffffffffffffffff00000000"]) {
      const broker = await plain();
      const { raw, gone } = await open(broker);
      raw.write(Buffer.from(frame, "hex"));
      raw.write(Buffer.alloc(16));
      await gone;
      expect(["websocket-malformed", "too-large"], frame).toContain(broker.codes[0]);
    }
  });
});

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Memory that this process, which the broker runs in, can't let go of. */
function memory(): number {
  collectGarbage();
  const { external, heapUsed } = process.memoryUsage();
  return external + heapUsed;
}

test("pings of a client that takes no answers are not answered for ever", async () => {
  const broker = await plain();
  const { socket, raw } = await open(broker);
  socket.send(HELLO);
  await once(socket, "message");
  socket.pause();
  // RFC 6455 section 5.5.2: a masked ping of 125 bytes
  const ping = Buffer.concat([Buffer.from("89fd00000000", "hex"), Buffer.alloc(125)]);
  const pings = Buffer.concat(Array.from({ length: 500 }, () => ping));
  const before = memory();
  for (let sent = 0; sent < 30 << 20; sent += pings.length) if (!raw.write(pings)) await drainedOrClosed(raw);
  expect(raw.destroyed).toBe(false);
  expect((memory() - before) >> 20).toBeLessThan(8);
  expect(broker.codes).toEqual([]);
});
