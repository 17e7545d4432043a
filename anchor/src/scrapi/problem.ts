/**
 * Refusals as concise problem details (RFC 9290): a CBOR map of a title, -1, and a detail, -2. Titles are those of SCRAPI; the detail begins with
 * our code.
 *
 * @module
 */
import type { Context } from "hono";
import {
  dispositionOf,
  encodeCbor,
  type CborKey,
  type CborValue,
  type EvidenceCode,
} from "@tallystick/evidence";

const PROBLEM = "application/concise-problem-details+cbor";
const TITLE = -1;
const DETAIL = -2;

export type ProblemStatus = 400 | 404 | 413 | 415 | 429 | 500 | 503;

export const RETRY_AFTER_S = 5;

/** An answer with a problem. Where waiting helps, it says how long. */
export function problem(c: Context, status: ProblemStatus, title: string, detail: string): Response {
  const body = encodeCbor(
    new Map<CborKey, CborValue>([
      [TITLE, title],
      [DETAIL, detail],
    ]),
  );
  c.header("Cache-Control", "no-store");
  if (status === 429 || status === 503) c.header("Retry-After", String(RETRY_AFTER_S));
  return c.body(new Uint8Array(body), status, { "Content-Type": PROBLEM });
}

/** What was sent is no statement of this profile. */
export const malformed = (c: Context, code: EvidenceCode, text: string): Response =>
  problem(c, 400, MALFORMED[code] ?? "Malformed request", `${code}: ${text}`);

const MALFORMED: Partial<Record<EvidenceCode, string>> = { "cose-algorithm": "Bad Signature Algorithm" };

/** The registration policy does not admit it, or not now. */
export const rejected = (c: Context, code: EvidenceCode, text: string): Response =>
  dispositionOf(code) === "refuse"
    ? problem(c, 400, "Rejected", `${code}: ${text}`)
    : problem(c, 503, "Service Unavailable", `${code}: ${text}`);
