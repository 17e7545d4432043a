/**
 * A statement on its own, with or without receipts, judged with a copy of the public registry: what an operator or a court may hold when nobody
 * made a bundle.
 *
 * @module
 */
import {
  encodeItem,
  encodeReceipt,
  encodeSign1,
  encodeTransparent,
  EvidenceError,
  formatVkey,
  nobleSigner,
  parseReceipt,
  sealStatement,
  sha256,
  signBatch,
  type RegistryCopy,
  type Statement,
} from "@tallystick/evidence";
import { invalid, notVerifiable, restricted } from "./demands.ts";
import { itemsOf, policyOf, type Attack, type Evidence, type Town } from "./town.ts";
import { operatorOf, signerOf, World } from "../world.ts";

const bundler = "bundler: holds no key, decides what is handed over";
const thief = "thief of a device's key";
const log = "holder of the log's key";

const third = ({ meter }: Town): Statement => meter.statements[2] as Statement;

/** The bytes, the town's registry beside them, and a policy that asks for no witness: a statement alone brings no checkpoint. */
function alone(
  town: Town,
  bytes: Uint8Array,
  options: Parameters<typeof policyOf>[1] = { quorum: "none" },
): Evidence {
  return {
    bytes,
    policy: policyOf(town, options),
    registry: town.world.registryCopy(),
    items: itemsOf(town),
  };
}

const newest = (town: Town, statement = third(town)): Uint8Array =>
  town.world.transparent(statement, town.world.newest);

const refusing = (code: "registry-missing" | "registry-mismatch"): RegistryCopy => ({
  at: () => {
    throw new EvidenceError(code, "as the copy says");
  },
  hashOf: () => undefined,
});

/** As many items as the town's, all good, the last of which says something else. */
async function otherItems({ water }: Town): Promise<NonNullable<Evidence["items"]>> {
  const world = await World.create();
  const { iss, actsFor, key } = water;
  await world.register({ kind: "operator-added", operator: { iss, actsFor, key } });
  await world.enrol("water/gw-1", { streams: ["*"], by: water });
  return itemsOf({ world });
}

