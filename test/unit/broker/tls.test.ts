/** A broker on TLS: who is let in, who isn't, and what a change of the registry does to those who are. */
import { once } from "node:events";
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mqtt, { type IClientOptions, type MqttClient } from "mqtt";
import { beforeAll, afterAll, describe, expect, onTestFinished, test } from "vitest";
import { sealCwt, toHex } from "@tallystick/evidence";
import { pinOf } from "@tallystick/evidence/node";
import { makeSecret } from "../../../broker/src/access/secret.ts";
import { authority, selfSigned, type TestCertificate } from "../../support/tls-files.ts";
import { answerTo, device, dial, speak, tokenFor } from "../../support/token-client.ts";
import { WorldKeys } from "../../support/world-keys.ts";
import { signerOf } from "../../support/world.ts";
import { eventually, inbox, startBroker, type Running } from "./start.ts";

const ISS = "acme/gw-1";
const UP = "tally/v1/acme/gw-1/up";
const DOWN = "tally/v1/acme/gw-1/down";
const STATE = "tally/v1/acme/gw-1/state";

let folder: string;
let files: TestCertificate;
let clients: ReturnType<typeof authority>;
const anchor = makeSecret();
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tally-broker-tls-"));
  files = selfSigned(folder, "broker");
  clients = authority(folder, "clients");
});
afterAll(() => rmSync(folder, { recursive: true }));

type Changes = NonNullable<Parameters<typeof startBroker>[0]>;

async function secureBroker(keys: WorldKeys, changes: Changes = {}, tls: object = {}): Promise<Running> {
  return startBroker(
    {
      listen: false,
      tls: { listen: { host: "127.0.0.1", port: 0 }, cert: files.cert, key: files.key, ...tls },
      services: [
        {
          id: "anchor",
          publish: ["down", "checkpoint"],
          subscribe: ["up", "checkpoint", "state"],
          whenSlow: "wait",
          secret: anchor.hash,
        },
      ],
      ...changes,
    },
    keys,
  );
}

const started = async (changes: Changes = {}, tls: object = {}) => {
  const keys = await WorldKeys.of(ISS, "acme/gw-2");
  const broker = await secureBroker(keys, changes, tls);
  return { keys, broker, signer: keys.named(ISS).signer };
};

const anchorOn = async ({ url }: Running): Promise<MqttClient> =>
  ended(
    await speak(await dial(url), {
      clientId: "anchor",
      username: "anchor",
      password: Buffer.from(anchor.secret),
    }),
  );

const ended = (client: MqttClient): MqttClient => {
  onTestFinished(() => void client.end(true));
  return client;
};

const closing = (client: MqttClient): Promise<void> =>
  new Promise((resolve) => client.once("close", () => resolve()));

/** Over the listener without TLS, with no more than is given. */
const plainly = ({ urls }: Running, options: IClientOptions): Promise<MqttClient> =>
  mqtt.connectAsync(urls["mqtt"] ?? "", { protocolVersion: 4, reconnectPeriod: 0, ...options }, false);

