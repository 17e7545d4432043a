/**
 * A log with some past: enrolments, a revocation, tiles full and partial. Its directory is what auditors are tried with.
 *
 * @module
 */
import { signerOf, World, type Batch } from "./world.ts";
import type { Chain, Device } from "./world-device.ts";

export type GrownLog = {
  readonly world: World;
  readonly device: Device;
  readonly chain: Chain;
  readonly batches: readonly Batch[];
};

/** Some 700 entries in four batches, with enrolments and a revocation between them; the last `heads` name the meter's newest statement. */
export async function grownLog(): Promise<GrownLog> {
  const world = await World.create();
  const device = await world.enrol("water/gw-1");
  const chain = device.chain("meter/m-1");
  await chain.open();
  const batches = [await world.commit()];
  await chain.readings();
  await world.enrol("water/gw-2");
  batches.push(await world.commit());
  for (let i = 0; i < 300; i++) await chain.readings(1);
  batches.push(await world.commit());
  await world.register({ kind: "revoke", kid: signerOf("water/gw-2 key 1").key.kid, from: 5 });
  for (let i = 0; i < 400; i++) await chain.readings(1);
  await device.heads();
  batches.push(await world.commit());
  return { world, device, chain, batches };
}
