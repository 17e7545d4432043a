/**
 * What the hostile run begins from: honest worlds and attacked ones, our own vectors, and the public ones where they are at hand.
 *
 * @module
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  fromHex,
  parseStatement,
  toHex,
  type PublicKey,
  type SignatureProvider,
  type Statement,
} from "@tallystick/evidence";
import { ed25519Key, esp256Key } from "@tallystick/evidence";
import { createTown, evidenceOf, honest, policyOf, WITNESS, type Town } from "../support/attacks/town.ts";
import { ALONE } from "../support/attacks/alone.ts";
import { BUNDLER_PROOFS } from "../support/attacks/bundler-proofs.ts";
import { BUNDLER } from "../support/attacks/bundler.ts";
import { DEVICE } from "../support/attacks/device.ts";
import { LOG } from "../support/attacks/log.ts";
import { OPERATOR } from "../support/attacks/operator.ts";
import type { Attack } from "../support/attacks/town.ts";
import { vectors as readVectors } from "../support/vectors.ts";
import type { World } from "../support/world.ts";
import { forgedWorld, type Forged } from "./forged.ts";
import { rememberingProvider } from "./provider.ts";
import { Keys } from "./signing.ts";

/** Bytes, and whom their judge believes. */
export type Handed = Named & { readonly policy: string };
type Named = { readonly name: string; readonly bytes: Uint8Array };

type VectorSeeds = {
  readonly cbor: readonly { readonly name: string; readonly hex: string }[];
  readonly coseKeys: readonly string[];
  readonly leaves: readonly string[];
  readonly goodStatements: readonly Uint8Array[];
  readonly badStatements: readonly Named[];
  readonly receipts: readonly (Named & { readonly hashes: readonly Uint8Array[] })[];
  readonly receiptKey: PublicKey;
  /** Of another algorithm. */
  readonly hardwareKey: PublicKey;
  readonly foreign: Named & { readonly entry: Uint8Array };
  readonly notes: readonly string[];
  readonly policies: readonly string[];
  readonly vkeys: readonly string[];
  readonly bundles: readonly Handed[];
};

export type Corpus = {
  readonly town: Town;
  readonly world: World;
  readonly policyText: string;
  readonly provider: SignatureProvider;
  readonly keys: Keys;
  /** Keys of statements by kid. */
  readonly publicKeys: ReadonlyMap<string, PublicKey>;
  /** Every kind of statement and event, honestly signed. */
  readonly statements: readonly Statement[];
  readonly transparents: readonly Uint8Array[];
  readonly honest: Handed;
  /** The evidence of every row of the attack table. */
  readonly attacked: readonly Handed[];
  readonly forged: Forged;
  readonly vectors: VectorSeeds;
  readonly telegrams: readonly Named[];
};

const ROWS: readonly Attack[] = [...BUNDLER, ...BUNDLER_PROOFS, ...DEVICE, ...LOG, ...OPERATOR, ...ALONE];
/** Keys by which the town's world is signed. */
const NAMES = ["water/gw-1 key 1", "water/operator", "city/operator", "log.city.example/2026", WITNESS];

/** @param attacked - from {@link attackTable} */
export async function buildCorpus(attacked: readonly Handed[]): Promise<Corpus> {
  const town = await createTown();
  const { world, gateway, meter } = town;
  const vectors = readSeeds();
  const keys = new Keys();
  for (const name of NAMES) keys.addNamed(name);
  const publicKeys = new Map<string, PublicKey>();
  for (const { kid, key } of world.keyState(world.entries.length).records()) publicKeys.set(toHex(kid), key);
  for (const { key, seed } of vectorKeys()) {
    publicKeys.set(toHex(key.kid), key);
    if (seed !== undefined) keys.addSeed(seed);
  }
  const own = [...meter.statements, ...gateway.chains.flatMap((chain) => chain.statements), ...world.items];
  const good = vectors.goodStatements.map((bytes) => parseStatement(bytes));
  const { bytes: bundle, policy } = await evidenceOf(town, honest(town));
  return {
    town,
    world,
    policyText: policyOf(town, { quorum: "none" }),
    provider: rememberingProvider(),
    keys,
    publicKeys,
    statements: [...own, ...good],
    transparents: transparentsOf(town),
    honest: { name: "honest", bytes: bundle, policy },
    attacked,
    forged: await forgedWorld(),
    vectors,
    telegrams: telegrams(),
  };
}

function transparentsOf({ world, meter }: Town): readonly Uint8Array[] {
  const [, early, late] = world.batches;
  if (early === undefined || late === undefined) throw new Error("a town has three batches");
  const placed = meter.statements.filter((one) => world.indexOf(one) < early.size);
  return [
    ...meter.statements.map((one) => world.transparent(one, late)),
    ...placed.map((one) => world.transparent(one, early, late)),
    ...world.items.map((one) => world.transparent(one, late)),
    ...meter.statements.map(({ bytes }) => bytes),
  ];
}

