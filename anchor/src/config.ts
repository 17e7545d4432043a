/**
 * Everything the anchor can be told. Units are in the names; every default is here, and only here.
 *
 * @module
 */
import { isAbsolute, join } from "node:path";
import { LineCounter, parseDocument } from "yaml";
import { z } from "zod";
import { EvidenceError } from "@tallystick/evidence";
import { isHookUrl, loadConfig } from "@tallystick/evidence/node";
import { count, hostPort, path } from "./config-parts.ts";
import { EnrolmentSettings, PublicSettings } from "./enrolment/settings.ts";
import { ReadSettings } from "./reads/settings.ts";
import { ScrapiSettings } from "./scrapi/settings.ts";
import { TrailSettings } from "./trail/settings.ts";

export const DEFAULT_CONFIG_PATH = "/etc/tallystick/anchor.yaml";

const pin = z.string().regex(/^sha256:[0-9a-f]{64}$/, "give sha256: and 64 hexadecimal digits");
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

const ConfigSchema = z.strictObject({
  version: z.literal(1, { error: "use version: 1" }),
  /** Folder of the database, the public directory, the inbox, and by default the keys. */
  data: path.default("/var/lib/tallystick/anchor"),
  /** The log's name, with the year it began: checked against the data, and used by init. */
  origin: z.string().min(1).max(200, "use at most 200 characters").optional(),
  /** Relative paths are relative to `data`. */
  keys: z
    .strictObject({
      log: path.default("keys/log.pem"),
      operator: path.default("keys/operator.pem"),
      /** Of the anchor's own device, which keeps the trail of access. */
      anchor: path.default("keys/anchor.pem"),
    })
    .prefault({}),
  broker: z
    .strictObject({
      url: z
        .url({ protocol: /^mqtts?$/, error: "give the broker as mqtt://host:port or mqtts://host:port" })
        .default("mqtt://127.0.0.1:1883"),
      clientId: z
        .string()
        .regex(/^[A-Za-z0-9_-]{1,64}$/, "use 1 to 64 of A-Z, a-z, 0-9, _ and -")
        .default("anchor"),
      username: z.string().optional(),
      /** File whose first line is the password. */
      passwordFile: path.optional(),
      /** For mqtts: the pin of the broker's certificate (or several), or the authority behind it; this client's own certificate and key. PEM files. */
      tls: z
        .strictObject({
          pin: z.union([pin, z.array(pin).min(1).max(4)]).optional(),
          ca: path.optional(),
          cert: path.optional(),
          key: path.optional(),
        })
        .refine((tls) => tls.pin === undefined || tls.ca === undefined, "give either pin or ca")
        .refine(({ cert, key }) => (cert === undefined) === (key === undefined), "cert and key go together")
        .prefault({}),
      /** How long after subscribing a retained checkpoint may still come; nothing is sequenced before. */
      settleMs: count(0, 60_000).default(500),
      /** Messages to devices that may wait for PUBACK; more are dropped, and cost one more sending each. */
      maxUnacknowledged: count(16, 60_000).default(8192),
      maxUnacknowledgedBytes: count(65_536, 2 ** 31).default(16 * 2 ** 20),
    })
    .refine(({ url }) => url.startsWith("mqtts:") || LOOPBACK.test(new URL(url).hostname), {
      path: ["url"],
      message: "beyond this machine use mqtts://, with tls.pin or tls.ca",
    })
    .prefault({}),
  http: z
    .strictObject({
      listen: hostPort("127.0.0.1:8080").default("127.0.0.1:8080"),
    })
    .prefault({}),
  /** The public directory and enrolment, for everybody, over TLS. */
  public: PublicSettings.optional(),
  enrolment: EnrolmentSettings.prefault({}),
  /** Statements over HTTP (docs/scrapi.md). */
  scrapi: ScrapiSettings.prefault({}),
  /** A batch closes when it is full, or this long after its first statement. */
  batch: z
    .strictObject({ maxItems: count(1, 65_536).default(4096), maxWaitMs: count(1, 10_000).default(100) })
    .prefault({}),
  /** Between intake and commit. When full, PUBACK waits. Three batches: one is published, one is full, and the threads that check signatures have work meanwhile. */
  pool: z
    .strictObject({
      maxItems: count(1, 1_000_000).default(12_288),
      maxBytes: count(65_536, 2 ** 31).default(32 * 2 ** 20),
    })
    .prefault({}),
  /** Threads that check signatures. */
  workers: z.strictObject({ signatures: count(1, 64).default(2) }).prefault({}),
  receipts: z
    .strictObject({
      /** Statements that came again and wait for their receipt; more are dropped, and come again. */
      maxRepeats: count(1, 1_000_000).default(16_384),
    })
    .prefault({}),
  refusals: z
    .strictObject({
      perDevicePerMinute: count(0, 100_000).default(120),
      /** Refused statements of one device in a second; where there were more for ten seconds, it is not heard for up to ten. */
      perDevicePerS: count(1, 1_000_000).default(20),
      maxForks: count(0, 10_000_000).default(10_000),
    })
    .prefault({}),
  /** Who makes the registry item where a device names its next key: the anchor, by default where it has the operator's key, or an operator who is asked (tally-anchor rotate). */
  registry: z
    .strictObject({
      rotate: z.enum(["auto", "ask"], { error: "use auto or ask" }).optional(),
    })
    .prefault({}),
  /** After a restore: the longest time in which devices may show receipts of newer trees before anything is signed. */
  restored: z.strictObject({ hearMs: count(0, 86_400_000).default(60_000) }).prefault({}),
  /** Devices that are silent for longer than their enrolment allows. */
  alarms: z
    .strictObject({
      webhook: z.url({ protocol: /^https?$/, error: "give the receiver as https://host/path" }).optional(),
      /** File whose first line is the secret that alarms are signed with. */
      secretFile: path.optional(),
      /** PEM file of the authority behind the receiver's certificate; the system's where it is left out. */
      ca: path.optional(),
      /** After each connection to the broker, so long nobody is found silent. */
      graceS: count(0, 86_400).default(300),
      /** Alarms that may wait to be sent; where there are more, the oldest are let go. */
      maxWaiting: count(1, 100_000).default(10_000),
      /** Streams that are watched; of further ones only their devices are. */
      maxStreams: count(0, 1_000_000).default(100_000),
    })
    .superRefine(({ webhook, secretFile }, context) => {
      const complain = (key: string, message: string): void =>
        context.addIssue({ code: "custom", path: [key], message });
      if (webhook === undefined) return;
      if (secretFile === undefined)
        complain(
          "webhook",
          "give alarms.secretFile too, by which the receiver knows that it was you: (umask 077; openssl rand -hex 32 >FILE)",
        );
      if (!isHookUrl(webhook)) complain("webhook", "use https:// where the receiver is on another machine");
    })
    .prefault({}),
  trail: TrailSettings.prefault({}),
  reads: ReadSettings.prefault({}),
  /** Time for the last batch, its receipts and their PUBACKs after a stop was asked for. */
  graceMs: count(1000, 600_000).default(15_000),
  log: z.strictObject({ level: z.enum(["debug", "info", "warn", "error"]).default("info") }).prefault({}),
});

