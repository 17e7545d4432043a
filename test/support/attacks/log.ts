/**
 * Attacks with the log's key: two histories, forged states, another registration policy. And what a verifier makes of logs that it does
 * not know.
 *
 * @module
 */
import {
  encodeReceipt,
  encodeTransparent,
  formatCheckpoint,
  formatVkey,
  hashLeaf,
  inclusionPath,
  nobleSigner,
  parseReceipt,
  parseTransparent,
  rootFromInclusion,
  sha256,
  signBatch,
  signNote,
  type BatchClaims,
  type Bundle,
  type KeyState,
  type Statement,
} from "@tallystick/evidence";
import type { Chain } from "../world-device.ts";
import { operatorOf, World, type Batch } from "../world.ts";
import { invalid, notVerifiable, restricted } from "./demands.ts";
import { foreignReceipt } from "./foreign.ts";
import { createTown, handedOver, honest, policyOf, settled, type Attack, type Town } from "./town.ts";

const attacker = "holder of the log's key";

/** The bundle, its statement `n` with another original receipt: of the checkpoint's own size, but signed about another tree. */
async function equivocating(
  town: Town,
  forged: Partial<BatchClaims>,
  root = town.world.newest.root,
): Promise<Bundle> {
  const bundle = honest(town);
  const { world } = town;
  const { statement, receipts } = parseTransparent(bundle.statements[4] as Uint8Array);
  const [original, newest] = receipts as [Uint8Array, Uint8Array];
  const signed = await signBatch({ ...world.newest.claims, ...forged }, root, world.log);
  const other = encodeReceipt(signed, parseReceipt(newest).proofs);
  const changed = encodeTransparent(statement.bytes, [other, newest]);
  if (original.length === 0) throw new Error("no original");
  return { ...bundle, statements: bundle.statements.with(4, changed) };
}

/** A registry of another founding operator under the same log key: what a log's operator can make alone. */
async function usurped(town: Town): Promise<{ town: Town; bundle: Bundle }> {
  const usurper = await createTown({
    operator: operatorOf("city/operator", "*", "a key of the log's operator"),
  });
  return { town: { ...usurper, witness: town.witness }, bundle: honest(usurper) };
}

