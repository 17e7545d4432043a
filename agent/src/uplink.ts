/**
 * The line to the broker: the only file that imports mqtt, loaded when there is something to connect to.
 *
 * MQTT.js keeps a queue in memory and would reconnect by itself; both are switched off. A connection here lives once: when it is lost, so is
 * what it had in flight, and the outbox knows what to send on the next one.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { downTopic, EvidenceError, stateTopic } from "@tallystick/evidence";
import type { IClientOptions, MqttClient } from "mqtt";
import type { Settings } from "./config.ts";

export type LineSettings = Pick<Settings, "iss" | "broker" | "metered">;

/** One connection, subscribed to what comes down. */
export type Connection = {
  /** Publishes at QoS 1; resolves when the broker has acknowledged it, which means no more than that it was heard. */
  publish(topic: string, payload: Uint8Array): Promise<void>;
  /** Resolves, with the reason, once the connection is lost or ended. */
  readonly closed: Promise<string>;
  /** Says goodbye: `offline`, then a clean disconnect. Never rejects. */
  end(): Promise<void>;
};

/**
 * @param onDown - given each message of the down topic
 * @param signal - gives up connecting when it is aborted; a connection that is there stays
 */
export type Connect = (onDown: (payload: Uint8Array) => void, signal: AbortSignal) => Promise<Connection>;

const CONNECT_TIMEOUT_MS = 15_000;
/** How long a goodbye may take. */
const END_TIMEOUT_MS = 1000;
/** A silent line is noticed after one and a half of these; each ping costs some hundred bytes on the air. */
const KEEPALIVE_S = { default: 60, metered: 900 } as const;

/**
 * Connects, with a last will, and subscribes.
 *
 * @throws EvidenceError `unreachable` with the reason
 */
