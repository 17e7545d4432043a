/**
 * A log that admits anything: statements and a registry item that nobody signed are entries of it, with receipts of every kind, also such as
 * other log software makes. Whatever is done with them, they must never be believed.
 *
 * @module
 */
import {
  encodeBundle,
  encodeItem,
  encodeTransparent,
  nobleSigner,
  sealStatement,
  sha256,
  type Signer,
  type Statement,
} from "@tallystick/evidence";
import { foreignReceipt } from "../support/attacks/foreign.ts";
import { createTown, handedOver, lastHeads, policyOf, type Town } from "../support/attacks/town.ts";
import type { Handed } from "./corpus.ts";

export type Forged = {
  /** Statements with one to three receipts. */
  readonly transparents: readonly Uint8Array[];
  readonly bundles: readonly Handed[];
};

const thief = nobleSigner(sha256(new Uint8Array(4)));
/** Names a key, and signs with another. */
const under = ({ key }: Signer): Signer => ({ key, sign: (message) => thief.sign(message) });

export async function forgedWorld(): Promise<Forged> {
  const town = await createTown();
  const { world, gateway, meter } = town;
  const misnamed = await meter.readings(2, { signer: under(gateway.signer) });
  const unknown = await meter.readings(2, { signer: thief });
  meter.statements.splice(-2);
  const item = await forgedItem(town);
  world.admit(item);
  const good = meter.statements.at(-1) as Statement;
  const twice = meter.statements[0] as Statement;
  const first = world.receipt([twice]);
  world.admit(twice);
  await gateway.heads();
  await world.commit();
  const transparents = [encodeTransparent(twice.bytes, [first, world.receipt([twice])])];
  const bundles: Handed[] = [];
  const policy = policyOf(town);
  for (const one of [good, misnamed, unknown, item]) {
    for (const receipts of await receiptsOf(town, one)) {
      const bytes = encodeTransparent(one.bytes, receipts);
      transparents.push(bytes);
      if (receipts.length !== 2) continue;
      const bundle = world.bundle([{ chain: meter }], [lastHeads(town)]);
      const added =
        one === item
          ? { registry: [...bundle.registry, bytes] }
          : { statements: [...bundle.statements, bytes] };
      bundles.push({ name: "forged", policy, bytes: await handedOver(town, { ...bundle, ...added }) });
    }
  }
  const honest = encodeBundle(world.bundle([{ chain: meter }], [lastHeads(town)]));
  bundles.push({
    name: "honest, of a log that admits anything",
    policy: policyOf(town, { quorum: "none" }),
    bytes: honest,
  });
  return { transparents, bundles };
}

/** Our receipts and foreign ones in every order. */
async function receiptsOf({ world }: Town, one: Statement): Promise<readonly (readonly Uint8Array[])[]> {
  const ours = world.receipt([one]);
  const early = world.receipt([one], world.firstOf(one));
  const foreign = await foreignReceipt(world, one);
  return [
    [ours],
    [foreign],
    [early, ours],
    [foreign, ours],
    [ours, foreign],
    [foreign, foreign],
    [early, foreign, ours],
  ];
}

/** The thief enrols itself, in the operator's name. */
function forgedItem({ world, water }: Town): Promise<Statement> {
  const last = world.items.at(-1);
  const payload = encodeItem({
    kind: "enrol",
    device: "water/gw-9",
    key: thief.key,
    streams: ["*"],
    silenceS: 900,
  });
  const seq = world.items.length;
  return sealStatement(
    {
      iss: water.iss,
      sub: "registry",
      iat: world.timeUnixS,
      seq,
      tq: 2,
      lvl: 1,
      ...(last === undefined ? {} : { prev: last.hash }),
    },
    { type: "registry", payload },
    under(water.signer),
  );
}
