/**
 * Which streams a case is of, as the user says it: each a stream of a device, or a pattern of many.
 *
 * @module
 */
import { checkOrg, checkStreamPattern, parseIss, streamAllowed } from "@tallystick/evidence";

/** `iss`: `org/device`, `org/*` or `*`; `sub`: a stream, `prefix/*` or `*`. */
export type Asked = { readonly iss: string; readonly sub: string };

/**
 * Reads `org/device/stream`, e.g. `water/gw-1/meter/m-0417`; `*` in the place of the device is all of the org's, at the end of the stream all that begin so, alone all
 * there is.
 *
 * @throws EvidenceError `name-malformed`
 */
export function parseAsked(text: string): Asked {
  if (text === "*") return { iss: "*", sub: "*" };
  const [org = "", device = "", ...rest] = text.split("/");
  const sub = rest.join("/");
  checkStreamPattern(sub);
  if (device === "*") checkOrg(org);
  else parseIss(`${org}/${device}`);
  return { iss: `${org}/${device}`, sub };
}

/** Whether a stream is one of those. */
export const isAsked = (asked: readonly Asked[], { iss, sub }: Asked): boolean =>
  asked.some((one) => issMatches(one.iss, iss) && streamAllowed([one.sub], sub));

/** Whether some stream of this device is asked for. */
export const isOfDevice = (asked: readonly Asked[], iss: string): boolean =>
  asked.some((one) => issMatches(one.iss, iss));

const issMatches = (pattern: string, iss: string): boolean =>
  pattern === "*" || pattern === iss || (pattern.endsWith("/*") && iss.startsWith(pattern.slice(0, -1)));
