/**
 * Attacks of whoever hands over the evidence: the archive, the broker, a party to the dispute. They hold no key; they leave out, exchange
 * and relabel.
 *
 * @module
 */
import {
  encodeBundle,
  encodeReceipt,
  encodeSign1,
  encodeTransparent,
  encodeUtf8,
  parseReceipt,
  parseTransparent,
  sha256,
  type Bundle,
  type Receipt,
  type Statement,
} from "@tallystick/evidence";
import { invalid, notVerifiable, restricted, verified } from "./demands.ts";
import { headsOf, honest, lastHeads, settled, type Attack, type Town } from "./town.ts";

const attacker = "bundler: holds no key, decides what is handed over";
/** The bundle with one of its statements' receipts changed. */
function withReceipts(
  bundle: Bundle,
  n: number,
  change: (receipts: readonly Receipt[]) => readonly Uint8Array[],
): Bundle {
  const { statement, receipts } = parseTransparent(bundle.statements[n] ?? new Uint8Array());
  const changed = encodeTransparent(statement.bytes, change(receipts.map((bytes) => parseReceipt(bytes))));
  return { ...bundle, statements: bundle.statements.with(n, changed) };
}

/** The receipt with another index on its proof; nothing that is signed changes. */
function relabelled(receipt: Receipt, index: number): Uint8Array {
  const { protectedBytes, signature } = receipt.sign1;
  const path = receipt.proofs[0]?.path ?? [];
  return encodeReceipt({ protectedBytes, signature, size: receipt.size }, [{ index, path }]);
}

const meterPart = ({ meter }: Town, from: number, to: number) => [{ chain: meter, from, to }];
const without = (bundle: Bundle, ...numbers: number[]): Bundle => ({
  ...bundle,
  statements: bundle.statements.filter((_, n) => !numbers.includes(n)),
});

/** The gateway's key is revoked, after everything that it signed. */
async function revoked(town: Town): Promise<void> {
  const { world, gateway, water } = town;
  await world.register({ kind: "revoke", kid: gateway.signer.key.kid, from: world.entries.length }, water);
}

