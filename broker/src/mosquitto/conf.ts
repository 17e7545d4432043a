/**
 * Mosquitto's configuration (2.0): one listener with TLS 1.3 and certificates of both sides, one socket on which it is administered, and bounds as near to
 * this broker's own as it has them.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { UsageError } from "@tallystick/evidence/node";
import type { Config } from "../config.ts";
import type { MosquittoFolder } from "./files.ts";

/** Topic, packet identifier and heads around the payload of a PUBLISH. */
const ENVELOPE_BYTES = 256;
/** A command to dynamic security has to fit too. */
const MIN_PACKET_BYTES = 16_384;
const IN_FLIGHT = 256;

const PLUGIN_PLACES = ["x86_64-linux-gnu/", "aarch64-linux-gnu/", ""].map(
  (part) => `/usr/lib/${part}mosquitto_dynamic_security.so`,
);

/** @throws UsageError where the plugin is at none of Debian's places */
export function findPlugin(): string {
  const found = PLUGIN_PLACES.find((place) => existsSync(place));
  if (found === undefined)
    throw new UsageError(
      "mosquitto_dynamic_security.so is not here: install mosquitto 2.0, or say where it is with --plugin",
    );
  return found;
}

export type Listener = {
  readonly listen: { readonly host: string; readonly port: number };
  readonly cert: string;
  readonly key: string;
  readonly clientCa: string;
};

const maxPacketBytes = ({ limits }: Pick<Config, "limits">): number =>
  Math.max(MIN_PACKET_BYTES, limits.maxPayloadBytes + ENVELOPE_BYTES);

export function mosquittoConf(
  { limits, queues, sessions }: Pick<Config, "limits" | "queues" | "sessions">,
  { listen, cert, key, clientCa }: Listener,
  folder: MosquittoFolder,
  plugin: string,
): string {
  return `# Mosquitto 2.0 in the place of tally-broker. Written by \`tally-broker acl --mosquitto\`; written over at its next run.

# Who may do what: one role a key, in dynamic security, kept up to date by \`tally-broker acl --mosquitto --follow\`.
per_listener_settings false
allow_anonymous false
plugin ${plugin}
plugin_opt_config_file ${folder.state}

# Nothing outlives a restart but dynamic security: agents send again what has no receipt.
persistence false
persistent_client_expiration ${Math.ceil(sessions.expireS / 3600)}h
allow_zero_length_clientid false
queue_qos0_messages false
# Payloads of ${limits.maxPayloadBytes} bytes and what is around them.
max_packet_size ${maxPacketBytes({ limits })}
# Of each client: bounds for all are those of the busiest, the anchor.
max_inflight_messages ${IN_FLIGHT}
max_queued_messages ${queues.service.maxMessages}
max_queued_bytes ${queues.service.maxBytes}
# Told to clients of MQTT 5 only.
max_keepalive ${limits.maxKeepaliveS}
# Nobody may read $SYS.
sys_interval 0

log_dest stderr
log_type error
log_type warning
log_type notice
connection_messages false

# Devices and services. The common name of a certificate is the id of a device's key, or a service's.
listener ${listen.port} ${listen.host}
protocol mqtt
cafile ${clientCa}
certfile ${cert}
keyfile ${key}
tls_version tlsv1.3
require_certificate true
use_identity_as_username true
# Nobody takes another's client id, whatever it says in CONNECT.
use_username_as_clientid true
max_connections ${limits.maxConnections}
max_qos 1
max_topic_alias 0

# For tally-broker acl on this machine: a full listener must not keep a revocation out.
listener 0 ${folder.socket}
max_connections 4
`;
}
