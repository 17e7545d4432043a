/**
 * Attacks of whoever hands over the evidence, on what proves it: receipts, registry items, states of keys. They hold no key; they leave
 * out, exchange and relabel.
 *
 * @module
 */
import {
  encodeReceipt,
  encodeTransparent,
  parseReceipt,
  parseTransparent,
  type Bundle,
  type Receipt,
} from "@tallystick/evidence";
import { invalid, notVerifiable, verified } from "./demands.ts";
import { honest, settled, type Attack, type Town } from "./town.ts";

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

/** The gateway's key is revoked, after everything that it signed. */
async function revoked(town: Town): Promise<void> {
  const { world, gateway, water } = town;
  await world.register({ kind: "revoke", kid: gateway.signer.key.kid, from: world.entries.length }, water);
}

export const BUNDLER_PROOFS: readonly Attack[] = [
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
    name: "the second of two revocations left out",
    attacker,
    make: async (town) => {
      const { world, gateway, water } = town;
      await revoked(town);
      await world.register({ kind: "revoke", kid: gateway.signer.key.kid, from: 4 }, water);
      const bundle = await settled(town);
      return { ...bundle, registry: bundle.registry.slice(0, -1) };
    },
    demands: notVerifiable("registry-missing"),
  },
  {
    name: "the rotation of a key left out",
    attacker,
    make: async (town) => {
      await town.gateway.rotate(undefined, town.water);
      await town.world.commit();
      const bundle = honest(town);
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
];
