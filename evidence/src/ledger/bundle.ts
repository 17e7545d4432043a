/**
 * Bundles (`.tally`): statements, receipts, registry items and key states in one file, so that a stranger can check them offline.
 * This file reads and writes the container; what it proves is judged by `verify`.
 *
 * @module
 */
import { concatBytes } from "../bytes.ts";
import { decodeCbor, encodeCbor, type CborKey, type CborValue } from "../cbor.ts";
import { EvidenceError } from "../errors.ts";
import { MAX_NOTE_BYTES } from "./note.ts";
import { HASH_BYTES } from "../sha256.ts";
import { asBytes, asText, asUint, Fields, tuple } from "../shape.ts";

/** Longest bundle: 64 MiB. */
export const MAX_BUNDLE_BYTES = 64 << 20;
/** Most statements, registry items or keys in one bundle. */
const MAX_BUNDLE_ITEMS = 65_536;
/** Most scopes: each is laid beside its whole chain. */
const MAX_SCOPES = 4096;

/** `d9 d9 f7`: tag 55799, "this is CBOR" (RFC 8949 section 3.4.6). */
const SELF_DESCRIBED = Uint8Array.of(0xd9, 0xd9, 0xf7);

/** A part of a chain that is claimed to be complete, both ends included. */
export type Scope = {
  readonly iss: string;
  readonly sub: string;
  readonly ch: Uint8Array;
  readonly from: number;
  readonly to: number;
};

/** `log` counts into the bundle's `logs`. */
export type BundledKey = {
  readonly log: number;
  readonly leaf: Uint8Array;
  readonly size: number;
  readonly index: number;
  readonly path: readonly Uint8Array[];
};

/** Proof that the tree of size `from`, named in a `seen` claim, grew into that of the checkpoint. */
export type BundledConsistency = {
  readonly log: number;
  readonly from: number;
  readonly path: readonly Uint8Array[];
};

export type Bundle = {
  readonly scope: readonly Scope[];
  readonly logs: readonly { readonly vkey: string; readonly checkpoint: string }[];
  /** Transparent statements, each with its original receipt and one at the checkpoint. */
  readonly statements: readonly Uint8Array[];
  /** Transparent registry items, by number. */
  readonly registry: readonly Uint8Array[];
  readonly keys: readonly BundledKey[];
  readonly consistency: readonly BundledConsistency[];
  readonly timestamps?: readonly Uint8Array[];
  readonly content?: readonly Uint8Array[];
  readonly disclosures?: readonly Uint8Array[];
};

const OPTIONAL = ["timestamps", "content", "disclosures"] as const;

/** @throws EvidenceError `too-large` where it comes out over 64 MiB: take a shorter period */
export function encodeBundle(bundle: Bundle): Uint8Array {
  const map = new Map<CborKey, CborValue>([
    ["v", 1],
    ["scope", bundle.scope.map(({ iss, sub, ch, from, to }) => [iss, sub, ch, from, to])],
    [
      "logs",
      bundle.logs.map(
        ({ vkey, checkpoint }) =>
          new Map<CborKey, CborValue>([
            ["vkey", vkey],
            ["checkpoint", checkpoint],
          ]),
      ),
    ],
    ["statements", bundle.statements],
    ["registry", bundle.registry],
    ["keys", bundle.keys.map(({ log, leaf, size, index, path }) => [log, leaf, size, index, path])],
    ["consistency", bundle.consistency.map(({ log, from, path }) => [log, from, path])],
  ]);
  for (const name of OPTIONAL) {
    const list = bundle[name];
    if (list !== undefined && list.length > 0) map.set(name, list);
  }
  const bytes = concatBytes(SELF_DESCRIBED, encodeCbor(map));
  if (bytes.length > MAX_BUNDLE_BYTES) {
    throw new EvidenceError("too-large", "a bundle is at most 64 MiB: take a shorter period", {
      bytes: bytes.length,
    });
  }
  return bytes;
}

/** True where the bytes begin as a bundle does. */
export const isBundle = (bytes: Uint8Array): boolean => SELF_DESCRIBED.every((byte, i) => bytes[i] === byte);

/**
 * Reads a bundle.
 *
 * @throws EvidenceError `bundle-malformed`, `bundle-scope`, `too-large`, `unknown-member`, a code of a closed shape or of CBOR
 */
export function decodeBundle(bytes: Uint8Array): Bundle {
  if (bytes.length > MAX_BUNDLE_BYTES)
    throw new EvidenceError("too-large", "a bundle is at most 64 MiB", { bytes: bytes.length });
  if (!isBundle(bytes)) throw new EvidenceError("bundle-malformed", "a bundle begins with d9 d9 f7");
  const fields = new Fields(
    decodeCbor(bytes.subarray(SELF_DESCRIBED.length), { maxBytes: MAX_BUNDLE_BYTES }),
    "bundle",
  );
  fields.literal("v", [1]);
  const logs = items(fields, "logs", 1).map(readLog);
  const logIndex = (value: CborValue | undefined): number => asUint(value, "log", logs.length - 1);
  const bundle: Bundle = {
    scope: items(fields, "scope", 1, MAX_SCOPES).map(readScope),
    logs,
    statements: byteStrings(fields, "statements", 1),
    registry: byteStrings(fields, "registry", 1),
    keys: items(fields, "keys", 1).map((value) => {
      const [log, leaf, size, index, path] = tuple(value, 5, "key");
      return {
        log: logIndex(log),
        leaf: asBytes(leaf, undefined, "leaf"),
        size: asUint(size, "size"),
        index: asUint(index, "index"),
        path: hashes(path, "key path"),
      };
    }),
    consistency: items(fields, "consistency", 0).map((value) => {
      const [log, from, path] = tuple(value, 3, "consistency");
      return { log: logIndex(log), from: asUint(from, "from"), path: hashes(path, "consistency path") };
    }),
  };
  const extra = OPTIONAL.flatMap((name) =>
    fields.has(name) ? [[name, byteStrings(fields, name, 1)] as const] : [],
  );
  fields.end();
  return { ...bundle, ...Object.fromEntries(extra) };
}

function items(fields: Fields, name: string, least: number, most = MAX_BUNDLE_ITEMS): readonly CborValue[] {
  const list = fields.list(name, least);
  if (list.length > most) throw new EvidenceError("too-large", `more than ${most} ${name}`);
  return list;
}

const byteStrings = (fields: Fields, name: string, least: number): Uint8Array[] =>
  items(fields, name, least).map((value) => asBytes(value, undefined, name));

function readLog(value: CborValue): { vkey: string; checkpoint: string } {
  const fields = new Fields(value, "log");
  const log = {
    vkey: fields.text("vkey", { max: 512 }),
    checkpoint: fields.text("checkpoint", { max: MAX_NOTE_BYTES }),
  };
  fields.end();
  return log;
}

function readScope(value: CborValue): Scope {
  const [iss, sub, ch, from, to] = tuple(value, 5, "scope");
  const scope = {
    iss: asText(iss, "iss"),
    sub: asText(sub, "sub"),
    ch: asBytes(ch, 8, "ch"),
    from: asUint(from, "from"),
    to: asUint(to, "to"),
  };
  if (scope.from > scope.to)
    throw new EvidenceError("bundle-scope", "a scope ends before it begins", { sub: scope.sub });
  return scope;
}

function hashes(value: CborValue | undefined, name: string): Uint8Array[] {
  if (!Array.isArray(value) || value.length > 64)
    throw new EvidenceError("proof-length", `${name} has 0 to 64 hashes`);
  return value.map((hash: CborValue) => asBytes(hash, HASH_BYTES, name));
}
