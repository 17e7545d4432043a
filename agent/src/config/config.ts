/**
 * Everything the agent can be told. Every default is in this file and nowhere else; `agent.example.yaml` says the same in words.
 * Units: what ends in `Ms` is milliseconds, `Bytes` bytes; `every` and `heartbeat` are seconds, `days` days.
 *
 * @module
 */
import { hash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { checkStream, EvidenceError, NOTE_ED25519, parseVkey } from "@tallystick/evidence";
import { ConfigError, parseConfig, parsePin } from "@tallystick/evidence/node";
import { LineCounter, parseDocument } from "yaml";
import * as z from "zod";
import { staysPrivate } from "../uplink/broker-url.ts";
import {
  KIB,
  MIB,
  name,
  passes,
  Seal,
  sealSettings,
  seconds,
  whole,
  type SealSettings,
} from "./config-parts.ts";
import { Program, programFaults, programSettings, type ProgramSettings } from "./config-programs.ts";
import type { Line, SourceOptions } from "../sources/open.ts";

export const DEFAULT_CONFIG_PATH = "/etc/tallystick/agent.yaml";
const DEFAULT_DATA = "/var/lib/tallystick/agent";

/** Of the outbox, for each stream: a sixteenth of it is for what the agent says of the stream. */
const MIN_STREAM_BYTES = 16 * KIB;

/**
 * The address of `http.listen`: of this machine's loopback, since nobody is asked who they are there.
 *
 * @throws EvidenceError `address-not-loopback`
 */
export function loopbackAddress(listen: string): { readonly host: string; readonly port: number } {
  const [, bracketed, plain, digits = ""] = /^(?:\[(.+)\]|([^:]+)):(\d{1,5})$/.exec(listen) ?? [];
  const host = bracketed ?? plain ?? "";
  const isLoopback = host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
  if (!isLoopback || Number(digits) > 65_535)
    throw new EvidenceError(
      "address-not-loopback",
      `${listen} is not an address of this machine's loopback; give e.g. 127.0.0.1:8082`,
    );
  return { host: host === "localhost" ? "127.0.0.1" : host, port: Number(digits) };
}

/** A log signs as itself; a witness's key is another kind. */
function checkLogKey(text: string): void {
  if (parseVkey(text).type !== NOTE_ED25519)
    throw new EvidenceError("vkey-malformed", "this is a witness's key; pin the log's");
}

const path = z.string().min(1, "give the path of a file or folder");
const tlsPin = z.string().superRefine(passes(parsePin));
const Serial = z.strictObject({
  path,
  baudRate: whole(300, 921_600).default(115_200),
  dataBits: z.literal([7, 8]).default(8),
  parity: z.enum(["none", "even", "odd"]).default("none"),
  stopBits: z.literal([1, 2]).default(1),
  stripParity: z.boolean().default(false),
});
const Tcp = z.strictObject({ host: z.string().min(1), port: whole(1, 65_535) });

const Source = z.discriminatedUnion(
  "kind",
  [
    z
      .strictObject({ kind: z.literal("p1"), serial: Serial.optional(), tcp: Tcp.optional() })
      .refine(
        ({ serial, tcp }) => (serial === undefined) !== (tcp === undefined),
        "give either serial or tcp: where the meter is read",
      ),
    z.strictObject({ kind: z.literal("host"), disk: path.optional() }),
  ],
  "give kind: p1 or host",
);

const Stream = z.strictObject({
  name: z
    .string()
    .superRefine(passes(checkStream))
    .refine(
      (sub) => sub !== "sys" && sub !== "registry",
      "sys and registry are reserved; choose another name",
    ),
  source: Source,
  every: seconds(0, 86_400).optional(),
  maxLossMs: whole(0, 60_000).default(10_000),
  seal: Seal.prefault({}),
  raw: z.boolean().default(false),
});

const Pkcs11 = z
  .strictObject({
    module: path,
    token: z.string().min(1).max(32).optional(),
    slot: whole(0, 0xffff_ffff).optional(),
    label: z.string().min(1).max(64).optional(),
    id: z
      .string()
      .regex(/^(?:[0-9a-f]{2}){1,32}$/, "give the key's CKA_ID in lower-case hexadecimal")
      .optional(),
    pinFile: path.optional(),
  })
  .refine(
    ({ token, slot }) => (token === undefined) !== (slot === undefined),
    "give either token, its label, or slot",
  )
  .refine(
    ({ label, id }) => label !== undefined || id !== undefined,
    "give the key's label, its id, or both",
  );

const Schema = z
  .strictObject({
    version: z.literal(1, "this agent reads version 1; try: tally-agent config migrate"),
    org: name(32),
    device: name(64).refine((device) => device !== "operator", "operator is reserved; choose another name"),
    data: path.default(DEFAULT_DATA),
    key: path.optional(),
    pkcs11: Pkcs11.optional(),
    log: z
      .array(z.string().superRefine(passes(checkLogKey)))
      .min(1, "pin the log's verifier key: a receipt by any other is refused"),
    broker: z
      .strictObject({
        url: z
          .url({ protocol: /^mqtts?$/, error: "give the broker as mqtts://host:port" })
          .default("mqtt://127.0.0.1:1883"),
        tls: z
          .strictObject({
            pin: z.union([tlsPin, z.array(tlsPin).min(1).max(4)]).optional(),
            ca: path.optional(),
            cert: path.optional(),
            key: path.optional(),
          })
          .refine(({ pin, ca }) => pin === undefined || ca === undefined, "give either pin or ca")
          .refine(({ cert, key }) => (cert === undefined) === (key === undefined), "cert and key go together")
          .optional(),
        username: z.string().min(1).optional(),
        passwordFile: path.optional(),
      })
      .refine(({ url }) => !url.startsWith("mqtt:") || staysPrivate(url), {
        path: ["url"],
        message: "beyond this machine use mqtts://, with tls.pin or tls.ca",
      })
      .refine(({ url, tls }) => tls === undefined || url.startsWith("mqtts:"), {
        path: ["tls"],
        message: "goes with mqtts://",
      })
      .prefault({}),
    http: z
      .strictObject({
        listen: z.string().superRefine(passes(loopbackAddress)).default("127.0.0.1:8082"),
      })
      .optional(),
    metered: z.boolean().default(false),
    heartbeat: seconds(1, 86_400).optional(),
    clock: z.strictObject({ trust: z.enum(["auto", "system", "rtc", "none"]).default("auto") }).prefault({}),
    previous: z.strictObject({ lost: z.string().min(1).max(200) }).optional(),
    outbox: z
      .strictObject({
        maxBytes: whole(MIB, 64 * 1024 * MIB).default(256 * MIB),
        whenFull: z.enum(["stop", "drop-oldest"]).default("stop"),
        keepReceipted: z
          .strictObject({
            days: z.number().min(0).max(3650).default(7),
            maxBytes: whole(0, 64 * 1024 * MIB).default(200_000_000),
          })
          .prefault({}),
      })
      .prefault({}),
    uplink: z
      .strictObject({
        window: z
          .strictObject({
            maxStatements: whole(1, 100_000).default(4000),
            maxBytes: whole(64 * KIB, 64 * MIB).default(MIB),
          })
          .prefault({}),
        retry: z
          .strictObject({
            firstMs: whole(10, 3_600_000).default(5000),
            maxMs: whole(10, 86_400_000).default(300_000),
          })
          .prefault({}),
      })
      .prefault({}),
    streams: z.array(Stream).max(1000).default([]),
    programs: z.array(Program).max(64).default([]),
  })
  .superRefine(({ key, pkcs11, streams, programs, outbox: { maxBytes } }, context) => {
    if (key !== undefined && pkcs11 !== undefined) {
      context.addIssue({
        code: "custom",
        path: ["pkcs11"],
        message: "the key is in a file or in a token: give either key or pkcs11",
      });
    }
    const most = programs.reduce((sum, program) => sum + program.maxStreams, streams.length);
    if (maxBytes < most * MIN_STREAM_BYTES) {
      context.addIssue({
        code: "custom",
        path: ["outbox", "maxBytes"],
        message: `give at least ${most * MIN_STREAM_BYTES}, 16 KiB for each stream: below, their heads and gaps alone would fill it`,
      });
    }
    for (const [i, stream] of streams.entries()) {
      if (streams.findIndex((one) => one.name === stream.name) < i) {
        context.addIssue({
          code: "custom",
          path: ["streams", i, "name"],
          message: "another stream has this name already",
        });
      }
    }
    for (const [where, message] of programFaults(streams, programs))
      context.addIssue({ code: "custom", path: ["programs", ...where], message });
  });

type Raw = z.output<typeof Schema>;

export type StreamSettings = {
  readonly name: string;
  readonly source: SourceOptions;
  /** Seconds between samples of a cumulative register; 0 takes all there are. */
  readonly everyS: number;
  readonly maxLossMs: number;
  readonly seal: SealSettings;
};

/** The configuration with every default filled in. */
export type Settings = Omit<Raw, "streams" | "programs" | "key" | "heartbeat"> & {
  readonly iss: string;
  readonly key: string;
  readonly heartbeatS: number;
  readonly streams: readonly StreamSettings[];
  readonly programs: readonly ProgramSettings[];
  /** SHA-256 of the file: a `config-changed` event names it. */
  readonly hash: Uint8Array;
};

/** Environment names that override a setting. */
const OVERRIDES = {
  TALLYSTICK_ORG: ["org"],
  TALLYSTICK_DEVICE: ["device"],
  TALLYSTICK_DATA: ["data"],
  TALLYSTICK_KEY: ["key"],
  TALLYSTICK_BROKER_URL: ["broker", "url"],
  TALLYSTICK_BROKER_USERNAME: ["broker", "username"],
  TALLYSTICK_BROKER_PASSWORD_FILE: ["broker", "passwordFile"],
  TALLYSTICK_CLOCK_TRUST: ["clock", "trust"],
  TALLYSTICK_PREVIOUS_LOST: ["previous", "lost"],
} as const;

type Environment = Readonly<Record<string, string | undefined>>;

/** The configuration to use: what `--config` says, else `TALLYSTICK_CONFIG`, else the default place. */
export const configPath = (option: unknown, env: Environment): string =>
  typeof option === "string" ? option : (env["TALLYSTICK_CONFIG"] ?? DEFAULT_CONFIG_PATH);

/**
 * Reads and checks a configuration file.
 *
 * @throws ConfigError that lists every fault with its line
 */
export function readSettings(file: string, env: Environment): Settings {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError([`${file}: can't read the configuration: ${reason}; name another with --config`]);
  }
  return parseSettings(text, file, env);
}

