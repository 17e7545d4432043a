/**
 * What one line of a program says: a reading of a register, or an event. `docs/exec.md` has the members.
 *
 * A line is one JSON object of at most 16 KiB. A bad one is refused as it is, by code, and never repaired; what is asked of a name, a unit or an amount is
 * asked where statements are made, so that a line that passes here may still be refused there.
 *
 * @module
 */
import { createHash } from "node:crypto";
import {
  EvidenceError,
  isEvidenceError,
  type Decimal,
  type Quality,
  type ReadingValue,
} from "@tallystick/evidence";
import type { Register } from "../source.ts";
import { referencesIn } from "./event.ts";
import { canonicalText, parseJson, type Json, type JsonObject } from "./json.ts";
import { Members } from "./members.ts";

export const MAX_LINE_BYTES = 16 << 10;
const MAX_ID_BYTES = 128;
const MAX_NAME_BYTES = 128;
const MAX_TEXT_BYTES = 256;
const DIGEST_BYTES = 16;

/** What a program may say against its own reading; the rest is the agent's to say. */
const QUALITIES_OF_PROGRAMS = ["estimated", "device-error", "backfill"] as const satisfies readonly Quality[];
const TYPES = ["counter", "gauge", "text"] as const;
const MAX_DIGITS = 39;

/** A reading as it was told: `time` is absent where the program gives none. */
export type SaidReading = {
  readonly kind: "reading";
  readonly register: Register;
  readonly value: ReadingValue;
  readonly time?: Decimal;
  readonly quality: readonly Quality[];
  readonly meter?: string;
};

/** An event, and the ids of the lines that it names in place of statements. */
export type SaidEvent = {
  readonly kind: "event";
  readonly members: JsonObject;
  readonly references: readonly string[];
};

export type ParsedLine = {
  readonly id: string;
  /** The stream that it names. */
  readonly sub?: string;
  /** Of all that it says but its id, whatever the order of its members. */
  readonly digest: Uint8Array;
  readonly says: SaidReading | SaidEvent;
};

/** `id` as far as it could be read. */
export type RefusedLine = { readonly id: string | undefined; readonly error: EvidenceError };

export const isRefused = (line: ParsedLine | RefusedLine): line is RefusedLine => "error" in line;

/** Reads a line without its line end. */
export function readLine(bytes: Uint8Array): ParsedLine | RefusedLine {
  let id: string | undefined;
  try {
    const value = parseJson(bytes);
    const line = new Members(value, "the line");
    id = line.text("id", MAX_ID_BYTES);
    const sub = line.optional("stream", (name) => line.text(name, MAX_NAME_BYTES));
    const says = line.has("event") ? readEvent(line) : readReading(line);
    line.end();
    return { id, digest: digestOf(value as JsonObject), says, ...(sub === undefined ? {} : { sub }) };
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    return { id, error };
  }
}

function digestOf(line: JsonObject): Uint8Array {
  const said = new Map(line);
  said.delete("id");
  const digest = createHash("sha256").update(canonicalText(said)).digest();
  return new Uint8Array(digest.subarray(0, DIGEST_BYTES));
}

function readEvent(line: Members): SaidEvent {
  const event = line.value("event");
  const { members, references } = referencesIn(event);
  return { kind: "event", members, references };
}

function readReading(line: Members): SaidReading {
  const name = line.text("name", MAX_NAME_BYTES);
  const unit = line.optional("unit", (member) => line.text(member, MAX_NAME_BYTES));
  const value = readValue(line);
  const type = line.optional("type", (member) => line.oneOf(member, TYPES));
  const digits = line.optional("digits", (member) => readDigits(line.list(member)));
  const time = line.optional("t", (member) => line.time(member));
  const meter = line.optional("meter", (member) => line.text(member, MAX_TEXT_BYTES));
  const said = line.optional("q", (member) => line.list(member)) ?? [];
  return {
    kind: "reading",
    register: {
      name,
      unit: unit ?? null,
      type: type ?? ("v" in value ? "counter" : "text"),
      digits: digits ?? null,
    },
    value,
    quality: qualitiesOf(said),
    ...(time === undefined ? {} : { time }),
    ...(meter === undefined ? {} : { meter }),
  };
}

function readValue(line: Members): ReadingValue {
  if (line.has("vs")) return { vs: line.text("vs", MAX_TEXT_BYTES) };
  return { v: line.number("v") };
}

function readDigits(list: readonly Json[]): Register["digits"] {
  const [whole, fraction] = list;
  if (list.length !== 2 || !isCount(whole) || !isCount(fraction))
    throw new EvidenceError("member-range", "digits are two numbers: places before the point, and after it");
  return { whole: Number(whole), fraction: Number(fraction) };
}

const isCount = (value: Json | undefined): value is bigint =>
  typeof value === "bigint" && value >= 0n && value <= BigInt(MAX_DIGITS);

/** In the order of the list, as a pack has them. */
function qualitiesOf(said: readonly Json[]): readonly Quality[] {
  const found = QUALITIES_OF_PROGRAMS.filter((quality) => said.includes(quality));
  if (found.length !== said.length)
    throw new EvidenceError("member-range", `q has some of ${QUALITIES_OF_PROGRAMS.join(", ")}, each once`);
  return found;
}