export const LOG: readonly Attack[] = [
  {
    name: "two receipts of one size: another root",
    attacker,
    make: async (town) => {
      const { world, meter } = town;
      const size = world.newest.size;
      // A tree in which the meter's last statement stands alone on an invented other side.
      const index = world.indexOf(meter.statements[4] as Statement);
      const invented = (level: number, n: number): Uint8Array => sha256(Uint8Array.of(level, n));
      const path = inclusionPath(index, size, invented);
      const bundle = honest(town);
      const { statement, receipts } = parseTransparent(bundle.statements[4] as Uint8Array);
      const root = rootFromInclusion(hashLeaf(statement.hash), index, size, path);
      const signed = await signBatch(world.newest.claims, root, world.log);
      const changed = encodeTransparent(statement.bytes, [
        encodeReceipt(signed, [{ index, path }]),
        receipts[1] as Uint8Array,
      ]);
      return { ...bundle, statements: bundle.statements.with(4, changed) };
    },
    demands: invalid("log-equivocation"),
  },
  {
    name: "two receipts of one size: another registry",
    attacker,
    make: (town) => equivocating(town, { registry: { count: 2, last: new Uint8Array(32) } }),
    demands: invalid("log-equivocation"),
  },
  {
    name: "two receipts of one size: another key state",
    attacker,
    make: (town) => equivocating(town, { keysRoot: new Uint8Array(32) }),
    demands: invalid("log-equivocation"),
  },
  {
    name: "a checkpoint of another root than the receipts of its size",
    attacker,
    make: async (town) => {
      const { origin, log, newest } = town.world;
      const text = formatCheckpoint({ origin, size: newest.size, root: new Uint8Array(32) });
      const checkpoint = await signNote(text, origin, log);
      const bundle = honest(town);
      return { ...bundle, logs: bundle.logs.map((one) => ({ ...one, checkpoint })) };
    },
    demands: invalid("log-equivocation"),
  },
  {
    name: "one statement at two places",
    attacker,
    make: async (town) => {
      const { world, meter } = town;
      const again = meter.statements[1] as Statement;
      const first = world.indexOf(again);
      const early = world.receipt([again], world.firstOf(again));
      world.admit(again);
      await world.commit();
      const bundle = honest(town);
      const late = world.receipt([again]);
      if (world.indexOf(again) === first) throw new Error("still at its first place");
      return {
        ...bundle,
        statements: bundle.statements.with(1, encodeTransparent(again.bytes, [early, late])),
      };
    },
    demands: invalid("receipt-index"),
  },
  {
    name: "a device saw another history of the same log",
    attacker,
    make: async (town) => {
      const seen = { size: town.world.newest.size, root: sha256(new Uint8Array(1)) };
      await town.meter.readings(1, { claims: { seen } });
      return settled(town);
    },
    demands: invalid("log-fork"),
  },
  {
    name: "a key state without a revocation that the registry has",
    attacker,
    make: async (town) => {
      const { world, gateway, water, meter } = town;
      const before = world.keyState(world.entries.length);
      await world.register(
        { kind: "revoke", kid: gateway.signer.key.kid, from: world.entries.length },
        water,
      );
      await gateway.heads();
      return stateFrom(town, before, await world.commit({ keysRoot: before.root() }), meter);
    },
    demands: invalid("key-state"),
  },
  {
    name: "a key state with streams that no enrolment gave",
    attacker,
    make: async (town) => {
      const { world, water, gateway, meter } = town;
      const forged = await World.create();
      const { iss, actsFor, key } = water;
      await forged.register({ kind: "operator-added", operator: { iss, actsFor, key } });
      await forged.enrol("water/gw-1", { streams: ["*"], by: water });
      await gateway.heads();
      return stateFrom(
        town,
        forged.keyState(3),
        await world.commit({ keysRoot: forged.keyState(3).root() }),
        meter,
      );
    },
    demands: invalid("key-state"),
  },
  {
    name: "receipts that sign fewer registry items than the bundle has",
    attacker,
    make: async (town) => {
      const { world, gateway, meter } = town;
      await gateway.heads();
      const last = (world.items[1] as Statement).hash;
      return world.bundle([{ chain: meter }], [], await world.commit({ registry: { count: 2, last } }));
    },
    demands: invalid("registry-mismatch"),
  },
  {
    name: "receipts that sign another last registry item",
    attacker,
    make: async (town) => {
      const { world, gateway, meter } = town;
      await gateway.heads();
      const registry = { count: 3, last: new Uint8Array(32) };
      return world.bundle([{ chain: meter }], [], await world.commit({ registry }));
    },
    demands: invalid("registry-mismatch"),
  },
  {
    name: "entry 0 names another log",
    attacker,
    make: async () => honest(await createTown({ says: { origin: "other.example/2026" } })),
    demands: invalid("entry-zero"),
  },
  {
    name: "entry 0 names another key for the log",
    attacker,
    make: async () => honest(await createTown({ says: { log: nobleSigner(new Uint8Array(32)).key } })),
    demands: invalid("entry-zero"),
  },
  {
    name: "the registration policy at another place than entry 0",
    attacker,
    make: async (town) => {
      const first = town.meter.statements[0] as Statement;
      const late = await createTown({ before: (world) => world.admit(first) });
      return { ...honest(late), keys: honest(town).keys };
    },
    demands: invalid("entry-zero"),
  },
  {
    name: "a registration policy that none of its operators signed",
    attacker,
    make: async (town) => {
      const operators = [{ iss: "water/operator", actsFor: "*", key: town.water.key }];
      return { ...honest(await createTown({ says: { operators } })), keys: honest(town).keys };
    },
    demands: invalid("entry-zero"),
  },
  {
    name: "a registration policy that lists one key for two operators",
    attacker,
    make: async (town) => {
      const { iss, actsFor, key } = town.world.operator;
      const operators = [
        { iss, actsFor, key },
        { iss: "roads/operator", actsFor: "roads", key },
      ];
      return { ...honest(await createTown({ says: { operators } })), keys: honest(town).keys };
    },
    demands: invalid("key-exists"),
  },
  {
    name: "founding operators of its own, where the policy pins others",
    attacker,
    make: async (town) => {
      const { town: usurper, bundle } = await usurped(town);
      return {
        bytes: await handedOver(usurper, bundle),
        policy: policyOf(town, { operators: [town.world.operator] }),
      };
    },
    demands: invalid("operator-foreign"),
  },
  {
    name: "founding operators of its own, where the policy pins none",
    attacker,
    make: async (town) => {
      const { town: usurper, bundle } = await usurped(town);
      return { bytes: await handedOver(usurper, bundle), policy: policyOf(town, { operators: [] }) };
    },
    demands: restricted("operators-not-pinned"),
  },
  {
    name: "a log that the policy doesn't have",
    attacker,
    make: async (town) => {
      const foreign = await createTown({ origin: "foreign.example/2026" });
      return { bytes: await handedOver(foreign, honest(foreign)), policy: policyOf(town) };
    },
    demands: { ...notVerifiable("log-unknown"), check: "log" },
  },
  {
    name: "receipts of another trusted log, whose checkpoint is not in the bundle",
    attacker: "bundler: holds no key, decides what is handed over",
    make: async (town) => {
      const other = await createTown({ origin: "second.example/2026" });
      const bundle = honest(town);
      const stray = honest(other).statements.slice(1, 2);
      const policy = policyOf(town).replace("quorum", `log ${other.world.vkey}\nquorum`);
      return {
        bytes: await handedOver(town, { ...bundle, statements: [...bundle.statements, ...stray] }),
        policy,
      };
    },
    demands: invalid("receipt-missing"),
  },
  {
    name: "a log of a known name, with another key",
    attacker,
    make: async (town) => {
      const pinned = nobleSigner(sha256(new Uint8Array(2))).key;
      const policy = policyOf(town).replace(town.world.vkey, formatVkey(town.world.origin, pinned));
      return { bytes: await handedOver(town, honest(town)), policy };
    },
    demands: { ...invalid("log-key"), check: "log" },
  },
  {
    name: "receipts of a known log's name, with another key, under a checkpoint of the true one",
    attacker,
    make: async (town) => {
      const { world } = town;
      const impostor = nobleSigner(sha256(new Uint8Array(3)));
      const bundle = honest(town);
      const statements = bundle.statements.map((bytes) => parseTransparent(bytes));
      const changed = [];
      for (const { statement, receipts } of statements) {
        const { proofs } = parseReceipt(receipts[1] as Uint8Array);
        const signed = await signBatch(world.newest.claims, world.newest.root, impostor);
        const forged = encodeReceipt(signed, proofs);
        changed.push(encodeTransparent(statement.bytes, [forged, forged]));
      }
      return { ...bundle, statements: changed };
    },
    demands: invalid("log-key"),
  },
  {
    name: "a transparent statement with a receipt that signs no size: included, at no proven place, by nobody known",
    attacker,
    make: async (town) => ({
      bytes: await foreignly(town, town.meter.statements[1] as Statement, 1),
      policy: policyOf(town, { quorum: "none" }),
    }),
    demands: {
      verdict: "not-verifiable",
      code: "registry-missing",
      restrictions: ["no-witness", "index-not-attested"],
    },
  },
  {
    name: "a receipt that signs no size, of a log that the policy doesn't have",
    attacker,
    make: async (town) => {
      const pinned = formatVkey("other.example/2026", town.water.key);
      const policy = policyOf(town, { quorum: "none" }).replace(town.world.vkey, pinned);
      return { bytes: await foreignly(town, town.meter.statements[1] as Statement, 1), policy };
    },
    demands: notVerifiable("log-unknown"),
  },
  {
    name: "a receipt that signs no size, in a bundle, under a statement that nobody signed",
    attacker: "bundler: holds no key, decides what is handed over",
    make: async (town) => {
      const { world, meter } = town;
      const forged = await meter.readings(1, { signer: nobleSigner(sha256(new Uint8Array(4))) });
      meter.statements.pop();
      await world.commit();
      const bundle = honest(town);
      return { ...bundle, statements: [...bundle.statements, await foreignly(town, forged, 2)] };
    },
    demands: invalid("receipt-malformed"),
  },
];

/** The bundle of the chain at the batch, with key states from another state than the registry's. */
function stateFrom({ world }: Town, state: KeyState, at: Batch, chain: Chain): Bundle {
  const bundle = world.bundle([{ chain }], [], at);
  return { ...bundle, keys: [...state.records()].map(({ kid }) => ({ log: 0, ...state.proof(kid) })) };
}

/** The statement with one or two receipts that sign no size. */
async function foreignly({ world }: Town, statement: Statement, copies: 1 | 2): Promise<Uint8Array> {
  const receipt = await foreignReceipt(world, statement);
  return encodeTransparent(statement.bytes, copies === 1 ? [receipt] : [receipt, receipt]);
}
