/**
 * What comes before what: openings that arrive behind those that they stand before, statements in front of trees that they name, commit times that fall.
 *
 * @module
 */
import {
  encodeTransparent,
  formatVkey,
  KeyState,
  parseTransparent,
  type BatchClaims,
  type Bundle,
  type Statement,
} from "@tallystick/evidence";
import type { Chain } from "../world-device.ts";
import { World } from "../world.ts";
import { invalid, restricted, verified } from "./demands.ts";
import { itemsOf, policyOf, settled, type Attack, type Evidence, type Town } from "./town.ts";

const nobody = "nobody: things that happen";
const log = "holder of the log's key";
const bundler = "bundler: holds no key, decides what is handed over";
const colluding = "thief of a device's key, and a log that admits anything";

const DAY_S = 86_400;

/** Chains of one stream, each behind the head of the one before it; the first one's opening is kept from the log. */
async function line({ gateway }: Town, length: number): Promise<{ chains: Chain[]; late: Statement }> {
  const first = gateway.chain("meter/m-2");
  const late = await first.open({}, { admit: false });
  await first.readings();
  const chains = [first];
  while (chains.length < length) chains.push(await behind(chains.at(-1) ?? first));
  return { chains, late };
}

/** A chain of the same stream behind a statement of this one, its last by default. */
async function behind(chain: Chain, seq = chain.statements.length - 1): Promise<Chain> {
  const { hash } = chain.statements[seq] as Statement;
  const next = chain.device.chain(chain.sub);
  await next.open({ before: { ch: chain.ch, seq, hash } });
  await next.readings();
  return next;
}

/** The meter's bundle, with a statement that says it saw a tree of `over` entries more than there were before it. */
async function seenFromWithin(
  town: Town,
  over: number,
  { named = true, root = new Uint8Array(32) }: { readonly named?: boolean; readonly root?: Uint8Array } = {},
): Promise<Bundle> {
  const { world, meter } = town;
  const size = world.entries.length + over;
  const seen = { size, root, ...(named ? { origin: world.origin } : {}) };
  await meter.readings(1, { claims: { seen } });
  const bundle = await settled(town);
  return { ...bundle, consistency: bundle.consistency.filter(({ from }) => from !== size) };
}

/** One batch more, and after it the newest one, whose commit times are these. */
async function committedAt(town: Town, ...times: readonly number[]): Promise<Bundle> {
  const { world, meter, gateway } = town;
  for (const timeUnixS of times) {
    await meter.readings(1);
    await gateway.heads();
    await world.commit({ timeUnixS });
  }
  return world.bundle(
    [{ chain: meter }],
    gateway.chains.find(({ sub }) => sub === "sys")?.statements.slice(-1),
  );
}

/** A second log that admits a statement of the town's twice, at two places. */
async function twiceIn(town: Town, statement: Statement): Promise<{ second: World; receipts: Uint8Array[] }> {
  const { world, water, gateway } = town;
  const second = await World.create({ origin: "log.other.example/2026", operator: world.operator });
  const { iss, actsFor, key } = water;
  await second.register({ kind: "operator-added", operator: { iss, actsFor, key } });
  const item = { device: gateway.iss, key: gateway.signer.key, streams: ["meter/*"], silenceS: 900 };
  await second.register({ kind: "enrol", ...item }, water);
  const receipts: Uint8Array[] = [];
  for (let i = 0; i < 2; i++) {
    second.admit(statement);
    await second.commit();
    receipts.push(second.receipt([statement]));
  }
  return { second, receipts };
}

/** The registry of whichever of the logs a receipt is of. */
const registryOf = (...worlds: readonly World[]): NonNullable<Evidence["registry"]> => {
  const itemsAt = (origin: string) => worlds.find((world) => world.origin === origin)?.items ?? [];
  return {
    at: ({ origin, registry: { count } }: BatchClaims) => {
      const state = new KeyState();
      const world = worlds.find((one) => one.origin === origin);
      for (const item of itemsAt(origin).slice(0, count)) state.apply(item, world?.indexOf(item) ?? 0);
      return state;
    },
    hashOf: () => undefined,
  };
};

