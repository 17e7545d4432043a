/**
 * Any broker will do: the same agent and anchor over Debian's Mosquitto, with the configuration that is made for it, client certificates, and
 * revocation by its dynamic security. One story: each test begins where the one before it ended.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { IClientOptions, MqttClient } from "mqtt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CHECKPOINT_TOPIC, downTopic, stateTopic, upTopic } from "@tallystick/evidence";
import { AgentBook } from "../support/agent-book.ts";
import { MosquittoTown, type DeviceKey, type Files } from "../support/mosquitto-town.ts";
import { need } from "../support/require.ts";
import { selfSigned } from "../support/tls-files.ts";
import { ISS } from "../support/town.ts";

const OTHER = "city/gw-2";
const THIRD = "city/gw-3";
const HOST = "host/gateway";
/** By when a key that no longer counts has lost its connection, counted from the moment at which the log has published that. */
const WITHIN_MS = 2000;
/** For what must not come: longer than what comes takes. */
const QUIET_MS = 400;

/** MQTT.js hands all that it is given to `tls.connect`. */
const OLD_TLS = { maxVersion: "TLSv1.2" } as IClientOptions;

const wait = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

describe.skipIf(!need("mosquitto") || !need("mosquitto_rr"))("over Mosquitto", () => {
  let place: MosquittoTown;
  let own: DeviceKey;
  let other: DeviceKey;
  /** Hears all that devices say, by a service's certificate. */
  let monitor: MqttClient;
  const heard: { topic: string; payload: string }[] = [];
  const clients: MqttClient[] = [];

  beforeAll(async () => {
    place = await MosquittoTown.begin();
    await place.town.tell(async () => {
      own = place.deviceKey("own");
      other = place.deviceKey("other");
      place.town.launch("anchor");
      expect(await place.makeFiles()).toMatchObject({ made: true, devices: 0 });
      await place.start();
      await place.town.ready("anchor");
      await Promise.all([place.follow(), place.enrol(ISS, own)]);
      await place.enrol(OTHER, other);
      monitor = await monitoring();
    });
  });
  afterAll(async () => {
    for (const one of clients) one.end(true);
    await place.end();
  });

  async function client(
    files: Files,
    options: IClientOptions = {},
    onMessage: (topic: string) => void = () => {},
  ): Promise<MqttClient> {
    const made = await place.client(files, options, onMessage);
    clients.push(made);
    return made;
  }

  async function monitoring(): Promise<MqttClient> {
    const made = await place.client(place.issue("monitor"));
    clients.push(made);
    made.on("message", (topic, payload) => heard.push({ topic, payload: payload.toString() }));
    for (const kind of ["up", "state"]) await made.subscribeAsync(`tally/v1/+/+/${kind}`, { qos: 1 });
    return made;
  }

  const wasHeard = (topic: string, text: string): boolean =>
    heard.some((one) => one.topic === topic && one.payload === text);

  let messages = 0;
  /** Whether what this client says on this topic reaches those who may read it. */
  async function reaches(from: MqttClient, topic: string, withinMs = QUIET_MS): Promise<boolean> {
    const text = `message ${messages++}`;
    from.publish(topic, text, { qos: 1 }, () => {});
    for (let left = withinMs; left > 0 && !wasHeard(topic, text); left -= 20) await wait(20);
    return wasHeard(topic, text);
  }

  const granted = (to: MqttClient, filter: string): Promise<boolean> =>
    to.subscribeAsync(filter, { qos: 1 }).then(
      (grants) => grants.every(({ qos }) => qos < 128),
      () => false,
    );

  /** Waits until this key may write as this device. */
  async function admitted(key: DeviceKey, iss: string, options: IClientOptions = {}): Promise<MqttClient> {
    const made = await client(key, options);
    await place.town.until(`${iss} may write`, () => reaches(made, stateTopic(iss)));
    return made;
  }

  const runAgent = async (key: DeviceKey, data: string, settings: object = {}): Promise<AgentBook> => {
    place.town.writeAgentConfig({
      data: place.town.path(data),
      key: key.key,
      broker: { url: place.url, tls: { ca: key.ca, cert: key.cert, key: key.key } },
      clock: { trust: "system" },
      uplink: { retry: { firstMs: 300, maxMs: 3000 } },
      streams: [{ name: HOST, source: { kind: "host" }, every: 0.2, maxLossMs: 0, seal: { maxWaitMs: 100 } }],
      ...settings,
    });
    await place.town.start("agent");
    return new AgentBook(place.town.path(data), ISS);
  };

  /** Resolves when something that the agent took after this call has its receipt. */
  async function flows(book: AgentBook): Promise<void> {
    const before = book.newestSecond(HOST) ?? 0;
    await place.town.until("newer readings have their receipts", () => {
      return (book.newestReceiptedSecond(HOST) ?? 0) > before;
    });
  }

  test("the agent's statements get their receipts", () =>
    place.town.tell(async () => {
      const book = await runAgent(own, "agent");
      await flows(book);
      expect(wasHeard(stateTopic(ISS), "online")).toBe(true);
    }));

  test("a device gets no further than its own topics", () =>
    place.town.tell(async () => {
      const device = await admitted(other, OTHER);
      for (const filter of [downTopic(OTHER), CHECKPOINT_TOPIC])
        expect(await granted(device, filter)).toBe(true);
      const refused =
        `${downTopic(ISS)} ${upTopic(ISS)} ${stateTopic(ISS)} ${upTopic(OTHER)} ${stateTopic(OTHER)}
        tally/v1/+/+/down tally/v1/city/+/down tally/v1/city/gw-2/+ tally/v1/city/gw-2/# # +/# tally/#
        $SYS/# $SYS/broker/uptime $CONTROL/# $CONTROL/dynamic-security/v1
        $share/all/${downTopic(ISS)} $share/all/${downTopic(OTHER)} $share/all/#`.split(/\s+/);
      for (const filter of refused) expect([filter, await granted(device, filter)]).toEqual([filter, false]);
      expect(await reaches(device, upTopic(OTHER))).toBe(true);
      for (const topic of [upTopic(ISS), stateTopic(ISS)])
        expect([topic, await reaches(device, topic)]).toEqual([topic, false]);
      // what nobody but the anchor may write: who reads it hears nothing
      const came: string[] = [];
      device.on("message", (topic) => came.push(topic));
      for (const topic of [downTopic(OTHER), CHECKPOINT_TOPIC]) {
        device.publish(topic, "forged", { qos: 1, retain: true });
        await granted(device, topic); // a retained one would come now
      }
      device.publish("$CONTROL/dynamic-security/v1", '{"commands":[{"command":"listClients"}]}', { qos: 1 });
      await wait(QUIET_MS);
      expect(came.filter((topic) => topic !== CHECKPOINT_TOPIC)).toEqual([]);
      device.end(true);
    }));

  test("a will elsewhere is never spoken, one's own is", () =>
    place.town.tell(async () => {
      for (const [topic, spoken] of [
        [stateTopic(ISS), false],
        [upTopic(ISS), false],
        [stateTopic(OTHER), true],
      ] as const) {
        const payload = `will on ${topic}`;
        const device = await client(other, {
          will: { topic, payload: Buffer.from(payload), qos: 1, retain: false },
        });
        device.stream.destroy();
        if (spoken) await place.town.until("the will is spoken", () => wasHeard(topic, payload));
        else await wait(QUIET_MS);
        expect(wasHeard(topic, payload)).toBe(spoken);
      }
    }));

  test("nobody takes another's client id, and nobody comes in without a certificate of the authority, or with an older TLS", () =>
    place.town.tell(async () => {
      const device = await client(other, { clientId: "anchor" });
      const thief = await client(place.issue("sender"), { clientId: "anchor" });
      await place.town.until(
        "the anchor is there",
        async () => (await place.town.metric("broker_connected")) === 1,
      );
      expect(await reaches(device, upTopic(OTHER))).toBe(true);
      for (const one of [device, thief]) one.end(true);
      const stranger = await client(place.issue("stranger", "0".repeat(64)));
      expect(await granted(stranger, downTopic(ISS))).toBe(false);
      expect(await reaches(stranger, upTopic(ISS))).toBe(false);
      stranger.end(true);
      await expect(place.client({ ca: own.ca })).rejects.toThrow();
      await expect(place.client(own, OLD_TLS)).rejects.toThrow();
      const { cert, key } = selfSigned(place.town.root, place.nameOf(own));
      await expect(place.client({ ca: own.ca, cert, key })).rejects.toThrow();
    }));

  test("a revoked key loses its connection within two seconds, and stays out; the others stay", () =>
    place.town.tell(async () => {
      const device = await admitted(other, OTHER, { clean: false });
      expect(await granted(device, downTopic(OTHER))).toBe(true);
      const sender = await client(place.issue("sender"));
      const came = new Promise((resolve) => {
        device.once("message", resolve);
      });
      await sender.publishAsync(downTopic(OTHER), "before", { qos: 1 });
      expect(await came).toBe(downTopic(OTHER));
      const lost = new Promise<number>((resolve) => {
        device.once("close", () => resolve(performance.now()));
      });
      const [at] = await Promise.all([place.nextItem(), place.revoke(other)]);
      expect((await lost) - at).toBeLessThan(WITHIN_MS);

      await sender.publishAsync(downTopic(OTHER), "while it was away", { qos: 1 });
      const will = {
        topic: stateTopic(OTHER),
        payload: Buffer.from("revoked"),
        qos: 1,
        retain: true,
      } as const;
      const got: string[] = [];
      const again = await client(other, { clean: false, will }, (topic) => got.push(topic));
      await sender.publishAsync(downTopic(OTHER), "after", { qos: 1 });
      for (const filter of [downTopic(OTHER), CHECKPOINT_TOPIC])
        expect(await granted(again, filter)).toBe(false);
      for (const topic of [upTopic(OTHER), stateTopic(OTHER)])
        expect(await reaches(again, topic)).toBe(false);
      again.stream.destroy();
      await wait(QUIET_MS);
      expect(wasHeard(stateTopic(OTHER), "revoked")).toBe(false);
      expect(got).toEqual([]);
      expect(monitor.connected).toBe(true);
      await flows(new AgentBook(place.town.path("agent"), ISS));
    }));

  test("re-enrolled with another key a device comes in again, its old key does not", () =>
    place.town.tell(async () => {
      await place.revoke(own);
      const agentLog = place.town.path("log", "agent.log");
      await place.town.until("the agent has lost its line", () =>
        readFileSync(agentLog, "utf8").includes("was lost"),
      );
      await place.town.stop("agent");
      const anew = place.deviceKey("anew");
      await place.reEnrol(ISS, anew);
      const book = await runAgent(anew, "agent-anew", { previous: { lost: "key lost" } });
      await flows(book);
      const old = await client(own);
      expect(await granted(old, downTopic(ISS))).toBe(false);
      expect(await reaches(old, upTopic(ISS))).toBe(false);
      expect(await reaches(old, stateTopic(ISS))).toBe(false);
      old.end(true);
    }));

  test("what was missed while Mosquitto, or who tells it, was away is made good", () =>
    place.town.tell(async () => {
      const third = place.deviceKey("third");
      await place.enrol(THIRD, third);
      (await admitted(third, THIRD)).end(true);
      await place.kill();
      await place.revoke(third);
      await place.start();
      monitor.end(true);
      monitor = await monitoring();
      const state = join(place.folder, "dynamic-security.json");
      await place.town.until(
        "the key is out",
        () => !readFileSync(state, "utf8").includes(place.nameOf(third)),
      );
      expect(await granted(await client(third), downTopic(THIRD))).toBe(false);
      await place.stopFollowing();
      const fourth = place.deviceKey("fourth");
      await place.reEnrol(THIRD, fourth);
      await place.follow();
      (await admitted(fourth, THIRD)).end(true);
      await flows(new AgentBook(place.town.path("agent-anew"), ISS));
    }));
});