describe("a device", () => {
  test("shows its key, and its statements and receipts go their way", async () => {
    const { broker, signer } = await started();
    const ledger = await anchorOn(broker);
    const atLedger = inbox(ledger);
    await ledger.subscribeAsync("tally/v1/+/+/up", { qos: 1 });
    const client = ended(await device(broker.url, ISS, signer));
    const atDevice = inbox(client);
    await client.subscribeAsync(DOWN, { qos: 1 });
    await client.publishAsync(UP, "statement", { qos: 1 });
    expect(await atLedger.next(1)).toEqual(["statement"]);
    await ledger.publishAsync(DOWN, "receipt", { qos: 1 });
    expect(await atDevice.next(1)).toEqual(["receipt"]);
    expect(broker.codes).toEqual([]);
    expect(await broker.metric('connections_total{proof="token"}')).toBe(1);
    expect(await broker.metric('connections_total{proof="secret"}')).toBe(1);
    expect(await broker.metric("unproved_connections")).toBe(0);
    expect(await broker.metric("registry_items")).toBe(3);
    expect(await broker.metric("registry_age_seconds")).toBe(1.5);
    const inSeconds = (await broker.metric("certificate_expiry_timestamp_seconds")) - Date.now() / 1000;
    expect(inSeconds / 86_400).toBeGreaterThan(29);
  });

  type Try = (broker: Running, keys: WorldKeys) => Promise<MqttClient>;
  const withToken =
    (says: Parameters<typeof tokenFor>[3], key = `${ISS} key 1`, username = ISS): Try =>
    async ({ url }) => {
      const socket = await dial(url);
      const password = await tokenFor(socket, ISS, signerOf(key), says);
      return speak(socket, { clientId: ISS, username, password });
    };

  test.for<[string, string, number, Try]>([
    ["no password", "credentials-missing", 5, async ({ url }) => speak(await dial(url), { clientId: ISS })],
    [
      "a password that is no token",
      "token-malformed",
      4,
      async ({ url }) => speak(await dial(url), { clientId: ISS, username: ISS, password: "secret" }),
    ],
    [
      "a service's secret",
      "token-malformed",
      4,
      async ({ url }) => speak(await dial(url), { clientId: ISS, username: ISS, password: anchor.secret }),
    ],
    [
      "a token of 100 kB",
      "too-large",
      0,
      async ({ url }) =>
        speak(await dial(url), { clientId: ISS, username: ISS, password: Buffer.alloc(60_000) }),
    ],
    ["another's key", "key-unknown", 5, withToken({}, "acme/gw-2 key 1")],
    ["a key of nobody", "key-unknown", 5, withToken({}, "nobody")],
    ["another's name in the token", "token-binding", 5, withToken({ iss: "acme/gw-2" })],
    ["another user name", "token-binding", 5, withToken({}, `${ISS} key 1`, "acme/gw-2")],
    ["another broker's pin", "token-binding", 5, withToken({ aud: `sha256:${"00".repeat(32)}` })],
    ["another connection's exporter", "token-binding", 5, withToken({ exporter: new Uint8Array(32) })],
    [
      "the token of a connection that is still there",
      "token-binding",
      5,
      async ({ url }) => {
        const first = await dial(url);
        const password = await tokenFor(first, ISS, signerOf(`${ISS} key 1`));
        const second = speak(await dial(url), { clientId: ISS, username: ISS, password });
        return second.finally(() => first.destroy());
      },
    ],
    [
      "a token with another signature",
      "signature-invalid",
      5,
      async ({ url }) => {
        const socket = await dial(url);
        const password = await tokenFor(socket, ISS, signerOf(`${ISS} key 1`));
        password[password.length - 1] = (password.at(-1) ?? 0) ^ 1;
        return speak(socket, { clientId: ISS, username: ISS, password });
      },
    ],
    [
      "a token of another use",
      "token-malformed",
      4,
      async ({ url }) => {
        const signer = signerOf(`${ISS} key 1`);
        const token = await sealCwt("application/vnd.tallystick.enrol+cwt", new Map(), signer);
        return speak(await dial(url), { clientId: ISS, username: ISS, password: Buffer.from(token) });
      },
    ],
    [
      "a revoked key",
      "key-revoked",
      5,
      async ({ url }, keys) => {
        await keys.revoke(ISS);
        return device(url, ISS, signerOf(`${ISS} key 1`));
      },
    ],
    [
      "a key that another took the place of",
      "key-superseded",
      5,
      async ({ url }, keys) => {
        await keys.reEnrol(ISS);
        return device(url, ISS, signerOf(`${ISS} key 1`));
      },
    ],
    [
      "a broker that has not read the registry yet",
      "registry-missing",
      3,
      async ({ url }, keys) => {
        keys.forget();
        return device(url, ISS, signerOf(`${ISS} key 1`));
      },
    ],
    [
      "no name of a device",
      "client-unknown",
      2,
      async ({ url }) => speak(await dial(url), { clientId: "gw" }),
    ],
  ])("with %s is refused: %s", async ([, code, answer, attempt]) => {
    const { broker, keys } = await started();
    expect(await answerTo(attempt(broker, keys))).toBe(answer === 0 ? "closed" : answer);
    expect(broker.codes).toEqual([code]);
    await eventually(async () => (await broker.metric("unproved_connections")) === 0);
  });

  test("is cut off when its key is revoked; nothing of it is kept, and it says nothing more", async () => {
    const { broker, keys, signer } = await started();
    const ledger = await anchorOn(broker);
    const atLedger = inbox(ledger);
    await ledger.subscribeAsync("tally/v1/+/+/state", { qos: 1 });
    const will = { topic: STATE, payload: Buffer.from("offline"), qos: 1, retain: true } as const;
    const client = ended(await device(broker.url, ISS, signer, { clean: false, will }));
    const other = ended(await device(broker.url, "acme/gw-2", keys.named("acme/gw-2").signer));
    await client.subscribeAsync(DOWN, { qos: 1 });
    await client.publishAsync(STATE, "online", { qos: 1, retain: true });
    const gone = closing(client);
    const before = performance.now();
    await keys.revoke(ISS);
    await gone;
    expect(performance.now() - before).toBeLessThan(2000);
    expect(await atLedger.next(2)).toEqual(["online", "offline"]);
    expect(broker.codes).toEqual(["key-revoked"]);
    expect(other.connected).toBe(true);
    expect(await answerTo(device(broker.url, ISS, signer))).toBe(5);
    await eventually(async () => (await broker.metric("retained_messages")) === 0);
    expect(await broker.metric("sessions")).toBe(0);
  });

  test("is cut off with its old key when it has a new one, and comes back with that to what was kept for it", async () => {
    const { broker, keys, signer } = await started();
    const ledger = await anchorOn(broker);
    const client = ended(await device(broker.url, ISS, signer, { clean: false }));
    await client.subscribeAsync(DOWN, { qos: 1 });
    const gone = closing(client);
    const next = await keys.reEnrol(ISS);
    await gone;
    expect(broker.codes).toEqual(["key-superseded"]);
    await ledger.publishAsync(DOWN, "kept", { qos: 1 });
    const socket = await dial(broker.url);
    const password = await tokenFor(socket, ISS, next);
    const back = speak(socket, { clientId: ISS, username: ISS, password, clean: false });
    const message = back.then((one) => inbox(ended(one)).next(1));
    expect(await message).toEqual(["kept"]);
  });

  test("has one connection: the newer one that shows the key takes over, and nobody else does", async () => {
    const { broker, signer } = await started({ listen: { port: 0, auth: "none" } });
    const url = broker.urls["mqtts"] ?? "";
    const first = ended(await device(url, ISS, signer));
    expect(await answerTo(plainly(broker, { clientId: ISS }))).toBe(5);
    expect(first.connected).toBe(true);
    const gone = closing(first);
    const second = ended(await device(url, ISS, signer));
    await gone;
    expect(broker.codes).toEqual(["credentials-missing", "client-replaced"]);
    await second.publishAsync(UP, "x", { qos: 1 });
  });

  test("that connects again and again is refused for a while", async () => {
    const { broker, signer } = await started({ limits: { device: { maxConnectsPerMinute: 3 } } });
    const answers: unknown[] = [];
    for (let n = 0; n < 5; n++) answers.push(await answerTo(device(broker.url, ISS, signer)));
    expect(answers).toEqual([0, 0, 0, 3, 3]);
    expect(broker.codes).toContain("rate-limited");
  });

  test("that floods is read from at its rate, loses nothing, and others don't wait for it", async () => {
    const { broker, keys, signer } = await started({
      limits: { device: { maxMessagesPerS: 100, maxBytesPerS: 1 << 20 } },
    });
    const ledger = await anchorOn(broker);
    const seen: string[] = [];
    ledger.on("message", (topic) => seen.push(topic));
    await ledger.subscribeAsync("tally/v1/+/+/up", { qos: 1 });
    const flooding = ended(await device(broker.url, ISS, signer));
    const honest = ended(await device(broker.url, "acme/gw-2", keys.named("acme/gw-2").signer));
    const before = performance.now();
    const flood = Array.from({ length: 600 }, (_, n) => flooding.publishAsync(UP, `${n}`, { qos: 1 }));
    for (let n = 0; n < 10; n++) await honest.publishAsync("tally/v1/acme/gw-2/up", "x", { qos: 1 });
    const arrived = seen.filter((topic) => topic === UP).length;
    expect(arrived, "the honest one was served before the flood was over").toBeLessThan(600);
    await Promise.all(flood);
    // 600 and what else it sent, less the 400 and a batch that it may have at once, at 100 a second
    expect(performance.now() - before).toBeGreaterThan(600);
    await eventually(() => seen.filter((topic) => topic === UP).length === 600);
    expect(broker.codes).toEqual([]);
  });
});

