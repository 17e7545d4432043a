/**
 * Those who do what they should while others attack: devices that send statements at their pace and get receipts, one that comes and goes, and a service that
 * sees everything there is on the broker.
 *
 * @module
 */
import { setTimeout as delay } from "node:timers/promises";
import type { MqttClient } from "mqtt";
import { decodeDown, downTopic, toHex, upTopic, type Statement } from "@tallystick/evidence";
import { percentile } from "../../bench/figures.ts";
import { HandChain } from "../support/hand-chain.ts";
import { device, dial, speak } from "../support/token-client.ts";
import type { Fortress } from "./fortress.ts";

/** Statements a second of each device. */
const RATE = 20;
const TICK_MS = 25;
/** 25 times a minute: a device may connect 30 times. */
const VISIT_MS = 2400;
/** Whatever an attacker writes begins with this. */
export const MARK = Buffer.from("EVIL");

export type Figures = {
  /** Receipts a second, of all devices. */
  readonly rate: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Connections of the one that comes and goes, and how many of them failed. */
  readonly visits: number;
  readonly turnedAway: number;
};

export class Honest {
  readonly #fortress: Fortress;
  readonly #clients: MqttClient[] = [];
  readonly #sentMs = new Map<string, number>();
  readonly #stop = new AbortController();
  readonly #running: Promise<void>[] = [];
  /** What went wrong that must not. */
  readonly faults: string[] = [];
  #latencies: number[] = [];
  #visits = 0;
  #turnedAway = 0;
  #sinceMs = performance.now();

  private constructor(fortress: Fortress) {
    this.#fortress = fortress;
  }

  static async begin(fortress: Fortress, devices: readonly string[], visitor: string): Promise<Honest> {
    const honest = new Honest(fortress);
    await honest.#watch(devices);
    for (const iss of devices) {
      const run = await honest.#device(iss);
      honest.#running.push(run());
    }
    honest.#running.push(honest.#visit(visitor));
    return honest;
  }

  /** Figures since the last call. */
  take(): Figures {
    const nowMs = performance.now();
    const sorted = Float64Array.from(this.#latencies).toSorted();
    const figures = {
      rate: (this.#latencies.length * 1000) / (nowMs - this.#sinceMs),
      p50Ms: Math.round(percentile(sorted, 0.5)),
      p99Ms: Math.round(percentile(sorted, 0.99)),
      visits: this.#visits,
      turnedAway: this.#turnedAway,
    };
    this.#latencies = [];
    this.#visits = 0;
    this.#turnedAway = 0;
    this.#sinceMs = nowMs;
    return figures;
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
    for (const client of this.#clients) client.end(true);
  }

  /** Every message that the broker carries is looked at. */
  async #watch(devices: readonly string[]): Promise<void> {
    const own = new Set(devices.map(upTopic));
    const password = Buffer.from(this.#fortress.watchSecret);
    const socket = await dial(this.#fortress.target.mqtts);
    const client = this.#keep(
      "watch",
      await speak(socket, { clientId: "watch", username: "watch", password }),
    );
    client.on("message", (topic, payload) => {
      const isAttackers = /\/bad-\d+\/(?:up|state)$/.test(topic);
      const isOurs = !own.has(topic) || this.#sentMs.has(toHex(new Uint8Array(payload.subarray(-64))));
      if (!isAttackers && (payload.includes(MARK) || !isOurs))
        this.faults.push(`somebody else's message came to ${topic}`);
    });
    await client.subscribeAsync(
      ["tally/v1/+/+/up", "tally/v1/+/+/down", "tally/v1/+/+/state", "tally/v1/checkpoint"],
      { qos: 1 },
    );
  }

  /** Keeps to its pace: what it could not send in time it sends late. */
  async #device(iss: string): Promise<() => Promise<void>> {
    const signer = this.#fortress.signer(iss);
    const client = this.#keep(iss, await device(this.#fortress.target.mqtts, iss, signer));
    const chain = new HandChain(iss, "meter/m-1", signer);
    const under = new Map<string, number>();
    client.on("message", (_topic, payload) => {
      for (const message of decodeDown(new Uint8Array(payload))) {
        if (message.kind === "rejected") this.faults.push(`${iss}: refused with ${message.code}`);
        if (message.kind !== "receipt") continue;
        for (const hash of message.hashes) {
          const sentMs = under.get(toHex(hash));
          if (sentMs === undefined) continue;
          under.delete(toHex(hash));
          this.#latencies.push(performance.now() - sentMs);
        }
      }
    });
    await client.subscribeAsync(downTopic(iss), { qos: 1 });
    const send = (statement: Statement): void => {
      under.set(toHex(statement.hash), performance.now());
      // a statement ends with its signature: enough to know it again
      this.#sentMs.set(toHex(statement.bytes.subarray(-64)), performance.now());
      client.publish(upTopic(iss), Buffer.from(statement.bytes), { qos: 1 });
    };
    return async () => {
      send(await chain.open());
      const startMs = performance.now();
      for (let sent = 0; !this.#stop.signal.aborted;) {
        const due = Math.floor(((performance.now() - startMs) * RATE) / 1000);
        for (; sent < due; sent++) send(await chain.reading(sent));
        await delay(TICK_MS);
      }
    };
  }

  /** A device that comes, says something, and goes. */
  async #visit(iss: string): Promise<void> {
    const signer = this.#fortress.signer(iss);
    while (!this.#stop.signal.aborted) {
      this.#visits++;
      try {
        const client = await device(this.#fortress.target.mqtts, iss, signer);
        await client.publishAsync(`tally/v1/${iss}/state`, "online", { qos: 1, retain: true });
        await client.endAsync();
      } catch {
        this.#turnedAway++;
      }
      await delay(VISIT_MS);
    }
  }

  #keep(name: string, client: MqttClient): MqttClient {
    client.on("close", () => {
      if (!this.#stop.signal.aborted) this.faults.push(`${name} was cut off`);
    });
    this.#clients.push(client);
    return client;
  }
}