export const ALONE: readonly Attack[] = [
  {
    name: "alone: a good statement with a good receipt",
    attacker: bundler,
    make: async (town) => alone(town, newest(town)),
    demands: { verdict: "restricted", restrictions: ["no-witness"], notDone: "completeness" },
  },
  {
    name: "alone: no receipt",
    attacker: bundler,
    make: async (town) => alone(town, third(town).bytes),
    demands: notVerifiable("receipt-missing"),
  },
  {
    name: "alone: no registry to know the key by",
    attacker: bundler,
    make: async (town) => ({ bytes: newest(town), policy: policyOf(town, { quorum: "none" }) }),
    demands: notVerifiable("registry-missing"),
  },
  {
    name: "alone: the policy asks for witnesses",
    attacker: bundler,
    make: async (town) => alone(town, newest(town), {}),
    demands: notVerifiable("quorum-unmet"),
  },
  {
    name: "alone: the receipt of another statement",
    attacker: bundler,
    make: async (town) => {
      const other = town.world.receipt([town.meter.statements[1] as Statement]);
      return alone(town, encodeTransparent(third(town).bytes, [other]));
    },
    demands: invalid("signature-invalid"),
  },
  {
    name: "alone: a receipt of two statements",
    attacker: bundler,
    make: async (town) => {
      const both = town.world.receipt([third(town), town.meter.statements[1] as Statement]);
      return alone(town, encodeTransparent(third(town).bytes, [both]));
    },
    demands: invalid("receipt-entry"),
  },
  {
    name: "alone: the signature taken away",
    attacker: bundler,
    make: async (town) => {
      const { world } = town;
      const forged = encodeSign1({ ...third(town).sign1, signature: new Uint8Array(64) });
      return alone(town, encodeTransparent(forged, [world.receipt([third(town)])]));
    },
    demands: invalid("signature-invalid"),
  },
  {
    name: "alone: signed with another key under the device's kid, and admitted",
    attacker: log,
    make: async (town) => {
      const { claims, content } = third(town);
      const mine = nobleSigner(sha256(new Uint8Array(9)));
      const named = { ...mine, key: { ...mine.key, kid: third(town).kid } };
      const forged = await sealStatement({ ...claims, seq: 9 }, content, named);
      town.world.admit(forged);
      await town.world.commit();
      return alone(town, newest(town, forged));
    },
    demands: { ...invalid("signature-invalid"), check: "signatures" },
  },
  {
    name: "alone: a log that the policy doesn't have",
    attacker: bundler,
    make: async (town) => {
      const evidence = alone(town, newest(town));
      const other = formatVkey("other.example/2026", town.water.key);
      return { ...evidence, policy: evidence.policy.replace(town.world.vkey, other) };
    },
    demands: notVerifiable("log-unknown"),
  },
  {
    name: "alone: a log of a known name, with another key",
    attacker: log,
    make: async (town) => {
      const evidence = alone(town, newest(town));
      const pinned = formatVkey(town.world.origin, town.water.key);
      return { ...evidence, policy: evidence.policy.replace(town.world.vkey, pinned) };
    },
    demands: invalid("log-key"),
  },
  {
    name: "alone: one statement at two places",
    attacker: log,
    make: async (town) => {
      const { world } = town;
      const early = world.receipt([third(town)]);
      world.admit(third(town));
      await world.commit();
      const late = world.receipt([third(town)]);
      return alone(town, encodeTransparent(third(town).bytes, [early, late]));
    },
    demands: invalid("receipt-index"),
  },
  {
    name: "alone: two receipts of one size that differ in the registry",
    attacker: log,
    make: async (town) => {
      const { world } = town;
      const good = world.receipt([third(town)]);
      const claims = { ...world.newest.claims, registry: { count: 2, last: new Uint8Array(32) } };
      const signed = await signBatch(claims, world.newest.root, world.log);
      const other = encodeReceipt(signed, parseReceipt(good).proofs);
      return alone(town, encodeTransparent(third(town).bytes, [good, other]));
    },
    demands: invalid("log-equivocation"),
  },
  {
    name: "alone: a revoked key",
    attacker: thief,
    make: async (town) => {
      const { world, gateway, water, meter } = town;
      await world.register(
        { kind: "revoke", kid: gateway.signer.key.kid, from: world.entries.length },
        water,
      );
      const late = await meter.readings();
      await world.commit();
      return alone(town, newest(town, late));
    },
    demands: invalid("key-revoked"),
  },
  {
    name: "alone: a key that was later declared suspect from before",
    attacker: "operator",
    make: async (town) => {
      const { world, gateway, water } = town;
      await world.register({ kind: "revoke", kid: gateway.signer.key.kid, from: 4 }, water);
      await world.commit();
      return alone(town, newest(town));
    },
    demands: restricted("declared-suspect-later", "no-witness"),
  },
  {
    name: "alone: a stream that the key may not write",
    attacker: thief,
    make: async (town) => {
      const lane = town.gateway.chain("toll/plaza-12/lane-3");
      const opening = await lane.open();
      await town.world.commit();
      return alone(town, newest(town, opening));
    },
    demands: invalid("key-stream"),
  },
  {
    name: "alone: a key that nobody enrolled",
    attacker: log,
    make: async (town) => {
      const stray = await town.meter.readings(1, { signer: nobleSigner(sha256(new Uint8Array(8))) });
      await town.world.commit();
      return alone(town, newest(town, stray));
    },
    demands: notVerifiable("key-unknown"),
  },
  {
    name: "alone: enrolled by an operator that the policy doesn't pin",
    attacker: log,
    make: async (town) => {
      const operators = [operatorOf("water/operator", "water", "the true one")];
      return alone(town, newest(town), { quorum: "none", operators });
    },
    demands: invalid("operator-foreign"),
  },
  {
    name: "alone: no operator line",
    attacker: "nobody: things that happen",
    make: async (town) => alone(town, newest(town), { quorum: "none", operators: [] }),
    demands: restricted("no-witness", "operators-not-pinned"),
  },
  {
    name: "alone: a registry item",
    attacker: "nobody: things that happen",
    make: async (town) => alone(town, newest(town, town.world.items[2])),
    demands: restricted("no-witness"),
  },
  {
    name: "alone: a registry item of an operator that the policy doesn't pin",
    attacker: "operator",
    make: async (town) => alone(town, newest(town, town.world.items[1])),
    demands: notVerifiable("operator-unpinned"),
  },
  {
    name: "alone: a registry item under an operator's name, signed with a device's key",
    attacker: thief,
    make: async (town) => {
      const { world, gateway } = town;
      const item = await world.register(
        { kind: "revoke", kid: town.water.key.kid, from: 0 },
        { ...town.water, signer: gateway.signer },
      );
      world.items.pop(); // an honest log doesn't count it
      await world.commit();
      return alone(town, newest(town, item));
    },
    demands: { ...invalid("registry-mismatch"), check: "registry" },
  },
  {
    name: "alone: a registry item under the name of another operator",
    attacker: "operator",
    make: async (town) => {
      const { world, water } = town;
      const named = { ...world.operator, signer: water.signer };
      const item = await world.register({ kind: "revoke", kid: town.gateway.signer.key.kid, from: 0 }, named);
      world.items.pop();
      await world.commit();
      return alone(town, newest(town, item));
    },
    demands: { ...invalid("registry-mismatch"), check: "registry" },
  },
  {
    name: "alone: an item that the registry doesn't have, under a number that it gave to another one",
    attacker: "operator",
    make: async (town) => {
      const { world, water } = town;
      const said = { kind: "enrol", device: "parks/gw-9", key: signerOf("nobody's").key } as const;
      const rival = await sealStatement(
        { ...(world.items[2] as Statement).claims, iat: world.timeUnixS },
        { type: "registry", payload: encodeItem({ ...said, streams: ["*"], silenceS: 900 }) },
        water.signer,
      );
      world.admit(rival);
      await world.commit();
      return alone(town, newest(town, rival));
    },
    demands: { ...invalid("registry-mismatch"), check: "registry" },
  },
  {
    name: "alone: the verifier's copy of the registry is older than the receipt",
    attacker: "nobody: things that happen",
    make: async (town) => ({
      ...alone(town, newest(town)),
      registry: refusing("registry-missing"),
      items: itemsOf(town).slice(0, -1),
    }),
    demands: { ...notVerifiable("registry-missing"), check: "registry" },
  },
  {
    name: "alone: the verifier's copy of the registry is not the one that the receipt names",
    attacker: log,
    make: async (town) => ({
      ...alone(town, newest(town)),
      registry: refusing("registry-mismatch"),
      items: await otherItems(town),
    }),
    demands: { ...invalid("registry-mismatch"), check: "registry" },
  },
  {
    name: "alone: what it saw is not proven",
    attacker: bundler,
    make: async (town) => alone(town, newest(town)),
    demands: { verdict: "restricted", restrictions: ["no-witness"], notDone: "seen" },
  },
  {
    name: "alone: nothing at all",
    attacker: bundler,
    make: async (town) => alone(town, new Uint8Array(0)),
    demands: invalid("cbor-malformed"),
  },
];
