/**
 * MQTT, and the only file that knows it: messages from devices in, receipts and checkpoints out.
 *
 * PUBACK means "heard" and nothing more. `handleMessage` holds it back only while the pool is full, which stops the broker from sending more; a message
 * that was heard and not committed comes again, because its sender has no receipt.
 *
 * @module
 */
import { connect, type Socket } from "node:net";
import { MqttClient, type IClientOptions, type IPublishPacket } from "mqtt";
import { CHECKPOINT_TOPIC, LIMITS, parseTopic } from "@tallystick/evidence";
import { boundPackets } from "@tallystick/evidence/node";
import type { Downlink } from "../receipts/downlink.ts";
import { machineTime, type Time } from "../time.ts";

/** Who connects where, and how. */
export type Connection = Pick<IClientOptions, "username" | "password"> & {
  readonly url: string;
  readonly clientId: string;
  /** Opens the connection, where that is more than TCP: nothing is sent over it before its other end was checked. */
  readonly open?: () => Socket;
  /** Messages to devices that may wait for their PUBACK; more are dropped. */
  readonly maxUnacknowledged: number;
  /** Bytes that they may have together. */
  readonly maxUnacknowledgedBytes: number;
  /** How long after a subscription a retained checkpoint may still come. */
  readonly settleMs: number;
  /** True where the states of devices are of use; a broker that doesn't grant them is no fault. */
  readonly watchStates?: boolean;
};

export type IntakeEvents = {
  /** A message of a device. `payload` is the receiver's own. */
  message(iss: string, payload: Uint8Array): void;
  /** Calls back as soon as another message may come. */
  whenRoom(resume: () => void): void;
  /** A device said that it is there, or was said to be gone; only where {@link Connection.watchStates} asks for it. */
  state(iss: string, state: "online" | "offline"): void;
  /** A checkpoint on the topic, this log's own or a stranger's. */
  checkpoint(note: Uint8Array): void;
  /** Subscribed, and whatever checkpoint the broker retains was seen. After each connection. */
  settled(): void;
  /** Something on a topic that is none of ours, or on the wrong one. */
  stray(): void;
  connection(state: "connected" | "lost", reason?: string): void;
};

/** As MQTT.js connects; the client goes on trying by itself. */
export type ConnectBroker = (url: string, options: IClientOptions, open?: () => Socket) => MqttClient;

/** Over TCP, unless the connection is opened otherwise; what the broker sends is bounded before it is parsed. */
export const connectMqtt: ConnectBroker = (url, options, open = () => overTcp(url)) => {
  const { username, password } = new URL(url);
  const shown =
    username === "" ? {} : { username: decodeURIComponent(username), password: decodeURIComponent(password) };
  return new MqttClient(() => boundPackets(open(), LIMITS.maxUpBytes), { ...shown, ...options });
};

function overTcp(url: string): Socket {
  const { hostname, port } = new URL(url);
  return connect({ host: hostname.replace(/^\[(.*)\]$/, "$1"), port: Number(port) || MQTT_PORT });
}

const MQTT_PORT = 1883;

/** What is outside of this process. */
export type IntakeSurroundings = { readonly connect: ConnectBroker; readonly time: Pick<Time, "after"> };

/**
 * Tries whether the broker lets this client in, and leaves again: nothing is published, subscribed or acknowledged. Not while an anchor runs: the same name
 * twice ends the first connection.
 *
 * @throws the client's error
 */
export async function tryBroker(connection: Connection, signal: AbortSignal): Promise<void> {
  const {
    url,
    open,
    settleMs: _,
    maxUnacknowledged: __,
    maxUnacknowledgedBytes: ___,
    watchStates: ____,
    ...options
  } = connection;
  const client = connectMqtt(url, { ...options, clean: false, reconnectPeriod: 0 }, open);
  client.handleMessage = () => {}; // what waits for the anchor's session comes again to it
  try {
    await new Promise<void>((resolve, reject) => {
      client.once("connect", () => resolve());
      client.on("error", reject);
      client.once("close", () => reject(new Error("the connection was closed")));
      signal.addEventListener("abort", () => reject(new Error("no answer")));
    });
  } finally {
    client.end(true);
  }
}

