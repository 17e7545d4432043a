/**
 * What travels over MQTT (`docs/formats.md` section 12): up, a CBOR sequence of statements or receipts; down, a CBOR sequence of receipts,
 * rejections and requests. No word from the wire deletes or stops anything: a rejection is advice.
 *
 * @module
 */
import { CborCursor } from "./cbor/cursor.ts";
import { decodeCbor, encodeCbor, splitSequence, type CborValue, type Sequence } from "./cbor.ts";
import { scanItem } from "./cbor/scan.ts";
import { EvidenceError, isEvidenceError } from "./errors.ts";
import { HASH_BYTES } from "./sha256.ts";
import { asBytes, asText, tuple } from "./shape.ts";
import { LIMITS } from "./topics.ts";

/** One item of an `up` message, told by its `typ`; nothing else of it was read yet. */
export type UpItem = { readonly kind: "statement" | "receipt"; readonly bytes: Uint8Array };

/** The good items of an `up` message, and from the first malformed one on, the rest: rejected under the SHA-256 of its bytes. */
export type Up = { readonly items: readonly UpItem[]; readonly rest?: NonNullable<Sequence["rest"]> };

/** Major types of CBOR. */
const UINT = 0;
const BYTES = 2;
const TEXT = 3;
const ARRAY = 4;
const MAP = 5;
const TAG = 6;

const COSE_SIGN1 = 18;
const TYP = 16;
const KIND_OF_TYP: ReadonlyMap<number, UpItem["kind"]> = new Map([
  [277, "statement"],
  [278, "receipt"],
]);
const STRICT = { tags: [COSE_SIGN1], deterministic: true, floats: false } as const;

/**
 * Cuts an `up` message into its items. Never throws: hostile bytes end up in `rest`.
 *
 * Malformed is an item that is no CBOR, too large, or no COSE_Sign1 with the `typ` of a statement or receipt; an item that is one, and wrong
 * inside, has a hash of its own to be rejected under.
 */
export function splitUp(bytes: Uint8Array): Up {
  const { maxUpBytes: maxBytes, maxUpItems: maxItems, maxReceiptBytes: maxItemBytes } = LIMITS;
  const { items, rest } = splitSequence(bytes, { ...STRICT, maxBytes, maxItems, maxItemBytes });
  const known: UpItem[] = [];
  let at = 0;
  for (const item of items) {
    try {
      known.push({ kind: kindOf(item), bytes: item });
    } catch (error) {
      if (!isEvidenceError(error)) throw error;
      return { items: known, rest: { bytes: bytes.subarray(at), error } };
    }
    at += item.length;
  }
  return rest === undefined ? { items: known } : { items: known, rest };
}

/** @param item - one CBOR item that was scanned; its protected header was not */
function kindOf(item: Uint8Array): UpItem["kind"] {
  const typ = typOf(protectedHeader(item));
  const kind = typ === undefined ? undefined : KIND_OF_TYP.get(typ);
  if (kind === undefined) throw new EvidenceError("cose-malformed", "neither a statement nor a receipt");
  if (kind === "statement" && item.length > LIMITS.maxStatementBytes) {
    throw new EvidenceError("too-large", `a statement has at most ${LIMITS.maxStatementBytes} bytes`);
  }
  return kind;
}

function protectedHeader(item: Uint8Array): Uint8Array {
  const cursor = new CborCursor(item);
  const tagged = cursor.head() === TAG && cursor.argument === COSE_SIGN1;
  const four = tagged && cursor.head() === ARRAY && cursor.argument === 4;
  if (four && cursor.head() === BYTES) return cursor.content();
  throw new EvidenceError("cose-malformed", "not a tagged COSE_Sign1");
}

function typOf(header: Uint8Array): number | undefined {
  scanItem(header, 0, STRICT);
  const cursor = new CborCursor(header);
  if (cursor.head() !== MAP) return undefined;
  for (let left = cursor.argument; left > 0; left--) {
    const key = cursor.head();
    if (key === UINT && cursor.argument === TYP) return cursor.head() === UINT ? cursor.argument : undefined;
    if (key === TEXT) cursor.at += cursor.argument;
    cursor.skip();
  }
  return undefined;
}

