/**
 * Reads a `result.json` that somebody hands over: strictly, and believing none of it. What a result says counts only as far as whoever made it is
 * trusted, or as it was made again.
 *
 * @module
 */
import {
  decodeUtf8,
  EvidenceError,
  isEvidenceCode,
  isEvidenceError,
  type EvidenceCode,
} from "@tallystick/evidence";
import { readBounded } from "@tallystick/evidence/node";
import { z } from "zod";
import { shownText } from "./page/text.ts";
import type { Result } from "./result.ts";

/** Longest result that is read. Lines by the million stand in CSV files beside it. */
const MAX_RESULT_BYTES = 64 << 20;
const MAX_ROWS = 10_000;

const code = z.string().refine(isEvidenceCode, "no code of the table") as unknown as z.ZodType<EvidenceCode>;
const text = z.string().max(65_536);
const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
const hash = z.string().regex(/^[0-9a-f]{64}$/, "no SHA-256 in hexadecimal");

const Schema = z.strictObject({
  v: z.literal(1),
  kind: z.enum(["coverage", "reconcile", "sample", "verify"]),
  tool: z.strictObject({ name: z.literal("tally-audit"), version: text }),
  verdict: z.enum(["verified", "restricted", "not-verifiable", "invalid"]),
  code: code.exactOptional(),
  findings: count,
  log: z.strictObject({ origin: text, size: count, root: text }),
  inputs: z
    .array(
      z.strictObject({
        role: z.enum(["case", "bundle", "policy", "export", "map"]),
        name: text,
        sha256: hash,
        bytes: count,
      }),
    )
    .max(MAX_ROWS),
  checks: z
    .array(
      z.strictObject({
        name: text,
        result: z.enum(["passed", "failed", "not-done"]),
        code: code.exactOptional(),
        reason: text.exactOptional(),
      }),
    )
    .max(MAX_ROWS),
  restrictions: z.array(code).max(MAX_ROWS),
  notProven: z.array(text).max(MAX_ROWS),
  repeat: z.array(text).max(MAX_ROWS),
  body: z.record(z.string(), z.unknown()),
});

/**
 * @param origin - the file's name, for the message
 * @throws EvidenceError `result-malformed`, its message naming the first member that is wrong; `too-large`
 */
export function parseResult(bytes: Uint8Array, origin: string): Result {
  if (bytes.length > MAX_RESULT_BYTES) throw new EvidenceError("too-large", `${origin}: over 64 MiB`);
  return checked(Schema, jsonOf(bytes, origin), origin);
}

/**
 * @throws EvidenceError as {@link parseResult}; `unreachable` where there is no such file
 */
export async function readResult(
  file: string,
): Promise<{ readonly result: Result; readonly bytes: Uint8Array }> {
  const bytes = await readBounded(file, MAX_RESULT_BYTES, file);
  if (bytes === undefined) throw new EvidenceError("unreachable", `${file}: no such file`);
  return { result: parseResult(bytes, file), bytes };
}

/** A part of a result against its schema. @throws EvidenceError `result-malformed` */
export function checked<T>(schema: z.ZodType<T>, value: unknown, origin: string): T {
  const read = schema.safeParse(value);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  // hostile: names of members are the file's
  const path = shownText(issue?.path.join(".") ?? "", 120);
  const fault = shownText(issue?.message ?? "", 200);
  throw new EvidenceError("result-malformed", `${origin}: ${path === "" ? "(top level)" : path}: ${fault}`);
}

function jsonOf(bytes: Uint8Array, origin: string): unknown {
  try {
    return JSON.parse(decodeUtf8(bytes));
  } catch (error) {
    if (!isEvidenceError(error) && !(error instanceof SyntaxError)) throw error;
    throw new EvidenceError("result-malformed", `${origin}: not JSON in UTF-8`, {}, error);
  }
}