const UP_TOPICS = "tally/v1/+/+/up";
const STATE_TOPICS = "tally/v1/+/+/state";
const RECONNECT_MS = 1000;
/** As often the settling begins anew while messages come and no checkpoint has. */
const MAX_SETTLINGS = 10;
/** Longest wait at the end for the PUBACK of what was sent. */
const FAREWELL_MS = 3000;

export class Intake implements Downlink {
  readonly #client: MqttClient;
  readonly #connection: Connection;
  readonly #events: IntakeEvents;
  readonly #time: Pick<Time, "after">;
  readonly #settled = Promise.withResolvers<void>();
  #isSettled = false;
  /** On this connection: messages of devices so far, and whether a checkpoint came. */
  #arrived = 0;
  #hasCheckpoint = false;
  /** The last message found no room, and has none yet. */
  #crowded = false;
  #unacknowledged = 0;
  #unacknowledgedBytes = 0;
  #stopping = false;
  #up = false;
  #lastFault = "";
  /** Of the connection that settles: what it retains is still on its way. */
  #cancelSettling = (): void => {};

  /** Connects, and goes on trying for as long as it takes. */
  constructor(
    connection: Connection,
    events: IntakeEvents,
    surroundings: IntakeSurroundings = { connect: connectMqtt, time: machineTime },
  ) {
    this.#time = surroundings.time;
    this.#connection = connection;
    this.#events = events;
    const {
      url,
      clientId,
      open,
      maxUnacknowledged: _,
      maxUnacknowledgedBytes: __,
      settleMs: ___,
      watchStates: ____,
      ...credentials
    } = connection;
    const options = {
      ...credentials,
      clientId,
      clean: false, // a session: what devices send while the anchor is away waits at the broker
      reconnectPeriod: RECONNECT_MS,
      reconnectOnConnackError: true,
      resubscribe: false, // done below on each connection
    };
    this.#client = surroundings.connect(url, options, open);
    this.#client.handleMessage = (packet, done) => this.#handle(packet, done);
    this.#client.on("connect", () => this.#subscribe());
    this.#client.on("error", (error) => this.#fault(error.message || String(error)));
    this.#client.on("close", () => {
      if (this.#up && !this.#stopping) this.#fault("the connection was closed");
      this.#up = false;
      this.#cancelSettling();
    });
  }

  get connected(): boolean {
    return this.#client.connected;
  }

  /** Resolves when a checkpoint that the broker retains would have been seen, for the first time. */
  get settled(): Promise<void> {
    return this.#settled.promise;
  }

  send(topic: string, payload: Uint8Array): boolean {
    // Offline, MQTT.js would queue without a bound.
    if (!this.#client.connected || this.#full(payload.length)) return false;
    this.#unacknowledged++;
    this.#unacknowledgedBytes += payload.length;
    this.#client.publish(
      topic,
      Buffer.from(payload.buffer, payload.byteOffset, payload.length),
      { qos: 1 },
      () => {
        this.#unacknowledged--;
        this.#unacknowledgedBytes -= payload.length;
      },
    );
    return true;
  }

  /** Leaves the newest note at the broker, for whoever watches. Lost while offline: the next connection or batch brings it again. */
  publishCheckpoint(note: string): void {
    if (this.#client.connected) this.#client.publish(CHECKPOINT_TOPIC, note, { qos: 1, retain: true });
  }

  /** Takes no further message; those that come stay unacknowledged at the broker. */
  stop(): void {
    this.#stopping = true;
  }

  /** Ends the connection, once what was sent is acknowledged or the farewell takes too long. */
  async end({ force = false }: { readonly force?: boolean } = {}): Promise<void> {
    this.#stopping = true;
    if (this.#client.connected && !force) {
      const cancel = this.#time.after(FAREWELL_MS, () => this.#client.end(true));
      await this.#client.endAsync(false).finally(cancel);
    } else {
      await this.#client.endAsync(true);
    }
  }

  #full(more: number): boolean {
    const { maxUnacknowledged, maxUnacknowledgedBytes } = this.#connection;
    return (
      this.#unacknowledged >= maxUnacknowledged || this.#unacknowledgedBytes + more > maxUnacknowledgedBytes
    );
  }

  #subscribe(): void {
    this.#up = true;
    this.#hasCheckpoint = false;
    this.#lastFault = "";
    this.#events.connection("connected");
    // The checkpoint first: what the broker retains is on its way by the time the second subscription is confirmed.
    this.#subscribeTo(CHECKPOINT_TOPIC, () => {
      this.#subscribeTo(UP_TOPICS, () => {
        if (this.#connection.watchStates === true) this.#client.subscribe(STATE_TOPICS, { qos: 1 }, () => {});
        this.#settle(MAX_SETTLINGS);
      });
    });
  }

  /** What waited at the broker for this session may stand in front of the checkpoint that it retains: as long as that is coming, so may the checkpoint. */
  #settle(times: number): void {
    const before = this.#arrived;
    this.#cancelSettling();
    this.#cancelSettling = this.#time.after(this.#connection.settleMs, () => {
      const stillComing = this.#arrived > before && !this.#hasCheckpoint;
      if (stillComing && times > 1) {
        this.#settle(times - 1);
        return;
      }
      this.#isSettled = true;
      this.#settled.resolve();
      this.#events.settled();
    });
  }

  /** Tries until the broker grants it, or the connection ends. */
  #subscribeTo(topic: string, done: () => void): void {
    this.#client.subscribe(topic, { qos: 1 }, (error, granted) => {
      const refused = granted?.some(({ qos }) => qos >= 0x80) === true;
      if (!error && !refused) {
        done();
        return;
      }
      this.#fault(`the broker does not grant the subscription to ${topic}`);
      this.#time.after(RECONNECT_MS, () => {
        if (this.#up && !this.#stopping) this.#subscribeTo(topic, done);
      });
    });
  }

  #handle(packet: IPublishPacket, done: (error?: Error) => void): void {
    if (this.#stopping) {
      done(new Error("stopping")); // no PUBACK: it comes again
      return;
    }
    const topic = parseTopic(packet.topic);
    const payload = typeof packet.payload === "string" ? Buffer.from(packet.payload) : packet.payload;
    if (topic?.kind === "up") {
      this.#arrived++;
      this.#take(topic.iss, payload, () => done());
      return;
    }
    if (topic?.kind === "checkpoint") {
      this.#hasCheckpoint = true;
      this.#events.checkpoint(new Uint8Array(payload));
    } else if (topic?.kind === "state") this.#state(topic.iss, payload.toString("latin1"));
    else this.#events.stray();
    done();
  }

  /**
   * A message from a device. Until this is settled nothing is sequenced, and no room comes: whoever waited for it would hold up the broker's answers, and with
   * them the settling. So what finds no room then is heard and let go, and comes again.
   */
  #take(iss: string, payload: Buffer, done: () => void): void {
    const early = !this.#isSettled;
    if (early && this.#crowded) {
      done();
      return;
    }
    // A copy: the buffer belongs to the socket and may hold many other messages.
    this.#events.message(iss, new Uint8Array(payload));
    this.#crowded = true;
    this.#events.whenRoom(() => {
      this.#crowded = false;
      if (!early) done();
    });
    if (early) done();
  }

  #state(iss: string, state: string): void {
    if (state === "online" || state === "offline") this.#events.state(iss, state);
    else this.#events.stray();
  }

  /** Tells of a fault once, not at every attempt. */
  #fault(reason: string): void {
    if (reason === this.#lastFault) return;
    this.#lastFault = reason;
    this.#events.connection("lost", reason);
  }
}
