/**
 * Runs in a browser: verifies a bundle again and again, as a page that it is dropped on would once.
 *
 * @module
 */
import { fromHex, parsePolicy, verify } from "@tallystick/evidence";

/** @returns milliseconds of each verification, and what each said */
export function measure(
  bundleHex: string,
  policyText: string,
  rounds: number,
): { readonly times: readonly number[]; readonly said: readonly string[] } {
  const bundle = fromHex(bundleHex);
  const policy = parsePolicy(policyText);
  const times: number[] = [];
  const said: string[] = [];
  for (let round = 0; round < rounds; round++) {
    const startMs = performance.now();
    const { verdict, restrictions } = verify(bundle, { policy });
    times.push(performance.now() - startMs);
    said.push([verdict, ...restrictions].join(" "));
  }
  return { times, said };
}
