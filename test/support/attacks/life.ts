/**
 * The life of a gateway over ten years: keys that follow one another, one that is stolen, a log that ends and another one that goes on.
 *
 * @module
 */
import { encodeBundle, parsePolicy, type Bundle, type Statement } from "@tallystick/evidence";
import { Chain, Device } from "../world-device.ts";
import { signerOf, World } from "../world.ts";
import { invalid, restricted, verified } from "./demands.ts";
import { lastHeads, policyOf, settled, type Attack, type Evidence, type Town } from "./town.ts";

const nobody = "nobody: things that happen";
const thief = "thief of a device's key, and a log that admits anything";
const TWO_YEARS_S = 63_072_000;

/**
 * Three rotations, two years apart; before the first the meter's statement 5 is sealed, and comes after it. Meter 0 to 8 then, the last one by the fourth key, with heads
 * that name it; 9 by the same key, which is declared suspect from there and revoked.
 */
async function keysOfALife({ world, water, gateway, meter }: Town): Promise<{ readonly heads: Statement }> {
  world.timeUnixS += TWO_YEARS_S;
  const late = await meter.readings(3, { admit: false });
  await gateway.rotate("second key", water);
  world.admit(late);
  for (const name of ["third key", "fourth key"]) {
    await meter.readings();
    await world.commit();
    world.timeUnixS += TWO_YEARS_S;
    await gateway.rotate(name, water);
  }
  await meter.readings();
  const heads = await gateway.heads();
  await world.commit();
  const from = world.entries.length;
  await meter.readings();
  await world.register({ kind: "revoke", kid: gateway.signer.key.kid, from }, water);
  await world.commit();
  return { heads };
}

/** A new key by the operator's word, and chains that begin behind lost ones. */
async function reEnrol({ world, water, gateway }: Town): Promise<Chain> {
  const signer = signerOf("fifth key");
  const item = { device: gateway.iss, key: signer.key, streams: ["meter/*"], silenceS: 900 };
  await world.register({ kind: "re-enrol", ...item, reason: "stolen from the cabinet" }, water);
  gateway.signer = signer;
  gateway.chains.splice(0);
  const before = { lost: "a new key" };
  await gateway.chain("sys").open({ before, source: "sys" });
  const chain = gateway.chain("meter/m-1");
  await chain.open({ before });
  await chain.readings();
  await gateway.heads();
  await world.commit();
  return chain;
}

/** The successor of the town's log, with the same operators and the gateway under its present key; its chains go on. */
export async function successorOf({
  world,
  water,
  gateway,
  meter,
}: Town): Promise<{ world: World; meter: Chain; device: Device }> {
  const next = await World.create({ origin: "log.city.example/2036", operator: world.operator });
  const { iss, actsFor, key } = water;
  await next.register({ kind: "operator-added", operator: { iss, actsFor, key } });
  await next.register(
    { kind: "enrol", device: gateway.iss, key: gateway.signer.key, streams: ["meter/*"], silenceS: 900 },
    water,
  );
  await world.register({ kind: "successor", origin: next.origin, log: next.log.key });
  await world.commit();
  next.timeUnixS = world.timeUnixS;
  const device = new Device(next, gateway.iss, gateway.signer);
  next.devices.push(device);
  const continued = gateway.chains.map((old) => {
    const chain = new Chain(device, old.sub, old.ch);
    chain.statements.push(...old.statements);
    device.chains.push(chain);
    return chain;
  });
  const [sameMeter] = continued.filter(({ sub }) => sub === meter.sub);
  if (sameMeter === undefined) throw new Error("the gateway has its meter");
  return { world: next, meter: sameMeter, device };
}

/** One bundle over two logs; the scope is that of the meter as a whole. */
function both(older: Bundle, newer: Bundle, scope: Bundle["scope"]): Bundle {
  const second = <T extends { readonly log: number }>(all: readonly T[]): T[] =>
    all.map((one) => ({ ...one, log: 1 }));
  return {
    ...older,
    scope,
    logs: [...older.logs, ...newer.logs],
    statements: [...older.statements, ...newer.statements],
    registry: [...older.registry, ...newer.registry],
    keys: [...older.keys, ...second(newer.keys)],
    consistency: [...older.consistency, ...second(newer.consistency)],
  };
}

/**
 * The successor alone: what was sealed before the move, and went to the successor, has seen a tree of the old log, of a size that the new one had, too.
 *
 * @param origin - of that tree, as the device says
 */
