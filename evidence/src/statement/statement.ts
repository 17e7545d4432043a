/**
 * Statements: what a device signs. A COSE_Sign1 (RFC 9052) with its protected header in the one deterministic form (RFC 8949 section
 * 4.2.1) and nothing in the unprotected one; the labels are those of RFC 9943 (SCITT), `docs/formats.md` section 3 has all of it in CDDL.
 *
 * One reading, 1.50 kWh, signed with the key of RFC 8032 section 7.1 TEST 1; statement 1 of a chain whose statement 0 hashes to
 * e3b0c442…; its own hash is c3c7c1a6494f1faef89e6bd54086202e1c1694f8b9b5a4c29ca04ea26b91f4d0:
 *
 *     d2 84                                    tag 18, four parts
 *     588d a5                                  protected: five labels
 *       01 32                                  alg: -19, Ed25519
 *       03 1870                                content type: 112, SenML
 *       04 5820 866eefbd6718c8846cd7ddfe43fc74ab1daac4538ff8514ea2ec2d410a415743   kid
 *       0f a9                                  claims
 *         01 69 636974792f67772d31             iss: city/gw-1
 *         02 67 6d657465722f61                 sub: meter/a
 *         06 1a6ab13bbc                        iat: 1790000060
 *         61 76 01                             v: 1
 *         62 6368 48 0102030405060708          ch
 *         62 7471 02                           tq: 2, NTP
 *         63 6c766c 01                         lvl: 1, observed
 *         63 736571 01                         seq: 1
 *         64 70726576 5820 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855   prev
 *       10 190115                              typ: 277
 *     a0                                       unprotected: nothing
 *     5835 81 a6                               payload: one record
 *       00 69 312d303a312e382e30               n: 1-0:1.8.0
 *       01 63 6b5768                           u: kWh
 *       02 c4 82 21 1896                       v: 150 x 10^-2
 *       20 181a                                bver: 26
 *       21 72 636974792f67772d312f6d657465722f612f   bn: city/gw-1/meter/a/
 *       22 1a6ab13b80                          bt: 1790000000
 *     5840 92c26d551d15b7dc458da1420f35ad0b305a49183fc5f7123170b9f9f8033530
 *          9102aa1173e62415c8ea4014d0d4d5484b84eb03eefeb2df30b02887ed9e5000      signature
 *
 * @module
 */
import { equalBytes } from "../bytes.ts";
import { encodeCbor, type CborMap } from "../cbor.ts";
import { encodeSign1, parseSign1, toBeSigned, type Sign1 } from "../cose.ts";
import { EvidenceError } from "../errors.ts";
import { decodeEat } from "../events/eat.ts";
import { decodeEvent } from "../events/event.ts";
import type { Event } from "../events/event-kinds.ts";
import { ALG_ESP256, type Algorithm, type PublicKey } from "../keys/keys.ts";
import { SYSTEM_STREAM } from "../names.ts";
import { checkPack } from "../readings/pack-read.ts";
import type { Reading } from "../readings/reading.ts";
import { isLowS, SIGNATURE_BYTES, type SignatureProvider, type Signer } from "../keys/signature.ts";
import { decodeItem } from "../registry/registry.ts";
import { sha256, type Hash } from "../sha256.ts";
import type { Slab } from "../slab.ts";
import { readHeader, writeHeader, type Claims, type Content, type Header } from "./statement-header.ts";
import { LIMITS } from "../topics.ts";

/** A statement whose form was checked, payload included; whether its signature is good is asked of {@link verifyStatement}. */
export type Statement = {
  /** All of it, tag included, unprotected header `a0`. Byte strings below are views on the bytes that were parsed. */
  readonly bytes: Uint8Array;
  /** SHA-256 of `bytes`: the ledger entry, and the statement's name everywhere. */
  readonly hash: Uint8Array;
  readonly alg: Algorithm;
  readonly kid: Uint8Array;
  readonly claims: Claims;
  readonly content: Content;
  /** Its parts. The decoded header is not kept: `claims` and `content` say what it says, and a log holds many statements at a time. */
  readonly sign1: Omit<Sign1, "header">;
  /** The decoded payload where the content type is event. */
  readonly event?: Event;
  /** Readings in the payload; 0 unless the content type is senml. */
  readonly records: number;
};

/** The unprotected header of a statement as it is signed, hashed and entered. */
export const EMPTY: CborMap = new Map();
/**
 * Signs a statement.
 *
 * @param content - its payload comes from `encodePack`, `encodeEvent` or `encodeItem`
 * @throws EvidenceError for whatever {@link parseStatement} would refuse, with its code, before anything is signed
 */
export async function sealStatement(
  claims: Claims,
  content: Content,
  signer: Signer,
  hash: Hash = sha256,
): Promise<Statement> {
  const protectedBytes = encodeCbor(writeHeader(claims, content, signer.key));
  const payload = content.type === "envelope" ? content.digest : content.payload;
  const parts = { protectedBytes, unprotected: EMPTY, payload };
  const unsigned = encodeSign1({ ...parts, signature: new Uint8Array(SIGNATURE_BYTES) });
  parseStatement(unsigned, hash);
  const signature = await signer.sign(toBeSigned(protectedBytes, payload));
  return parseStatement(encodeSign1({ ...parts, signature }), hash);
}

