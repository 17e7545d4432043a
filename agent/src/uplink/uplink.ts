/**
 * The line to the broker: the only file that imports mqtt, loaded when there is something to connect to.
 *
 * MQTT.js keeps a queue in memory and would reconnect by itself; both are switched off. A connection here lives once: when it is lost, so is
 * what it had in flight, and the outbox knows what to send on the next one.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import {
  downTopic,
  equalBytes,
  EvidenceError,
  isEvidenceError,
  LIMITS,
  sealConnectToken,
  stateTopic,
  type Signer,
} from "@tallystick/evidence";
import { boundPackets } from "@tallystick/evidence/node";
import type { IClientOptions, MqttClient } from "mqtt";
import type { Settings } from "../config/config.ts";
import type { Dialled } from "./dial.ts";

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
/** From CONNACK to the acknowledgement of the subscription and of `online`. */
const BEGIN_TIMEOUT_MS = 30_000;
/** How long a goodbye may take. */
const END_TIMEOUT_MS = 1000;
/** A silent line is noticed after one and a half of these; each ping costs some hundred bytes on the air. */
const KEEPALIVE_S = { default: 60, metered: 900 } as const;

/** The keys that the device may show, the newest first: right after a rotation the broker may still know the one before. */
export type Signers = () => readonly Signer[];

/**
 * A line to the broker of the configuration: connects, with a last will, and subscribes. What shows the broker who this is: a user name and password, or a client
 * certificate, where the configuration has one; else, over TLS, a token of the device's key for that very connection.
 *
 * Each call of what is returned throws EvidenceError `unreachable` with the reason, `tls-required`, `tls-pin`, `tls-handshake`, `tls-malformed`, or what a signer throws.
 */
export function brokerLine(
  settings: LineSettings,
  signers: Signers,
  beginTimeoutMs = BEGIN_TIMEOUT_MS,
): Connect {
  const { iss } = settings;
  const keys = new Turns(signers);
  const greet = async (line: Line): Promise<void> => {
    await line.subscribe(downTopic(iss));
    await line.publish(stateTopic(iss), ONLINE, true);
  };
  return (onDown, signal) =>
    entered(settings, keys, signal, { will: willOf(iss) }, async (line, client) => {
      client.on("message", (topic, payload) => {
        if (topic === downTopic(iss)) onDown(payload);
      });
      await inTime(greet(line), beginTimeoutMs);
      return {
        publish: (topic, payload) => line.publish(topic, payload, false),
        closed: line.closed,
        end: () => line.end(stateTopic(iss)),
      };
    });
}

/**
 * Tries whether the broker lets this device in, and leaves again: nothing is published, subscribed or acknowledged, and the session that waits there stays
 * as it is. Not while an agent runs: the same name twice ends the first connection.
 *
 * @throws EvidenceError as {@link brokerLine}
 */
export function tryBroker(settings: LineSettings, signers: Signers, signal: AbortSignal): Promise<void> {
  return entered(settings, new Turns(signers), signal, { isVisit: true }, async (_line, client) => {
    client.end(true);
  });
}

/** Whose key is shown next: the newest one's, but that a key which the broker did not take gives way once. */
class Turns {
  readonly #signers: Signers;
  #refused: Uint8Array | undefined;

  constructor(signers: Signers) {
    this.#signers = signers;
  }

  next(): Signer | undefined {
    const all = this.#signers();
    const refused = this.#refused;
    return all.find(({ key }) => refused === undefined || !equalBytes(key.kid, refused)) ?? all[0];
  }

  taken(): void {
    this.#refused = undefined;
  }

  refused(signer: Signer | undefined): void {
    this.#refused = signer?.key.kid;
  }
}

