/** The agent's line to a broker on TLS: whom it speaks with, and what it shows. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import type { Signer } from "@tallystick/evidence";
import { pinOf } from "@tallystick/evidence/node";
import { readFileSync } from "node:fs";
import { brokerLine, type Connection, type LineSettings } from "../../../agent/src/uplink/uplink.ts";
import { makeSecret } from "../../../broker/src/access/secret.ts";
import { authority, selfSigned, type TestCertificate } from "../../support/tls-files.ts";
import { WorldKeys } from "../../support/world-keys.ts";
import { signerOf } from "../../support/world.ts";
import { startBroker, type Running } from "../broker/start.ts";

const ISS = "acme/gw-1";
const UP = "tally/v1/acme/gw-1/up";

let folder: string;
let files: TestCertificate;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tally-uplink-"));
  files = selfSigned(folder, "broker");
});
afterAll(() => rmSync(folder, { recursive: true }));

async function secureBroker(
  keys: WorldKeys,
  { cert, key }: TestCertificate = files,
  more = {},
): Promise<Running> {
  const tls = { listen: { host: "127.0.0.1", port: 0 }, cert, key, ...more };
  return startBroker({ listen: false, tls }, keys);
}

/** Connects as the agent does. */
async function connect(
  broker: Partial<LineSettings["broker"]> & { readonly url: string },
  ...signers: readonly Signer[]
): Promise<Connection> {
  const line = brokerLine({ iss: ISS, broker, metered: false }, () => signers);
  return closing(await line(() => {}, new AbortController().signal));
}

function closing(connection: Connection): Connection {
  onTestFinished(() => connection.end());
  return connection;
}

const own = (): Signer => signerOf(`${ISS} key 1`);

describe("with a pin", () => {
  test("a broker of that key is spoken with, whatever the dates and names of its certificate", async () => {
    const expired = selfSigned(folder, "expired", { expired: true });
    const broker = await secureBroker(await WorldKeys.of(ISS), expired);
    const connection = await connect({ url: broker.url, tls: { pin: broker.pin } }, own());
    await connection.publish(UP, new Uint8Array([1]));
    expect(broker.codes).toEqual([]);
    expect(await broker.metric('connections_total{proof="token"}')).toBe(1);
  });

  test("one of two is enough: a broker that changes its key is known by both meanwhile", async () => {
    const broker = await secureBroker(await WorldKeys.of(ISS));
    const other = pinOf(readFileSync(selfSigned(folder, "other").cert));
    await connect({ url: broker.url, tls: { pin: [other, broker.pin] } }, own());
  });

  test("another's key is told, and nothing is shown to it", async () => {
    const broker = await secureBroker(await WorldKeys.of(ISS));
    let signed = 0;
    const signer = { key: own().key, sign: (message: Uint8Array) => (signed++, own().sign(message)) };
    const pin = pinOf(readFileSync(selfSigned(folder, "stranger").cert));
    await expect(connect({ url: broker.url, tls: { pin } }, signer)).rejects.toMatchObject({
      code: "tls-pin",
      message: expect.stringMatching(/set broker\.tls\.pin/) as string,
    });
    expect(signed).toBe(0);
    expect(await broker.metric('connections_total{proof="token"}')).toBe(0);
  });
});

describe("with an authority", () => {
  test("a certificate of it is good; one of another, or one that is over, is told with what to do", async () => {
    const ca = authority(folder);
    const keys = await WorldKeys.of(ISS);
    const broker = await secureBroker(keys, ca.issue("good", "broker"));
    await connect({ url: broker.url, tls: { ca: ca.ca } }, own());
    const stranger = await secureBroker(keys);
    for (const tls of [{ ca: ca.ca }, undefined])
      await expect(connect({ url: stranger.url, tls }, own())).rejects.toMatchObject({
        code: "tls-handshake",
        message: expect.stringMatching(/set broker\.tls\.ca .* or broker\.tls\.pin/) as string,
      });
    const expired = selfSigned(folder, "over", { expired: true });
    const late = await secureBroker(keys, expired);
    await expect(connect({ url: late.url, tls: { ca: expired.cert } }, own())).rejects.toMatchObject({
      code: "tls-handshake",
    });
  });
});

