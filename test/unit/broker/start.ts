/**
 * A broker on a free port, clients for it, and waiting for what they see.
 *
 * @module
 */
import { once } from "node:events";
import { connect as connectSocket, type Socket } from "node:net";
import { generate, type IConnectPacket } from "mqtt-packet";
import mqtt, { type IClientOptions, type MqttClient } from "mqtt";
import { onTestFinished } from "vitest";
import type { EvidenceCode } from "@tallystick/evidence";
import { defaultConfig, type Config } from "../../../broker/src/config.ts";
import { noKeys, type KeySource } from "../../../broker/src/access/authenticate.ts";
import { runBroker, type Addresses } from "../../../broker/src/run.ts";

/** Settings that differ from the defaults, in any depth. */
type Partly<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { readonly [K in keyof T]?: Partly<T[K]> }
    : T;

export interface Running {
  readonly url: string;
  readonly port: number;
  /** By scheme. */
  readonly urls: Readonly<Record<string, string>>;
  readonly pin: string;
  /** Pins of certificates that came later, or why one did not. */
  readonly renewals: readonly string[];
  /** Refusals and losses so far. */
  readonly codes: readonly EvidenceCode[];
  /** Resolves when `code` was counted `times` times. */
  seen(code: EvidenceCode, times?: number): Promise<void>;
  /** A gauge or counter of `/metrics`. */
  metric(name: string): Promise<number>;
  stop(): Promise<void>;
}

/** Starts a broker that ends with the test. */
export async function startBroker(
  changes: Partly<Config> = {},
  registry: KeySource = noKeys,
): Promise<Running> {
  const config = merged(defaultConfig(), {
    listen: { port: 0 },
    http: { host: "127.0.0.1", port: 0 },
    ...changes,
  }) as Config;
  const codes: EvidenceCode[] = [];
  const watchers = new Set<() => void>();
  const stop = new AbortController();
  const started = Promise.withResolvers<Addresses>();
  const notice = (code: EvidenceCode): void => {
    codes.push(code);
    for (const look of watchers) look();
  };
  const renewals: string[] = [];
  const running = runBroker(
    config,
    {
      notice,
      ready: started.resolve,
      renewed: (outcome) => renewals.push("error" in outcome ? outcome.error.message : outcome.pin),
    },
    stop.signal,
    registry,
  );
  running.catch(started.reject);
  const { urls, http = "", pin = "" } = await started.promise;
  const url = urls["mqtt"] ?? urls["mqtts"] ?? "";
  const end = async (): Promise<void> => {
    stop.abort();
    await running;
  };
  onTestFinished(end);
  return {
    url,
    urls,
    pin,
    renewals,
    port: Number(new URL(url).port),
    codes,
    seen: (code, times = 1) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (codes.filter((one) => one === code).length < times) return;
          watchers.delete(look);
          resolve();
        };
        watchers.add(look);
        look();
      }),
    async metric(name) {
      const text = await (await fetch(`${http}/metrics`)).text();
      const line = text.split("\n").find((one) => one.startsWith(`tally_broker_${name} `));
      return line === undefined ? 0 : Number(line.split(" ")[1]);
    },
    stop: end,
  };
}

function merged(base: unknown, changes: unknown): unknown {
  if (!isPlain(base) || !isPlain(changes)) return changes;
  const result: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(changes)) result[key] = merged(result[key], value);
  return result;
}

const isPlain = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Connects a client that ends with the test and does not reconnect. */
export async function connected(
  { url }: Running,
  clientId: string,
  options: IClientOptions = {},
): Promise<MqttClient> {
  const client = await mqtt.connectAsync(url, {
    clientId,
    protocolVersion: 4,
    reconnectPeriod: 0,
    ...options,
  });
  client.on("error", () => {});
  onTestFinished(() => {
    client.end(true);
  });
  return client;
}

/** CONNECT of MQTT 3.1.1, for a socket that a test writes to itself. */
export const connectPacket = (
  clientId: string,
  { clean = true, will }: Pick<Partial<IConnectPacket>, "clean" | "will"> = {},
): Buffer =>
  generate({
    cmd: "connect",
    clientId,
    protocolId: "MQTT",
    protocolVersion: 4,
    clean,
    keepalive: 60,
    ...(will !== undefined && { will }),
  });

/** Connects a bare socket that ends with the test. */
export async function bareSocket({ port }: Running): Promise<Socket> {
  const socket = connectSocket(port, "127.0.0.1");
  socket.on("error", () => {});
  onTestFinished(() => {
    socket.destroy();
  });
  await once(socket, "connect");
  return socket;
}

/** Resolves when the socket is closed, whoever did it; what comes meanwhile is read and forgotten. */
export const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    socket.resume();
    if (socket.closed) resolve();
    else socket.once("close", () => resolve());
  });

/** Resolves when the socket takes more, or never will. */
export const drainedOrClosed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      socket.off("drain", done).off("close", done);
      resolve();
    };
    if (socket.closed) resolve();
    else socket.once("drain", done).once("close", done);
  });

/** Collects what a client gets; `next(n)` resolves with the first n messages. */
export function inbox(client: MqttClient): {
  readonly messages: { topic: string; payload: Buffer; retain: boolean; messageId: number | undefined }[];
  next(count: number): Promise<readonly string[]>;
} {
  const messages: { topic: string; payload: Buffer; retain: boolean; messageId: number | undefined }[] = [];
  const watchers = new Set<() => void>();
  client.on("message", (topic, payload, { retain, messageId }) => {
    messages.push({ topic, payload, retain, messageId });
    for (const look of watchers) look();
  });
  return {
    messages,
    next: (count) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (messages.length < count) return;
          watchers.delete(look);
          resolve(messages.slice(0, count).map(({ payload }) => payload.toString()));
        };
        watchers.add(look);
        look();
      }),
  };
}

/** Tells whether `condition` comes to hold; looks again after each turn of the event loop and a little wait. */
export async function eventually(
  condition: () => boolean | Promise<boolean>,
  withinMs = 10_000,
): Promise<void> {
  const end = performance.now() + withinMs;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`did not come to hold within ${withinMs} ms`);
    await new Promise((resolve) => {
      setTimeout(resolve, 10);
    });
  }
}
