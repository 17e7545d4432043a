/**
 * Unknown members at each level of a bundle: profile 1 is closed, so that no two verifiers read the same bytes differently.
 *
 * @module
 */
import {
  concatBytes,
  decimal,
  decodeCbor,
  encodeBundle,
  encodeCbor,
  encodeEat,
  encodeSign1,
  encodeTransparent,
  parseReceipt,
  parseSign1,
  parseTransparent,
  toBeSigned,
  type Bundle,
  type CborKey,
  type CborMap,
  type CborValue,
  type Sign1,
  type Signer,
} from "@tallystick/evidence";
import { BOOT_EVIDENCE } from "../statements.ts";
import { invalid } from "./demands.ts";
import { honest, settled, type Attack, type Town } from "./town.ts";

const attacker = "thief of a device's key, and a log that admits anything";

export const changed = (map: CborValue | undefined, key: CborKey, value: CborValue): CborMap => {
  if (!(map instanceof Map)) throw new Error("no map");
  return new Map<CborKey, CborValue>([...(map as CborMap), [key, value]]);
};

/** The same COSE_Sign1 with another header or payload, signed anew. */
async function resigned(
  sign1: Sign1,
  signer: Signer,
  header: CborMap,
  payload = sign1.payload,
  over = payload,
): Promise<Uint8Array> {
  const protectedBytes = encodeCbor(header);
  const signature = await signer.sign(toBeSigned(protectedBytes, over ?? new Uint8Array()));
  return encodeSign1({ protectedBytes, unprotected: sign1.unprotected, payload, signature });
}

/** The bundle with statement (or item) `n` made anew from its parts; its receipts stay. */
export async function remade(
  bundle: Bundle,
  list: "statements" | "registry",
  n: number,
  signer: Signer,
  change: (sign1: Sign1) => { header: CborMap; payload?: Uint8Array },
): Promise<Bundle> {
  const { statement, receipts } = parseTransparent(bundle[list][n] as Uint8Array);
  const sign1 = parseSign1(statement.bytes, 32_768);
  const { header, payload = sign1.payload } = change(sign1);
  const bytes = await resigned(sign1, signer, header, payload);
  return { ...bundle, [list]: bundle[list].with(n, encodeTransparent(bytes, receipts)) };
}

const payloadMap = ({ payload }: Sign1): CborValue =>
  decodeCbor(payload ?? new Uint8Array(), { maxBytes: 32_768 });

export const inPayload =
  (key: CborKey, value: CborValue) =>
  (sign1: Sign1): { header: CborMap; payload: Uint8Array } => ({
    header: sign1.header,
    payload: encodeCbor(changed(payloadMap(sign1), key, value)),
  });

/** The bundle with its newest receipt of statement 0 signed anew over another header. */
export async function otherReceipt(town: Town, change: (header: CborMap) => CborMap): Promise<Bundle> {
  const { world } = town;
  const bundle = honest(town);
  const { statement, receipts } = parseTransparent(bundle.statements[0] as Uint8Array);
  const { sign1 } = parseReceipt(receipts[1] as Uint8Array);
  const receipt = await resigned(sign1, world.log, change(sign1.header), null, world.newest.root);
  const made = encodeTransparent(statement.bytes, [receipts[0] as Uint8Array, receipt]);
  return { ...bundle, statements: bundle.statements.with(0, made) };
}

/** The bundle's bytes with its map changed. */
function otherMap(bundle: Bundle, change: (map: CborMap) => CborMap): Uint8Array {
  const bytes = encodeBundle(bundle);
  const map = decodeCbor(bytes.subarray(3), { maxBytes: bytes.length });
  if (!(map instanceof Map)) throw new Error("no map");
  return concatBytes(bytes.subarray(0, 3), encodeCbor(change(map as CborMap)));
}

/** The bundle with boot evidence in the place of the last statement on `sys`, and these claims in it besides, or instead of, the right ones. */
async function bootEvidence(town: Town, claims: ReadonlyMap<CborKey, CborValue>): Promise<Bundle> {
  const bundle = honest(town);
  const { kid } = town.gateway.signer.key;
  const good = decodeCbor(encodeEat({ ...BOOT_EVIDENCE, kid }), { maxBytes: 4096 }) as CborMap;
  const payload = encodeCbor(new Map([...good, ...claims]));
  return remade(bundle, "statements", bundle.statements.length - 1, town.gateway.signer, ({ header }) => ({
    header: changed(header, 3, "application/eat-ucs+cbor"),
    payload,
  }));
}

const demands = invalid("unknown-member");