describe("keys", () => {
  test("a slow signer is waited for", async () => {
    const broker = await secureBroker(await WorldKeys.of(ISS));
    const slow = {
      key: own().key,
      async sign(message: Uint8Array) {
        await new Promise((resolve) => setTimeout(resolve, 400));
        return own().sign(message);
      },
    };
    await connect({ url: broker.url, tls: { pin: broker.pin } }, slow);
  });

  test("after a rotation the newest is tried first, then the one before, until the broker knows the new one", async () => {
    const keys = await WorldKeys.of(ISS);
    const broker = await secureBroker(keys);
    const next = signerOf(`${ISS} next`);
    const line = brokerLine(
      { iss: ISS, broker: { url: broker.url, tls: { pin: broker.pin } }, metered: false },
      () => [next, own()],
    );
    const attempt = (): Promise<Connection> => line(() => {}, new AbortController().signal);
    await expect(attempt()).rejects.toMatchObject({
      code: "unreachable",
      message: expect.stringMatching(/enrolled/) as string,
    });
    const old = closing(await attempt());
    const { key } = next;
    await keys.world.register({
      kind: "re-enrol",
      device: ISS,
      key,
      streams: ["*"],
      silenceS: 900,
      reason: "test",
    });
    keys.publish();
    await old.closed;
    closing(await attempt());
    expect(broker.codes).toEqual(["key-unknown", "key-superseded"]);
  });

  test("a signer that fails says so", async () => {
    const broker = await secureBroker(await WorldKeys.of(ISS));
    const broken = { key: own().key, sign: () => Promise.reject(new Error("no card")) };
    await expect(connect({ url: broker.url, tls: { pin: broker.pin } }, broken)).rejects.toThrow("no card");
  });
});

describe("in place of a token", () => {
  test("a client certificate", async () => {
    const ca = authority(folder, "clients");
    const broker = await secureBroker(await WorldKeys.of(ISS), files, { clientCa: ca.ca });
    const { cert, key } = ca.issue("device", ISS);
    await connect({ url: broker.url, tls: { pin: broker.pin, cert, key } }, own());
    expect(await broker.metric('connections_total{proof="certificate"}')).toBe(1);
  });

  test("a password from a file, which this broker does not take from a device", async () => {
    const broker = await secureBroker(await WorldKeys.of(ISS));
    const passwordFile = join(folder, "password");
    writeFileSync(passwordFile, `${makeSecret().secret}\n`, { mode: 0o600 });
    await expect(
      connect({ url: broker.url, tls: { pin: broker.pin }, username: ISS, passwordFile }, own()),
    ).rejects.toMatchObject({ code: "unreachable" });
    expect(broker.codes).toEqual(["token-malformed"]);
  });
});

test.for<[string, Partial<LineSettings["broker"]> & { readonly url: string }, string]>([
  ["beyond this machine without TLS", { url: "mqtt://192.0.2.1:1883", username: "x" }, "tls-required"],
  ["a name beyond this machine without TLS", { url: "mqtt://127.0.0.1.example:1883" }, "tls-required"],
  [
    "a file that is not there",
    { url: "mqtts://127.0.0.1:1", tls: { ca: "/nowhere/ca.pem" } },
    "tls-malformed",
  ],
  ["nobody there", { url: "mqtts://127.0.0.1:1" }, "unreachable"],
])("%s is told: %s", async ([, broker, code]) => {
  await expect(connect(broker, own())).rejects.toMatchObject({ code });
});

test("a broker without TLS on that port, and one that hangs, are given up", async () => {
  const plain = await startBroker();
  await expect(connect({ url: `mqtts://127.0.0.1:${plain.port}` }, own())).rejects.toMatchObject({
    code: expect.stringMatching(/^(?:unreachable|tls-handshake)$/) as string,
  });
  const hanging = createServer(() => {}).listen(0, "127.0.0.1");
  onTestFinished(() => void hanging.close());
  await new Promise((resolve) => hanging.once("listening", resolve));
  const { port } = hanging.address() as { port: number };
  const stop = new AbortController();
  setTimeout(() => stop.abort(), 100);
  const settings = { iss: ISS, broker: { url: `mqtts://127.0.0.1:${port}` }, metered: false };
  await expect(brokerLine(settings, () => [own()])(() => {}, stop.signal)).rejects.toMatchObject({
    code: "unreachable",
  });
});

test("a broker that lets it in and grants nothing is left after a while", async () => {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket.on("error", () => undefined));
    socket.on("data", (bytes: Buffer) => {
      if ((bytes[0] ?? 0) >> 4 === 1) socket.write(Buffer.from([0x20, 2, 0, 0])); // CONNACK, and no SUBACK
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const url = `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const line = brokerLine({ iss: ISS, broker: { url }, metered: false }, () => [], 100);
  await expect(line(() => {}, new AbortController().signal)).rejects.toThrow(
    expect.objectContaining({ code: "unreachable", message: expect.stringContaining("answers nothing") }),
  );
  await vi.waitFor(() => expect(sockets.every(({ destroyed }) => destroyed)).toBe(true));
});
