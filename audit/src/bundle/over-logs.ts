/**
 * Several logs in one bundle: one that has ended, and those that took its place. Each brings its own checkpoint, registry, keys and proofs; a chain that goes
 * on from one to the next is one scope.
 *
 * @module
 */
import {
  EvidenceError,
  isEvidenceError,
  toHex,
  type Bundle,
  type Scope,
  type TrustPolicy,
} from "@tallystick/evidence";
import type { Place } from "@tallystick/evidence/node";
import { openLog } from "../log/note.ts";
import { buildBundle, type BundleRequest } from "./build.ts";

export type BundlesRequest = Omit<BundleRequest, "place" | "log"> & { readonly policy: TrustPolicy };

/**
 * One bundle of what all these logs have of the streams and the period; one that has nothing of them isn't in it.
 *
 * @param places - of the logs, the oldest first: its statements come before those of the next
 * @throws EvidenceError `bundle-scope` where none of them has anything, or two are one log; what {@link buildBundle} and {@link openLog} throw
 */
export async function buildBundles(places: readonly Place[], request: BundlesRequest): Promise<Bundle> {
  const { policy, provider } = request;
  const parts: Bundle[] = [];
  const origins = new Set<string>();
  let nothing: EvidenceError | undefined;
  for (const place of places) {
    const log = await openLog(place, policy, provider);
    if (origins.has(log.origin))
      throw new EvidenceError(
        "bundle-scope",
        `${log.origin} is given twice: each log once, the oldest first`,
      );
    origins.add(log.origin);
    try {
      parts.push(await buildBundle({ ...request, place, log }));
    } catch (error) {
      if (!isEvidenceError(error) || error.code !== "bundle-scope") throw error;
      nothing ??= error;
    }
  }
  const [first, ...others] = parts;
  if (first === undefined) throw nothing ?? new EvidenceError("bundle-scope", "no log was given");
  return others.length === 0 ? first : joinBundles(parts);
}

/** @param parts - one bundle of each log, the oldest first */
function joinBundles(parts: readonly Bundle[]): Bundle {
  const renumbered = <T extends { readonly log: number }>(list: (part: Bundle) => readonly T[]): T[] =>
    parts.flatMap((part, log) => list(part).map((one) => ({ ...one, log })));
  return {
    scope: joinScopes(parts.flatMap(({ scope }) => scope)),
    logs: parts.flatMap(({ logs }) => logs),
    statements: parts.flatMap(({ statements }) => statements),
    registry: parts.flatMap(({ registry }) => registry),
    keys: renumbered(({ keys }) => keys),
    consistency: renumbered(({ consistency }) => consistency),
  };
}

/** One scope a chain, from the lowest number to the highest: what lies between two logs and is in neither is then a hole, as it should be. */
function joinScopes(scopes: readonly Scope[]): Scope[] {
  const joined = new Map<string, Scope>();
  for (const scope of scopes) {
    const name = `${scope.iss}/${scope.sub} ${toHex(scope.ch)}`;
    const { from, to } = joined.get(name) ?? scope;
    joined.set(name, { ...scope, from: Math.min(from, scope.from), to: Math.max(to, scope.to) });
  }
  return [...joined.values()];
}
