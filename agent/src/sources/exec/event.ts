/**
 * Events that a program brings, from JSON to what is signed. The closed profile judges them: what is made of the JSON here is read by the very code
 * that reads a signed event, so nothing can be brought that could not be verified.
 *
 * Hashes are 64 hexadecimal digits; where a statement is meant, `{"line": "ID"}` names the line of this program that became it.
 *
 * @module
 */
import {
  decodeEvent,
  encodeCbor,
  EvidenceError,
  fromHex,
  HASH_BYTES,
  type CborValue,
  type Event,
  type EventKind,
} from "@tallystick/evidence";
import type { Json, JsonObject } from "./json.ts";
import { Members } from "./members.ts";

/** Kinds that a back office may bring; the others are the agent's own. */
const KINDS_OF_PROGRAMS = [
  "toll-transaction",
  "toll-adjustment",
  "ref",
] as const satisfies readonly EventKind[];

const HASHES = new Set(["tag", "plate", "hash", "ref", "supersedes"]);
/** Of them, those that name statements. */
const STATEMENTS = new Set(["ref", "supersedes"]);
/** A list of them. */
const STATEMENT_LIST = "refs";
const TIME = "t";
const CLASS = "class";
const HEX_64 = /^[0-9a-f]{64}$/;
const MAX_ID_BYTES = 128;

/** @throws EvidenceError `member-type`, `member-range`, `member-missing` */
export function referencesIn(event: Json): {
  readonly members: JsonObject;
  readonly references: readonly string[];
} {
  const members = new Members(event, "event");
  members.oneOf("kind", KINDS_OF_PROGRAMS);
  const object = event as JsonObject;
  const references = [...object].flatMap(([name, value]) => {
    if (STATEMENTS.has(name)) return lineNamed(value) ?? [];
    if (name === STATEMENT_LIST && Array.isArray(value))
      return value.flatMap((item: Json) => lineNamed(item) ?? []);
    return [];
  });
  return { members: object, references };
}

/** The id in `{"line": "ID"}`; undefined for anything but an object. */
function lineNamed(value: Json): string | undefined {
  if (!(value instanceof Map)) return undefined;
  const reference = new Members(value, "a statement's name");
  const id = reference.text("line", MAX_ID_BYTES);
  reference.end();
  return id;
}

/**
 * @param statementOf - the hash of the statement that a line became
 * @throws EvidenceError what `decodeEvent` throws, and what `statementOf` throws
 */
export function eventOf(members: JsonObject, statementOf: (id: string) => Uint8Array): Event {
  const map = new Map<string, CborValue>();
  for (const [name, value] of members) map.set(name, memberOf(name, value, statementOf));
  return decodeEvent(encodeCbor(map));
}

function memberOf(name: string, value: Json, statementOf: (id: string) => Uint8Array): CborValue {
  if (name === TIME) return new Members(new Map([[TIME, value]]), "event").time(TIME);
  if (HASHES.has(name)) return hashOf(name, value, statementOf);
  if (name === STATEMENT_LIST && Array.isArray(value))
    return value.map((item: Json) => hashOf(name, item, statementOf));
  if (name === CLASS && value instanceof Map) return classOf(value as JsonObject);
  return plain(value);
}

function hashOf(name: string, value: Json, statementOf: (id: string) => Uint8Array): CborValue {
  const line = STATEMENTS.has(name) || name === STATEMENT_LIST ? lineNamed(value) : undefined;
  if (line !== undefined) return statementOf(line);
  if (typeof value === "string" && HEX_64.test(value)) return fromHex(value);
  throw new EvidenceError("member-type", `event: ${name} is not ${HASH_BYTES * 2} hexadecimal digits`, {
    member: name,
  });
}

/** `{"measured": 2, "declared": null}` is signed as an array. */
function classOf(object: JsonObject): CborValue {
  const members = new Members(object, "class");
  const both = [plain(members.value("measured")), plain(members.value("declared"))];
  members.end();
  return both;
}

function plain(value: Json): CborValue {
  if (Array.isArray(value)) return value.map((item: Json) => plain(item));
  if (value instanceof Map)
    return new Map([...(value as JsonObject)].map(([key, member]) => [key, plain(member)] as const));
  if (typeof value === "bigint") {
    const small = Number(value);
    if (!Number.isSafeInteger(small)) throw new EvidenceError("member-range", "event: a number beyond 2^53");
    return small;
  }
  return value;
}
