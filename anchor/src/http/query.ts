/**
 * Parameters of requests, read strictly.
 *
 * @module
 */
import type { Context } from "hono";
import { EvidenceError, fromHex } from "@tallystick/evidence";

/** Bytes of a path parameter, in hexadecimal. @throws EvidenceError `text-malformed` */
export const hashParam = (c: Context, name: string, bytes: number): Uint8Array =>
  bytesOf(c.req.param(name) ?? "", name, bytes);

/** The same of the query. @throws EvidenceError `text-malformed`, `member-missing` */
export const hashQuery = (c: Context, name: string, bytes: number): Uint8Array =>
  bytesOf(textQuery(c, name), name, bytes);

function bytesOf(text: string, name: string, bytes: number): Uint8Array {
  if (text.length !== 2 * bytes) {
    throw new EvidenceError("text-malformed", `${name}: expected ${2 * bytes} hexadecimal digits`);
  }
  return fromHex(text);
}

/** A whole number of the query. @throws EvidenceError `text-malformed` */
export function optionalUint(c: Context, name: string): number | undefined {
  const text = c.req.query(name);
  if (text === undefined) return undefined;
  const value = /^(0|[1-9]\d{0,15})$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value))
    throw new EvidenceError("text-malformed", `${name}: expected a whole number`);
  return value;
}

/** A text of the query. @throws EvidenceError `member-missing` */
export function textQuery(c: Context, name: string): string {
  const text = c.req.query(name);
  if (text === undefined || text === "") throw new EvidenceError("member-missing", `${name} is missing`);
  return text;
}
