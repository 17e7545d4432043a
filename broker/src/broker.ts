/**
 * aedes with our limits: who may connect, write and read, and how much of anything is kept.
 *
 * aedes acknowledges a QoS 1 publish before it forwards it, but asks `authorizePublish` before that; so what is refused is
 * never acknowledged, and only what is cheap is looked at: topic, flags and size. A refused publish ends the connection,
 * because MQTT 3.1.1 has no other way to say no; a refused subscription is answered with 0x80.
 *
 * @module
 */
import type { Duplex } from "node:stream";
import { Aedes, type Client, type PublishPacket, type Subscription } from "aedes";
import { EvidenceError, isEvidenceError, type EvidenceCode } from "@tallystick/evidence";
import { createNodeProvider } from "@tallystick/evidence/node";
import { isTopicKind } from "./access/access.ts";
import { Admissions, returnCodeOf, type Admission } from "./access/admission.ts";
import { Authenticator, noKeys, type KeySource } from "./access/authenticate.ts";
import type { Config, UnderwayBounds } from "./config.ts";
import type { Counters } from "./counters.ts";
import { PacketGuard } from "./connections/guard.ts";
import { Inflow, Underway } from "./connections/inflow.ts";
import { Online } from "./clients/online.ts";
import type { Peer } from "./connections/peer.ts";
import { Persistence } from "./messages/persistence.ts";
import { keepRegistrations } from "./clients/registrations.ts";
import { Retained } from "./messages/retained.ts";
import { Router } from "./messages/router.ts";
import { Sessions } from "./messages/sessions.ts";

export interface Broker {
  /** Takes over a connection. */
  handle(stream: Duplex, peer: Peer): void;
  /** Values for the metrics. */
  gauges(): Readonly<Record<string, number>>;
  /** Ends all connections. */
  close(): Promise<void>;
}

/** Longest client id of MQTT 3.1 (its section 3.1); aedes refuses longer ones itself. */
const MAX_OLD_ID = 23;

/** How often absent sessions are looked through. */
const SWEEP_MS = 30_000;

/** What aedes says of a connection that takes nothing. */
const DRAIN_TIMEOUT = "drain timeout";

/** What aedes says of a connection that it ended, and our code for it; anything else it ends is malformed. */
const AEDES_SAYS: Readonly<Record<string, EvidenceCode>> = {
  "connect did not arrive in time": "connect-timeout",
  "keep alive timeout": "keepalive-timeout",
  [DRAIN_TIMEOUT]: "reader-stalled",
  "unacceptable protocol version": "mqtt-version",
  "Client queue limit reached": "rate-limited",
};

/** Faults of a connection that simply broke: nobody's refusal. */
const BROKEN: ReadonlySet<string> = new Set([
  "ECONNRESET",
  "EPIPE",
  "ECONNABORTED",
  "ERR_STREAM_PREMATURE_CLOSE",
]);

