/**
 * One bit of a bundle changed: what the verdict may be then. Most bits are covered by a signature, a hash or the strict form, and make it
 * invalid or not verifiable. The bundler's own words are not, and are judged by what they say:
 *
 * - `scope` is a claim: a smaller one that is true stays verified, a larger one is restricted
 * - the `from` of a consistency proof: the tree that was seen then has no proof, and is reported as not checked
 * - the `size` of a key tree that leaves a path's shape as it is: nothing depends on it
 *
 * @module
 */
import {
  decodeBundle,
  EVIDENCE_CODES,
  parsePolicy,
  verify,
  type Bundle,
  type Verdict,
} from "@tallystick/evidence";
import { createNodeProvider } from "@tallystick/evidence/node";
import { evidenceOf, honest, type Town } from "./attacks/town.ts";
import { flipBit } from "./bit-flips.ts";

/** A good bundle under attack. */
export type Target = {
  readonly bytes: Uint8Array;
  readonly bits: number;
  /** Changes one bit and judges. @throws Error where the change went unnoticed, or got a code that no page explains */
  readonly attack: (bit: number) => Verdict;
};

export async function targetOf(town: Town): Promise<Target> {
  const { bytes, policy: text } = await evidenceOf(town, honest(town));
  const options = { policy: parsePolicy(text), provider: createNodeProvider() };
  const good = verify(bytes, options);
  if (good.verdict !== "verified") throw new Error(`not a good bundle: ${JSON.stringify(good)}`);
  const original = decodeBundle(bytes);
  return {
    bytes,
    bits: bytes.length * 8,
    attack: (bit) => {
      const changed = flipBit(bytes, bit);
      const found = verify(changed, options);
      const fault = judge(found, good, original, changed);
      if (fault !== undefined) throw new Error(`bit ${bit}: ${fault}: ${JSON.stringify(found)}`);
      return found;
    },
  };
}

function judge(found: Verdict, good: Verdict, original: Bundle, changed: Uint8Array): string | undefined {
  const unexplained = [found.code, ...found.restrictions].find(
    (code) => code !== undefined && !EVIDENCE_CODES.includes(code),
  );
  if (unexplained !== undefined) return `no such code ${unexplained}`;
  if (found.verdict === "invalid" || found.verdict === "not-verifiable")
    return found.code === undefined ? "refused without a code" : undefined;
  const bundle = decodeBundle(changed);
  if (differs("scope", original, bundle)) return sayingMore(original, bundle, found);
  if (found.verdict === "verified" && differs("consistency", original, bundle)) return seenUnnoticed(found);
  const sizes = ({ keys }: Bundle) => ({ keys: keys.map((key) => ({ ...key, size: 0 })) });
  const onlySize = !differs("keys", { ...original, ...sizes(original) }, { ...bundle, ...sizes(bundle) });
  if (differs("keys", original, bundle) && onlySize)
    return same(found, good) ? undefined : "a key tree's size changed the verdict";
  return "unnoticed";
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
const differs = (part: keyof Bundle, a: Bundle, b: Bundle): boolean => !same(a[part], b[part]);

/** A scope that claims what is not there must be restricted; a part of the truth is true. */
function sayingMore(
  { scope: [was] }: Bundle,
  { scope: [is] }: Bundle,
  { verdict }: Verdict,
): string | undefined {
  if (was === undefined || is === undefined) return "no scope";
  const inside =
    is.from >= was.from && is.to === was.to && same([is.iss, is.sub, is.ch], [was.iss, was.sub, was.ch]);
  return verdict === "verified" && !inside ? "a claim beyond what is there was verified" : undefined;
}

const seenUnnoticed = ({ checks }: Verdict): string | undefined =>
  checks.some(({ name, result }) => name === "seen" && result === "not-done")
    ? undefined
    : "a false proof passed";
