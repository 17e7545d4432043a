/**
 * A device's request as an operator gets it: what the enrolment would say. It is kept until somebody decides; and several of them, with the end of the registry that they would
 * continue, make the file that goes to an operator on another machine (docs/formats.md, Enrolment). Nothing in it is secret, and nothing is believed: what the operator signs is
 * judged by the registry as any other item.
 *
 * @module
 */
import {
  asBytes,
  asText,
  asUint,
  checkOrg,
  checkStreamPattern,
  coseKey,
  decodeCbor,
  encodeCbor,
  equalBytes,
  EvidenceError,
  Fields,
  HASH_BYTES,
  INVITE_ID_BYTES,
  isOperator,
  parseCoseKey,
  tuple,
  type CborKey,
  type CborValue,
  type Enrolment,
  type RegistryItem,
} from "@tallystick/evidence";
import type { RegistryEnd } from "../registry/published-registry.ts";

const VERSION = 1;
const MAX_REQUEST_BYTES = 40_960;
/** Requests that go to an operator in one file. */
export const MAX_REQUESTS = 256;
const MAX_BATCH_BYTES = 4 << 20;
const MAX_STREAMS = 256;
const MAX_OPERATORS = 256;
const MAX_REASON = 200;

export type Request = Enrolment & {
  /** Id of the invite by which it came. */
  readonly invite: Uint8Array;
  /** Why the device is enrolled anew, where it is. */
  readonly reason?: string;
  readonly atUnixS: number;
};

export function encodeRequest(request: Request): Uint8Array {
  const { invite, device, key, streams, silenceS, machine, reason, atUnixS } = request;
  return encodeCbor(
    new Map<CborKey, CborValue>([
      ["v", VERSION],
      ["invite", invite],
      ["device", device],
      ["key", coseKey(key)],
      ["streams", streams],
      ["silence", silenceS],
      ["at", atUnixS],
      ...(machine === undefined ? [] : [["machine", machine] as const]),
      ...(reason === undefined ? [] : [["reason", reason] as const]),
    ]),
  );
}

/** @throws EvidenceError a code of CBOR, of a closed shape, of names or keys */
export function decodeRequest(bytes: Uint8Array): Request {
  const fields = new Fields(decodeCbor(bytes, { maxBytes: MAX_REQUEST_BYTES }), "request");
  fields.literal("v", [VERSION]);
  const device = fields.text("device");
  if (isOperator(device)) throw new EvidenceError("name-malformed", "`operator` is no device's name");
  const streams = bounded(fields.list("streams", 1), MAX_STREAMS).map((one) => asText(one, "stream"));
  for (const stream of streams) checkStreamPattern(stream);
  const machine = fields.optional("machine", (name) => fields.bytes(name, HASH_BYTES));
  const reason = fields.optional("reason", (name) => fields.text(name, { max: MAX_REASON, pattern: /./su }));
  const request = {
    invite: fields.bytes("invite", INVITE_ID_BYTES),
    device,
    key: parseCoseKey(fields.value("key")),
    streams,
    silenceS: fields.uint("silence"),
    atUnixS: fields.uint("at"),
    ...(machine !== undefined && { machine }),
    ...(reason !== undefined && { reason }),
  };
  fields.end();
  return request;
}

/** The registry item that grants a request. */
export function itemOf({ device, key, streams, silenceS, machine, reason }: Request): RegistryItem {
  const enrolment = { device, key, streams, silenceS, ...(machine !== undefined && { machine }) };
  return reason === undefined ? { kind: "enrol", ...enrolment } : { kind: "re-enrol", ...enrolment, reason };
}

/** An operator as the file names it: enough to find who has the key at hand. */
type NamedOperator = { readonly iss: string; readonly actsFor: string; readonly kid: Uint8Array };

/** What goes to an operator elsewhere. */
export type Batch = {
  /** Number of the registry's next item, and the hash of its last. */
  readonly count: number;
  readonly last: Uint8Array;
  readonly operators: readonly NamedOperator[];
  readonly requests: readonly Request[];
};

export const encodeBatch = ({ count, last, operators, requests }: Batch): Uint8Array =>
  encodeCbor(
    new Map<CborKey, CborValue>([
      ["v", VERSION],
      ["registry", [count, last]],
      ["operators", operators.map(({ iss, actsFor, kid }) => [iss, actsFor, kid])],
      ["requests", requests.map(encodeRequest)],
    ]),
  );

/** @throws EvidenceError as {@link decodeRequest} */
export function decodeBatch(bytes: Uint8Array): Batch {
  const fields = new Fields(decodeCbor(bytes, { maxBytes: MAX_BATCH_BYTES }), "requests");
  fields.literal("v", [VERSION]);
  const [count, last] = tuple(fields.value("registry"), 2, "registry");
  const operators = bounded(fields.list("operators", 1), MAX_OPERATORS).map((one): NamedOperator => {
    const [iss, actsFor, kid] = tuple(one, 3, "operator");
    const named = {
      iss: asText(iss, "iss"),
      actsFor: asText(actsFor, "for"),
      kid: asBytes(kid, HASH_BYTES, "kid"),
    };
    if (!isOperator(named.iss))
      throw new EvidenceError("name-malformed", "an operator's iss is ORG/operator");
    if (named.actsFor !== "*") checkOrg(named.actsFor);
    return named;
  });
  const requests = bounded(fields.list("requests", 1), MAX_REQUESTS).map((one) =>
    decodeRequest(asBytes(one, undefined, "request")),
  );
  const batch = {
    count: asUint(count, "count"),
    last: asBytes(last, HASH_BYTES, "last"),
    operators,
    requests,
  };
  fields.end();
  return batch;
}

/** The registry that a batch would continue, as far as the batch tells of it. */
export const endOf = ({ count, last, operators }: Batch): RegistryEnd => ({
  count,
  last,
  operatorOf: (key) => {
    const named = operators.find(({ kid }) => equalBytes(kid, key.kid));
    return named && { iss: named.iss, actsFor: named.actsFor, key };
  },
  hasDevice: () => false,
  hasKey: () => false,
});

function bounded(list: readonly CborValue[], most: number): readonly CborValue[] {
  if (list.length > most) throw new EvidenceError("too-large", `more than ${most} in a list`);
  return list;
}