/** What each row of the attack table hands over: in a town of its own, as the tests of the table do. It takes seconds. */
export async function attackTable(): Promise<readonly Handed[]> {
  const all: Handed[] = [];
  for (const row of ROWS) {
    const town = await createTown();
    const { bytes, policy } = await evidenceOf(town, await row.make(town));
    all.push({ name: row.name, bytes, policy });
  }
  return all;
}

type VectorKey = { readonly alg: number; readonly seed: string; readonly x: string; readonly y?: string };
type KeyFile = { readonly keys: readonly VectorKey[] };

function* vectorKeys(): Generator<{ key: PublicKey; seed?: Uint8Array }, void, undefined> {
  for (const file of ["statements", "receipts", "bundle", "registry", "keys"]) {
    for (const { alg, seed, x, y } of (readVectors(file) as KeyFile).keys) {
      const ed = alg === -19 || y === undefined;
      yield ed
        ? { key: ed25519Key(fromHex(x)), seed: fromHex(seed) }
        : { key: esp256Key(fromHex(x), fromHex(y)) };
    }
  }
}

type Hexed = { readonly name: string; readonly hex: string };
const named = (all: readonly Hexed[]): Named[] => all.map(({ name, hex }) => ({ name, bytes: fromHex(hex) }));

function readSeeds(): VectorSeeds {
  const cbor = readVectors("cbor") as { accepted: Hexed[]; refused: Hexed[] };
  const keys = readVectors("keys") as { keys: { coseKey: string }[]; refused: Hexed[] };
  const registry = readVectors("registry") as { proofs: { leaf: string }[]; refusedLeaves: Hexed[] };
  const statements = readVectors("statements") as { good: Hexed[]; bad: Hexed[] };
  const receipts = readVectors("receipts") as {
    keys: VectorKey[];
    good: (Hexed & { hashes: string[] })[];
    bad: (Hexed & { hashes: string[] })[];
    foreign: { hex: string; hash: string };
  };
  const notes = readVectors("notes") as {
    notes: { note: string }[];
    refusedNotes: { note: string }[];
    vkeys: { text: string }[];
    refusedVkeys: { text: string }[];
  };
  const policies = readVectors("policies") as {
    good: { text: string }[];
    quorums: { text: string }[];
    refused: { text: string }[];
  };
  const bundle = readVectors("bundle") as { bundles: (Partial<Hexed> & { name: string; policy: string })[] };
  const [logKey, , hardwareKey] = receipts.keys;
  return {
    cbor: [...cbor.accepted, ...cbor.refused].filter(({ hex }) => hex !== undefined),
    coseKeys: [...keys.keys.map(({ coseKey }) => coseKey), ...keys.refused.map(({ hex }) => hex)],
    leaves: [...registry.proofs.map(({ leaf }) => leaf), ...registry.refusedLeaves.map(({ hex }) => hex)],
    goodStatements: named(statements.good).map(({ bytes }) => bytes),
    badStatements: named(statements.bad),
    receipts: [...receipts.good, ...receipts.bad].map(({ name, hex, hashes }) => ({
      name,
      bytes: fromHex(hex),
      hashes: hashes.map(fromHex),
    })),
    receiptKey: ed25519Key(fromHex(logKey?.x ?? "")),
    hardwareKey: esp256Key(fromHex(hardwareKey?.x ?? ""), fromHex(hardwareKey?.y ?? "")),
    foreign: { name: "foreign", bytes: fromHex(receipts.foreign.hex), entry: fromHex(receipts.foreign.hash) },
    notes: [...notes.notes, ...notes.refusedNotes].map(({ note }) => note),
    policies: [...policies.good, ...policies.quorums, ...policies.refused].map(({ text }) => text),
    vkeys: [...notes.vkeys, ...notes.refusedVkeys].map(({ text }) => text),
    // those without bytes of their own are an earlier one under another policy
    bundles: bundle.bundles.flatMap(({ name, hex, policy }) =>
      hex === undefined ? [] : [{ name, policy, bytes: fromHex(hex) }],
    ),
  };
}

const SAMPLES = join(import.meta.dirname, "..", "..", "..", "shared", "samples", "p1");

/** Public telegrams where they are at hand, and one of our own in any case. */
function telegrams(): readonly Named[] {
  const own = [
    "/ISK5\\2M550T-1012",
    "",
    "1-3:0.2.8(50)",
    "0-0:1.0.0(261101120000W)",
    "1-0:1.8.0(000001.234*kWh)",
    "1-0:1.7.0(00.123*kW)",
    "0-1:24.2.1(261101115500W)(00012.345*m3)",
    "1-0:99.97.0(1)(0-0:96.7.19)(261001120000S)(0000000301*s)",
    "0-0:96.13.0()",
    "!",
  ].join("\r\n");
  const samples = existsSync(SAMPLES)
    ? readdirSync(SAMPLES).map((name) => ({ name, bytes: new Uint8Array(readFileSync(join(SAMPLES, name))) }))
    : [];
  return [{ name: "own", bytes: new Uint8Array(Buffer.from(own)) }, ...samples];
}