describe("with certificates", () => {
  const asking = (): object => ({ clientCa: clients.ca });
  const shown = (name: string, commonName: string): TestCertificate => clients.issue(name, commonName);
  const dialWith = async (url: string, { cert, key }: TestCertificate) => {
    return dial(url, { cert: readFileSync(cert), key: readFileSync(key) });
  };

  test("a device's or a service's is as good as a token or a secret, while the registry has a key of the device", async () => {
    const { broker, keys } = await started({}, asking());
    const ledger = ended(
      await speak(await dialWith(broker.url, shown("a", "anchor")), { clientId: "anchor" }),
    );
    await ledger.subscribeAsync("tally/v1/+/+/up", { qos: 1 });
    const certificate = shown("d", ISS);
    const client = ended(await speak(await dialWith(broker.url, certificate), { clientId: ISS }));
    await client.publishAsync(UP, "x", { qos: 1 });
    expect(await broker.metric('connections_total{proof="certificate"}')).toBe(2);
    const gone = closing(client);
    await keys.revoke(ISS);
    await gone;
    expect(await answerTo(speak(await dialWith(broker.url, certificate), { clientId: ISS }))).toBe(5);
    expect(broker.codes).toEqual(["key-revoked", "key-unknown"]);
  });

  test("one in the name of the device's key ends with the key", async () => {
    const { broker, keys, signer } = await started({}, asking());
    const answer = async (certificate: TestCertificate): Promise<unknown> =>
      answerTo(speak(await dialWith(broker.url, certificate), { clientId: ISS }));
    const first = shown("k1", toHex(signer.key.kid));
    const client = ended(await speak(await dialWith(broker.url, first), { clientId: ISS }));
    await client.publishAsync(UP, "x", { qos: 1 });
    expect(await answer(shown("k0", toHex(keys.named("acme/gw-2").signer.key.kid)))).toBe(5);
    const gone = closing(client);
    const next = await keys.reEnrol(ISS);
    await gone;
    expect(await answer(first)).toBe(5);
    expect(await answer(shown("k2", toHex(next.key.kid)))).toBe(0);
    expect(broker.codes).toEqual(["credentials-missing", "key-superseded", "credentials-missing"]);
  });

  test("one in another's name, of another authority, or where none is asked for, shows nothing", async () => {
    const { broker } = await started({}, asking());
    const others = authority(folder, "others");
    const attempts = [shown("o", "acme/gw-2"), shown("s", "acme"), others.issue("f", ISS)];
    for (const certificate of attempts)
      expect(await answerTo(speak(await dialWith(broker.url, certificate), { clientId: ISS }))).toBe(5);
    expect(await answerTo(speak(await dialWith(broker.url, shown("d2", ISS)), { clientId: "anchor" }))).toBe(
      5,
    );
    const { broker: unasking } = await started();
    expect(await answerTo(speak(await dialWith(unasking.url, shown("d3", ISS)), { clientId: ISS }))).toBe(5);
    expect([...new Set([...broker.codes, ...unasking.codes])]).toEqual(["credentials-missing"]);
  });
});