/**
 * Reads a statement of the closed profile, once and strictly; the signature is not checked.
 *
 * @param bytes - exactly one statement; the result refers to them, so they must not change
 * @param each - is told the readings on the way, where it has some
 * @throws EvidenceError `too-large`, `cose-malformed`, `cose-unprotected`, `cose-algorithm`, `statement-malformed`, `statement-claims`,
 *   `name-malformed`, `signature-invalid` (ESP256 with high s), a code of the payload, of a closed shape, or of CBOR
 */
export function parseStatement(
  bytes: Uint8Array,
  hash: Hash = sha256,
  each?: (reading: Reading) => void,
): Statement {
  const sign1 = parseSign1(bytes, LIMITS.maxStatementBytes);
  if (sign1.unprotected.size > 0) {
    throw new EvidenceError("cose-unprotected", "the unprotected header of a statement is empty");
  }
  return interpret(sign1, hash, each);
}

/**
 * Checks the signature.
 *
 * @param key - the key that the registry has for the statement's kid
 * @param memory - for the bytes that were signed, where many statements are verified
 * @throws EvidenceError `key-mismatch` where the key is another one, `signature-invalid`
 */
export function verifyStatement(
  statement: Statement,
  key: PublicKey,
  provider: SignatureProvider,
  memory?: Slab,
): void {
  if (key.alg !== statement.alg || !equalBytes(key.kid, statement.kid)) {
    throw new EvidenceError("key-mismatch", "the statement names another key");
  }
  const { protectedBytes, payload, signature } = statement.sign1;
  const good =
    payload !== null && provider.verify(key, toBeSigned(protectedBytes, payload, { memory }), signature);
  if (!good) throw new EvidenceError("signature-invalid", "the signature of the statement is not good");
}

/** Everything but the unprotected header, which the caller has judged. @throws EvidenceError as {@link parseStatement} */
export function interpret(sign1: Sign1, hash: Hash, each: EachReading): Statement {
  const { payload, signature } = sign1;
  if (payload === null || signature.length !== SIGNATURE_BYTES) {
    throw new EvidenceError("cose-malformed", "a statement has a payload and a signature of 64 bytes");
  }
  const { bytes, protectedBytes } = sign1;
  const parts = { bytes, protectedBytes, unprotected: EMPTY, payload, signature };
  return judged(parts, readHeader(sign1.header, payload), hash, each);
}

/** Is told the readings of a statement while it is read. */
export type EachReading = ((reading: Reading) => void) | undefined;

/** What there is beyond the header. @throws EvidenceError as {@link parseStatement} */
export function judged(sign1: Statement["sign1"], header: Header, hash: Hash, each: EachReading): Statement {
  const { bytes, signature } = sign1;
  if (header.alg === ALG_ESP256 && !isLowS(signature)) {
    throw new EvidenceError(
      "signature-invalid",
      "s of an ESP256 signature is in the lower half of the group order",
    );
  }
  const { alg, kid, claims, content } = header;
  const { records, event } = checkPayload(header, each);
  const statement = { bytes, hash: hash(bytes), sign1, alg, kid, claims, content, records };
  return event === undefined ? statement : { ...statement, event };
}

function checkPayload(
  { claims, content, kid }: Header,
  each: EachReading,
): {
  readonly records: number;
  readonly event?: Event;
} {
  switch (content.type) {
    case "senml":
      return { records: checkReadings(claims, content.payload, each) };
    case "event":
      return { records: 0, event: checkEvent(claims, content.payload) };
    case "registry":
      decodeItem(content.payload);
      return { records: 0 };
    case "eat":
      checkBootEvidence(content.payload, kid);
      return { records: 0 };
    case "envelope":
      return { records: 0 };
  }
}

function checkReadings({ iss, sub, tq, lvl }: Claims, payload: Uint8Array, each: EachReading): number {
  const { records, untimed, frames } = checkPack(payload, `${iss}/${sub}/`, each);
  if (untimed > 0 && tq !== 0) {
    throw new EvidenceError("senml-time", "a reading has no time, which only a statement of tq 0 may say");
  }
  if (lvl === 2 && frames === 0) {
    throw new EvidenceError("statement-claims", "lvl 2 demands the device's record: a reading named `raw`");
  }
  return records;
}

function checkBootEvidence(payload: Uint8Array, kid: Uint8Array): void {
  if (equalBytes(decodeEat(payload).kid, kid)) return;
  throw new EvidenceError("statement-claims", "boot evidence is about the key that signs it");
}

/** Kinds of events that a device says of itself as a whole. */
const SYSTEM_EVENTS: ReadonlySet<string> = new Set(["heads", "key-rotated"] satisfies Event["kind"][]);

function checkEvent({ sub }: Claims, payload: Uint8Array): Event {
  const event = decodeEvent(payload);
  if (sub !== SYSTEM_STREAM && SYSTEM_EVENTS.has(event.kind)) {
    throw new EvidenceError("statement-claims", "heads and key-rotated are said on the stream `sys`");
  }
  if (sub !== SYSTEM_STREAM && event.kind === "gap" && event.chain !== undefined) {
    throw new EvidenceError("statement-claims", "a gap of another chain is told on the stream `sys`");
  }
  return event;
}