export async function connectBroker(
  settings: LineSettings,
  ...[onDown, signal]: Parameters<Connect>
): Promise<Connection> {
  const { connect } = await import("mqtt");
  const { iss, broker } = settings;
  const state = stateTopic(iss);
  let client: MqttClient | undefined;
  const giveUp = (): void => void client?.end(true);
  try {
    client = connect(optionsOf(settings));
    const line = new Line(client);
    signal.addEventListener("abort", giveUp);
    if (signal.aborted) giveUp();
    await line.until<void>((done) => client?.once("connect", () => done(undefined)));
    client.on("message", (topic, payload) => {
      if (topic === downTopic(iss)) onDown(payload);
    });
    await line.subscribe(downTopic(iss));
    await line.publish(state, ONLINE, true);
    return {
      publish: (topic, payload) => line.publish(topic, payload, false),
      closed: line.closed,
      end: () => line.end(state),
    };
  } catch (cause) {
    client?.end(true);
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new EvidenceError("unreachable", `${broker.url}: ${reason}`, {}, cause);
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}

/**
 * Tries whether the broker lets this device in, and leaves again: nothing is published, subscribed or acknowledged, and the session that waits there stays
 * as it is. Not while an agent runs: the same name twice ends the first connection.
 *
 * @throws EvidenceError `unreachable` with the reason
 */
export async function tryBroker(settings: LineSettings, signal: AbortSignal): Promise<void> {
  const { connect } = await import("mqtt");
  let client: MqttClient | undefined;
  const giveUp = (): void => void client?.end(true);
  try {
    const { will: _, ...options } = optionsOf(settings);
    client = connect(options);
    client.handleMessage = () => {}; // never acknowledged: it comes again to the agent
    const line = new Line(client);
    signal.addEventListener("abort", giveUp);
    await line.until<void>((done) => client?.once("connect", () => done(undefined)));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new EvidenceError("unreachable", `${settings.broker.url}: ${reason}`, {}, cause);
  } finally {
    signal.removeEventListener("abort", giveUp);
    client?.end(true);
  }
}

const ONLINE = Buffer.from("online");
const OFFLINE = Buffer.from("offline");

function optionsOf({ iss, broker, metered }: LineSettings): IClientOptions {
  return {
    ...addressOf(broker.url),
    clientId: iss,
    protocolVersion: 4,
    clean: false, // receipts that come while we are away wait at the broker, if it can
    reconnectPeriod: 0,
    connectTimeout: CONNECT_TIMEOUT_MS,
    keepalive: metered ? KEEPALIVE_S.metered : KEEPALIVE_S.default,
    resubscribe: false,
    writeCache: false, // else MQTT.js makes a buffer for each of 65,536 numbers: 13 ms and some megabytes at the first packet
    will: { topic: stateTopic(iss), payload: OFFLINE, qos: 1, retain: true },
    ...secrets(broker),
  };
}

/** The parts of the broker's address; MQTT.js itself would read it with an interface of Node's that is going away. */
function addressOf(url: string): IClientOptions {
  const { protocol, hostname, port, username, password } = new URL(url);
  return {
    protocol: protocol === "mqtts:" ? "mqtts" : "mqtt",
    host: hostname.replace(/^\[(.*)\]$/, "$1"), // IPv6: the brackets belong to the URL
    ...(port === "" ? {} : { port: Number(port) }),
    ...(username === "" ? {} : { username: decodeURIComponent(username) }),
    ...(password === "" ? {} : { password: decodeURIComponent(password) }),
  };
}

type Secrets = { ca?: Buffer; cert?: Buffer; key?: Buffer; username?: string; password?: string };

/** Read anew for each connection: certificates are renewed while the agent runs. */
function secrets({ tls, username, passwordFile }: LineSettings["broker"]): Secrets {
  return {
    ...(tls?.ca === undefined ? {} : { ca: readFileSync(tls.ca) }),
    ...(tls?.cert === undefined ? {} : { cert: readFileSync(tls.cert) }),
    ...(tls?.key === undefined ? {} : { key: readFileSync(tls.key) }),
    ...(username === undefined ? {} : { username }),
    ...(passwordFile === undefined ? {} : { password: readFileSync(passwordFile, "utf8").trimEnd() }),
  };
}

/** A client whose every promise is settled when the connection ends; MQTT.js leaves some of them waiting. */
class Line {
  readonly #client: MqttClient;
  readonly #waiting = new Set<(reason: Error) => void>();
  readonly closed: Promise<string>;

  constructor(client: MqttClient) {
    this.#client = client;
    let reason = "the connection was closed";
    client.on("error", (error) => {
      reason = error.message;
      if (!client.connected) client.end(true); // refused: some errors don't close the stream
    });
    this.closed = new Promise((resolve) => {
      client.once("close", () => {
        for (const reject of this.#waiting) reject(new Error(reason));
        this.#waiting.clear();
        resolve(reason);
      });
    });
  }

  /** Resolves when `start`'s callback is called; rejects with an error given to it, or when the connection ends. */
  until<T>(start: (done: (error: Error | undefined, value: T) => void) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject);
      start((error, value) => {
        this.#waiting.delete(reject);
        if (error === undefined) resolve(value);
        else reject(error);
      });
    });
  }

  publish(topic: string, payload: Uint8Array, retain: boolean): Promise<void> {
    return this.until((done) => {
      this.#client.publish(topic, asBuffer(payload), { qos: 1, retain }, (error) => done(error ?? undefined));
    });
  }

  async subscribe(topic: string): Promise<void> {
    await this.until<void>((done) => {
      this.#client.subscribe(topic, { qos: 1 }, (error, granted) => {
        const refused = (granted ?? []).some(({ qos }) => qos > 2); // MQTT 3.1.1 section 3.9.3: 0x80 is failure
        done(error ?? (refused ? new Error(`the broker refuses the subscription to ${topic}`) : undefined));
      });
    });
  }

  async end(state: string): Promise<void> {
    const overdue = new Promise<void>((resolve) => {
      setTimeout(resolve, END_TIMEOUT_MS).unref();
    });
    const goodbye = async (): Promise<void> => {
      await this.publish(state, OFFLINE, true);
      await this.#client.endAsync();
    };
    // Where the broker is gone already, its last will speaks for us.
    if (this.#client.connected) await Promise.race([goodbye().catch(() => {}), overdue]);
    this.#client.end(true);
  }
}

const asBuffer = ({ buffer, byteOffset, byteLength }: Uint8Array): Buffer =>
  Buffer.from(buffer, byteOffset, byteLength);