describe("a service", () => {
  test("without its secret, or with another's, is refused; with one of two it is not", async () => {
    const next = makeSecret();
    const service = { publish: [], subscribe: ["up" as const], whenSlow: "drop" as const };
    const { broker } = await started({
      services: [
        { id: "watch", ...service, secret: [anchor.hash, next.hash] },
        { id: "bare", ...service },
      ],
    });
    const answer = async (clientId: string, password?: string): Promise<unknown> =>
      answerTo(
        speak(await dial(broker.url), {
          clientId,
          ...(password !== undefined && { username: clientId, password }),
        }),
      );
    expect(await answer("watch")).toBe(5);
    expect(await answer("watch", "another")).toBe(5);
    expect(await answer("watch", anchor.hash)).toBe(5);
    expect(await answer("bare", next.secret)).toBe(5);
    expect(await answer("watch", next.secret)).toBe(0);
    expect(await answer("watch", anchor.secret)).toBe(0);
    expect(broker.codes).toEqual(["credentials-missing", "token-unknown", "token-unknown", "token-unknown"]);
  });

  test("shows its secret on loopback too, where that is asked for; a device has nothing to show there", async () => {
    const { broker } = await started({ listen: { port: 0, auth: "required" }, tls: undefined });
    const answer = (options: IClientOptions): Promise<unknown> => answerTo(plainly(broker, options));
    const password = Buffer.from(anchor.secret);
    expect(await answer({ clientId: "anchor", username: "anchor", password })).toBe(0);
    expect(await answer({ clientId: "anchor" })).toBe(5);
    expect(await answer({ clientId: ISS })).toBe(5);
    expect(await answer({ clientId: ISS, username: ISS, password: "x" })).toBe(5);
    expect(broker.codes).toEqual(["credentials-missing", "credentials-missing", "tls-required"]);
  });
});

