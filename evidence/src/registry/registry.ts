/**
 * The registry: numbered items, signed by operators, that say whose keys count. This file reads and writes one item; what a
 * sequence of them means is the key state's business (`key-state/key-state.ts`).
 *
 * @module
 */
import { decodeCbor, encodeCbor, type CborKey, type CborValue } from "../cbor.ts";
import { EvidenceError } from "../errors.ts";
import { coseKey, parseCoseKey, type PublicKey } from "../keys/keys.ts";
import { checkStreamPattern, isOperator } from "../names.ts";
import { decodeChange, operatorMap, readOperator, type Operator } from "./operators.ts";
import { HASH_BYTES } from "../sha256.ts";
import { asBytes, asText, Fields } from "../shape.ts";

/** Longest payload of an item: the statement around it is at most 32 KiB. */
const MAX_ITEM_BYTES = 32_768;
/** Most streams or patterns in one enrolment. */
const MAX_STREAMS = 256;
/** Most founding operators. */
const MAX_OPERATORS = 64;
const MAX_REASON = 200;

/** What an enrolment gives a device's key. */
export type Enrolment = {
  /** The full name, `org/device`. */
  readonly device: string;
  readonly key: PublicKey;
  /** Stream names, prefixes that end in `/*`, or `*`; `sys` is always allowed. */
  readonly streams: readonly string[];
  /** Longest silence allowed, seconds. */
  readonly silenceS: number;
  /** SHA-256 of the machine's id, where the enrolment is bound to one. */
  readonly machine?: Uint8Array;
};

export type RegistryItem =
  | {
      readonly kind: "policy";
      readonly origin: string;
      readonly log: PublicKey;
      readonly operators: readonly Operator[];
    }
  | { readonly kind: "operator-added"; readonly operator: Operator }
  /** `change`: whom an org adds and removes, as bytes of its own; `consents`: tokens of its operators to just that. */
  | { readonly kind: "operators"; readonly change: Uint8Array; readonly consents: readonly Uint8Array[] }
  | ({ readonly kind: "enrol" } & Enrolment)
  | ({ readonly kind: "re-enrol"; readonly reason: string } & Enrolment)
  /** `statement`: the device's own `key-rotated` statement, signed by its old key. */
  | { readonly kind: "rotate"; readonly statement: Uint8Array }
  /** `from`: log index since which the key is suspect. */
  | { readonly kind: "revoke"; readonly kid: Uint8Array; readonly from: number }
  | { readonly kind: "successor"; readonly origin: string; readonly log: PublicKey };

/** The rule by which an entry follows from a statement; the only one there is in profile 1. */
const LEAF_RULE = "sha256";

/** The payload of an item: one deterministic map. */
export function encodeItem(item: RegistryItem): Uint8Array {
  return encodeCbor(new Map<CborKey, CborValue>([["kind", item.kind], ...members(item)]));
}

function members(item: RegistryItem): [CborKey, CborValue][] {
  switch (item.kind) {
    case "policy":
      return [
        ["origin", item.origin],
        ["log", coseKey(item.log)],
        ["leaf", LEAF_RULE],
        ["operators", item.operators.map(operatorMap)],
      ];
    case "operator-added":
      return [["operator", operatorMap(item.operator)]];
    case "operators":
      return [
        ["change", item.change],
        ["consents", item.consents],
      ];
    case "enrol":
      return enrolment(item);
    case "re-enrol":
      return [...enrolment(item), ["reason", item.reason]];
    case "rotate":
      return [["statement", item.statement]];
    case "revoke":
      return [
        ["kid", item.kid],
        ["from", item.from],
      ];
    case "successor":
      return [
        ["origin", item.origin],
        ["log", coseKey(item.log)],
      ];
  }
}

const enrolment = ({ device, key, streams, silenceS, machine }: Enrolment): [CborKey, CborValue][] => [
  ["device", device],
  ["key", coseKey(key)],
  ["streams", streams],
  ["silence", silenceS],
  ...(machine === undefined ? [] : [["machine", machine] satisfies [CborKey, CborValue]]),
];

/**
 * Reads the payload of an item.
 *
 * @throws EvidenceError `unknown-member`, `registry-malformed`, `name-malformed`, `key-malformed`, a code of a closed shape or of CBOR
 */
export function decodeItem(payload: Uint8Array): RegistryItem {
  const fields = new Fields(decodeCbor(payload, { maxBytes: MAX_ITEM_BYTES }), "registry item");
  const item = readItem(fields);
  fields.end();
  return item;
}

function readItem(fields: Fields): RegistryItem {
  const kind = fields.text("kind");
  switch (kind) {
    case "policy": {
      fields.literal("leaf", [LEAF_RULE]);
      const operators = bounded(fields.list("operators", 1), MAX_OPERATORS, "operators").map(readOperator);
      return { kind, origin: fields.text("origin"), log: parseCoseKey(fields.value("log")), operators };
    }
    case "operator-added":
      return { kind, operator: readOperator(fields.value("operator")) };
    case "operators": {
      const change = fields.bytes("change");
      decodeChange(change);
      return {
        kind,
        change,
        consents: fields.list("consents").map((one) => asBytes(one, undefined, "consent")),
      };
    }
    case "enrol":
      return { kind, ...readEnrolment(fields) };
    case "re-enrol":
      return {
        kind,
        ...readEnrolment(fields),
        reason: fields.text("reason", { max: MAX_REASON, pattern: /./su }),
      };
    case "rotate":
      return { kind, statement: fields.bytes("statement") };
    case "revoke":
      return { kind, kid: fields.bytes("kid", HASH_BYTES), from: fields.uint("from") };
    case "successor":
      return { kind, origin: fields.text("origin"), log: parseCoseKey(fields.value("log")) };
    default:
      throw new EvidenceError("unknown-member", "no such kind of registry item", {
        kind: JSON.stringify(kind.slice(0, 40)),
      });
  }
}

function readEnrolment(fields: Fields): Enrolment {
  const device = fields.text("device");
  if (isOperator(device))
    throw new EvidenceError("registry-malformed", "`operator` is reserved, no device's name");
  const streams = bounded(fields.list("streams", 1), MAX_STREAMS, "streams").map((one) =>
    asText(one, "stream"),
  );
  for (const stream of streams) checkStreamPattern(stream);
  if (new Set(streams).size !== streams.length)
    throw new EvidenceError("registry-malformed", "a stream is listed twice");
  const machine = fields.optional("machine", (name) => fields.bytes(name, HASH_BYTES));
  const known = { device, key: parseCoseKey(fields.value("key")), streams, silenceS: fields.uint("silence") };
  return machine === undefined ? known : { ...known, machine };
}

function bounded(list: readonly CborValue[], most: number, name: string): readonly CborValue[] {
  if (list.length > most) throw new EvidenceError("too-large", `more than ${most} ${name}`);
  return list;
}
