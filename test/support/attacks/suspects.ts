/**
 * A thief of an operator's key, who brings keys of his own, until another operator revokes the key and says since when it was suspect: what was brought
 * in that time is no better than the item that brought it.
 *
 * @module
 */
import type { Bundle } from "@tallystick/evidence";
import { changeOperators, nextChange } from "../operator-change.ts";
import type { Device } from "../world-device.ts";
import { operatorOf, signerOf, type WorldOperator } from "../world.ts";
import { restricted, verified } from "./demands.ts";
import { handedOver, itemsOf, policyOf, settled, type Attack, type Evidence, type Town } from "./town.ts";

const attacker = "thief of an operator's key";
const nobody = "nobody: things that happen";

const water2 = operatorOf("water/operator", "water", "water 2");
const water3 = operatorOf("water/operator", "water", "water 3");

/** Whatever is done, and then the water operator's key revoked, suspect since the beginning of that. */
async function suspected<T>({ world, water }: Town, what: () => Promise<T>): Promise<T> {
  const from = world.entries.length;
  const done = await what();
  await world.register({ kind: "revoke", kid: water.key.kid, from });
  return done;
}

const fakeDevice = ({ world }: Town, by: WorldOperator): Promise<Device> =>
  world.enrol("water/gw-9", { by, streams: ["lane/1"] });

async function adds({ world }: Town, { iss, actsFor, key }: WorldOperator, by: WorldOperator): Promise<void> {
  await world.register({ kind: "operator-added", operator: { iss, actsFor, key } }, by);
}

/** The device's one stream, said and bundled. */
async function bundleOf({ world }: Town, device: Device): Promise<Bundle> {
  const chain = device.chain("lane/1");
  await chain.open();
  await chain.readings();
  const heads = await device.heads();
  await world.commit();
  return world.bundle([{ chain }], [heads]);
}

/** The gateway under another key, by this operator's word; it goes on with the chains that it has. */
async function reEnrolled({ world, gateway, meter }: Town, name: string, by: WorldOperator): Promise<void> {
  const signer = signerOf(name);
  const item = { device: gateway.iss, key: signer.key, streams: ["meter/*"], silenceS: 900 };
  await world.register({ kind: "re-enrol", ...item, reason: "a new card" }, by);
  gateway.signer = signer;
  await meter.readings();
}

/** Judged by the operator of all orgs, who is above all others. */
async function byTheCity(town: Town, bundle: Bundle): Promise<Evidence> {
  const policy = policyOf(town, { operators: [town.world.operator] });
  return { bytes: await handedOver(town, bundle), policy };
}

const suspect = restricted("declared-suspect-later");

export const SUSPECTS: readonly Attack[] = [
  {
    name: "enrols a device that doesn't exist, with a stolen key that is declared suspect later",
    attacker,
    make: async (town) => bundleOf(town, await suspected(town, () => fakeDevice(town, town.water))),
    demands: { ...suspect, notDone: "keys" },
  },
  {
    name: "takes over a device with a stolen operator's key: its chain goes on under another key",
    attacker,
    make: async (town) => {
      await suspected(town, () => reEnrolled(town, "the thief's", town.water));
      await town.meter.readings();
      return settled(town);
    },
    demands: suspect,
  },
  {
    name: "adds an operator with a stolen key, who enrols a device that doesn't exist",
    attacker,
    make: async (town) => {
      await suspected(town, () => adds(town, water2, town.water));
      return bundleOf(town, await fakeDevice(town, water2));
    },
    demands: suspect,
  },
  {
    name: "consents with a stolen key to an operator, who enrols a device that doesn't exist",
    attacker,
    make: async (town) => {
      const { world, water } = town;
      await adds(town, water2, water);
      await suspected(town, () =>
        changeOperators(world, nextChange(world, "water", { add: [water3] }), [water2, water]),
      );
      return bundleOf(town, await fakeDevice(town, water3));
    },
    demands: suspect,
  },
  {
    name: "registers with a stolen operator's key what a device named as its next key",
    attacker,
    make: async (town) => {
      await suspected(town, () => town.gateway.rotate("second key", town.water));
      await town.meter.readings();
      return settled(town);
    },
    demands: suspect,
  },
  {
    name: "a device that was enrolled with a stolen key names its next one, which another operator registers",
    attacker,
    make: async (town) => {
      const device = await suspected(town, () => fakeDevice(town, town.water));
      await device.rotate("gw-9 again", town.world.operator);
      return bundleOf(town, device);
    },
    demands: suspect,
  },
  {
    name: "another operator's key is declared suspect from after it enrolled the device",
    attacker: nobody,
    make: async (town) => {
      const { world, water, meter } = town;
      await meter.readings();
      await world.register({ kind: "revoke", kid: water.key.kid, from: world.entries.length });
      await meter.readings();
      return settled(town);
    },
    demands: verified,
  },
  {
    name: "the operator that enrolled a device is declared suspect from between that and the device's next key, which another one registers",
    attacker: nobody,
    make: async (town) => {
      await suspected(town, () => town.meter.readings());
      await town.gateway.rotate("second key");
      await town.meter.readings();
      return settled(town);
    },
    demands: verified,
  },
  {
    name: "a device that a thief took over is enrolled anew by an operator whose key was not stolen: what it signs from then on",
    attacker: nobody,
    make: async (town) => {
      await suspected(town, () => reEnrolled(town, "the thief's", town.water));
      const from = town.meter.statements.length;
      await reEnrolled(town, "the gateway's own", town.world.operator);
      const heads = await town.gateway.heads();
      await town.world.commit();
      return byTheCity(town, town.world.bundle([{ chain: town.meter, from }], [heads]));
    },
    demands: verified,
  },
  {
    name: "an operator who makes room for the next one in the very change that adds it: it was removed, and never suspect before",
    attacker: nobody,
    make: async (town) => {
      const { world, water } = town;
      const change = nextChange(world, "water", { add: [water2], remove: [water.key.kid] });
      await changeOperators(world, change, [water]);
      return bundleOf(town, await fakeDevice(town, water2));
    },
    demands: verified,
  },
  {
    name: "alone: a statement of a device that was enrolled with a stolen key",
    attacker,
    make: async (town) => {
      const { world } = town;
      const device = await suspected(town, () => fakeDevice(town, town.water));
      const opening = await device.chain("lane/1").open();
      await world.commit();
      return {
        bytes: world.transparent(opening, world.newest),
        policy: policyOf(town, { quorum: "none" }),
        registry: world.registryCopy(),
        items: itemsOf(town),
      };
    },
    demands: restricted("declared-suspect-later", "no-witness"),
  },
  {
    name: "alone: an item of an operator who was added with a stolen key",
    attacker,
    make: async (town) => {
      const { world } = town;
      await suspected(town, () => adds(town, water2, town.water));
      await fakeDevice(town, water2);
      await world.commit();
      const item = world.items.at(-1);
      if (item === undefined) throw new Error("the device has its item");
      return {
        bytes: world.transparent(item, world.newest),
        policy: policyOf(town, { quorum: "none" }),
        registry: world.registryCopy(),
        items: itemsOf(town),
      };
    },
    demands: restricted("declared-suspect-later", "no-witness"),
  },
];
