/**
 * What a hostile client writes to the broker: good packets changed, lengths that lie, packets that nobody sends, cut anywhere.
 *
 * @module
 */
import { concatBytes } from "@tallystick/evidence";
import { generate, type Packet } from "mqtt-packet";
import { editBytes, splice } from "./mutate/bytes.ts";
import { Random } from "./random.ts";

export const MQTT_TARGET = "mqtt";

export type MqttCase = {
  /** What is written, piece by piece. */
  readonly pieces: readonly Uint8Array[];
  /** True where the client waits for answers before it hangs up. */
  readonly waits: boolean;
};

const bytesOf = (one: Packet): Uint8Array => new Uint8Array(generate(one));

const connect = (clientId: string, more: object = {}): Uint8Array =>
  bytesOf({
    cmd: "connect",
    clientId,
    protocolId: "MQTT",
    protocolVersion: 4,
    clean: true,
    keepalive: 60,
    ...more,
  });

const publish = (topic: string, payload: Uint8Array, qos: 0 | 1 | 2, more: object = {}): Uint8Array =>
  bytesOf({
    cmd: "publish",
    topic,
    payload: Buffer.from(payload),
    qos,
    retain: false,
    dup: false,
    ...(qos > 0 ? { messageId: 7 } : {}),
    ...more,
  });

const PING = Uint8Array.of(0xc0, 0);

/** One packet as it should be, or as a confused client would send it. */
function packet(clientId: string, random: Random): Uint8Array {
  const topic = random.pick([
    `tally/v1/${clientId}/up`,
    `tally/v1/${clientId}/up`,
    `tally/v1/${clientId}/state`,
    `tally/v1/${clientId}/down`,
    "tally/v1/checkpoint",
    "$SYS/x",
    "tally/v1/+/+/up",
    "a".repeat(600),
    "",
  ]);
  const payload = random.bytes(random.pick([0, 1, 20, 300]));
  const subscription = {
    topic: random.pick([`tally/v1/${clientId}/down`, "#", "tally/v1/+/+/up", "a/#/b", "$share/g/x", topic]),
    qos: random.pick([0, 1, 2] as const),
  };
  const ack = (first: number): Uint8Array =>
    Uint8Array.of(first, 2, random.next() & 255, random.next() & 255);
  return random.oneOf<Uint8Array>([
    [
      6,
      () =>
        publish(topic, payload, random.pick([0, 1, 1, 2]), {
          retain: random.chance(0.3),
          dup: random.chance(0.2),
        }),
    ],
    [3, () => bytesOf({ cmd: "subscribe", messageId: 3, subscriptions: [subscription] })],
    [1, () => bytesOf({ cmd: "unsubscribe", messageId: 4, unsubscriptions: [subscription.topic || "x"] })],
    [1, () => PING],
    [2, () => ack(random.pick([0x40, 0x50, 0x62, 0x70, 0x90, 0xb0]))],
    [1, () => Uint8Array.of(0xe0, 0)],
    [1, () => connect(clientId)],
    [1, () => Uint8Array.of(random.next() & 255, ...remaining(random), ...random.bytes(random.below(40)))],
    [1, () => publish(topic, new Uint8Array(random.pick([65_000, 66_000, 70_000])), 1)],
  ]);
}

/** A length that says little, much, or more than four bytes may. */
const remaining = (random: Random): readonly number[] =>
  random.pick([
    [0],
    [1],
    [127],
    [0x80, 1],
    [0xff, 0xff, 0xff, 0x7f],
    [0xff, 0xff, 0xff, 0xff, 1],
    [0x80, 0x80, 0x80, 0],
    [0x80],
  ]);

/** The CONNECT of this case: nearly always good, so that what follows is read. */
function opening(clientId: string, random: Random): Uint8Array {
  const odd = random.pick<object>([
    { keepalive: 0 },
    { keepalive: 65_535 },
    { protocolVersion: 3, protocolId: "MQIsdp" },
    { protocolVersion: 5 },
    { clean: false },
    { username: "u", password: Buffer.from("p") },
    { will: { topic: `tally/v1/${clientId}/state`, payload: Buffer.from("offline"), qos: 1, retain: true } },
    { will: { topic: "tally/v1/x/y/up", payload: Buffer.alloc(300), qos: 2, retain: false } },
    { clientId: random.pick(["acme", "a/b/c", "UPPER/x", "x".repeat(300), "acme/operator", "é/x", "+/#"]) },
  ]);
  return random.oneOf<Uint8Array>([
    [16, () => connect(clientId)],
    [4, () => connect(clientId, odd)],
    [2, () => editBytes(connect(clientId, odd), random)],
    [1, () => new Uint8Array()],
  ]);
}

/** Packets after CONNECT: as they should be, changed, cut, or noise. */
export const hostilePackets = (clientId: string, count: number, random: Random): readonly Uint8Array[] =>
  Array.from({ length: count }, () => {
    const good = packet(clientId, random);
    if (good.length > 60_000) return good;
    return random.oneOf<Uint8Array>([
      [4, () => good],
      [4, () => editBytes(good, random)],
      [1, () => splice(good, packet(clientId, random), random)],
      [1, () => good.subarray(0, random.below(good.length))],
      [1, () => random.bytes(random.below(80))],
    ]);
  });

export function mqttCase(seed: number, number: number): MqttCase {
  const random = new Random(seed, MQTT_TARGET, number);
  const clientId = `acme/h-${random.below(500)}`;
  const packets = hostilePackets(clientId, 1 + random.below(5), random);
  const written = concatBytes(opening(clientId, random), ...packets, PING);
  const cuts = Array.from({ length: random.below(3) }, () => random.below(written.length)).sort(
    (a, b) => a - b,
  );
  const pieces = [0, ...cuts].map((from, i) => written.subarray(from, cuts[i] ?? written.length));
  return { pieces, waits: random.chance(0.6) };
}
