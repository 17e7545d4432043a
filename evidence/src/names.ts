/**
 * Names: who speaks (`iss`) and of what (`sub`). A stream is identified by both. They are visible to anybody who may read the archive:
 * no licence plate, person, vehicle id or meter serial belongs in one.
 *
 * @module
 */
import { EvidenceError } from "./errors.ts";

/** Device name reserved for the operators of an org: `ORG/operator`. */
export const OPERATOR_DEVICE = "operator";
const OPERATOR_END = `/${OPERATOR_DEVICE}`;
/** Stream of each device for its own affairs: heads, boots, clock steps. Always allowed. */
export const SYSTEM_STREAM = "sys";
/** Stream of operators: registry items, and nothing else. */
export const REGISTRY_STREAM = "registry";

/** Longest stream name, in characters. */
export const MAX_STREAM = 128;

const MAX_ISS = 97;
const ISS = /^([a-z0-9-]{1,32})\/([a-z0-9-]{1,64})$/;
const ORG = /^[a-z0-9-]{1,32}$/;
const STREAM = /^[a-z0-9][a-z0-9._-]*(?:\/[a-z0-9][a-z0-9._-]*)*$/;

export type Issuer = { readonly org: string; readonly device: string };

/**
 * Takes an `iss` apart: `city-energy/gw-17`.
 *
 * @throws EvidenceError `name-malformed`
 */
export function parseIss(iss: string): Issuer {
  const [, org, device] = (iss.length <= MAX_ISS && ISS.exec(iss)) || [];
  if (org === undefined || device === undefined) {
    throw new EvidenceError(
      "name-malformed",
      "an issuer is org/device: 1 to 32 and 1 to 64 of a-z, 0-9 and -",
    );
  }
  return { org, device };
}

/** @throws EvidenceError `name-malformed` unless it is 1 to 32 of a-z, 0-9 and - */
export function checkOrg(org: string): void {
  if (!ORG.test(org)) {
    throw new EvidenceError("name-malformed", "an org is 1 to 32 of a-z, 0-9 and -");
  }
}

/** True for `ORG/operator`. @throws EvidenceError `name-malformed` */
export function isOperator(iss: string): boolean {
  if (!iss.endsWith(OPERATOR_END) && iss.length <= MAX_ISS && ISS.test(iss)) return false; // asked of every statement
  return parseIss(iss).device === OPERATOR_DEVICE;
}

/**
 * Checks the form of a stream name, `meter/m-0417`; the reserved ones have it too.
 *
 * @throws EvidenceError `name-malformed` unless it is at most 128 characters in segments of `[a-z0-9][a-z0-9._-]*`
 */
export function checkStream(sub: string): void {
  if (sub.length > MAX_STREAM || !STREAM.test(sub)) {
    throw new EvidenceError(
      "name-malformed",
      "a stream is a path of segments [a-z0-9][a-z0-9._-]*, at most 128 characters",
    );
  }
}

/**
 * Checks one entry of a key's `streams`: a stream name, a prefix that ends in `/*`, or `*`.
 *
 * @throws EvidenceError `name-malformed`
 */
export function checkStreamPattern(pattern: string): void {
  if (pattern !== "*") checkStream(pattern.endsWith("/*") ? pattern.slice(0, -2) : pattern);
}

/**
 * True where one of `patterns` covers `sub`: `meter/*` covers `meter/a` and `meter/a/b`, but not `meter`. `sys` is always covered.
 */
export function streamAllowed(patterns: readonly string[], sub: string): boolean {
  if (sub === SYSTEM_STREAM) return true;
  return patterns.some((pattern) => {
    if (pattern === "*" || pattern === sub) return true;
    return pattern.endsWith("/*") && sub.startsWith(pattern.slice(0, -1)) && sub.length > pattern.length - 1;
  });
}