describe("the certificate", () => {
  test("a new one is shown from then on, and tokens are for it; connections that are there go on", async () => {
    const mine = selfSigned(folder, "mine");
    const { broker, signer } = await started({}, { cert: mine.cert, key: mine.key });
    const first = ended(await device(broker.url, ISS, signer));
    const next = selfSigned(folder, "next");
    copyFileSync(next.key, mine.key);
    copyFileSync(next.cert, mine.cert);
    const pin = pinOf(readFileSync(next.cert));
    await eventually(() => broker.renewals.includes(pin));
    expect(first.connected).toBe(true);
    await first.publishAsync(UP, "x", { qos: 1 });
    const socket = await dial(broker.url);
    const old = await tokenFor(socket, ISS, signer, { aud: broker.pin });
    expect(await answerTo(speak(socket, { clientId: ISS, username: ISS, password: old }))).toBe(5);
    ended(await device(broker.url, ISS, signer));
    expect(broker.codes).toEqual(["token-binding", "client-replaced"]);
  });

  test("no session is resumed: each connection shows its own", async () => {
    const { broker } = await started();
    const socket = await dial(broker.url);
    onTestFinished(() => void socket.destroy());
    const session = socket.getSession();
    const again = await dial(broker.url, session === undefined ? {} : { session });
    expect(again.isSessionReused()).toBe(false);
    again.end();
    await once(again, "close");
  });

  test.for(["TLSv1.2", "TLSv1.1"] as const)("%s is not spoken", async (version) => {
    const { broker } = await started();
    await expect(dial(broker.url, { minVersion: version, maxVersion: version })).rejects.toThrow();
    await broker.seen("tls-handshake");
  });
});
