/**
 * Reads the protected header of a device's statement in the form in which `writeHeader` writes it, byte by byte: whoever reads many statements saves most of
 * the time so. A header of another form is for the strict reader, and a registry item too.
 *
 * @module
 */
import { ByteReader, LastText } from "../cbor/byte-reader.ts";
import type { TimeQuality } from "../events/event-kinds.ts";
import { ALG_ED25519, ALG_ESP256 } from "../keys/keys.ts";
import {
  checkClaims,
  CONTENT_TYPES,
  type Claims,
  type Content,
  type ContentType,
  type Header,
  type Level,
} from "./statement-header.ts";
import { encodeUtf8 } from "../bytes.ts";

/** A map of five; label 1, alg. */
const BEGIN = [0xa5, 0x01];
/** -19 and -9 as heads. */
const ED25519 = 0x32;
const ESP256 = 0x28;
/** Label 3, and the content types as they stand. */
const TYPE_LABEL = [0x03];
const SENML = [0x18, 0x70];
const TEXT_TYPES: readonly { readonly type: ContentType; readonly bytes: readonly number[] }[] = (
  ["event", "eat"] as const
).map((type) => ({ type, bytes: [0x78, CONTENT_TYPES[type].length, ...encodeUtf8(CONTENT_TYPES[type])] }));
/** Label 4 and the head of 32 bytes; label 15; what follows the claims. */
const KID = [0x04, 0x58, 0x20];
const CLAIMS = [0x0f];
const TYP = [0x10, 0x19, 0x01, 0x15];
/** Labels of the claims, each with what is the same in all statements. */
const ISS = [0x01];
const SUB = [0x02];
const IAT = 0x06;
const V_CH = [0x61, 0x76, 0x01, 0x62, 0x63, 0x68, 0x48];
const TQ = [0x62, 0x74, 0x71];
const LVL = [0x63, 0x6c, 0x76, 0x6c];
const SEQ = [0x63, 0x73, 0x65, 0x71];
const PREV = [0x64, 0x70, 0x72, 0x65, 0x76, 0x58, 0x20];
const SEEN = [0x64, 0x73, 0x65, 0x65, 0x6e];
const OF_TWO = 0x82;
const OF_THREE = 0x83;
const ROOT = [0x58, 0x20];
const FIRST_PREV = 0x70;
/** Claims that are always there: iss, sub, v, ch, tq, lvl, seq. */
const ALWAYS = 7;

/** Names of the header read last: statements of a chain come one after the other. */
export class LastNames {
  readonly iss = new LastText();
  readonly sub = new LastText();
  readonly origin = new LastText();
}

/**
 * Undefined for whatever isn't of the form; that is not to say that it is wrong.
 *
 * @param last - whoever reads many headers keeps one of it for all of them
 * @throws EvidenceError `name-malformed`, `statement-claims`, as the strict reader does
 */
export function readPlainHeader(
  bytes: Uint8Array,
  payload: Uint8Array,
  last?: LastNames,
): Header | undefined {
  const reader = new ByteReader(bytes);
  reader.expect(BEGIN);
  const alg = bytes[reader.at++];
  if (alg !== ED25519 && alg !== ESP256) return undefined;
  const type = readType(reader);
  reader.expect(KID);
  const kid = reader.take(32);
  reader.expect(CLAIMS);
  const claims = readClaims(reader, last);
  reader.expect(TYP);
  if (type === undefined || claims === undefined || !reader.whole) return undefined;
  checkClaims(claims, type);
  const content: Content = { type, payload };
  return { alg: alg === ED25519 ? ALG_ED25519 : ALG_ESP256, kid, claims, content };
}

function readType(reader: ByteReader): ContentType | undefined {
  reader.expect(TYPE_LABEL);
  if (reader.bytes[reader.at] === SENML[0]) {
    reader.expect(SENML);
    return "senml";
  }
  const length = reader.bytes[reader.at + 1];
  const found = TEXT_TYPES.find(({ bytes }) => bytes[1] === length);
  if (found !== undefined) reader.expect(found.bytes);
  return found?.type;
}

function readClaims(reader: ByteReader, last: LastNames | undefined): Claims | undefined {
  const { bytes } = reader;
  const count = reader.head(5);
  reader.expect(ISS);
  const iss = reader.ascii(last?.iss);
  reader.expect(SUB);
  const sub = reader.ascii(last?.sub);
  let found = ALWAYS;
  let iat: number | undefined;
  if (bytes[reader.at] === IAT) {
    reader.at++;
    iat = reader.head(0);
    found++;
  }
  reader.expect(V_CH);
  const ch = reader.take(8);
  reader.expect(TQ);
  const tq = reader.head(0);
  reader.expect(LVL);
  const lvl = reader.head(0);
  reader.expect(SEQ);
  const seq = reader.head(0);
  let prev: Uint8Array | undefined;
  if (found < count && bytes[reader.at + 1] === FIRST_PREV) {
    reader.expect(PREV);
    prev = reader.take(32);
    found++;
  }
  let seen: Claims["seen"];
  if (found < count) {
    reader.expect(SEEN);
    seen = readSeen(reader, last);
    if (seen === undefined) return undefined;
    found++;
  }
  if (!reader.good || found !== count || tq > 3 || lvl > 2) return undefined;
  const claims: Written = { iss, sub, seq, tq: tq as TimeQuality, lvl: lvl as Level, ch };
  if (iat !== undefined) claims.iat = iat;
  if (prev !== undefined) claims.prev = prev;
  if (seen !== undefined) claims.seen = seen;
  return claims;
}

function readSeen(reader: ByteReader, last: LastNames | undefined): Claims["seen"] {
  const members = reader.bytes[reader.at++];
  if (members !== OF_TWO && members !== OF_THREE) return undefined;
  const size = reader.head(0);
  reader.expect(ROOT);
  const tree = { size, root: reader.take(32) };
  if (size === 0) return undefined;
  if (members === OF_TWO) return tree;
  const origin = reader.ascii(last?.origin);
  return origin === "" ? undefined : { ...tree, origin };
}

type Written = { -readonly [Name in keyof Claims]: Claims[Name] };
