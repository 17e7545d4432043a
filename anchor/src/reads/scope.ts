/**
 * What a token may read, and what a read asks for. A stream's full name is `org/device/stream`; a token's scope is a list of patterns of it, by the rules of an enrolment's
 * streams: a whole name, a prefix that ends in `/*`, or `*`.
 *
 * @module
 */
import {
  checkOrg,
  checkStreamPattern,
  EvidenceError,
  parseIss,
  streamAllowed,
  SYSTEM_STREAM,
} from "@tallystick/evidence";

/** Streams that are asked for: `iss` is `org/device`, `org/*` or `*`; `sub` a stream, `prefix/*` or `*`. */
export type Asked = { readonly iss: string; readonly sub: string };

const ANY = "*";
const REST = "/*";

/**
 * Checks one pattern of a scope: `*`, `org/*`, `org/device/*`, `org/device/prefix/*` or `org/device/stream`.
 *
 * @throws EvidenceError `name-malformed`
 */
export function checkScope(pattern: string): void {
  if (pattern === ANY) return;
  const [org = "", device, ...stream] = pattern.split("/");
  checkOrg(org);
  if (device === ANY && stream.length === 0) return;
  parseIss(`${org}/${device ?? ""}`);
  if (stream.length === 0)
    throw new EvidenceError("name-malformed", `${pattern}: name a stream of the device, or ${pattern}/*`);
  checkStreamPattern(stream.join("/"));
}

/** @throws EvidenceError `name-malformed` */
export function checkAsked({ iss, sub }: Asked): void {
  if (iss.endsWith(REST)) checkOrg(iss.slice(0, -REST.length));
  else if (iss !== ANY) parseIss(iss);
  checkStreamPattern(sub);
}

/** True where whatever is asked for lies within the scope. `sys` goes with any stream of its device. */
export function covers(scope: readonly string[], { iss, sub }: Asked): boolean {
  if (iss === ANY || iss.endsWith(REST)) return scope.some((pattern) => pattern === ANY || pattern === iss);
  const name = `${iss}/${sub}`;
  return scope.some(
    (pattern) => isWithin(name, pattern) || (sub === SYSTEM_STREAM && pattern.startsWith(`${iss}/`)),
  );
}

/** True where every name of one pattern is one of the other, too. */
function isWithin(name: string, pattern: string): boolean {
  return (
    pattern === ANY || pattern === name || (pattern.endsWith(REST) && name.startsWith(pattern.slice(0, -1)))
  );
}

/** True where a stream is among those asked for; `sys` is where any stream of its device may be. */
export const isAsked = (asked: readonly Asked[], iss: string, sub: string): boolean =>
  asked.some((one) => isOf(one.iss, iss) && streamAllowed([one.sub], sub));

/** True where a device is named, or one of a pattern's. */
const isOf = (pattern: string, iss: string): boolean =>
  pattern === ANY || pattern === iss || (pattern.endsWith(REST) && iss.startsWith(pattern.slice(0, -1)));

/** The range of device names, in the order of their bytes, in which those of a pattern are: from the first to before the second; undefined for all. */
export function issRange(pattern: string): readonly [from: string, before: string] | undefined {
  if (pattern === ANY) return undefined;
  // "0" follows "/"; "!" comes before whatever a name may go on with.
  return pattern.endsWith(REST)
    ? [pattern.slice(0, -1), `${pattern.slice(0, -REST.length)}0`]
    : [pattern, `${pattern}!`];
}

/** For the trail: `water/gw-1 meter/*`. */
export const shownAsked = (asked: readonly Asked[]): string =>
  asked.map(({ iss, sub }) => `${iss} ${sub}`).join(", ");
