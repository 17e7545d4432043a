/**
 * The two programs' ends of their lines to the broker: the agent's `Connect`, and a client with as much of MQTT.js's interface as the anchor's intake uses.
 *
 * @module
 */
import { downTopic, EvidenceError, stateTopic } from "@tallystick/evidence";
import type { IClientOptions, IPublishPacket, MqttClient } from "mqtt";
import type { Connect } from "../../agent/src/uplink/uplink.ts";
import type { ConnectBroker } from "../../anchor/src/intake/intake.ts";
import type { Broker, Message } from "./broker.ts";
import type { Life } from "./life.ts";
import { Link, type LineSpeed } from "./link.ts";
import type { Random } from "./random.ts";
import type { Schedule } from "./schedule.ts";

export type Network = {
  readonly schedule: Schedule;
  readonly random: Random;
  readonly broker: Broker;
};

/** One client's way to the broker. */
export type Way = {
  readonly speed: LineSpeed;
  /** False: no connection can be made. */
  reachable: boolean;
};

const CONNECT_TIMEOUT_MS = 15_000;
/** A dead line is noticed by keepalive at the latest after so long. */
const KEEPALIVE_MS = 90_000;

/** The agent's line. A connection lives once. */
export function agentLine(network: Network, way: Way, life: Life, iss: string): Connect {
  const { schedule, random, broker } = network;
  return async (onDown, signal) => {
    life.check();
    await Promise.race([
      life.wait(random.between(0, way.speed.maxLatencyMs * 2), "connecting"),
      aborted(signal),
    ]);
    if (signal.aborted) throw new EvidenceError("unreachable", "given up");
    if (!way.reachable || way.speed.dead) {
      const inVain = life.wait(random.between(1, CONNECT_TIMEOUT_MS), "connecting in vain");
      await Promise.race([inVain, aborted(signal)]);
      throw new EvidenceError("unreachable", "no broker");
    }
    const { promise: closed, resolve } = Promise.withResolvers<string>();
    const waiting = new Map<number, { resolve: () => void; reject: (error: Error) => void }>();
    let nextId = 1;
    const lost = (reason: string): void => {
      if (!life.alive) return;
      link.leave();
      for (const { reject } of waiting.values()) reject(new Error(reason));
      waiting.clear();
      resolve(reason);
    };
    const client = {
      message(id: number, { topic, payload }: Message): void {
        if (!life.alive) return link.leave();
        if (topic === downTopic(iss)) onDown(new Uint8Array(payload));
        if (life.alive) link.up(() => broker.acknowledged(iss, id));
      },
    };
    const link = new Link(schedule, random, way.speed, client, lost);
    broker.connect(iss, link);
    life.onEnd(() => link.leave(random.chance(0.5)));
    link.up(() => broker.subscribe(iss, downTopic(iss)));
    watchForDeath(network, way, life, link, lost);
    const publish = (topic: string, payload: Uint8Array, retain: boolean): Promise<void> => {
      life.effect();
      const id = nextId++;
      const sent = new Promise<void>((done, reject) => waiting.set(id, { resolve: done, reject }));
      link.up(() => {
        broker.publish({ topic, payload }, retain);
        link.down(() => {
          if (life.alive) waiting.get(id)?.resolve();
          waiting.delete(id);
        });
      });
      if (!link.open) lost("the connection was closed");
      return sent;
    };
    const giveUp = (): void => lost("given up");
    signal.addEventListener("abort", giveUp);
    try {
      await publish(stateTopic(iss), ONLINE, true);
    } catch (cause) {
      throw new EvidenceError("unreachable", "the line was lost", {}, cause);
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
    return {
      publish: (topic, payload) => publish(topic, payload, false),
      closed,
      end: async () => {
        await life.wait(1, "goodbye");
        link.leave();
        lost("ended");
      },
    };
  };
}

const ONLINE = new TextEncoder().encode("online");

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });

/** Notices a line on which nothing comes through any more. */
function watchForDeath(
  { random }: Network,
  way: Way,
  life: Life,
  link: Link,
  lost: (reason: string) => void,
): void {
  const look = (): void => {
    if (!link.open) return;
    if (way.speed.dead) {
      link.leave();
      lost("keepalive timeout");
      return;
    }
    link.up(() => link.down(() => {})); // PINGREQ, PINGRESP
    life.after(KEEPALIVE_MS, "keepalive", look);
  };
  life.after(random.between(0, KEEPALIVE_MS), "keepalive", look);
}

/** The anchor's line: MQTT.js, as it connects again by itself and sends again what was not acknowledged. */
export const anchorLine =
  (network: Network, way: Way, life: Life): ConnectBroker =>
  (_url, options) =>
    new AnchorClient(network, way, life, options) as unknown as MqttClient;

type Handle = (packet: IPublishPacket, done: (error?: Error) => void) => void;
type Outgoing = Message & { readonly retain: boolean; readonly done: () => void };

