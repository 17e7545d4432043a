/**
 * Who is there: a device shows the key that the registry has for it, by a token signed over this connection, or by a client certificate in its name; a
 * service shows its secret, or a certificate in its name.
 *
 * What a stranger can make us do stands in the order of its cost: form, names, audience and exporter are compared before the registry is asked, and only a
 * token that names the device's current key, over this very connection, has its signature checked. So each check costs the stranger a whole TLS handshake.
 *
 * @module
 */
import { hash, timingSafeEqual } from "node:crypto";
import {
  equalBytes,
  EvidenceError,
  openConnectToken,
  toHex,
  verifyCwt,
  type KeyRecord,
  type KeyState,
  type SignatureProvider,
} from "@tallystick/evidence";
import type { Service } from "../config.ts";
import type { Peer, Secured } from "../connections/peer.ts";

/** The registry as the broker follows it. */
export type KeySource = {
  /** Undefined before all of it was read once. */
  keys(): KeyState | undefined;
  /** The key that a device may show now; undefined where it has none, or none that counts. */
  device(iss: string): KeyRecord | undefined;
  /** Calls `listener` after the keys have changed; returns what ends that. */
  onChange(listener: () => void): () => void;
  /** How long ago it was last known that there is nothing newer, milliseconds. */
  ageMs(): number;
};

/** A broker without a registry lets no device in where it has to ask. */
export const noKeys: KeySource = {
  keys: () => undefined,
  device: () => undefined,
  onChange: () => () => {},
  ageMs: () => 0,
};

/** What CONNECT says of who is there. */
export type Claimed = {
  readonly clientId: string;
  readonly username?: string | undefined;
  readonly password?: Uint8Array | undefined;
};

/** How it was shown. */
export type ProofKind = "none" | "token" | "certificate" | "secret";

export type Proof = {
  readonly by: ProofKind;
  /** The device's key, which has to stay its current one. */
  readonly kid?: Uint8Array;
};

/** Why a key does not count here. */
export type KeyFault = "registry-missing" | "key-unknown" | "key-superseded" | "key-revoked";

export type AuthenticatorOptions = {
  readonly services: ReadonlyMap<string, Service>;
  readonly registry: Pick<KeySource, "keys" | "device">;
  readonly provider: SignatureProvider;
};

export class Authenticator {
  readonly #options: AuthenticatorOptions;

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
  }

  /**
   * @throws EvidenceError `credentials-missing`, `token-malformed`, `token-binding`, `token-unknown`, `tls-required`, `registry-missing`, `key-unknown`,
   *   `key-superseded`, `key-revoked`, `signature-invalid`
   */
  check(claimed: Claimed, peer: Peer): Proof {
    if (!peer.mustProve) return { by: "none" };
    const service = this.#options.services.get(claimed.clientId);
    return service === undefined
      ? this.#device(claimed, peer.secured)
      : checkService(service, claimed, peer.secured);
  }

  /** Tells why a key is not, or no longer, the one that a device connects with; undefined where it is. */
  fault(iss: string, kid: Uint8Array): KeyFault | undefined {
    const { registry } = this.#options;
    const keys = registry.keys();
    if (keys === undefined) return "registry-missing";
    const current = registry.device(iss);
    if (current !== undefined && equalBytes(current.kid, kid)) return undefined;
    const shown = keys.get(kid);
    if (shown?.iss !== iss) return "key-unknown";
    if (shown.revoked !== null) return "key-revoked";
    return shown.superseded === null ? "key-unknown" : "key-superseded";
  }

  #device({ clientId, username, password }: Claimed, secured: Secured | undefined): Proof {
    if (password === undefined) {
      return { by: "certificate", kid: this.#certified(clientId, secured?.commonName()) };
    }
    if (secured === undefined)
      throw new EvidenceError("tls-required", "a device's token is for a TLS connection");
    const token = openConnectToken(password);
    const isOurs =
      token.iss === clientId &&
      username === clientId &&
      token.aud === secured.pin() &&
      timingSafeEqual(token.exporter, secured.exporter());
    if (!isOurs) throw new EvidenceError("token-binding", "a token for another connection or another name");
    const { kid } = token.cwt;
    const fault = this.fault(clientId, kid);
    if (fault !== undefined) throw new EvidenceError(fault, "not the current key of this device");
    verifyCwt(token.cwt, this.#current(clientId).key, this.#options.provider);
    return { by: "token", kid };
  }

  /** A certificate in the device's name is good for whatever key it has; one in a key's name, as it is for Mosquitto, ends with the key. */
  #certified(iss: string, commonName: string | undefined): Uint8Array {
    if (commonName === iss) return this.#current(iss).kid;
    const kid = this.#options.registry.device(iss)?.kid;
    if (kid !== undefined && commonName === toHex(kid)) return kid;
    throw new EvidenceError(
      "credentials-missing",
      "no token, and no client certificate in the name of the device or of its current key",
    );
  }

  #current(iss: string): KeyRecord {
    const { registry } = this.#options;
    const record = registry.device(iss);
    if (record !== undefined) return record;
    const code = registry.keys() === undefined ? "registry-missing" : "key-unknown";
    throw new EvidenceError(code, "the registry has no key of this device that counts");
  }
}

function checkService({ id, secret }: Service, { password }: Claimed, secured: Secured | undefined): Proof {
  if (password !== undefined) {
    if (!isSecret(password, [secret ?? []].flat()))
      throw new EvidenceError("token-unknown", "not the service's secret");
    return { by: "secret" };
  }
  if (secured?.commonName() !== id)
    throw new EvidenceError(
      "credentials-missing",
      "no secret, and no client certificate in the service's name",
    );
  return { by: "certificate" };
}

/** Compares hashes, all of them and in constant time. */
function isSecret(given: Uint8Array, hashes: readonly string[]): boolean {
  const hashed = hash("sha256", given, "buffer");
  let found = false;
  for (const one of hashes) {
    const expected = Buffer.from(one.slice("sha256:".length), "hex");
    found = timingSafeEqual(hashed, expected) || found;
  }
  return found;
}
