/**
 * What a verifier overlooks that is content with the first good sign: found by laying two verifiers beside each other.
 *
 * @module
 */
import {
  concatBytes,
  coseKey,
  decimal,
  encodeCbor,
  encodeSign1,
  encodeTransparent,
  formatNote,
  formatVkey,
  parseNote,
  toBeSigned,
  type Bundle,
  type CborKey,
  type CborValue,
  type Statement,
} from "@tallystick/evidence";
import { Chain } from "../world-device.ts";
import { signerOf } from "../world.ts";
import { invalid, notVerifiable, restricted, verified } from "./demands.ts";
import {
  headsOf,
  honest,
  itemsOf,
  lastHeads,
  policyOf,
  settled,
  type Attack,
  type Evidence,
  type Town,
} from "./town.ts";

const bundler = "bundler: holds no key, decides what is handed over";
const thief = "thief of a device's key, and a log that admits anything";
const log = "holder of the log's key";
const nobody = "nobody: things that happen";

const withoutItem = (bundle: Bundle, n: number): Bundle => ({
  ...bundle,
  registry: bundle.registry.filter((_, i) => i !== n),
});

/** The gateway gets a new key of its operator, and has lost the chains that it had. */
async function replaced({ world, water, gateway }: Town, name = "gw-1 again"): Promise<void> {
  const signer = signerOf(name);
  const item = { device: "water/gw-1", key: signer.key, streams: ["meter/*"], silenceS: 900 };
  await world.register({ kind: "re-enrol", ...item, reason: "gateway replaced" }, water);
  gateway.signer = signer;
  gateway.chains.splice(0, gateway.chains.length);
  await gateway.chain("sys").open({ before: { lost: "gateway replaced" }, source: "sys" });
}

/** A chain of the gateway that begins behind a lost one; its id is of this number. */
async function afterLoss({ gateway }: Town, n: number, sub = "meter/m-1"): Promise<Chain> {
  const chain = new Chain(gateway, sub, new Uint8Array(8).fill(n));
  gateway.chains.push(chain);
  await chain.open({ before: { lost: "gateway replaced" } });
  await chain.readings();
  return chain;
}

/** The same, and a chain that begins behind a lost one. */
async function reEnrolled(town: Town): Promise<Bundle> {
  await replaced(town);
  return settled(town, await afterLoss(town, 1));
}

/** A rotation registered whose statement names the meter's chain twice: up to where it is, and as far as the thief likes. */
async function rotatedUpTo(town: Town, seq: number): Promise<Bundle> {
  const { world, water, gateway, meter } = town;
  const next = signerOf("second key");
  const sys = await gateway.sys();
  const heads = [meter.head(), sys.head()];
  const honestly = await sys.event({ kind: "key-rotated", key: next.key, heads }, { admit: false });
  sys.statements.pop();
  const payload = encodeCbor(
    new Map<CborKey, CborValue>([
      ["key", coseKey(next.key)],
      ["kind", "key-rotated"],
      ["heads", [...heads, { ...meter.head(), seq }].map((one) => [one.sub, one.ch, one.seq, one.hash])],
    ]),
  );
  const { protectedBytes } = honestly.sign1;
  const signature = await gateway.signer.sign(toBeSigned(protectedBytes, payload));
  const bytes = encodeSign1({ ...honestly.sign1, payload, signature });
  await world.register({ kind: "rotate", statement: bytes }, water);
  gateway.signer = next;
  await meter.readings();
  return settled(town);
}

/** The meter's statement 1, with one more member in front of its first record's others. */
function withMember(town: Town, key: CborKey, value: CborValue): Evidence {
  const { sign1 } = statement(town, 1);
  const [array, map, ...rest] = sign1.payload ?? [];
  if (array === undefined || map === undefined) throw new Error("no pack");
  const payload = concatBytes(
    Uint8Array.of(array, map + 1),
    encodeCbor(key),
    encodeCbor(value),
    Uint8Array.from(rest),
  );
  return { bytes: encodeSign1({ ...sign1, payload }), policy: policyOf(town) };
}

