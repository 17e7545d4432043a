/**
 * An invite: one line that tells a new device whom to ask, whom to believe, and shows once that it was asked for (docs/formats.md, Enrolment). Whoever has the line can
 * enrol a key for this one device, once: it is a secret until it was used, and worth nothing afterwards.
 *
 * @module
 */
import { concatBytes, equalBytes, fromBase64Url, fromHex, toBase64Url, toHex } from "../bytes.ts";
import { decodeCbor, encodeCbor, type CborKey, type CborValue } from "../cbor.ts";
import { EvidenceError } from "../errors.ts";
import { ed25519Key } from "../keys/keys.ts";
import { checkStreamPattern, isOperator } from "../names.ts";
import { sha256 } from "../sha256.ts";
import { asBytes, asText, Fields, tuple } from "../shape.ts";
import { formatVkey, NOTE_ED25519, parseVkey } from "../keys/vkey.ts";

const PREFIX = "tally-invite:";
const VERSION = 1;
/** Longest invite, bytes: what fits into one QR code with room to spare. */
const MAX_INVITE_BYTES = 1536;
/** Of SHA-256, at the end: a line that was copied with a fault is no invite, rather than one with another pin. */
const CHECK_BYTES = 4;

export const INVITE_ID_BYTES = 16;
export const INVITE_SECRET_BYTES = 16;
const MAX_LOGS = 4;
const MAX_STREAMS = 16;
const MAX_URL = 200;
const PIN_BYTES = 32;
const PIN = /^sha256:([0-9a-f]{64})$/;
const HOST = String.raw`(?:\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::[1-9]\d{0,4})?`;
const ANCHOR_URL = new RegExp(`^https://${HOST}$`);
const BROKER_URL = new RegExp(`^mqtts?://${HOST}$`);

/** A server, and the certificate that it shows: `sha256:` and 64 hexadecimal digits, of its public key. */
type InvitedServer = { readonly url: string; readonly pin: string };

export type Invite = {
  /** The device, `org/device`. */
  readonly device: string;
  readonly anchor: InvitedServer;
  /** Verifier keys of the logs whose receipts the device is to believe; 1 to 4. */
  readonly logs: readonly string[];
  /** Without a pin its certificate is one of an authority that the device's system knows, or it is on loopback and has none. */
  readonly broker: { readonly url: string; readonly pin?: string };
  /** Names the invite; 16 bytes. */
  readonly id: Uint8Array;
  /** 16 random bytes; the anchor keeps their hash only. */
  readonly secret: Uint8Array;
  readonly expiresUnixS: number;
  /** What the enrolment will say, for whoever reads the line: stream patterns; empty where they are too many. */
  readonly streams: readonly string[];
  readonly silenceS: number;
};

/** Numbers of the members. */
const M = {
  v: 0,
  device: 1,
  anchor: 2,
  logs: 3,
  broker: 4,
  id: 5,
  secret: 6,
  expires: 7,
  streams: 8,
  silence: 9,
} as const;

/**
 * Writes the line. Streams that are too many or too long for it are left out: they are in the registry all the same.
 *
 * @throws EvidenceError `invite-malformed` where it could not be read again
 */
export function formatInvite(invite: Invite): string {
  const isShort = invite.streams.length <= MAX_STREAMS && invite.streams.join("").length <= 256;
  const streams = isShort ? invite.streams : [];
  const payload = encodeCbor(
    new Map<CborKey, CborValue>([
      [M.v, VERSION],
      [M.device, invite.device],
      [M.anchor, server(invite.anchor)],
      [M.logs, invite.logs.map(logKey)],
      [M.broker, server(invite.broker)],
      [M.id, invite.id],
      [M.secret, invite.secret],
      [M.expires, invite.expiresUnixS],
      [M.streams, streams],
      [M.silence, invite.silenceS],
    ]),
  );
  const line = `${PREFIX}${toBase64Url(concatBytes(payload, checkOf(payload)))}`;
  parseInvite(line);
  return line;
}

/**
 * Reads a line; what stands around it, and line breaks that a mail program put into it, do no harm.
 *
 * @throws EvidenceError `invite-malformed`
 */
