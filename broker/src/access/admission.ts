/**
 * CONNECT: whether a client may connect, and what it may do then. Cheap things first; who it is, last.
 *
 * @module
 */
import { EvidenceError, type EvidenceCode } from "@tallystick/evidence";
import { Buckets } from "@tallystick/evidence/node";
import { accessOf, isTopicKind, type Access } from "./access.ts";
import type { Authenticator, Proof } from "./authenticate.ts";
import type { Config, Service } from "../config.ts";
import type { Peer } from "../connections/peer.ts";

/** A CONNECT packet, as far as it is looked at. */
export type Connect = {
  readonly clientId: string;
  readonly keepalive?: number;
  readonly username?: string;
  readonly password?: Uint8Array;
  readonly will?: {
    readonly topic: string;
    readonly qos?: number;
    readonly retain?: boolean;
    readonly payload: string | Uint8Array;
  };
};

/** What the broker remembers of a connection. */
export type Admission = {
  readonly access: Access;
  readonly filters: Set<string>;
  readonly proof: Proof;
};

export type AdmissionsOptions = {
  readonly limits: Config["limits"];
  readonly services: ReadonlyMap<string, Service>;
  readonly authenticator: Authenticator;
  /** How the client that is connected under this id showed who it is; undefined where there is none. */
  readonly connected: (clientId: string) => Proof | undefined;
  readonly nowMs: () => number;
};

export class Admissions {
  readonly #options: AdmissionsOptions;
  readonly #connects: Buckets;

  constructor(options: AdmissionsOptions) {
    this.#options = options;
    const { limits } = options;
    const perMinute = limits.device.maxConnectsPerMinute;
    this.#connects = new Buckets(perMinute / 60, limits.maxConnections, { capacity: perMinute });
  }

  /** @throws EvidenceError the code for which the client may not connect */
  admit(packet: Connect, peer: Peer): Admission {
    const { limits, services, authenticator, connected, nowMs } = this.#options;
    const { clientId, keepalive: keepaliveS = 0, username, password, will } = packet;
    const access = accessOf(clientId, services, limits.maxPayloadBytes);
    if (access === undefined)
      throw new EvidenceError("client-unknown", "client id is neither a device's nor a service's");
    if (keepaliveS < 1 || keepaliveS > limits.maxKeepaliveS) {
      throw new EvidenceError("keepalive-range", "keep-alive out of range", { maxS: limits.maxKeepaliveS });
    }
    if (will !== undefined) checkWill(will, access);
    const proof = authenticator.check({ clientId, username, password }, peer);
    if (proof.by === "none" && (connected(clientId)?.by ?? "none") !== "none")
      throw new EvidenceError("credentials-missing", "a client that showed who it is has this id");
    if (proof.by !== "none" && access.kind === "device" && !this.#connects.take(clientId, nowMs()))
      throw new EvidenceError("rate-limited", "this device connects too often");
    return { access, filters: new Set(), proof };
  }
}

function checkWill(
  { topic, qos = 0, retain = false, payload }: NonNullable<Connect["will"]>,
  access: Access,
): void {
  const answer = access.publish({ topic, qos, retain, bytes: payload.length });
  if (answer === "state") return;
  throw new EvidenceError(
    isTopicKind(answer) ? "topic-owner" : answer,
    "the will is not for the client's own state",
  );
}

/** What CONNACK says (MQTT 3.1.1 section 3.2.2.3); who asked learns no more than that. */
export function returnCodeOf(code: EvidenceCode): number {
  switch (code) {
    case "client-unknown":
      return 2; // identifier rejected
    case "registry-missing":
    case "rate-limited":
      return 3; // server unavailable
    case "token-malformed":
      return 4; // user name or password malformed
    default:
      return 5; // not authorized
  }
}