async function successorAlone(
  town: Town,
  origin: (old: World, next: World) => string | undefined,
): Promise<Evidence> {
  const next = await successorOf(town);
  const first = next.meter.statements.length;
  await next.world.commit();
  const { size, root } = town.world.newest;
  const named = origin(town.world, next.world);
  await next.meter.readings(3, {
    claims: { seen: { size, root, ...(named === undefined ? {} : { origin: named }) } },
  });
  while (next.world.entries.length <= size) await next.meter.readings();
  const heads = await next.device.heads();
  await next.world.commit();
  const bundle = next.world.bundle([{ chain: next.meter, from: first }], [heads]);
  const consistency = [...bundle.consistency];
  if (consistency.every(({ from }) => from !== size))
    consistency.push({ log: 0, from: size, path: next.world.consistency(size, next.world.newest.size) });
  const policy = policyOf(town, { quorum: "none" }).replace(/^log .*$/m, `log ${next.world.vkey}`);
  return { bytes: encodeBundle({ ...bundle, consistency }), policy };
}

/** The meter before and after the move, with the heads of the new log; `more` is done in the new one before it commits. */
async function acrossLogs(
  town: Town,
  more: (next: Awaited<ReturnType<typeof successorOf>>) => Promise<Chain | void> = () => Promise.resolve(),
): Promise<Evidence> {
  const last = town.meter.statements.length - 1;
  const next = await successorOf(town);
  await next.world.commit();
  // What was sealed for the old log, and not sent in time: it has seen the old log's tree.
  const { size, root } = town.world.newest;
  await next.meter.readings(3, { claims: { seen: { size, root } } });
  const opened = await more(next);
  // As many entries as the old log had, and more: the new one has a tree of that size, too, and another one.
  while (next.world.entries.length <= size) await (opened ?? next.meter).readings();
  const heads = await next.device.heads();
  await next.world.commit();
  const parts = [{ chain: next.meter, from: last + 1 }, ...(opened === undefined ? [] : [{ chain: opened }])];
  const newer = next.world.bundle(parts, [heads]);
  const older = town.world.bundle([{ chain: town.meter, to: last }], [lastHeads(town)]);
  const whole = older.scope.map((scope) => ({ ...scope, to: next.meter.statements.length - 1 }));
  const bundle = both(older, newer, [...whole, ...newer.scope.slice(1)]);
  const policy = policyOf(town, { quorum: "none" }).replace(/^log /m, `log ${next.world.vkey}\nlog `);
  parsePolicy(policy);
  return { bytes: encodeBundle(bundle), policy };
}