export function parseInvite(line: string): Invite {
  try {
    return read(line);
  } catch (cause) {
    if (!(cause instanceof EvidenceError)) throw cause;
    const reason = cause.code === "invite-malformed" ? cause.message : `not an invite: ${cause.message}`;
    throw new EvidenceError("invite-malformed", reason, {}, cause);
  }
}

function read(line: string): Invite {
  if (line.length > 4 * MAX_INVITE_BYTES) throw malformed("far longer than an invite");
  const text = line.replaceAll(/\s+/g, "");
  if (!text.startsWith(PREFIX)) throw malformed(`an invite begins with ${PREFIX}`);
  const bytes = bytesOf(text.slice(PREFIX.length));
  if (bytes.length > MAX_INVITE_BYTES) throw malformed("longer than an invite");
  const payload = bytes.subarray(0, Math.max(0, bytes.length - CHECK_BYTES));
  if (!equalBytes(bytes.subarray(payload.length), checkOf(payload))) throw malformed(NOT_WHOLE);
  return readPayload(payload);
}

const NOT_WHOLE = "the line is not whole, or was altered: copy all of it";

function bytesOf(text: string): Uint8Array {
  try {
    return fromBase64Url(text);
  } catch (cause) {
    throw new EvidenceError("invite-malformed", NOT_WHOLE, {}, cause);
  }
}

function readPayload(payload: Uint8Array): Invite {
  const fields = new Fields(decodeCbor(payload, { maxBytes: MAX_INVITE_BYTES }), "invite");
  if (fields.uint(M.v) !== VERSION) throw malformed("an invite of another version: update the agent");
  const device = fields.text(M.device);
  if (isOperator(device)) throw malformed("`operator` is reserved, no device's name");
  const [anchor, broker] = [
    readServer(fields.value(M.anchor), ANCHOR_URL),
    readServer(fields.value(M.broker), BROKER_URL),
  ];
  if (anchor.pin === undefined) throw malformed("the anchor has no pin");
  const logs = atMost(fields.list(M.logs, 1), MAX_LOGS).map(readLogKey);
  const streams = atMost(fields.list(M.streams), MAX_STREAMS).map((one) => asText(one, "stream"));
  for (const stream of streams) checkStreamPattern(stream);
  const invite = {
    device,
    anchor: { url: anchor.url, pin: anchor.pin },
    logs,
    broker,
    id: fields.bytes(M.id, INVITE_ID_BYTES),
    secret: fields.bytes(M.secret, INVITE_SECRET_BYTES),
    expiresUnixS: fields.uint(M.expires),
    streams,
    silenceS: fields.uint(M.silence),
  };
  fields.end();
  return invite;
}

function server({ url, pin }: Invite["broker"]): CborValue {
  if (pin === undefined) return [url];
  const [, digits] = PIN.exec(pin) ?? [];
  if (digits === undefined) throw malformed("a TLS pin is sha256: and 64 hexadecimal digits");
  return [url, fromHex(digits)];
}

function readServer(value: CborValue, form: RegExp): Invite["broker"] {
  const [url, pin] =
    Array.isArray(value) && value.length === 1 ? [...value, undefined] : tuple(value, 2, "server");
  const address = asText(url, "url", MAX_URL);
  if (!form.test(address)) throw malformed("not the address of such a server");
  return pin === undefined
    ? { url: address }
    : { url: address, pin: `sha256:${toHex(asBytes(pin, PIN_BYTES, "pin"))}` };
}

/** Name and key: what a verifier key has besides follows from them. */
function logKey(vkey: string): CborValue {
  const { name, type, publicKey } = parseVkey(vkey);
  if (type !== NOTE_ED25519) throw malformed("a witness's key in the place of a log's");
  return [name, publicKey];
}

function readLogKey(value: CborValue): string {
  const [name, key] = tuple(value, 2, "log");
  return formatVkey(asText(name, "log"), ed25519Key(asBytes(key, undefined, "log key")));
}

function atMost(list: readonly CborValue[], most: number): readonly CborValue[] {
  if (list.length > most) throw malformed(`more than ${most} in a list`);
  return list;
}

const checkOf = (payload: Uint8Array): Uint8Array => sha256(payload).subarray(0, CHECK_BYTES);

const malformed = (message: string): EvidenceError => new EvidenceError("invite-malformed", message);
