/**
 * Attacks on an org whose operators change by consent of several: two of three, once {@link twoOfThree} has said so.
 *
 * @module
 */
import { sealConsent, type Bundle } from "@tallystick/evidence";
import { changeOperators, nextChange } from "../operator-change.ts";
import { operatorOf, type WorldOperator } from "../world.ts";
import { invalid, notVerifiable, verified } from "./demands.ts";
import { handedOver, policyOf, type Attack, type Town } from "./town.ts";

const attacker = "operator";
const nobody = "nobody: things that happen";

const water2 = operatorOf("water/operator", "water", "water 2");
const water3 = operatorOf("water/operator", "water", "water 3");
const parks3 = operatorOf("parks/operator", "parks", "parks 3");
const added = operatorOf("water/operator", "water", "water 4");

/** From here on two of the three operators of water have to agree to whoever comes or goes. */
async function twoOfThree({ world, water }: Town): Promise<void> {
  await changeOperators(world, nextChange(world, "water", { add: [water2, water3], threshold: 2 }), [water]);
}

/** A device that this operator enrols now, and the bundle of its one stream. */
async function enrolling({ world }: Town, by: WorldOperator): Promise<Bundle> {
  const device = await world.enrol(`${by.actsFor}/gw-9`, { by });
  const chain = device.chain("lane/1");
  await chain.open();
  const heads = await device.heads();
  await world.commit();
  return world.bundle([{ chain }], [heads]);
}

/** The change that adds {@link added}, signed by the first and consented to by the others; then it enrols a device. */
async function addedBy(
  town: Town,
  signers: readonly [WorldOperator, ...WorldOperator[]],
  more: Parameters<typeof nextChange>[2] = {},
): Promise<Bundle> {
  await twoOfThree(town);
  await changeOperators(town.world, nextChange(town.world, "water", { add: [added], ...more }), signers);
  return enrolling(town, added);
}

/** As {@link addedBy} with one consent of the second operator, whatever `bend` makes of it. */
async function consented(
  town: Town,
  bend: (change: Uint8Array) => Promise<Uint8Array> | Uint8Array,
): Promise<Bundle> {
  await twoOfThree(town);
  const change = nextChange(town.world, "water", { add: [added] });
  await town.world.register({ kind: "operators", change, consents: [await bend(change)] }, town.water);
  return enrolling(town, added);
}

const flipped = (bytes: Uint8Array): Uint8Array =>
  bytes.map((byte, i) => (i === bytes.length - 1 ? byte ^ 1 : byte));

