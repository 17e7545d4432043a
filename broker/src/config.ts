/**
 * Everything the broker can be told. Units are in the names; every default is here, and only here.
 *
 * @module
 */
import { LineCounter, parseDocument } from "yaml";
import { z } from "zod";
import { loadConfig, parseConfig, type ConfigSource } from "@tallystick/evidence/node";
import { RegistrySettings } from "./registry/settings.ts";

const TOPIC_KINDS = ["up", "down", "state", "checkpoint"] as const;
const TopicKind = z.enum(TOPIC_KINDS, { error: `one of ${TOPIC_KINDS.join(", ")}` });

const whole = (min: number, max: number): z.ZodInt =>
  z.int(`a whole number from ${min} to ${max}`).min(min, `at least ${min}`).max(max, `at most ${max}`);

const file = z.string().min(1, "the path of a file");

const Address = (port: number) =>
  z.strictObject({
    /** 127.0.0.0/8, ::1 or localhost; under `tls` any address of this machine, 0.0.0.0 and :: for all of them. */
    host: z.string().default("127.0.0.1"),
    /** 0 lets the system choose. */
    port: z.coerce.number().pipe(whole(0, 65_535)).default(port),
  });

/** A listener without TLS: on loopback, whatever else it is told. */
const Plain = (port: number) =>
  Address(port).extend({
    /** none: whoever can open the port may take any client id. required: services by their secret; a device's token needs TLS. */
    auth: z.enum(["none", "required"], { error: "none or required" }).default("none"),
  });

/** MQTT in WebSocket frames, at /mqtt. */
const origins = z
  .array(z.string().regex(/^https?:\/\/[^/]+$/, "https://host, nothing after it"))
  .max(16, "at most 16 origins")
  .default([]);

const Secret = z
  .string()
  .regex(/^sha256:[0-9a-f]{64}$/, "sha256: and 64 hexadecimal digits, as tally-broker secret make prints it");

const Service = z.strictObject({
  /** MQTT client id. Never of the form org/device. */
  id: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/, "1 to 64 of A-Z, a-z, 0-9, dot, dash and underscore"),
  publish: z.array(TopicKind).default([]),
  subscribe: z.array(TopicKind).default([]),
  /** What happens while this service reads too slowly: its writers wait, or its newest messages are dropped. */
  whenSlow: z.enum(["wait", "drop"], { error: "wait or drop" }).default("drop"),
  /** Hash of its secret, or of up to four while one takes the place of another. */
  secret: z.union([Secret, z.array(Secret).min(1).max(4)]).optional(),
});

const Tls = z.strictObject({
  /** MQTT over TLS 1.3. */
  listen: Address(8883).prefault({}),
  /** The same in WebSocket frames; absent: none. */
  webSocket: Address(8884).extend({ origins }).optional(),
  /** PEM files: the chain, the broker's own certificate first, and its private key. Read again when they change. */
  cert: file,
  key: file,
  /** Authorities of client certificates; absent: none is asked for. */
  clientCa: file.optional(),
});

/** What is kept in memory for one subscription; `maxBytes` counts topics and payloads. */
const Queue = (messages: number, bytes: number) =>
  z
    .strictObject({
      maxMessages: whole(1, 65_000).default(messages),
      maxBytes: whole(131_072, 1 << 30).default(bytes),
    })
    .prefault({});

