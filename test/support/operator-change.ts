/**
 * Changes of an org's operators in a {@link World}, honest unless a test says otherwise.
 *
 * @module
 */
import { encodeChange, sealConsent, type OperatorChange, type Statement } from "@tallystick/evidence";
import type { World, WorldOperator } from "./world.ts";

/** A change of this org as it would be the next one, with what a test wants of it. */
export function nextChange(
  world: World,
  actsFor: string,
  change: Partial<Omit<OperatorChange, "add">> & { readonly add?: readonly WorldOperator[] },
): Uint8Array {
  const { round, threshold } = world.keyState(world.entries.length).operatorRule(actsFor);
  const add = (change.add ?? []).map(({ iss, actsFor: org, key }) => ({ iss, actsFor: org, key }));
  return encodeChange({ actsFor, round, threshold, remove: [], ...change, add });
}

/** Registers a change, signed by the first of these operators and with the consents of the others. */
export async function changeOperators(
  world: World,
  change: Uint8Array,
  [signer, ...others]: readonly [WorldOperator, ...WorldOperator[]],
): Promise<Statement> {
  const consents: Uint8Array[] = [];
  for (const one of others) consents.push(await sealConsent(world.origin, change, one.iss, one.signer));
  return world.register({ kind: "operators", change, consents }, signer);
}