export const QUORUM: readonly Attack[] = [
  {
    name: "two of three add an operator",
    attacker: nobody,
    make: (town) => addedBy(town, [town.water, water2]),
    demands: verified,
  },
  {
    name: "two others replace the pinned operator",
    attacker: nobody,
    make: (town) => addedBy(town, [water2, town.water, water3], { remove: [town.water.key.kid] }),
    demands: verified,
  },
  {
    name: "an operator of all orgs brings what two of the org have consented to",
    attacker: nobody,
    make: (town) => addedBy(town, [town.world.operator, town.water, water2]),
    demands: verified,
  },
  {
    name: "an operator of all orgs founds an org with its rule",
    attacker: nobody,
    make: async (town) => {
      const { world } = town;
      const add = ["parks 1", "parks 2"].map((name) => operatorOf("parks/operator", "parks", name));
      const [first, second] = add as [WorldOperator, WorldOperator];
      await changeOperators(world, nextChange(world, "parks", { add, threshold: 2 }), [world.operator]);
      await changeOperators(world, nextChange(world, "parks", { add: [parks3] }), [first, second]);
      const bytes = await handedOver(town, await enrolling(town, parks3));
      return { bytes, policy: policyOf(town, { operators: [second] }) };
    },
    demands: verified,
  },
  {
    name: "adds an operator alone where two must consent",
    attacker,
    make: (town) => addedBy(town, [town.water]),
    demands: invalid("operator-quorum"),
  },
  {
    name: "adds an operator alone by the item that asks for no consent",
    attacker,
    make: async (town) => {
      await twoOfThree(town);
      const { iss, actsFor, key } = added;
      await town.world.register({ kind: "operator-added", operator: { iss, actsFor, key } }, town.water);
      return enrolling(town, added);
    },
    demands: invalid("operator-quorum"),
  },
  {
    name: "revokes the other operators alone",
    attacker,
    make: async (town) => {
      await twoOfThree(town);
      await town.world.register({ kind: "revoke", kid: water2.key.kid, from: 3 }, town.water);
      return enrolling(town, town.water);
    },
    demands: invalid("operator-quorum"),
  },
  {
    name: "an operator of all orgs revokes an operator of an org that changes by consent",
    attacker,
    make: async (town) => {
      await twoOfThree(town);
      await town.world.register({ kind: "revoke", kid: water2.key.kid, from: 3 });
      return enrolling(town, town.water);
    },
    demands: invalid("operator-quorum"),
  },
  {
    name: "lowers the threshold alone",
    attacker,
    make: (town) => addedBy(town, [town.water], { threshold: 1 }),
    demands: invalid("operator-quorum"),
  },
  {
    name: "consents twice with one key",
    attacker,
    make: (town) => addedBy(town, [town.water, town.water, town.water]),
    demands: invalid("operator-quorum"),
  },
  {
    name: "an operator of all orgs counts itself among those of the org",
    attacker,
    make: (town) => addedBy(town, [town.world.operator, town.water]),
    demands: invalid("operator-quorum"),
  },
  {
    name: "brings the consent of an operator of all orgs",
    attacker,
    make: (town) => addedBy(town, [town.water, town.world.operator]),
    demands: invalid("operator-org"),
  },
  {
    name: "brings the consent of a key that nobody added",
    attacker,
    make: (town) => addedBy(town, [town.water, operatorOf("water/operator", "water", "stolen?")]),
    demands: invalid("key-unknown"),
  },
  {
    name: "brings a consent under another operator's name",
    attacker,
    make: (town) => addedBy(town, [town.water, { ...water2, iss: "roads/operator" }]),
    demands: invalid("key-issuer"),
  },
  {
    name: "brings a consent to another change",
    attacker,
    make: (town) =>
      consented(town, () => {
        const other = nextChange(town.world, "water", { remove: [water3.key.kid] });
        return sealConsent(town.world.origin, other, water2.iss, water2.signer);
      }),
    demands: invalid("operator-quorum"),
  },
  {
    name: "brings a consent to the same change in another log",
    attacker,
    make: (town) =>
      consented(town, (change) => sealConsent("log.city.example/2025", change, water2.iss, water2.signer)),
    demands: invalid("operator-quorum"),
  },
  {
    name: "forges a consent",
    attacker,
    make: (town) =>
      consented(town, async (change) =>
        flipped(await sealConsent(town.world.origin, change, water2.iss, water2.signer)),
      ),
    demands: invalid("signature-invalid"),
  },
  {
    name: "passes a statement of the other operator off as its consent",
    attacker,
    make: (town) => consented(town, () => town.world.items.at(-1)?.bytes ?? new Uint8Array()),
    demands: invalid("token-malformed"),
  },
  {
    name: "adds again whom two had removed, by the consents of the time before",
    attacker,
    make: async (town) => {
      const { world, water } = town;
      await twoOfThree(town);
      const change = nextChange(world, "water", { add: [added] });
      await changeOperators(world, change, [water, water2]);
      await changeOperators(world, nextChange(world, "water", { remove: [added.key.kid] }), [water, water2]);
      await changeOperators(world, change, [water, water2]);
      return enrolling(town, added);
    },
    demands: invalid("registry-order"),
  },
  {
    name: "consents after it was removed",
    attacker,
    make: async (town) => {
      const { world, water } = town;
      await twoOfThree(town);
      await changeOperators(world, nextChange(world, "water", { remove: [water2.key.kid] }), [water, water3]);
      await changeOperators(world, nextChange(world, "water", { add: [added] }), [water, water2]);
      return enrolling(town, added);
    },
    demands: invalid("key-revoked"),
  },
  {
    name: "enrols after it was removed",
    attacker,
    make: async (town) => {
      const { world, water } = town;
      await twoOfThree(town);
      await changeOperators(world, nextChange(world, "water", { remove: [water2.key.kid] }), [water, water3]);
      return enrolling(town, water2);
    },
    demands: invalid("key-revoked"),
  },
  {
    name: "two operators remove so many that nothing could change any more",
    attacker,
    make: (town) =>
      addedBy(town, [town.water, water2], { add: [], remove: [town.water.key.kid, water2.key.kid] }),
    demands: invalid("operator-quorum"),
  },
  {
    name: "demands as many consents as there are operators, one of whom was revoked",
    attacker,
    make: async (town) => {
      const { world, water } = town;
      await changeOperators(world, nextChange(world, "water", { add: [water2] }), [water]);
      for (const from of [3, 4]) await world.register({ kind: "revoke", kid: water2.key.kid, from }, water);
      await changeOperators(world, nextChange(world, "water", { threshold: 2 }), [water]);
      return enrolling(town, water);
    },
    demands: invalid("operator-quorum"),
  },
  {
    name: "changes the rule again after an operator was revoked twice",
    attacker: nobody,
    make: async (town) => {
      const { world, water } = town;
      await changeOperators(world, nextChange(world, "water", { add: [water2, water3] }), [water]);
      for (const from of [3, 4]) await world.register({ kind: "revoke", kid: water2.key.kid, from }, water);
      await changeOperators(world, nextChange(world, "water", { threshold: 2 }), [water]);
      return enrolling(town, water3);
    },
    demands: verified,
  },
  {
    name: "removes the last operator",
    attacker,
    make: async (town) => {
      const { world, water } = town;
      await changeOperators(world, nextChange(world, "water", { remove: [water.key.kid] }), [water]);
      return enrolling(town, water);
    },
    demands: invalid("operator-quorum"),
  },
  {
    name: "two add an operator for another org",
    attacker,
    make: (town) =>
      addedBy(town, [town.water, water2], { add: [operatorOf("water/operator", "roads", "roads 1")] }),
    demands: invalid("operator-org"),
  },
  {
    name: "two change the operators of another org",
    attacker,
    make: async (town) => {
      await twoOfThree(town);
      const change = nextChange(town.world, "*", {
        add: [operatorOf("water/operator", "*", "water for all")],
      });
      await changeOperators(town.world, change, [town.water, water2]);
      return enrolling(town, town.water);
    },
    demands: invalid("operator-org"),
  },
  {
    name: "an operator of all orgs adds one of its own to an org that is pinned elsewhere",
    attacker,
    make: async (town) => {
      const { world } = town;
      await changeOperators(world, nextChange(world, "water", { add: [added] }), [world.operator]);
      return enrolling(town, added);
    },
    demands: invalid("operator-foreign"),
  },
  {
    name: "leaves out the change that set the rule",
    attacker: "bundler: holds no key, decides what is handed over",
    make: async (town) => {
      const bundle = await addedBy(town, [town.water, water2]);
      const rule = 3;
      return { ...bundle, registry: bundle.registry.filter((_, n) => n !== rule) };
    },
    demands: notVerifiable("registry-missing"),
  },
];
