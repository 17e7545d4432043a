/**
 * Attacks of whoever hands over the evidence: the archive, the broker, a party to the dispute. They hold no key; they leave out, exchange
 * and relabel.
 *
 * @module
 */
import {
  encodeBundle,
  encodeSign1,
  encodeTransparent,
  encodeUtf8,
  formatNote,
  parseNote,
  parseTransparent,
  sha256,
  type Bundle,
  type Statement,
} from "@tallystick/evidence";
import { invalid, notVerifiable, restricted, verified } from "./demands.ts";
import { headsOf, honest, lastHeads, settled, type Attack, type Town } from "./town.ts";

const attacker = "bundler: holds no key, decides what is handed over";
const meterPart = ({ meter }: Town, from: number, to: number) => [{ chain: meter, from, to }];
const without = (bundle: Bundle, ...numbers: number[]): Bundle => ({
  ...bundle,
  statements: bundle.statements.filter((_, n) => !numbers.includes(n)),
});

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
    name: "a registry item among the statements",
    attacker,
    make: async (town) => {
      const { world, meter } = town;
      return world.bundle([{ chain: meter }], [lastHeads(town), world.items[2] as Statement]);
    },
    demands: { ...invalid("bundle-malformed"), check: "format" },
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
    name: "an original receipt that is newer than the checkpoint",
    attacker,
    make: async (town) => {
      const { world, meter } = town;
      const older = world.newest;
      await world.commit();
      await meter.readings();
      await world.commit();
      const bundle = world.bundle([{ chain: meter, from: 0, to: 2 }], headsOf(town).slice(0, 1), older);
      const { statement, receipts } = parseTransparent(bundle.statements[1] as Uint8Array);
      const changed = encodeTransparent(statement.bytes, [
        world.receipt([statement]),
        receipts[1] as Uint8Array,
      ]);
      return { ...bundle, statements: bundle.statements.with(1, changed) };
    },
    demands: invalid("receipt-size"),
  },
  {
    name: "a checkpoint with a bit of its signature changed",
    attacker,
    make: async (town) => {
      const bundle = honest(town);
      const logs = bundle.logs.map(({ vkey, checkpoint }) => {
        const { text, signatures } = parseNote(checkpoint);
        const changed = signatures.map((one) => ({ ...one, blob: one.blob.with(9, (one.blob[9] ?? 0) ^ 1) }));
        return { vkey, checkpoint: formatNote({ text, signatures: changed }) };
      });
      return { ...bundle, logs };
    },
    demands: { ...invalid("note-signature"), check: "log" },
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