export const FORMS: readonly Attack[] = [
  {
    name: "unknown header label in a statement",
    attacker,
    make: (town) =>
      remade(honest(town), "statements", 1, town.gateway.signer, ({ header }) => ({
        header: changed(header, 5, 1),
      })),
    demands,
  },
  {
    name: "unknown claim in a statement",
    attacker,
    make: (town) =>
      remade(honest(town), "statements", 1, town.gateway.signer, ({ header }) => ({
        header: changed(header, 15, changed(header.get(15), "exp", 1)),
      })),
    demands,
  },
  {
    name: "unknown label in a record of readings",
    attacker,
    make: (town) =>
      remade(honest(town), "statements", 1, town.gateway.signer, (sign1) => {
        const decoded = decodeCbor(sign1.payload ?? new Uint8Array(), {
          maxBytes: 32_768,
          deterministic: false,
        });
        const [first, ...rest] = decoded as readonly CborValue[];
        return { header: sign1.header, payload: encodeCbor([changed(first, "certified", true), ...rest]) };
      }),
    demands,
  },
  {
    name: "boot evidence with a claim that its profile doesn't have",
    attacker,
    make: (town) => bootEvidence(town, new Map([["certified", true]])),
    demands,
  },
  {
    name: "boot evidence about another key than the one that signs it",
    attacker,
    make: (town) => bootEvidence(town, new Map([[8, new Map([[5, town.water.key.kid]])]])),
    demands: invalid("statement-claims"),
  },
  {
    name: "boot evidence of another profile",
    attacker,
    make: (town) => bootEvidence(town, new Map([[265, "tag:tallystick.example,2026:boot/2"]])),
    demands: invalid("member-range"),
  },
  {
    name: "unknown member in an event",
    attacker,
    make: (town) => remade(honest(town), "statements", 0, town.gateway.signer, inPayload("certified", true)),
    demands,
  },
  {
    name: "unknown kind of event",
    attacker,
    make: (town) =>
      remade(honest(town), "statements", 0, town.gateway.signer, inPayload("kind", "certificate")),
    demands,
  },
  {
    name: "a record of a back office with a member of that office's own",
    attacker,
    make: async (town) => {
      await town.meter.event({ kind: "ref", id: "R-17", type: "refund", t: decimal(1_790_000_100) });
      const bundle = await settled(town);
      const last = town.meter.head().seq;
      return remade(bundle, "statements", last, town.gateway.signer, inPayload("paid", true));
    },
    demands,
  },
  {
    name: "unknown member in a registry item",
    attacker: "operator",
    make: (town) => remade(honest(town), "registry", 2, town.water.signer, inPayload("until", 1)),
    demands,
  },
  {
    name: "unknown kind of registry item",
    attacker: "operator",
    make: (town) => remade(honest(town), "registry", 2, town.water.signer, inPayload("kind", "exempt")),
    demands,
  },
  {
    name: "unknown label in a receipt",
    attacker: "holder of the log's key",
    make: (town) => otherReceipt(town, (header) => changed(header, 5, 1)),
    demands,
  },
  {
    name: "unknown claim in a receipt",
    attacker: "holder of the log's key",
    make: (town) => otherReceipt(town, (header) => changed(header, 15, changed(header.get(15), "until", 1))),
    demands,
  },
  {
    name: "something beside the proofs of a receipt",
    attacker: "bundler: holds no key, decides what is handed over",
    make: async (town) => {
      const bundle = honest(town);
      const { statement, receipts } = parseTransparent(bundle.statements[0] as Uint8Array);
      const { sign1 } = parseReceipt(receipts[0] as Uint8Array);
      const receipt = encodeSign1({
        ...sign1,
        unprotected: changed(sign1.unprotected, 4, new Uint8Array(32)),
      });
      const made = encodeTransparent(statement.bytes, [receipt, receipts[1] as Uint8Array]);
      return { ...bundle, statements: bundle.statements.with(0, made) };
    },
    demands,
  },
  {
    name: "something beside the receipts of a statement",
    attacker: "bundler: holds no key, decides what is handed over",
    make: async (town) => {
      const bundle = honest(town);
      const { statement, receipts } = parseTransparent(bundle.statements[0] as Uint8Array);
      const unprotected = new Map<CborKey, CborValue>([
        [394, receipts],
        [4, new Uint8Array(32)],
      ]);
      return {
        ...bundle,
        statements: bundle.statements.with(0, encodeSign1({ ...statement.sign1, unprotected })),
      };
    },
    demands: invalid("cose-unprotected"),
  },
  {
    name: "unknown key in a bundle",
    attacker: "bundler: holds no key, decides what is handed over",
    make: async (town) => otherMap(honest(town), (map) => changed(map, "verdict", "verified")),
    demands,
  },
  {
    name: "unknown member in a bundle's log",
    attacker: "bundler: holds no key, decides what is handed over",
    make: async (town) =>
      otherMap(honest(town), (map) => {
        const [log] = map.get("logs") as readonly CborValue[];
        return changed(map, "logs", [changed(log, "trusted", true)]);
      }),
    demands,
  },
  {
    name: "a bundle of another version",
    attacker: "bundler: holds no key, decides what is handed over",
    make: async (town) => otherMap(honest(town), (map) => changed(map, "v", 2)),
    demands: invalid("member-range"),
  },
];