/** The checkpoint with lines of signers whom nobody knows, until it has this many bytes. */
function padded(note: string, bytes: number): string {
  const { text, signatures } = parseNote(note);
  const line = { name: "stranger.example", keyId: new Uint8Array(4), blob: new Uint8Array(2420) };
  return formatNote({
    text,
    signatures: [...signatures, ...Array.from({ length: bytes / 3250 }, () => line)],
  });
}

const statement = ({ meter }: Town, seq: number): Statement => meter.statements[seq] as Statement;

export const OVERLOOKED: readonly Attack[] = [
  {
    name: "the item that added the operator left out: nobody is to blame",
    attacker: bundler,
    make: async (town) => withoutItem(honest(town), 1),
    demands: { ...notVerifiable("registry-missing"), check: "registry" },
  },
  {
    name: "the enrolment left out that a re-enrolment superseded",
    attacker: bundler,
    make: async (town) => withoutItem(await reEnrolled(town), 2),
    demands: { ...notVerifiable("registry-missing"), check: "registry" },
  },
  {
    name: "the enrolment left out that a rotation superseded",
    attacker: bundler,
    make: async (town) => {
      await town.gateway.rotate(undefined, town.water);
      await town.meter.readings();
      return withoutItem(await settled(town), 2);
    },
    demands: { ...notVerifiable("registry-missing"), check: "registry" },
  },
  {
    name: "a beginning behind a chain that had lost its own",
    attacker: thief,
    make: async (town) => {
      const lane = town.gateway.chain("meter/m-2");
      await lane.open({ before: { lost: "disk replaced" } });
      const anew = town.gateway.chain("meter/m-2");
      await anew.open();
      return settled(town, lane, anew);
    },
    demands: invalid("fork"),
  },
  {
    name: "a beginning in front of a chain that has a predecessor",
    attacker: nobody,
    make: async (town) => {
      const first = town.gateway.chain("meter/m-2");
      await first.open();
      const { ch, seq, hash } = first.head();
      const next = town.gateway.chain("meter/m-2");
      await next.open({ before: { ch, seq, hash } });
      return settled(town, first, next);
    },
    demands: verified,
  },
  {
    name: "one statement twice in a bundle: it counts once",
    attacker: nobody,
    make: async (town) => {
      const bundle = honest(town);
      return { ...bundle, statements: [...bundle.statements, ...bundle.statements] };
    },
    demands: verified,
  },
  {
    name: "an original receipt that signs fewer registry items than its tree has",
    attacker: log,
    make: async (town) => {
      const { world, meter } = town;
      await meter.readings();
      await world.commit({ registry: { count: 2, last: (world.items[1] as Statement).hash } });
      return settled(town);
    },
    demands: { ...invalid("registry-mismatch"), check: "registry" },
  },
  {
    name: "the old key signs another statement for the very number that the rotation names",
    attacker: thief,
    make: async (town) => {
      const { world, gateway, meter, water } = town;
      const old = gateway.signer;
      await meter.readings(1, { admit: false });
      await gateway.rotate(undefined, water);
      meter.statements.pop();
      await meter.readings(2, { signer: old });
      await world.commit();
      return world.bundle([{ chain: meter }], headsOf(town));
    },
    demands: invalid("fork"),
  },
  {
    name: "alone: an early receipt, and a later one that knows of a suspicion",
    attacker: bundler,
    make: async (town) => {
      const { world, gateway, water } = town;
      const early = world.receipt([statement(town, 2)]);
      await world.register({ kind: "revoke", kid: gateway.signer.key.kid, from: 4 }, water);
      await world.commit();
      const both = [early, world.receipt([statement(town, 2)])];
      return {
        bytes: encodeTransparent(statement(town, 2).bytes, both),
        policy: policyOf(town, { quorum: "none" }),
        registry: world.registryCopy(),
        items: itemsOf(town),
      };
    },
    demands: restricted("declared-suspect-later", "no-witness"),
  },
  {
    name: "alone: a member with a name of 600 bytes in a record of readings",
    attacker: thief,
    make: async (town) => withMember(town, "x".repeat(600), 1),
    demands: invalid("unknown-member"),
  },
  {
    name: "alone: a sum of base value and value with more digits than a decimal holds",
    attacker: thief,
    make: async (town) => withMember(town, -5, decimal(9_999_999, 32)),
    demands: invalid("cbor-decimal"),
  },
  {
    name: "a checkpoint with the cosignatures of many",
    attacker: nobody,
    make: async (town) => {
      const bundle = honest(town);
      const logs = bundle.logs.map((one) => ({ ...one, checkpoint: padded(one.checkpoint, 240_000) }));
      return { ...bundle, logs };
    },
    demands: verified,
  },
  {
    name: "heads of another day name the number, but the chain ends before it",
    attacker: bundler,
    make: async (town) => {
      const heads = lastHeads(town);
      return town.world.bundle([{ chain: town.meter, from: 0, to: 3 }], [heads]);
    },
    demands: restricted("tail-not-attested"),
  },
  {
    name: "a gateway enrolled anew that has lost two streams: each begins again once",
    attacker: nobody,
    make: async (town) => {
      await replaced(town);
      return settled(town, await afterLoss(town, 1), await afterLoss(town, 2, "meter/m-2"));
    },
    demands: verified,
  },
  {
    name: "a gateway enrolled anew that begins a stream behind a loss, and again: the operator spoke of the first",
    attacker: thief,
    make: async (town) => {
      await replaced(town);
      return settled(town, await afterLoss(town, 1), await afterLoss(town, 2));
    },
    demands: restricted("discontinuity"),
  },
  {
    name: "a gateway enrolled anew that begins a stream behind a loss, and again: the second one given first",
    attacker: bundler,
    make: async (town) => {
      await replaced(town);
      const [first, second] = [await afterLoss(town, 2), await afterLoss(town, 1)];
      return settled(town, second, first);
    },
    demands: restricted("discontinuity"),
  },
  {
    name: "a gateway enrolled anew after each of two losses",
    attacker: nobody,
    make: async (town) => {
      await replaced(town);
      const first = await afterLoss(town, 1);
      await replaced(town, "gw-1 a third time");
      const second = await afterLoss(town, 2);
      await town.gateway.heads([first, second]);
      await town.world.commit();
      return town.world.bundle([{ chain: first }, { chain: second }], [lastHeads(town)]);
    },
    demands: verified,
  },
  {
    name: "a gateway enrolled anew whose next key, which it named itself, begins a stream behind a loss",
    attacker: thief,
    make: async (town) => {
      await replaced(town);
      await town.gateway.rotate("gw-1 next", town.water);
      return settled(town, await afterLoss(town, 1));
    },
    demands: restricted("discontinuity"),
  },
  {
    name: "a rotation that names one chain twice, the higher number last",
    attacker: thief,
    make: (town) => rotatedUpTo(town, 9),
    demands: { ...invalid("event-malformed"), check: "registry" },
  },
  {
    name: "a rotation that names one chain twice, the lower number last",
    attacker: thief,
    make: (town) => rotatedUpTo(town, 2),
    demands: { ...invalid("event-malformed"), check: "registry" },
  },
  {
    name: "a log of the same origin under another key, beside the true one",
    attacker: bundler,
    make: async (town) => {
      const bundle = honest(town);
      const vkey = formatVkey(town.world.origin, signerOf("impostor").key);
      return { ...bundle, logs: [...bundle.logs, { vkey, checkpoint: town.world.newest.note }] };
    },
    demands: invalid("log-key"),
  },
];