const Config = z
  .strictObject({
    version: z.literal(1, "version: 1 is the only one"),
    /** Folder of what the broker keeps: the registry, in its folder `registry`. */
    data: z.string().min(1, "a folder").default("/var/lib/tallystick/broker"),
    /** Whose keys count: needed where devices have to show theirs. */
    registry: RegistrySettings.optional(),
    /** MQTT without TLS, on loopback; false: none. */
    listen: z.union([z.literal(false), Plain(1883)], { error: "host and port, or false" }).prefault({}),
    /** The same in WebSocket frames; absent: none. */
    webSocket: Plain(8083).extend({ origins }).optional(),
    /** For a network; absent: the broker is on loopback only. */
    tls: Tls.optional(),
    /** Metrics and health; absent: none. */
    http: Address(8081).optional(),
    /** Clients that are no devices, the ledger first of all. */
    services: z
      .array(Service)
      .max(64, "at most 64 services")
      .refine((all) => new Set(all.map(({ id }) => id)).size === all.length, "no id twice")
      .prefault([
        {
          id: "anchor",
          publish: ["down", "checkpoint"],
          subscribe: ["up", "checkpoint", "state"],
          whenSlow: "wait",
        },
      ]),
    limits: z
      .strictObject({
        maxConnections: whole(1, 65_000).default(2000),
        /** An `up` or `down` message; the format allows 65,536. */
        maxPayloadBytes: whole(1024, 65_536).default(65_536),
        /** CONNECT, SUBSCRIBE, UNSUBSCRIBE. */
        maxControlBytes: whole(256, 65_536).default(4096),
        maxSubscriptions: whole(1, 1024).default(32),
        connectTimeoutMs: whole(100, 60_000).default(5000),
        /** For the TLS handshake and the upgrade to WebSocket, together. */
        handshakeTimeoutMs: whole(100, 60_000).default(10_000),
        /** Connections that have not yet shown who they are. */
        maxUnproved: whole(1, 65_000).default(256),
        /** Of one address (IPv6: one /64), where clients have to show who they are. */
        address: z
          .strictObject({
            maxConnections: whole(1, 65_000).default(1000),
            maxUnproved: whole(1, 65_000).default(64),
            maxAttemptsPerMinute: whole(1, 1_000_000).default(600),
          })
          .prefault({}),
        /**
         * Of one device, where it had to show its key: it has one connection, and may bring four seconds' worth at once; what is more is read later. Small messages
         * cost the ledger most: some 1,500 a second are all that two cores carry.
         */
        device: z
          .strictObject({
            maxConnectsPerMinute: whole(1, 60_000).default(30),
            maxMessagesPerS: whole(1, 1_000_000).default(50),
            maxBytesPerS: whole(1024, 1 << 30).default(1 << 18),
          })
          .prefault({}),
        /** A client that asks for a longer keep-alive, or none, is refused. */
        maxKeepaliveS: whole(1, 43_200).default(3600),
        /** A subscriber whose socket took nothing for so long is cut off. */
        drainTimeoutMs: whole(100, 600_000).default(30_000),
        /** Retained messages: one `state` a device, and the checkpoint. */
        maxRetained: whole(1, 1_000_000).default(20_000),
      })
      .prefault({}),
    /** Messages on their way to one subscription of a device, or of a service. */
    queues: z
      .strictObject({
        /** Publishes of all devices together that are on their way to a queue, and their payloads' bytes, but at most a quarter of a service's queue; beyond it no device is read from. */
        maxUnderway: whole(1, 65_000).default(4096),
        maxUnderwayBytes: whole(131_072, 1 << 30).default(2 << 20),
        device: Queue(256, 1 << 20),
        service: Queue(16_384, 32 << 20),
      })
      .prefault({}),
    /** What is kept for a client that asked for a session that outlives its connection (clean = false). */
    sessions: z
      .strictObject({
        /** 0: every session is a clean one. */
        max: whole(0, 65_000).default(2000),
        device: Queue(64, 1 << 18),
        service: Queue(4096, 16 << 20),
        /** Over all sessions. */
        maxBytes: whole(0, 1 << 30).default(64 << 20),
        /** An absent client's session is forgotten after so long. */
        expireS: whole(1, 604_800).default(86_400),
      })
      .prefault({}),
    log: z
      .strictObject({
        level: z.enum(["fatal", "error", "warn", "info", "debug", "trace", "silent"]).default("info"),
      })
      .prefault({}),
  })
  .refine(({ tls, registry }) => tls === undefined || registry !== undefined, {
    path: ["tls"],
    message: "goes with registry: a device is known by the key that it has there",
  });

export type Config = z.output<typeof Config>;
export type DeviceRate = Pick<Config["limits"]["device"], "maxMessagesPerS" | "maxBytesPerS">;
export type Service = Config["services"][number];
export type TopicKind = (typeof TOPIC_KINDS)[number];
export type QueueBounds = Config["queues"]["device"];
export type UnderwayBounds = Pick<Config["queues"], "maxUnderway" | "maxUnderwayBytes">;

type Environment = Readonly<Record<string, string | undefined>>;

/** All defaults, but for what the environment overrides (see {@link readConfig}). */
export function defaultConfig(env: Environment = {}): Config {
  return parseConfig("version: 1\n", source("defaults", env));
}

/**
 * Reads the configuration file at `path`. `TALLYSTICK_BROKER_HOST` and `TALLYSTICK_BROKER_PORT` override the listening address.
 *
 * @throws ConfigError that lists every fault with its line
 */
export const readConfig = (path: string, env: Environment): Config => loadConfig(source(path, env));

function source(path: string, env: Environment): ConfigSource<Config> {
  const lineCounter = new LineCounter();
  return {
    path,
    schema: Config,
    parseDocument: (text) => parseDocument(text, { lineCounter }),
    lineCounter,
    overrides: {
      TALLYSTICK_BROKER_HOST: ["listen", "host"],
      TALLYSTICK_BROKER_PORT: ["listen", "port"],
    },
    env,
  };
}
