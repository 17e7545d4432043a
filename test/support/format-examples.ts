/**
 * The examples of `docs/formats.md`, made from the seeded world: the same bytes at every run.
 *
 * @module
 */
import { encodeBundle, encodeDown, encodeLeaf, encodeUtf8 } from "@tallystick/evidence";
import { certificateExample } from "./certificate-example.ts";
import { papersExamples } from "./papers-examples.ts";
import { World } from "./world.ts";

/** Name in the page to bytes. */
export type Examples = ReadonlyMap<string, Uint8Array>;

/** One log, one device, one stream of a meter with three readings, its heads, and all that is made of them. */
export async function formatExamples(): Promise<{ readonly examples: Examples; readonly policy: string }> {
  const world = await World.create();
  const device = await world.enrol("energy/gw-1");
  const meter = device.chain("meter/m-1");
  const opened = await meter.open({ source: "p1" });
  const readings = await meter.readings(3);
  const heads = await device.heads([meter]);
  const batch = await world.commit();
  const [policyItem, enrolItem] = world.items;
  const record = world.keyState(batch.size).get(device.signer.key.kid);
  if (policyItem === undefined || enrolItem === undefined || record === undefined)
    throw new Error("an empty registry");
  const receipt = world.receipt([readings], batch);
  const payloadOf = ({ sign1 }: typeof readings): Uint8Array => sign1.payload ?? new Uint8Array();
  const examples = new Map<string, Uint8Array>([
    ["readings-payload", payloadOf(readings)],
    ["readings-header", readings.sign1.protectedBytes],
    ["readings-statement", readings.bytes],
    ["readings-hash", readings.hash],
    ["stream-opened-payload", payloadOf(opened)],
    ["heads-payload", payloadOf(heads)],
    ["policy-item-payload", payloadOf(policyItem)],
    ["enrol-item-payload", payloadOf(enrolItem)],
    ["key-leaf", encodeLeaf(record)],
    ["receipt", receipt],
    ["checkpoint", encodeUtf8(batch.note)],
    ["down-receipt", encodeDown({ kind: "receipt", hashes: [readings.hash], receipt })],
    ...(await papersExamples()),
    ["certificate", await certificateExample(meter, batch, world)],
    ["bundle", encodeBundle(world.bundle([{ chain: meter }], [heads]))],
  ]);
  return { examples, policy: world.policy() };
}
