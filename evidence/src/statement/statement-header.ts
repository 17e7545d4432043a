/**
 * The protected header of a statement: who says it, about which stream, at which place in its chain, and what kind of content it covers.
 * Labels are those of COSE, CWT and SCITT (RFC 9052, 8392, 9597, 9596, 9995, 9943); the claims with names are this project's.
 *
 * @module
 */
import type { CborKey, CborMap, CborValue } from "../cbor.ts";
import { EvidenceError } from "../errors.ts";
import type { TimeQuality } from "../events/event-kinds.ts";
import { ALG_ED25519, ALG_ESP256, type Algorithm, type PublicKey } from "../keys/keys.ts";
import { checkStream, isOperator, REGISTRY_STREAM, SYSTEM_STREAM } from "../names.ts";
import { HASH_BYTES } from "../sha256.ts";
import { asBytes, asText, asUint, Fields, MAX_TEXT, tuple } from "../shape.ts";

/** Header labels (IANA COSE), and the `typ` of a statement, application/scitt-statement+cose. */
const ALG = 1;
const CONTENT_TYPE = 3;
const KID = 4;
const CWT_CLAIMS = 15;
const TYP = 16;
const PAYLOAD_HASH_ALG = 258;
const PREIMAGE_CONTENT_TYPE = 259;
const PAYLOAD_LOCATION = 260;
const STATEMENT_TYP = 277;
const SHA_256 = -16;

/** Version of this profile. */
const PROFILE = 1;
const CHAIN_BYTES = 8;

/** What content a payload is, by label 3. */
export const CONTENT_TYPES = {
  senml: 112,
  event: "application/vnd.tallystick.event+cbor",
  registry: "application/vnd.tallystick.registry+cbor",
  eat: "application/eat-ucs+cbor",
} as const;
export type ContentType = keyof typeof CONTENT_TYPES;
const TYPE_OF = new Map<CborValue, ContentType>(
  Object.entries(CONTENT_TYPES).map(([type, value]) => [value, type as ContentType]),
);

/** Where the evidence comes from: 0 imported, 1 observed by the signer, 2 signed by the device, its record embedded as `raw`. */
export type Level = 0 | 1 | 2;

/** Newest tree whose signature the signer verified, and the origin of its log; where that is absent, it is of the log that the statement is in. */
export type SeenTree = { readonly size: number; readonly root: Uint8Array; readonly origin?: string };

export type Claims = {
  /** `org/device`, or `org/operator`. */
  readonly iss: string;
  /** Stream, e.g. `meter/m-0417`. */
  readonly sub: string;
  /** Unix seconds of sealing; absent exactly when `tq` is 0. */
  readonly iat?: number;
  /** Chain id, 8 random bytes; absent exactly in registry items. */
  readonly ch?: Uint8Array;
  /** Place in the chain, from 0; of a registry item, its number in the whole log. */
  readonly seq: number;
  /** Hash of the statement before; absent exactly at `seq` 0. */
  readonly prev?: Uint8Array;
  readonly tq: TimeQuality;
  readonly seen?: SeenTree;
  readonly lvl: Level;
};

/** A payload, or a hash envelope (RFC 9995): the digest of content that stays elsewhere. */
export type Content =
  | { readonly type: ContentType; readonly payload: Uint8Array }
  | {
      readonly type: "envelope";
      /** SHA-256 of the content. */
      readonly digest: Uint8Array;
      /** CoAP content format or media type of the content. */
      readonly contentType?: number | string;
      readonly location?: string;
    };

export type Header = {
  readonly alg: Algorithm;
  readonly kid: Uint8Array;
  readonly claims: Claims;
  readonly content: Content;
};

/**
 * Reads a protected header of the closed profile and the rules among its claims.
 *
 * @throws EvidenceError `cose-algorithm`, `name-malformed`, `statement-malformed`, `statement-claims`, or a code of a closed shape
 */
export function readHeader(map: CborMap, payload: Uint8Array): Header {
  const fields = new Fields(map, "header");
  const alg = fields.int(ALG);
  if (alg !== ALG_ED25519 && alg !== ALG_ESP256) {
    throw new EvidenceError("cose-algorithm", "a statement is signed with Ed25519 (-19) or ESP256 (-9)", {
      alg,
    });
  }
  const kid = fields.bytes(KID, HASH_BYTES);
  if (fields.int(TYP) !== STATEMENT_TYP) malformed("typ is not that of a statement");
  const content = fields.has(PAYLOAD_HASH_ALG) ? readEnvelope(fields, payload) : readType(fields, payload);
  const claims = readClaims(fields.value(CWT_CLAIMS));
  fields.end();
  checkClaims(claims, content.type);
  return { alg, kid, claims, content };
}

function readType(fields: Fields, payload: Uint8Array): Content {
  const type = TYPE_OF.get(fields.value(CONTENT_TYPE)) ?? malformed("no content type of this profile");
  return { type, payload };
}

