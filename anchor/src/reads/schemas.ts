/**
 * What is sent to begin a read, and what is answered: the shapes of docs/formats.md section 13.
 *
 * @module
 */
import * as z from "zod";
import { EvidenceError, type EvidenceCode } from "@tallystick/evidence";
import { isReason } from "../trail/reason.ts";

const MAX_PURPOSE_BYTES = 200;
const MAX_ASKED = 64;
/** Longest device name or pattern of one, and stream. */
const MAX_NAME = 128;

const seconds = z.int().min(0);
const hash = z.string().regex(/^[0-9a-f]{64}$/);
const chainId = z.string().regex(/^[0-9a-f]{16}$/);

export const ReadRequest = z.strictObject({
  purpose: z
    .string()
    .refine(
      (text) => isReason(text, MAX_PURPOSE_BYTES),
      `say what for in one line of 1 to ${MAX_PURPOSE_BYTES} bytes, without personal data: it stands in the ledger for ever`,
    ),
  streams: z
    .array(z.strictObject({ iss: z.string().max(MAX_NAME), sub: z.string().max(MAX_NAME) }))
    .min(1, "name the streams")
    .max(MAX_ASKED, `name at most ${MAX_ASKED}, by patterns if need be`),
  from: seconds.optional(),
  to: seconds.optional(),
  size: z.int().min(2).optional(),
});

export type ReadRequest = z.output<typeof ReadRequest>;

export const ReadChain = z.strictObject({
  iss: z.string(),
  sub: z.string(),
  ch: chainId,
  first: z.int(),
  last: z.int(),
  from: z.int().nullable(),
  to: z.int().nullable(),
});

export type ReadChain = z.output<typeof ReadChain>;

export const ReadAnswer = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{32}$/),
  size: z.int(),
  access: hash,
  expires: seconds,
  chains: z.array(ReadChain),
  next: z.int().nullable(),
});

export type ReadAnswer = z.output<typeof ReadAnswer>;

/** A row of a chain; one that was erased has nulls, and the hash of the statement that says so. */
export const ReadRow = z.strictObject({
  seq: z.int(),
  index: z.int(),
  hash,
  kid: hash.nullable(),
  iat: z.int().nullable(),
  time: z.int(),
  kind: z.string().nullable(),
  erased: hash.optional(),
});

export const ErasedRow = z.strictObject({
  iss: z.string(),
  sub: z.string(),
  ch: chainId,
  seq: z.int(),
  index: z.int(),
  hash,
  by: hash,
});

export type ErasedRow = z.output<typeof ErasedRow>;

/**
 * Reads the body of a request.
 *
 * @throws EvidenceError `text-malformed`, `unknown-member`, `member-missing`, `member-type`, `member-range`, which names the member
 */
export function readRequest(text: string): ReadRequest {
  const value = json(text);
  const read = ReadRequest.safeParse(value);
  if (read.success) {
    const { from, to } = read.data;
    if (from === undefined || to === undefined || from <= to) return read.data;
    throw new EvidenceError("member-range", "the period ends before it begins");
  }
  const [issue] = read.error.issues;
  if (issue === undefined) throw new EvidenceError("member-type", "not a request for a read");
  const at = issue.path.join(".");
  const found = issue.path.reduce<unknown>(
    (inside, key) => (inside as Record<PropertyKey, unknown>)[key],
    value,
  );
  if (issue.code === "unrecognized_keys")
    throw new EvidenceError(
      "unknown-member",
      `no such member: ${[at, issue.keys[0]].filter(Boolean).join(".")}`,
    );
  throw new EvidenceError(codeOf(issue.code, found), `${at === "" ? "the request" : at}: ${issue.message}`);
}

function codeOf(issue: string, found: unknown): EvidenceCode {
  if (found === undefined) return "member-missing";
  return issue === "invalid_type" ? "member-type" : "member-range";
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new EvidenceError("text-malformed", "the body is not JSON", {}, cause);
  }
}