class AnchorClient {
  handleMessage: Handle = (_packet, done) => done();
  connected = false;
  readonly #network: Network;
  readonly #way: Way;
  readonly #life: Life;
  readonly #id: string;
  readonly #reconnectMs: number;
  readonly #listeners = new Map<string, ((error: Error) => void)[]>();
  readonly #outgoing = new Map<number, Outgoing>();
  readonly #incoming: (() => void)[] = [];
  #handling = false;
  #nextId = 1;
  #link: Link | undefined;
  #ending = false;
  #onDrained = (): void => {};

  constructor(network: Network, way: Way, life: Life, { clientId, reconnectPeriod }: IClientOptions) {
    this.#network = network;
    this.#way = way;
    this.#life = life;
    this.#id = clientId ?? "";
    this.#reconnectMs = reconnectPeriod ?? 1000;
    this.#connectIn(network.random.between(0, way.speed.maxLatencyMs * 2));
  }

  on(event: string, listener: (error: Error) => void): void {
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), listener]);
  }

  publish(
    topic: string,
    payload: Uint8Array | string,
    options: { retain?: boolean },
    done = (): void => {},
  ): void {
    this.#life.effect();
    const bytes = typeof payload === "string" ? new TextEncoder().encode(payload) : new Uint8Array(payload);
    const id = this.#nextId++;
    this.#outgoing.set(id, { topic, payload: bytes, retain: options.retain ?? false, done });
    this.#send(id);
  }

  subscribe(
    topic: string,
    _options: unknown,
    done: (error: Error | null, granted: { topic: string; qos: number }[]) => void,
  ): void {
    this.#life.check();
    const link = this.#link;
    const { broker, random } = this.#network;
    const granted = !random.chance(0.02);
    link?.up(() => {
      if (granted) broker.subscribe(this.#id, topic);
      link.down(() => {
        if (!this.#life.alive) return;
        // In its place among the messages: while one of them is held back, nothing that came after it is read.
        this.#incoming.push(() => {
          done(null, [{ topic, qos: granted ? 1 : 0x80 }]);
          this.#handled();
        });
        this.#handleNext();
      });
    });
  }

  end(_force: boolean): void {
    this.#ending = true;
    this.#link?.leave();
    this.#lost("ended");
    this.#onDrained();
  }

  async endAsync(force: boolean): Promise<void> {
    if (!force && this.#outgoing.size > 0 && this.connected)
      await new Promise<void>((resolve) => (this.#onDrained = resolve));
    this.end(true);
  }

  #connectIn(waitMs: number): void {
    this.#life.after(waitMs, "connecting", () => {
      if (this.#ending) return;
      if (!this.#way.reachable || this.#way.speed.dead) {
        this.#tell("error", new Error("connect ECONNREFUSED"));
        this.#tell("close");
        return this.#connectIn(this.#reconnectMs);
      }
      const { schedule, random, broker } = this.#network;
      const client = {
        message: (id: number, message: Message): void => {
          if (!this.#life.alive) return link.leave();
          this.#incoming.push(() => this.#handle(id, message, link));
          this.#handleNext();
        },
      };
      const lost = (reason: string): void => {
        if (this.#life.alive && this.#link === link) this.#lost(reason);
      };
      const link: Link = new Link(schedule, random, this.#way.speed, client, lost);
      this.#link = link;
      broker.connect(this.#id, link);
      this.#life.onEnd(() => link.leave(random.chance(0.5)));
      watchForDeath(this.#network, this.#way, this.#life, link, lost);
      this.connected = true;
      this.#tell("connect");
      for (const id of this.#outgoing.keys()) this.#send(id);
    });
  }

  /** One message at a time: the next one waits until this one's PUBACK may leave. */
  #handleNext(): void {
    const next = this.#incoming[0];
    if (this.#handling || next === undefined) return;
    this.#handling = true;
    next();
  }

  #handle(id: number, { topic, payload }: Message, link: Link): void {
    const packet = {
      cmd: "publish",
      topic,
      payload: Buffer.from(payload),
      qos: 1,
      dup: false,
      retain: false,
    };
    this.handleMessage(packet as IPublishPacket, (error) => {
      if (!this.#life.alive) return;
      if (error === undefined) link.up(() => this.#network.broker.acknowledged(this.#id, id));
      this.#handled();
    });
  }

  #handled(): void {
    this.#handling = false;
    this.#incoming.shift();
    this.#life.after(0, "next message", () => this.#handleNext());
  }

  #send(id: number): void {
    const message = this.#outgoing.get(id);
    const link = this.#link;
    if (message === undefined || link === undefined || !this.connected) return;
    link.up(() => {
      this.#network.broker.publish(message, message.retain);
      link.down(() => {
        if (!this.#life.alive || !this.#outgoing.delete(id)) return;
        message.done();
        if (this.#outgoing.size === 0) this.#onDrained();
      });
    });
  }

  #lost(reason: string): void {
    if (!this.connected) return;
    this.connected = false;
    this.#link?.leave();
    this.#link = undefined;
    this.#tell("close");
    if (!this.#ending) this.#connectIn(this.#reconnectMs);
    void reason;
  }

  #tell(event: string, error = new Error(event)): void {
    for (const listener of this.#listeners.get(event) ?? []) listener(error);
  }
}