function readEnvelope(fields: Fields, payload: Uint8Array): Content {
  if (fields.has(CONTENT_TYPE)) malformed("a hash envelope has no content type of its own");
  if (fields.int(PAYLOAD_HASH_ALG) !== SHA_256) malformed("the hash of an envelope is SHA-256 (-16)");
  if (payload.length !== HASH_BYTES) malformed("the payload of an envelope is a SHA-256");
  const contentType = fields.optional(PREIMAGE_CONTENT_TYPE, (label) =>
    typeof fields.value(label) === "string" ? fields.text(label) : fields.uint(label),
  );
  const location = fields.optional(PAYLOAD_LOCATION, (label) => fields.text(label, { max: MAX_TEXT }));
  return {
    type: "envelope",
    digest: payload,
    ...(contentType !== undefined && { contentType }),
    ...(location !== undefined && { location }),
  };
}

function readClaims(value: CborValue): Claims {
  const fields = new Fields(value, "claims");
  fields.literal("v", [PROFILE]);
  const iat = fields.optional(6, (label) => fields.uint(label));
  const ch = fields.optional("ch", (name) => fields.bytes(name, CHAIN_BYTES));
  const prev = fields.optional("prev", (name) => fields.bytes(name, HASH_BYTES));
  const seen = fields.optional("seen", (name) => readSeen(fields.value(name)));
  const claims: Claims = {
    // What is too long for a name is none, as section 2 of formats.md says.
    iss: fields.text(1, { max: Infinity }),
    sub: fields.text(2, { max: Infinity }),
    seq: fields.uint("seq"),
    tq: fields.uint("tq", 3) as TimeQuality,
    lvl: fields.uint("lvl", 2) as Level,
    ...(iat !== undefined && { iat }),
    ...(ch !== undefined && { ch }),
    ...(prev !== undefined && { prev }),
    ...(seen !== undefined && { seen }),
  };
  fields.end();
  return claims;
}

function readSeen(value: CborValue): SeenTree {
  const named = Array.isArray(value) && value.length === 3;
  const [size, root, origin] = tuple(value, named ? 3 : 2, "seen");
  const found = { size: asUint(size, "seen.size"), root: asBytes(root, HASH_BYTES, "seen.root") };
  if (found.size === 0) throw new EvidenceError("member-range", "seen.size is at least 1", { in: "seen" });
  if (!named) return found;
  const name = asText(origin, "seen.origin");
  if (name === "") throw new EvidenceError("member-range", "seen.origin is not empty", { in: "seen" });
  return { ...found, origin: name };
}

/** Presence and place: what one claim says about another, or about the content. */
export function checkClaims(claims: Claims, type: Content["type"]): void {
  const { iss, sub, iat, ch, seq, prev, tq, seen, lvl } = claims;
  const operator = isOperator(iss);
  checkStream(sub);
  if ((iat === undefined) !== (tq === 0)) contradiction("iat is absent exactly when tq is 0");
  if ((prev === undefined) !== (seq === 0)) contradiction("prev is absent exactly at seq 0");
  if ((ch === undefined) !== (type === "registry")) contradiction("ch is absent exactly in registry items");
  if ((sub === REGISTRY_STREAM) !== (type === "registry")) {
    contradiction("registry items, and nothing else, are said on the stream `registry`");
  }
  if (type === "registry" && (!operator || seen !== undefined)) {
    contradiction("a registry item is an operator's, and says no `seen`");
  }
  if (type === "eat" && sub !== SYSTEM_STREAM) contradiction("boot evidence is said on the stream `sys`");
  if (lvl === 2 && type !== "senml") contradiction("lvl 2 is said of readings");
}

/** The header map of a statement; {@link readHeader} judges it. */
export function writeHeader(claims: Claims, content: Content, key: PublicKey): CborMap {
  const map = new Map<CborKey, CborValue>([
    [ALG, key.alg],
    [KID, key.kid],
    [CWT_CLAIMS, writeClaims(claims)],
    [TYP, STATEMENT_TYP],
  ]);
  if (content.type !== "envelope") return map.set(CONTENT_TYPE, CONTENT_TYPES[content.type]);
  map.set(PAYLOAD_HASH_ALG, SHA_256);
  if (content.contentType !== undefined) map.set(PREIMAGE_CONTENT_TYPE, content.contentType);
  if (content.location !== undefined) map.set(PAYLOAD_LOCATION, content.location);
  return map;
}

function writeClaims({ iss, sub, iat, ch, seq, prev, tq, seen, lvl }: Claims): CborMap {
  const map = new Map<CborKey, CborValue>([
    [1, iss],
    [2, sub],
    ["v", PROFILE],
    ["tq", tq],
    ["lvl", lvl],
    ["seq", seq],
  ]);
  if (iat !== undefined) map.set(6, iat);
  if (ch !== undefined) map.set("ch", ch);
  if (prev !== undefined) map.set("prev", prev);
  if (seen !== undefined) {
    const { size, root, origin } = seen;
    map.set("seen", origin === undefined ? [size, root] : [size, root, origin]);
  }
  return map;
}

function malformed(message: string): never {
  throw new EvidenceError("statement-malformed", message);
}

function contradiction(message: string): never {
  throw new EvidenceError("statement-claims", message);
}
