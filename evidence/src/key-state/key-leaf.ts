/**
 * The state of one key, as a leaf of the tree whose root each receipt signs, and what that state means for a statement.
 *
 * @module
 */
import { equalBytes } from "../bytes.ts";
import { decodeCbor, encodeCbor, type CborValue } from "../cbor.ts";
import type { EvidenceCode } from "../errors.ts";
import { HASH_BYTES } from "../sha256.ts";
import { asBytes, asText, asUint, tuple } from "../shape.ts";
import { EvidenceError } from "../errors.ts";
import { streamAllowed } from "../names.ts";

/** All numbers but `silenceS` are log indexes. */
export type KeyLeaf = {
  readonly kid: Uint8Array;
  readonly role: "device" | "operator";
  readonly iss: string;
  /** Streams that a device's key may write; of an operator, the one org (or `*`) that it may act for. */
  readonly streams: readonly string[];
  /** Longest silence allowed, seconds; 0 for operators. */
  readonly silenceS: number;
  /** Of the item that brought the key. */
  readonly enrolled: number;
  /** Of the item that superseded it: rotate or re-enrol. */
  readonly superseded: number | null;
  /** Index from which on a revocation declared the key suspect. */
  readonly suspect: number | null;
  /** Of the revocation itself. */
  readonly revoked: number | null;
};

/** The leaf's bytes: `[kid, role, iss, streams, silence, enrolled, superseded, suspect, revoked]`. */
export const encodeLeaf = (leaf: KeyLeaf): Uint8Array =>
  encodeCbor([
    leaf.kid,
    leaf.role,
    leaf.iss,
    leaf.streams,
    leaf.silenceS,
    leaf.enrolled,
    leaf.superseded,
    leaf.suspect,
    leaf.revoked,
  ]);

/** Longest leaf: 256 streams of 128 characters. */
const MAX_LEAF_BYTES = 65_536;

/** @throws EvidenceError `key-state`, a code of a closed shape or of CBOR */
export function decodeLeaf(bytes: Uint8Array): KeyLeaf {
  const [kid, role, iss, streams, silence, ...indexes] = tuple(
    decodeCbor(bytes, { maxBytes: MAX_LEAF_BYTES }),
    9,
    "key leaf",
  );
  if (role !== "device" && role !== "operator")
    throw new EvidenceError("key-state", "a key's role is device or operator");
  if (!Array.isArray(streams) || streams.length === 0)
    throw new EvidenceError("key-state", "a key has streams");
  const [enrolled, superseded, suspect, revoked] = indexes;
  const optional = (value: CborValue | undefined, name: string): number | null =>
    value === null ? null : asUint(value, name);
  return {
    kid: asBytes(kid, HASH_BYTES, "kid"),
    role,
    iss: asText(iss, "iss"),
    streams: streams.map((stream: CborValue) => asText(stream, "stream")),
    silenceS: asUint(silence, "silence"),
    enrolled: asUint(enrolled, "enrolled"),
    superseded: optional(superseded, "superseded"),
    suspect: optional(suspect, "suspect"),
    revoked: optional(revoked, "revoked"),
  };
}

/** How a key was superseded, where it was. */
export type Succession =
  | { readonly by: "re-enrol" }
  /** `heads`: the last statement of each chain for which the old key counts; `statement`: the hash of `key-rotated` itself. */
  | { readonly by: "rotate"; readonly statement: Uint8Array; readonly heads: readonly ChainEnd[] };
type ChainEnd = {
  readonly sub: string;
  readonly ch: Uint8Array;
  readonly seq: number;
  /** Of that statement, as the rotation names it. */
  readonly hash?: Uint8Array;
};

/** A statement's use of a key. `index` is its place in the log. */
export type KeyUse = {
  readonly iss: string;
  readonly sub: string;
  readonly ch?: Uint8Array;
  readonly seq: number;
  readonly hash: Uint8Array;
  readonly index: number;
};

/** Undefined: the key counts. Invalid and restriction never come together: the worse one is told. */
export type Judgement = { readonly invalid?: EvidenceCode; readonly restriction?: EvidenceCode };

/**
 * Judges by log index and sequence number, never by the signer's clock, whether a device's key counted for a statement.
 *
 * `key-issuer`, `key-stream`, `key-not-enrolled`, `key-revoked`, `key-superseded` invalidate; `declared-suspect-later` restricts, for else
 * an operator could void years of inconvenient evidence.
 */
export function judgeUse(leaf: KeyLeaf, use: KeyUse, succession: Succession | undefined): Judgement {
  if (leaf.role !== "device" || leaf.iss !== use.iss) return { invalid: "key-issuer" };
  if (!streamAllowed(leaf.streams, use.sub)) return { invalid: "key-stream" };
  if (use.index <= leaf.enrolled) return { invalid: "key-not-enrolled" };
  if (leaf.superseded !== null && !countsAfterSuccession(leaf.superseded, use, succession)) {
    return { invalid: "key-superseded" };
  }
  return judgeRevocation(leaf, use.index);
}

/** The part of the judgement that operators' keys share. */
export function judgeRevocation(leaf: KeyLeaf, index: number): Judgement {
  if (leaf.revoked !== null && index >= leaf.revoked) return { invalid: "key-revoked" };
  if (leaf.suspect !== null && index >= leaf.suspect) return { restriction: "declared-suspect-later" };
  return {};
}

function countsAfterSuccession(superseded: number, use: KeyUse, succession: Succession | undefined): boolean {
  if (succession === undefined || succession.by === "re-enrol") return use.index < superseded;
  if (equalBytes(succession.statement, use.hash)) return true;
  const { ch } = use;
  if (ch === undefined) return false;
  const end = succession.heads.find((head) => head.sub === use.sub && equalBytes(head.ch, ch));
  // A chain that is not named had ended before: what the log holds of it stands, and nothing is added.
  return end === undefined ? use.index < superseded : use.seq <= end.seq;
}