/**
 * One item of a `down` message: a receipt for the statements of these hashes, in the order of its proofs · one statement, or rest of an `up`
 * message, that was refused, and why · statements that the anchor asks for again.
 */
export type DownMessage =
  | { readonly kind: "receipt"; readonly hashes: readonly Uint8Array[]; readonly receipt: Uint8Array }
  | { readonly kind: "rejected"; readonly hash: Uint8Array; readonly code: string; readonly text: string }
  | { readonly kind: "wanted"; readonly hashes: readonly Uint8Array[] };

const RECEIPT = 1;
const REJECTED = 2;
const WANTED = 3;
const CODE = /^[a-z0-9]+(?:-[a-z0-9]+)*$/;
const MAX_CODE = 64;

/**
 * Encodes one item; several in a row are a `down` message, which its sender keeps within 65,536 bytes.
 *
 * @throws EvidenceError `too-large`, `member-range` for what {@link decodeDown} would refuse
 */
export function encodeDown(message: DownMessage): Uint8Array {
  const bytes = encodeCbor(itemOf(message));
  if (bytes.length > LIMITS.maxDownBytes)
    throw new EvidenceError("too-large", "too large for a down message");
  return bytes;
}

function itemOf(message: DownMessage): CborValue {
  switch (message.kind) {
    case "receipt":
      return [RECEIPT, checkHashes(message.hashes), message.receipt];
    case "rejected":
      return [
        REJECTED,
        asBytes(message.hash, HASH_BYTES, "hash"),
        checkCode(message.code),
        asText(message.text, "text"),
      ];
    case "wanted":
      return [WANTED, checkHashes(message.hashes)];
  }
}

/**
 * Reads a `down` message.
 *
 * @throws EvidenceError `too-large`, `unknown-member`, `member-type`, `member-range`, or a CBOR code: a faulty message is ignored whole
 */
export function decodeDown(bytes: Uint8Array): DownMessage[] {
  const maxBytes = LIMITS.maxDownBytes;
  const { items, rest } = splitSequence(bytes, { maxBytes, maxItems: maxBytes, maxItemBytes: maxBytes });
  if (rest !== undefined) throw rest.error;
  return items.map((item) => readDown(decodeCbor(item, { maxBytes })));
}

function readDown(value: CborValue): DownMessage {
  const kind = Array.isArray(value) ? (value[0] as CborValue) : undefined;
  if (kind === RECEIPT) {
    const [, hashes, receipt] = tuple(value, 3, "receipt message");
    return { kind: "receipt", hashes: readHashes(hashes), receipt: asBytes(receipt, undefined, "receipt") };
  }
  if (kind === REJECTED) {
    const [, hash, code, text] = tuple(value, 4, "rejection");
    return {
      kind: "rejected",
      hash: asBytes(hash, HASH_BYTES, "hash"),
      code: checkCode(asText(code, "code")),
      text: asText(text, "text"),
    };
  }
  if (kind === WANTED) {
    const [, hashes] = tuple(value, 2, "request");
    return { kind: "wanted", hashes: readHashes(hashes) };
  }
  throw new EvidenceError("unknown-member", "no such message");
}

function readHashes(value: CborValue | undefined): readonly Uint8Array[] {
  if (!Array.isArray(value))
    throw new EvidenceError("member-type", "hashes are not an array", { in: "hashes" });
  return checkHashes(value as readonly CborValue[]);
}

function checkHashes(hashes: readonly CborValue[]): readonly Uint8Array[] {
  if (hashes.length === 0)
    throw new EvidenceError("member-range", "a message names at least one hash", { in: "hashes" });
  return hashes.map((hash) => asBytes(hash, HASH_BYTES, "hash"));
}

function checkCode(code: string): string {
  if (code.length <= MAX_CODE && CODE.test(code)) return code;
  throw new EvidenceError("member-range", "not a code", { in: "code" });
}