/** Connects, and does what is to be done first; whatever fails, the connection is gone. */
async function entered<T>(
  settings: LineSettings,
  keys: Turns,
  signal: AbortSignal,
  { isVisit = false, ...options }: Pick<IClientOptions, "will"> & { readonly isVisit?: boolean },
  begin: (line: Line, client: MqttClient) => Promise<T>,
): Promise<T> {
  const { broker } = settings;
  const [{ MqttClient }, { dial, refusedCertificate }] = await Promise.all([
    import("mqtt"),
    import("./dial.ts"),
  ]);
  const { socket, secured } = await dial(broker.url, broker.tls ?? {}, CONNECT_TIMEOUT_MS, signal);
  let fault: unknown;
  socket.on("error", (error) => (fault ??= error)); // of those of TLS MQTT.js tells nobody
  const signer = secured === undefined || hasCredentials(broker) ? undefined : keys.next();
  let client: MqttClient | undefined;
  const giveUp = (): void => void client?.end(true);
  try {
    const shown = await shownBy(settings, signer, secured);
    client = new MqttClient(() => boundPackets(socket, LIMITS.maxDownBytes), {
      ...optionsOf(settings),
      ...options,
      ...shown,
    });
    if (isVisit) client.handleMessage = () => {}; // never acknowledged: it comes again to the agent
    const line = new Line(client);
    signal.addEventListener("abort", giveUp);
    if (signal.aborted) giveUp();
    await line.until<void>((done) => client?.once("connect", () => done(undefined)));
    keys.taken();
    return await begin(line, client);
  } catch (cause) {
    client?.end(true);
    socket.destroy();
    if (isEvidenceError(cause)) throw cause;
    if (isRefusal(cause)) keys.refused(signer);
    const refused = refusedCertificate(broker.url, fault);
    if (refused !== undefined) throw refused;
    throw new EvidenceError("unreachable", `${broker.url}: ${reasonOf(cause)}`, {}, cause);
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}

/** @throws Error where the broker, once it has let this client in, leaves what comes first unanswered */
async function inTime(work: Promise<void>, timeoutMs: number): Promise<void> {
  const late = Promise.withResolvers<never>();
  const reason = `the broker lets this client in, and then answers nothing for ${timeoutMs / 1000} s`;
  const timer = setTimeout(() => late.reject(new Error(reason)), timeoutMs);
  try {
    await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** CONNACK said that this client may not connect (MQTT 3.1.1 section 3.2.2.3). */
const isRefusal = (error: unknown): boolean =>
  error instanceof Error && "code" in error && (error.code === 4 || error.code === 5);

function reasonOf(cause: unknown): string {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return isRefusal(cause)
    ? `the broker refuses this device (${reason}): is its key enrolled and not revoked, and does the broker have the newest registry?`
    : reason;
}

const ONLINE = Buffer.from("online");
const OFFLINE = Buffer.from("offline");

function optionsOf({ iss, metered }: LineSettings): IClientOptions {
  return {
    clientId: iss,
    protocolVersion: 4,
    clean: false, // receipts that come while we are away wait at the broker, if it can
    reconnectPeriod: 0,
    connectTimeout: CONNECT_TIMEOUT_MS,
    keepalive: metered ? KEEPALIVE_S.metered : KEEPALIVE_S.default,
    resubscribe: false,
    writeCache: false, // else MQTT.js makes a buffer for each of 65,536 numbers: 13 ms and some megabytes at the first packet
  };
}

const willOf = (iss: string): NonNullable<IClientOptions["will"]> => ({
  topic: stateTopic(iss),
  payload: OFFLINE,
  qos: 1,
  retain: true,
});

/** True where the configuration says how this client shows who it is; the device's key has nothing to do with it then. */
const hasCredentials = ({ url, username, passwordFile, tls }: LineSettings["broker"]): boolean =>
  username !== undefined ||
  passwordFile !== undefined ||
  tls?.cert !== undefined ||
  new URL(url).username !== "";

type Shown = Pick<IClientOptions, "username" | "password">;

async function shownBy(
  { iss, broker }: LineSettings,
  signer: Signer | undefined,
  secured: Dialled["secured"],
): Promise<Shown> {
  if (signer !== undefined && secured !== undefined) {
    const token = await sealConnectToken({ iss, aud: secured.pin, exporter: secured.exporter }, signer);
    return { username: iss, password: asBuffer(token) };
  }
  const { username, password } = new URL(broker.url);
  const { passwordFile } = broker;
  const name = broker.username ?? decodeURIComponent(username);
  const secret = passwordFile === undefined ? decodeURIComponent(password) : readPassword(passwordFile);
  // a password goes with a name [MQTT-3.1.2-22]
  return {
    ...(name !== "" ? { username: name } : secret === "" ? {} : { username: iss }),
    ...(secret !== "" && { password: secret }),
  };
}

/** Read anew for each connection: it may be replaced while the agent runs. */
function readPassword(path: string): string {
  try {
    return readFileSync(path, "utf8").trimEnd();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new EvidenceError("tls-malformed", `${path}: can't read the password: ${reason}`, {}, cause);
  }
}

/** A client whose every promise is settled when the connection ends; MQTT.js leaves some of them waiting. */
class Line {
  readonly #client: MqttClient;
  readonly #waiting = new Set<(reason: Error) => void>();
  readonly closed: Promise<string>;

  constructor(client: MqttClient) {
    this.#client = client;
    let fault = new Error("the connection was closed");
    client.on("error", (error) => {
      fault = error;
      if (!client.connected) client.end(true); // refused: some errors don't close the stream
    });
    this.closed = new Promise((resolve) => {
      client.once("close", () => {
        for (const reject of this.#waiting) reject(fault);
        this.#waiting.clear();
        resolve(fault.message);
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