export const BUNDLER: readonly Attack[] = [
  {
    name: "hands over everything, honestly",
    attacker,
    make: async (town) => honest(town),
    demands: verified,
  },
  {
    name: "tail withheld: the heads that are there name a later statement",
    attacker,
    make: async (town) => town.world.bundle(meterPart(town, 0, 2), [lastHeads(town)]),
    demands: restricted("tail-not-attested"),
  },
  {
    name: "tail withheld, and the heads with it",
    attacker,
    make: async (town) => town.world.bundle(meterPart(town, 0, 2)),
    demands: restricted("tail-not-attested"),
  },
  {
    name: "an older part of the chain, with the heads of that time: complete as far as it claims",
    attacker,
    make: async (town) => town.world.bundle(meterPart(town, 0, 2), headsOf(town).slice(0, 1)),
    demands: verified,
  },
  {
    name: "tail withheld, attested by heads of another device",
    attacker,
    make: async (town) => {
      const other = await town.world.enrol("water/gw-2", { by: town.water });
      const sys = await other.sys();
      const named = town.meter.statements[2] as Statement;
      const head = { sub: "meter/m-1", ch: town.meter.ch, seq: 2, hash: named.hash };
      const heads = await sys.event({ kind: "heads", all: true, heads: [head] });
      await town.world.commit();
      return town.world.bundle(meterPart(town, 0, 2), [heads]);
    },
    demands: restricted("tail-not-attested"),
  },
  {
    name: "stream deleted: the claim stays, its statements are gone",
    attacker,
    make: async (town) => {
      const bundle = honest(town);
      const scope = [
        ...bundle.scope,
        { iss: "water/gw-1", sub: "meter/m-2", ch: town.meter.ch, from: 0, to: 9 },
      ];
      return { ...bundle, scope };
    },
    demands: notVerifiable("bundle-scope"),
  },
  {
    name: "all statements of the scope deleted but the heads",
    attacker,
    make: async (town) => without(honest(town), 0, 1, 2, 3, 4),
    demands: notVerifiable("bundle-scope"),
  },
  {
    name: "a hole inside the scope",
    attacker,
    make: async (town) => without(honest(town), 2),
    demands: restricted("hole"),
  },
  {
    name: "the opening left out of the scope",
    attacker,
    make: async (town) => without(honest(town), 0),
    demands: restricted("hole"),
  },
  {
    name: "the last of the scope left out",
    attacker,
    make: async (town) => without(honest(town), 4),
    demands: restricted("hole", "tail-not-attested"),
  },
  {
    name: "a statement twice: it counts once",
    attacker,
    make: async (town) => {
      const bundle = honest(town);
      return { ...bundle, statements: [...bundle.statements, ...bundle.statements.slice(1, 2)] };
    },
    demands: verified,
  },
  {
    name: "a receipt relabelled to another index",
    attacker,
    make: async (town) =>
      withReceipts(honest(town), 1, ([original, newest]) => [
        relabelled(original as Receipt, (original?.proofs[0]?.index ?? 0) ^ 1),
        (newest as Receipt).bytes,
      ]),
    demands: invalid("signature-invalid"),
  },
  {
    name: "both receipts relabelled to the place of another statement",
    attacker,
    make: async (town) =>
      withReceipts(honest(town), 1, (receipts) => receipts.map((receipt) => relabelled(receipt, 3))),
    demands: invalid("signature-invalid"),
  },
  {
    name: "the receipts of another statement",
    attacker,
    make: async (town) => {
      const bundle = honest(town);
      const other = parseTransparent(bundle.statements[2] as Uint8Array).receipts;
      return withReceipts(bundle, 1, () => other);
    },
    demands: invalid("signature-invalid"),
  },
  {
    name: "the original receipt withheld, the newest twice: the later commit time is reported, nothing else changes",
    attacker,
    make: async (town) =>
      withReceipts(honest(town), 1, ([, newest]) => [(newest as Receipt).bytes, (newest as Receipt).bytes]),
    demands: verified,
  },
  {
    name: "only one receipt",
    attacker,
    make: async (town) =>
      withReceipts(honest(town), 1, (receipts) => receipts.slice(0, 1).map(({ bytes }) => bytes)),
    demands: invalid("receipt-missing"),
  },
  {
    name: "both receipts from before the checkpoint",
    attacker,
    make: async (town) =>
      withReceipts(honest(town), 1, ([original]) => [
        (original as Receipt).bytes,
        (original as Receipt).bytes,
      ]),
    demands: invalid("receipt-size"),
  },
  {
    name: "a proof relabelled to another size than the signed one",
    attacker,
    make: async (town) =>
      withReceipts(honest(town), 1, ([original, newest]) => {
        const { size, proofs, sign1 } = original as Receipt;
        const parts = { protectedBytes: sign1.protectedBytes, signature: sign1.signature };
        return [encodeReceipt({ ...parts, size: size - 1 }, proofs), (newest as Receipt).bytes];
      }),
    demands: invalid("receipt-size"),
  },
  {
    name: "the key's revocation left out",
    attacker,
    make: async (town) => {
      await revoked(town);
      const bundle = await settled(town);
      return { ...bundle, registry: bundle.registry.slice(0, -1) };
    },
    demands: notVerifiable("registry-missing"),
  },
  {
    name: "the key's state from before its revocation",
    attacker,
    make: async (town) => {
      const before = honest(town).keys;
      await revoked(town);
      const { registry, ...bundle } = await settled(town);
      return { ...bundle, registry: registry.slice(0, -1), keys: before };
    },
    demands: invalid("proof-root"),
  },
  {
    name: "the key's state left out",
    attacker,
    make: async (town) => {
      const bundle = honest(town);
      return { ...bundle, keys: bundle.keys.slice(1) };
    },
    demands: notVerifiable("key-state"),
  },
  {
    name: "a key's state twice",
    attacker,
    make: async (town) => {
      const bundle = honest(town);
      return { ...bundle, keys: [...bundle.keys, ...bundle.keys.slice(0, 1)] };
    },
    demands: invalid("key-state"),
  },
  {
    name: "the enrolment left out",
    attacker,
    make: async (town) => {
      const bundle = honest(town);
      return { ...bundle, registry: bundle.registry.slice(0, -1) };
    },
    demands: notVerifiable("registry-missing"),
  },
  {
    name: "entry 0 left out",
    attacker,
    make: async (town) => {
      const bundle = honest(town);
      return { ...bundle, registry: bundle.registry.slice(1) };
    },
    demands: notVerifiable("registry-missing"),
  },
  {
    name: "the proofs for what was seen left out",
    attacker,
    make: async (town) => ({ ...honest(town), consistency: [] }),
    demands: { verdict: "verified", notDone: "seen" },
  },
  {
    name: "the proofs for what was seen exchanged",
    attacker,
    make: async (town) => {
      const bundle = honest(town);
      const [a, b] = bundle.consistency;
      if (a === undefined || b === undefined) throw new Error("two trees were seen");
      return {
        ...bundle,
        consistency: [
          { ...a, path: b.path },
          { ...b, path: a.path },
        ],
      };
    },
    demands: invalid("log-fork"),
  },
  {
    name: "a statement that nobody signed, carried by another's receipts",
    attacker,
    make: async (town) => {
      const bundle = honest(town);
      const { statement, receipts } = parseTransparent(bundle.statements[1] as Uint8Array);
      const forged = encodeSign1({ ...statement.sign1, signature: new Uint8Array(64) });
      return { ...bundle, statements: bundle.statements.with(1, encodeTransparent(forged, receipts)) };
    },
    demands: invalid("signature-invalid"),
  },
  {
    name: "a scope of numbers that the chain hasn't reached",
    attacker,
    make: async (town) => {
      const bundle = honest(town);
      return { ...bundle, scope: bundle.scope.map((one) => ({ ...one, from: 7, to: 9 })) };
    },
    demands: notVerifiable("bundle-scope"),
  },
  {
    name: "a hole inside the scope, the ends being there",
    attacker,
    make: async (town) => without(honest(town), 1, 2, 3),
    demands: restricted("hole"),
  },
  {
    name: "content that the device signed the hash of",
    attacker,
    make: async (town) => {
      const frame = encodeUtf8("a frame");
      await town.meter.add({ type: "envelope", digest: sha256(frame), contentType: "image/jpeg" });
      return { ...(await settled(town)), content: [frame] };
    },
    demands: verified,
  },
  {
    name: "timestamps of nobody",
    attacker,
    make: async (town) => ({ ...honest(town), timestamps: [new Uint8Array(9)] }),
    demands: { verdict: "verified", notDone: "timestamps" },
  },
  {
    name: "disclosures of nothing",
    attacker,
    make: async (town) => ({ ...honest(town), disclosures: [new Uint8Array(9)] }),
    demands: { verdict: "verified", notDone: "disclosures" },
  },
  {
    name: "content that nobody signed",
    attacker,
    make: async (town) => ({ ...honest(town), content: [encodeUtf8("a frame")] }),
    demands: invalid("content-mismatch"),
  },
  {
    name: "a scope that ends before it begins",
    attacker,
    make: async (town) => {
      const bundle = honest(town);
      return { ...bundle, scope: bundle.scope.map((one) => ({ ...one, from: 4, to: 0 })) };
    },
    demands: invalid("bundle-scope"),
  },
  {
    name: "an older checkpoint under newer receipts",
    attacker,
    make: async (town) => {
      const bundle = honest(town);
      const older = town.world.batches.at(-2)?.note ?? "";
      return { ...bundle, logs: bundle.logs.map((log) => ({ ...log, checkpoint: older })) };
    },
    demands: invalid("receipt-size"),
  },
  {
    name: "cut in the middle",
    attacker,
    make: async (town) => {
      const bytes = encodeBundle(honest(town));
      return bytes.slice(0, bytes.length >> 1);
    },
    demands: invalid("cbor-malformed"),
  },
  {
    name: "something behind the end",
    attacker,
    make: async (town) => Uint8Array.of(...encodeBundle(honest(town)), 0),
    demands: invalid("cbor-trailing"),
  },
];
