/**
 * Making invites: what the configuration says of anchor and broker, what the registry says of the log, and a secret that only the line has.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import {
  decodeItem,
  encodeItem,
  EvidenceError,
  formatInvite,
  formatVkey,
  INVITE_ID_BYTES,
  INVITE_SECRET_BYTES,
  isEvidenceError,
  LIMITS,
  type Invite,
  type PublicKey,
} from "@tallystick/evidence";
import { ConfigError, pinOf, type TlsPin } from "@tallystick/evidence/node";
import { addressOf, type Config } from "../config.ts";
import type { PublishedRegistry } from "../registry/published-registry.ts";
import { secretHash, type StoredInvite } from "./invites.ts";
import { itemOf, type Request } from "./request.ts";

/** What one invite is for. */
export type Invited = {
  readonly device: string;
  readonly streams: readonly string[];
  readonly silenceS: number;
  /** Why the device is enrolled anew, where it is. */
  readonly reEnrol?: string;
};

/** An invite with its line, which nobody can make again. */
export type NewInvite = { readonly stored: StoredInvite; readonly line: string; readonly invite: Invite };

/** What all invites of this anchor say. */
export type Inviter = Pick<Invite, "anchor" | "broker" | "logs">;

/**
 * Gathers what all invites of this anchor say.
 *
 * @param file - of the configuration, for the messages
 * @throws ConfigError where a device could not be told whom to ask; EvidenceError `tls-malformed`, `tls-required`
 */
export function inviterOf(
  { public: open, enrolment }: Config,
  file: string,
  registry: PublishedRegistry,
): Inviter {
  const faults = [
    ...(open === undefined
      ? [`${file}: public: is missing: devices enrol over TLS; give listen, tls.cert, tls.key and url`]
      : []),
    ...(enrolment.broker === undefined
      ? [`${file}: enrolment.broker: is missing: invites name the broker; give url, and pin or cert`]
      : []),
  ];
  if (open === undefined || enrolment.broker === undefined) throw new ConfigError(faults);
  if (open.url === undefined && addressOf(open.listen).port === 0)
    throw new ConfigError([`${file}: public.url: is missing: port 0 is another one at each start`]);
  const { url, pin, cert } = enrolment.broker;
  if (url.startsWith("mqtt:") && !/^\w+:\/\/(?:127(?:\.\d{1,3}){3}|localhost|\[::1\])(?::|\/|$)/.test(url))
    throw new EvidenceError(
      "tls-required",
      `enrolment.broker.url: ${url}: beyond loopback devices connect by mqtts`,
    );
  const brokerPin = cert === undefined ? pin : pinOfFile(cert);
  const { origin, key } = registry.log;
  return {
    anchor: { url: open.url ?? `https://${open.listen}`, pin: pinOfFile(open.tls.cert) },
    broker: brokerPin === undefined ? { url } : { url, pin: brokerPin },
    logs: [formatVkey(origin, key)],
  };
}

/** Makes an invite; nothing is kept yet. @throws EvidenceError `invite-malformed`, `key-exists`, `key-unknown` */
export function makeInvite(
  { device, streams, silenceS, reEnrol }: Invited,
  inviter: Inviter,
  registry: PublishedRegistry,
  time: { readonly nowUnixS: number; readonly expiresS: number },
): NewInvite {
  const isThere = registry.hasDevice(device);
  if (isThere && reEnrol === undefined)
    throw new EvidenceError(
      "key-exists",
      `${device} has a key already; to replace a lost one: --re-enrol --reason "…"`,
    );
  if (!isThere && reEnrol !== undefined)
    throw new EvidenceError("key-unknown", `${device} has no key yet: invite it without --re-enrol`);
  const id = bytes(INVITE_ID_BYTES);
  const secret = bytes(INVITE_SECRET_BYTES);
  const expiresUnixS = time.nowUnixS + time.expiresS;
  const asked = { invite: id, device, streams, silenceS, atUnixS: time.nowUnixS };
  mustBeTaken({ ...asked, ...(reEnrol !== undefined && { reason: reEnrol }) }, registry.log.key);
  const invite: Invite = { ...inviter, device, id, secret, expiresUnixS, streams, silenceS };
  const stored: StoredInvite = {
    id,
    device,
    secretHash: secretHash(secret),
    madeUnixS: time.nowUnixS,
    expiresUnixS,
    streams: [...streams],
    silenceS,
    ...(reEnrol !== undefined && { reEnrol }),
  };
  return { stored, invite, line: formatInvite(invite) };
}

/**
 * An invite whose enrolment no registry would take is used up for nothing. Of the request, key and machine are not known yet: any do.
 *
 * @throws EvidenceError `invite-malformed`
 */
function mustBeTaken(asked: Omit<Request, "key" | "machine">, key: PublicKey): void {
  try {
    const item = encodeItem(itemOf({ ...asked, key, machine: new Uint8Array(MACHINE_BYTES) }));
    decodeItem(item);
    if (item.length + FRAME_BYTES <= LIMITS.maxStatementBytes) return;
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    throw new EvidenceError(
      "invite-malformed",
      `${asked.device}: the registry would refuse this: ${error.message}`,
      error.where,
      error,
    );
  }
  throw new EvidenceError(
    "invite-malformed",
    `${asked.device}: too many streams for one registry item: use prefixes`,
  );
}

const MACHINE_BYTES = 32;
/** Claims, headers and signature of an item, and more than that. */
const FRAME_BYTES = 512;

const bytes = (length: number): Uint8Array => new Uint8Array(randomBytes(length));

function pinOfFile(path: string): TlsPin {
  let pem: string;
  try {
    pem = readFileSync(path, "utf8");
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new EvidenceError("tls-malformed", `${path}: can't read it: ${reason}`, {}, cause);
  }
  try {
    return pinOf(pem);
  } catch (cause) {
    throw new EvidenceError("tls-malformed", `${path}: not a certificate in PEM`, {}, cause);
  }
}