export const ORDER: readonly Attack[] = [
  {
    name: "an opening that arrives after that of the chain behind its own",
    attacker: nobody,
    make: async (town) => {
      const { chains, late } = await line(town, 2);
      town.world.admit(late);
      return settled(town, ...chains);
    },
    demands: verified,
  },
  {
    name: "an opening that arrives after those of two chains, one behind the other",
    attacker: nobody,
    make: async (town) => {
      const { chains, late } = await line(town, 3);
      town.world.admit(late);
      return settled(town, ...chains);
    },
    demands: verified,
  },
  {
    name: "a beginning after a chain behind another one that isn't here",
    attacker: colluding,
    make: async (town) => {
      const { chains, late } = await line(town, 2);
      town.world.admit(late);
      const anew = town.gateway.chain("meter/m-2");
      await anew.open();
      return settled(town, chains[1] as Chain, anew);
    },
    demands: invalid("fork"),
  },
  {
    name: "a beginning after one chain behind it and one that had lost its own",
    attacker: colluding,
    make: async (town) => {
      const { chains, late } = await line(town, 2);
      const lost = town.gateway.chain("meter/m-2");
      await lost.open({ before: { lost: "disk replaced" } });
      town.world.admit(late);
      return settled(town, ...chains, lost);
    },
    demands: invalid("fork"),
  },
  {
    name: "two chains behind two heads of one that isn't here: it went on",
    attacker: bundler,
    make: async (town) => {
      const first = town.gateway.chain("meter/m-2");
      await first.open();
      for (let i = 0; i < 3; i++) await first.readings();
      const [second, third] = [await behind(first, 1), await behind(first, 3)];
      return settled(town, second, third);
    },
    demands: invalid("fork"),
  },
  {
    name: "a statement in front of the tree that it says its device saw",
    attacker: log,
    make: (town) => seenFromWithin(town, 1),
    demands: { ...invalid("log-fork"), check: "seen" },
  },
  {
    name: "a statement in front of the tree that it says its device saw, of no log that it names",
    attacker: log,
    make: (town) => seenFromWithin(town, 1, { named: false }),
    demands: { ...invalid("log-fork"), check: "seen" },
  },
  {
    name: "a statement right behind the tree that its device saw",
    attacker: nobody,
    make: async (town) => {
      const { size, root } = town.world.newest;
      return seenFromWithin(town, size - town.world.entries.length, { root });
    },
    demands: { verdict: "verified", notDone: "seen" },
  },
  {
    name: "a statement in front of a tree that it says its device saw, larger than any that is here",
    attacker: log,
    make: (town) => seenFromWithin(town, 100),
    demands: { verdict: "verified", notDone: "seen" },
  },
  {
    name: "a tree that was there, by its receipts, a year before a smaller one",
    attacker: log,
    make: (town) => committedAt(town, town.world.timeUnixS - 365 * DAY_S, town.world.timeUnixS + DAY_S),
    demands: restricted("time-reversed"),
  },
  {
    name: "a checkpoint's receipts that are a second older than a smaller tree's",
    attacker: log,
    make: (town) => committedAt(town, town.world.timeUnixS + DAY_S, town.world.timeUnixS + DAY_S - 1),
    demands: restricted("time-reversed"),
  },
  {
    name: "two trees of one time",
    attacker: nobody,
    make: (town) => committedAt(town, town.world.timeUnixS + DAY_S, town.world.timeUnixS + DAY_S),
    demands: verified,
  },
  {
    name: "a size that a restored log signed anew, much later",
    attacker: nobody,
    make: async (town) => {
      const { world, meter } = town;
      const first = world.newest;
      const { size, root, claims } = first;
      await world.commit({ ...claims, size, root, timeUnixS: claims.timeUnixS + 30 * DAY_S });
      const again = world.newest;
      world.timeUnixS += 30 * DAY_S;
      const bundle = await committedAt(town, world.timeUnixS + 60);
      const { hash } = meter.statements[3] as Statement;
      const statements = bundle.statements.map((bytes) => {
        const { statement } = parseTransparent(bytes);
        if (world.firstOf(statement) !== first) return bytes;
        const isThat = statement.hash.every((byte, i) => byte === hash[i]);
        return world.transparent(statement, isThat ? first : again, world.newest);
      });
      return { ...bundle, statements };
    },
    demands: verified,
  },
  {
    name: "alone: one place in one log, and two in another one",
    attacker: log,
    make: async (town) => {
      const { world, meter, water } = town;
      const statement = meter.statements[3] as Statement;
      const { second, receipts } = await twiceIn(town, statement);
      // The newest receipt is the first log's: whose places differ is looked at in each.
      while (world.entries.length <= second.entries.length) await meter.readings(1);
      await world.commit();
      const policy = `log ${world.vkey}\nlog ${second.vkey}\nquorum none\noperator water ${formatVkey(water.iss, water.key)}\n`;
      const bytes = encodeTransparent(statement.bytes, [world.receipt([statement]), ...receipts]);
      return { bytes, policy, registry: registryOf(world, second), items: itemsOf(town) };
    },
    demands: { ...invalid("receipt-index"), check: "receipts" },
  },
  {
    name: "alone: receipts of two sizes, the larger one of an earlier time",
    attacker: log,
    make: async (town) => {
      const { world, meter } = town;
      const statement = meter.statements[3] as Statement;
      const early = world.receipt([statement]);
      await meter.readings(1);
      await world.commit({ timeUnixS: world.timeUnixS - DAY_S });
      return {
        bytes: encodeTransparent(statement.bytes, [early, world.receipt([statement])]),
        policy: policyOf(town, { quorum: "none" }),
        registry: registryOf(world),
        items: itemsOf(town),
      };
    },
    demands: restricted("no-witness", "time-reversed"),
  },
];