/** Starts a broker that listens nowhere yet; `nowMs` is a monotonic clock. */
export async function createBroker(
  config: Config,
  counters: Counters,
  nowMs: () => number,
  registry: KeySource = noKeys,
): Promise<Broker> {
  const { limits, queues } = config;
  const services = new Map(config.services.map((service) => [service.id, service]));
  const peers = new WeakMap<Client, Peer>();
  const admitted = new WeakMap<Client, Admission>();
  const inflows = new WeakMap<Client, Inflow>();
  const underway = new Underway(readable(queues));
  const refusedAtConnect = new WeakMap<Client, EvidenceError>();
  // aedes tells of one connection's end once for everything that was still under way in it
  const told = new WeakSet<Client>();

  const sessions = new Sessions({
    max: config.sessions.max,
    maxBytes: config.sessions.maxBytes,
    expireMs: config.sessions.expireS * 1000,
    boundsOf: (clientId) => (services.has(clientId) ? config.sessions.service : config.sessions.device),
    dropped: (clientId) => counters.refused("session-full", clientId),
    acknowledged: (clientId, brokerCounter) => router.acknowledged(clientId, brokerCounter),
  });
  const retained = new Retained(limits.maxRetained, () => counters.refused("retained-full", ""));
  const router = new Router({
    treatmentOf: (client) => {
      const access = admitted.get(client)?.access;
      return { ...queues[access?.kind ?? "device"], waitedFor: access?.waitedFor ?? false };
    },
    waits: (clientId) => !services.has(clientId),
    untilKnown: queues.device,
    isKept: (clientId, brokerCounter) => sessions.isKept(clientId, brokerCounter),
    dropped: (clientId) => counters.refused("queue-full", clientId),
    delivered: () => counters.delivered(),
    stalled: (clientId) => online.get(clientId)?.emit("error", new Error(DRAIN_TIMEOUT)),
    stalledAfterMs: limits.drainTimeoutMs,
  });

  const authenticator = new Authenticator({ services, registry, provider: createNodeProvider() });
  const online = new Online<Client>({
    fault: (client) => {
      const kid = admitted.get(client)?.proof.kid;
      return kid === undefined ? undefined : authenticator.fault(client.id, kid);
    },
    isRevoked: (iss) => (registry.keys()?.current(iss)?.revoked ?? null) !== null,
    dropped: (code, client) => counters.refused(code, client.id, peers.get(client)?.address),
    sessions,
    retained,
  });
  const admissions = new Admissions({
    limits,
    services,
    authenticator,
    connected: (clientId) => {
      const client = online.get(clientId);
      return client === undefined ? undefined : admitted.get(client)?.proof;
    },
    nowMs,
  });

  const aedes = await Aedes.createBroker({
    mq: router,
    persistence: new Persistence(retained, sessions, (client, filter) => {
      return admitted.get(client)?.filters.has(filter) ?? false;
    }),
    connectTimeout: limits.connectTimeoutMs,
    drainTimeout: limits.drainTimeoutMs,
    maxTopicLevels: 8,
    // Packets that may come before CONNACK was sent: a client that does not wait for it subscribes, and publishes little.
    queueLimit: 32,

    preConnect(client, packet, done) {
      const { protocolVersion = 4, clientId } = packet;
      // what aedes refuses after this gets no session, and nobody asks who it is
      const isRefused = protocolVersion === 3 ? clientId.length > MAX_OLD_ID : protocolVersion !== 4;
      try {
        const peer = peers.get(client);
        if (!isRefused && peer !== undefined) {
          admitted.set(client, admissions.admit(packet, peer));
          // [MQTT-3.2.2-2]: without room for a session CONNACK says that there is none, and the client's session is a clean one.
          if (packet.clean === false && !sessions.open(clientId, nowMs())) packet.clean = true;
        }
      } catch (error) {
        if (!isEvidenceError(error)) throw error;
        refusedAtConnect.set(client, error);
        packet.clean = true;
        delete packet.will;
      }
      done(null, true);
    },

    authenticate(client, _username, _password, done) {
      const refusal = refusedAtConnect.get(client);
      const peer = peers.get(client);
      const admission = admitted.get(client);
      if (refusal === undefined && admission !== undefined) {
        const { proof, access } = admission;
        counters.connected(proof.by);
        peer?.proved();
        if (online.get(client.id) !== undefined)
          counters.refused("client-replaced", client.id, peer?.address);
        const inflow = inflows.get(client);
        if (access.kind === "device") inflow?.isDevice();
        if (access.kind === "device" && proof.by !== "none") inflow?.limit(limits.device, nowMs);
        done(null, true);
        return;
      }
      const code = refusal?.code ?? "client-unknown";
      counters.refused(code, client.id, peer?.address);
      told.add(client);
      done(Object.assign(new Error(refusal?.message ?? code), { returnCode: returnCodeOf(code) }), false);
    },

    authorizePublish(client, packet, done) {
      const access = client === null ? undefined : admitted.get(client)?.access;
      const answer = access?.publish(asPublish(packet)) ?? "client-unknown";
      if (isTopicKind(answer)) {
        counters.published(answer, packet.payload.length);
        if (client !== null) inflows.get(client)?.began(packet.payload.length);
        done(null);
      } else {
        done(new EvidenceError(answer, "publish refused", { topic: packet.topic }));
      }
    },

    published(packet, client, done) {
      // aedes' own messages come from nobody
      if (client !== null) inflows.get(client)?.ended(packet.payload.length);
      done(null);
    },

    authorizeSubscribe(client, subscription, done) {
      const admission = admitted.get(client);
      const code = admission === undefined ? "client-unknown" : subscribeRefusal(admission, subscription);
      if (code === undefined) {
        done(null, subscription);
      } else {
        counters.refused(code, client.id);
        done(null, null);
      }
    },

    authorizeForward(client, packet) {
      router.forwarding(client);
      return packet;
    },
  });

  function subscribeRefusal(
    { access, filters }: Admission,
    { topic }: Subscription,
  ): EvidenceCode | undefined {
    const code = access.subscribe(topic);
    if (code !== undefined) return code;
    if (filters.size >= limits.maxSubscriptions && !filters.has(topic)) return "subscription-limit";
    filters.add(topic);
    return undefined;
  }

  const ended = (client: Client, error: Error): void => {
    const code = codeOf(error);
    if (code === undefined || told.has(client)) return;
    told.add(client);
    counters.refused(code, client.id ?? "", peers.get(client)?.address);
  };
  aedes.on("clientError", ended);
  aedes.on("connectionError", ended);
  aedes.on("unsubscribe", (filters, client) => {
    // a client that leaves is said to unsubscribe from everything
    for (const filter of filters) admitted.get(client)?.filters.delete(filter);
  });
  keepRegistrations(aedes, {
    identifier: (client) => sessions.identifierFor(client.id),
    came: (client) => online.came(client),
    went: (client) => online.went(client, nowMs()),
  });
  const unfollow = registry.onChange(() => online.keysChanged());
  const sweep = setInterval(() => online.sweep(nowMs()), SWEEP_MS);

  return {
    handle(stream, peer) {
      const inflow = new Inflow(stream, new PacketGuard(limits), underway, (code) =>
        counters.refused(code, "", peer.address),
      );
      const client = aedes.handle(stream);
      peers.set(client, peer);
      inflows.set(client, inflow);
    },
    gauges() {
      const { messages, bytes } = router.underway();
      return {
        connections: aedes.connectedClients,
        retained_messages: retained.size,
        sessions: sessions.size,
        session_bytes: sessions.bytes,
        underway_messages: underway.count,
        queued_messages: messages,
        queued_bytes: bytes,
      };
    },
    async close() {
      clearInterval(sweep);
      unfollow();
      await new Promise<void>((resolve) => aedes.close(resolve));
    },
  };
}

/** Part of a service's queue that publishes under way may fill: what is read has to fit beside what is there already. */
const UNDERWAY = 1 / 4;

const readable = ({ maxUnderway, maxUnderwayBytes, service }: Config["queues"]): UnderwayBounds => ({
  maxUnderway: Math.min(maxUnderway, service.maxMessages * UNDERWAY),
  maxUnderwayBytes: Math.min(maxUnderwayBytes, service.maxBytes * UNDERWAY),
});

const asPublish = (packet: PublishPacket) => ({
  topic: packet.topic,
  qos: packet.qos,
  retain: packet.retain,
  bytes: packet.payload.length,
});

/** The code of what ended a connection; undefined where the other side or the network ended it. */
function codeOf(error: Error & { readonly code?: unknown }): EvidenceCode | undefined {
  if (isEvidenceError(error)) return error.code;
  if (typeof error.code === "string" && BROKEN.has(error.code)) return undefined;
  if (error.message === "connection closed") return undefined;
  if (typeof error.code === "string" && error.code.startsWith("WS_ERR_")) return undefined; // told where it was seen
  return AEDES_SAYS[error.message] ?? "packet-malformed";
}