export const LIFE: readonly Attack[] = [
  {
    name: "ten years: three rotations and a revocation, as far as the stolen key is beyond doubt",
    attacker: nobody,
    make: async (town) => {
      const { heads } = await keysOfALife(town);
      await reEnrol(town);
      return town.world.bundle([{ chain: town.meter, to: 8 }], [heads]);
    },
    demands: verified,
  },
  {
    name: "ten years: a bundle that was made before all of it",
    attacker: nobody,
    make: async (town) => {
      const [heads, at] = [lastHeads(town), town.world.newest];
      await keysOfALife(town);
      await reEnrol(town);
      return town.world.bundle([{ chain: town.meter, to: 4 }], [heads], at);
    },
    demands: verified,
  },
  {
    name: "ten years: what the stolen key signed between the time named and its revocation",
    attacker: nobody,
    make: async (town) => {
      const { heads } = await keysOfALife(town);
      return town.world.bundle([{ chain: town.meter }], [heads]);
    },
    demands: restricted("declared-suspect-later", "tail-not-attested"),
  },
  {
    name: "ten years: what the stolen key signed after its revocation",
    attacker: thief,
    make: async (town) => {
      await keysOfALife(town);
      await town.meter.readings();
      const heads = await town.gateway.heads();
      await town.world.commit();
      return town.world.bundle([{ chain: town.meter }], [heads]);
    },
    demands: invalid("key-revoked"),
  },
  {
    name: "ten years: the first key signs beyond the heads that its rotation named",
    attacker: thief,
    make: async (town) => {
      const first = town.gateway.signer;
      const { heads } = await keysOfALife(town);
      await town.meter.readings(3, { signer: first });
      await town.world.commit();
      return town.world.bundle([{ chain: town.meter }], [heads]);
    },
    demands: invalid("key-superseded"),
  },
  {
    name: "ten years: both chains, the second under the key that the operator gave",
    attacker: nobody,
    make: async (town) => {
      await keysOfALife(town);
      const second = await reEnrol(town);
      const heads = lastHeads(town);
      return town.world.bundle([{ chain: town.meter }, { chain: second }], [heads]);
    },
    demands: restricted("declared-suspect-later", "tail-not-attested"),
  },
  {
    name: "the operator of all orgs registers the next key, at the device's own word; pinned is who enrolled the device",
    attacker: nobody,
    make: async (town) => {
      await town.gateway.rotate("second key");
      await town.meter.readings();
      await town.gateway.rotate("third key");
      await town.meter.readings();
      return settled(town);
    },
    demands: verified,
  },
  {
    name: "the operator of all orgs re-enrols a device that another one enrolled, who is pinned",
    attacker: "operator",
    make: async (town) => {
      await town.gateway.rotate("second key");
      const signer = signerOf("third key");
      const item = { device: town.gateway.iss, key: signer.key, streams: ["meter/*"], silenceS: 900 };
      await town.world.register({ kind: "re-enrol", ...item, reason: "says the city" });
      town.gateway.signer = signer;
      await town.meter.readings();
      return settled(town);
    },
    demands: invalid("operator-foreign"),
  },
  {
    name: "a successor log: one chain over both, complete",
    attacker: nobody,
    make: async (town) => {
      await keysOfALife(town);
      const chain = await reEnrol(town);
      return acrossLogs({ ...town, meter: chain });
    },
    demands: restricted("no-witness"),
  },
  {
    name: "a successor log: a chain that goes on stands there at smaller indexes than its predecessor did",
    attacker: nobody,
    make: async (town) => {
      const { gateway, world } = town;
      const meter = gateway.chain("meter/m-2");
      await meter.open();
      await meter.readings();
      await gateway.heads();
      await world.commit();
      return acrossLogs({ ...town, meter }, async ({ meter: last, device }) => {
        const { ch, seq, hash } = last.head();
        const chain = device.chain(last.sub);
        await chain.open({ before: { ch, seq, hash } });
        return chain;
      });
    },
    demands: restricted("no-witness"),
  },
  {
    name: "a successor log: a stream that says it begins there, and had begun in the log before",
    attacker: thief,
    make: (town) =>
      acrossLogs(town, async ({ meter, device }) => {
        const chain = device.chain(meter.sub);
        await chain.open();
        return chain;
      }),
    demands: invalid("fork"),
  },
  {
    name: "a successor log: the operator who enrolled the device anew in the log before says nothing of a loss in this one",
    attacker: thief,
    make: async (town) => {
      await keysOfALife(town);
      const chain = await reEnrol(town);
      return acrossLogs({ ...town, meter: chain }, async ({ meter, device }) => {
        const anew = device.chain(meter.sub);
        await anew.open({ before: { lost: "again" } });
        return anew;
      });
    },
    demands: restricted("discontinuity", "no-witness"),
  },
  {
    name: "a successor log alone: what was sealed before the move names the log whose tree it had seen",
    attacker: nobody,
    make: (town) => successorAlone(town, ({ origin }) => origin),
    demands: { verdict: "restricted", restrictions: ["no-witness"], notDone: "seen" },
  },
  {
    name: "a successor log alone: a tree of the old log as one of its own",
    attacker: thief,
    make: (town) => successorAlone(town, (_old, { origin }) => origin),
    demands: invalid("log-fork"),
  },
  {
    name: "a successor log alone: a tree of the old log, and nobody says of which log it is",
    attacker: nobody,
    make: (town) => successorAlone(town, () => undefined),
    demands: invalid("log-fork"),
  },
  {
    name: "a successor log: a tree of the new log as one of the old",
    attacker: thief,
    make: (town) =>
      acrossLogs(town, async ({ world, meter }) => {
        const { size, root } = world.newest;
        await meter.readings(3, { claims: { seen: { size, root, origin: town.world.origin } } });
      }),
    demands: invalid("log-fork"),
  },
  {
    name: "a successor log: a tree that was seen, of neither log",
    attacker: "holder of the log's key",
    make: (town) =>
      acrossLogs(town, async ({ world, meter }) => {
        await meter.readings(3, { claims: { seen: { size: world.newest.size, root: new Uint8Array(32) } } });
      }),
    demands: invalid("log-fork"),
  },
];
