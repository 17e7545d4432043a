/**
 * Who may write and read where. A device (client id = its `iss`) writes its own `up` and `state` and reads its own `down`
 * and the checkpoint; a service (a client id from the configuration) what the configuration says.
 *
 * On loopback there is no authentication: whoever can open the port can take any client id. So this is hygiene (a wrong
 * configuration shows at once, one device's bug does not spread), not security. Security is in the signatures.
 *
 * @module
 */
import {
  CHECKPOINT_TOPIC,
  downTopic,
  isEvidenceError,
  parseIss,
  parseTopic,
  stateTopic,
  upTopic,
  type EvidenceCode,
} from "@tallystick/evidence";
import type { Service, TopicKind } from "../config.ts";

/** A publish as far as it matters here. */
interface Publish {
  readonly topic: string;
  readonly qos: number;
  readonly retain: boolean;
  readonly bytes: number;
}

/** What one client may do. Made once per connection, so that a publish costs a comparison of strings. */
export interface Access {
  readonly kind: "device" | "service";
  /** True where those who write to this client wait while it is slow; else its newest messages are dropped. */
  readonly waitedFor: boolean;
  /** Kind of the topic, or the code with which the publish is refused. */
  readonly publish: (packet: Publish) => TopicKind | EvidenceCode;
  /** The code with which the subscription is refused, or undefined where it is granted. */
  readonly subscribe: (filter: string) => EvidenceCode | undefined;
}

/** People read `state`; a retained message this long is kept for every device. */
const MAX_STATE_BYTES = 64;
const MAX_CHECKPOINT_BYTES = 16_384;

const KINDS: readonly string[] = ["up", "down", "state", "checkpoint"] satisfies TopicKind[];

/** Tells what `Access.publish` said: a kind of topic, or why not. */
export const isTopicKind = (answer: TopicKind | EvidenceCode): answer is TopicKind => KINDS.includes(answer);

/** Rules that hold for every writer: `up` and `down` are QoS 1 and never retained, nothing is QoS 2 or oversized. */
function form(
  kind: TopicKind,
  { qos, retain, bytes }: Publish,
  maxPayloadBytes: number,
): TopicKind | EvidenceCode {
  const carries = kind === "up" || kind === "down";
  if (carries && retain) return "retain-refused";
  if (qos > 1 || (carries && qos < 1)) return "qos-unsupported";
  const maxBytes = carries ? maxPayloadBytes : kind === "state" ? MAX_STATE_BYTES : MAX_CHECKPOINT_BYTES;
  return bytes > maxBytes ? "too-large" : kind;
}

/** Why a topic that this client may not use is refused: it is no topic of ours, or it is somebody else's. */
const refusal = (topic: string): EvidenceCode =>
  parseTopic(topic) === undefined ? "topic-malformed" : "topic-owner";

function deviceAccess(iss: string, maxPayloadBytes: number): Access {
  const up = upTopic(iss);
  const state = stateTopic(iss);
  const down = downTopic(iss);
  return {
    kind: "device",
    waitedFor: false,
    publish: (packet) => {
      if (packet.topic === up) return form("up", packet, maxPayloadBytes);
      if (packet.topic === state) return form("state", packet, maxPayloadBytes);
      return refusal(packet.topic);
    },
    subscribe: (filter) =>
      filter === down || filter === CHECKPOINT_TOPIC ? undefined : filterRefusal(filter),
  };
}

function serviceAccess(service: Service, maxPayloadBytes: number): Access {
  const writes = new Set<string>(service.publish);
  const reads = new Set<string>(service.subscribe);
  return {
    kind: "service",
    waitedFor: service.whenSlow === "wait",
    publish: (packet) => {
      const topic = parseTopic(packet.topic);
      if (topic === undefined) return "topic-malformed";
      return writes.has(topic.kind) ? form(topic.kind, packet, maxPayloadBytes) : "topic-owner";
    },
    subscribe: (filter) => {
      const kind = filterKind(filter);
      if (kind === undefined) return "topic-malformed";
      return reads.has(kind) ? undefined : "topic-owner";
    },
  };
}

/**
 * Kind of the topics that a filter of a service matches. `+` may stand for the org, the device or both, so that a filter
 * never reaches beyond one kind; `#` is never granted.
 */
function filterKind(filter: string): TopicKind | undefined {
  // a name that is legal wherever `+` stands, so that one parser decides
  const topic = filter.includes("+") ? filter.split("/").map(wildcardName).join("/") : filter;
  return parseTopic(topic)?.kind;
}

const wildcardName = (segment: string, at: number): string =>
  segment === "+" && (at === 2 || at === 3) ? "x" : segment;

const filterRefusal = (filter: string): EvidenceCode =>
  filterKind(filter) === undefined ? "topic-malformed" : "topic-owner";

/** Says what the client of this id may do; undefined for an id that is neither a device's `iss` nor a service's. */
export function accessOf(
  clientId: string,
  services: ReadonlyMap<string, Service>,
  maxPayloadBytes: number,
): Access | undefined {
  const service = services.get(clientId);
  if (service !== undefined) return serviceAccess(service, maxPayloadBytes);
  try {
    parseIss(clientId);
  } catch (error) {
    if (isEvidenceError(error)) return undefined;
    throw error;
  }
  return deviceAccess(clientId, maxPayloadBytes);
}