/** As {@link readSettings}, for a text that was read already. @throws ConfigError */
export function parseSettings(text: string, file: string, env: Environment): Settings {
  const raw: Raw = parseConfig(text, {
    path: file,
    schema: Schema,
    parseDocument,
    lineCounter: new LineCounter(),
    overrides: OVERRIDES,
    env,
  });
  return { ...withDefaults(raw), hash: new Uint8Array(hash("sha256", text, "buffer")) };
}

function withDefaults(raw: Raw): Omit<Settings, "hash"> {
  const { metered } = raw;
  return {
    ...raw,
    iss: `${raw.org}/${raw.device}`,
    key: raw.key ?? join(raw.data, "device.key"),
    heartbeatS: raw.heartbeat ?? (metered ? 3600 : 300),
    streams: raw.streams.map((stream) => {
      const everyS = stream.every ?? (metered ? 900 : 60);
      return {
        name: stream.name,
        source: sourceOptions(stream, everyS, raw.data),
        everyS,
        maxLossMs: stream.maxLossMs,
        seal: sealSettings(stream.seal, metered),
      };
    }),
    programs: raw.programs.map((program) => programSettings(program, metered)),
  };
}

function sourceOptions(
  { source, raw }: z.output<typeof Stream>,
  everyS: number,
  data: string,
): SourceOptions {
  switch (source.kind) {
    case "p1":
      return { kind: "p1", line: lineOf(source), keepRaw: raw };
    case "host":
      return { kind: "host", intervalS: Math.max(1, everyS), diskPath: source.disk ?? data };
  }
}

function lineOf({
  serial,
  tcp,
}: {
  serial?: z.output<typeof Serial> | undefined;
  tcp?: z.output<typeof Tcp> | undefined;
}): Line {
  if (tcp !== undefined) return { kind: "tcp", ...tcp };
  if (serial !== undefined) return { kind: "serial", ...serial };
  throw new ConfigError(["a p1 source has neither serial nor tcp"]); // the schema has refused it
}