export type Config = z.output<typeof ConfigSchema>;

/** Environment variables that override a setting. */
const OVERRIDES = {
  TALLYSTICK_ANCHOR_DATA: ["data"],
  TALLYSTICK_ANCHOR_ORIGIN: ["origin"],
  TALLYSTICK_ANCHOR_LISTEN: ["http", "listen"],
  TALLYSTICK_BROKER_URL: ["broker", "url"],
} as const;

/** @throws ConfigError that lists every fault with its line */
export function readConfig(file: string, env: Readonly<Record<string, string | undefined>>): Config {
  const lineCounter = new LineCounter();
  return loadConfig({
    path: file,
    schema: ConfigSchema,
    parseDocument,
    lineCounter,
    overrides: OVERRIDES,
    env,
  });
}

/** The configuration of a data folder when there is no file: all defaults. */
export const defaultConfig = (data: string): Config => ConfigSchema.parse({ version: 1, data });

/** Where things are. */
export type Places = {
  readonly database: string;
  readonly lock: string;
  readonly public: string;
  readonly inbox: string;
  readonly invites: string;
  /** What devices ask an operator for. */
  readonly requests: string;
  readonly alarms: string;
  readonly logKey: string;
  readonly operatorKey: string;
  readonly anchorKey: string;
  /** Copies of what the anchor said itself. */
  readonly trail: string;
  /** Of whoever may read. */
  readonly tokens: string;
  /** Orders to erase. */
  readonly erasures: string;
};

export function placesOf({ data, keys }: Pick<Config, "data" | "keys">): Places {
  const within = (name: string): string => (isAbsolute(name) ? name : join(data, name));
  return {
    database: join(data, "anchor.db"),
    lock: join(data, "anchor.lock"),
    public: join(data, "public"),
    inbox: join(data, "inbox"),
    invites: join(data, "invites"),
    requests: join(data, "requests"),
    alarms: join(data, "alarms.db"),
    logKey: within(keys.log),
    operatorKey: within(keys.operator),
    anchorKey: within(keys.anchor),
    trail: join(data, "trail"),
    tokens: join(data, "tokens"),
    erasures: join(data, "erasures"),
  };
}

export type ListenAddress = { readonly host: string; readonly port: number };

/**
 * Where HTTP listens: on this machine only. A web server in front brings TLS, and says who may read the archive.
 *
 * @throws EvidenceError `address-not-loopback`
 */
export function listenAddress(listen: string): ListenAddress {
  const { host, port } = addressOf(listen);
  const loopback = host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
  if (!loopback || port > 65_535) {
    throw new EvidenceError(
      "address-not-loopback",
      `http.listen: ${listen} is not an address of this machine's loopback`,
    );
  }
  return { host, port };
}

/** Host and port of `host:port`; a host in brackets loses them. */
export function addressOf(listen: string): ListenAddress {
  const at = listen.lastIndexOf(":");
  return { host: listen.slice(0, at).replace(/^\[|\]$/g, ""), port: Number(listen.slice(at + 1)) };
}
