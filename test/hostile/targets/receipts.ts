/**
 * Receipts of this log, of other logs, and the notes and proofs of trees.
 *
 * @module
 */
import {
  equalBytes,
  isEvidenceError,
  parseForeignReceipt,
  parseReceipt,
  toHex,
  verifyConsistency,
  verifyForeignReceipt,
  verifyReceipt,
  type PublicKey,
  type Receipt,
} from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import type { Corpus } from "../corpus.ts";
import { editCbor } from "../mutate/cbor-edits.ts";
import type { Random } from "../random.ts";
import { signAnew } from "../signing.ts";
import { hexSet, must, refusal, type Seed, type Target } from "../target.ts";

type For = { readonly entries: readonly Uint8Array[]; readonly key: PublicKey };

/** All that a receipt claims, besides its own bytes. */
const claimsOf = ({ origin, timeUnixS, size, registry, keysRoot }: Receipt): string =>
  [origin, timeUnixS, size, registry.count, toHex(registry.last), toHex(keysRoot)].join(" ");

/** The proofs of a receipt. Which of them it brings, and in which order, is unsigned by design, as long as the entries go with them. */
const proofsOf = (receipt: Receipt): readonly string[] =>
  receipt.proofs.map(({ index, path }) => {
    const hashes = Array.from({ length: path.length }, (_, i) => toHex(path.at(i) ?? new Uint8Array()));
    return [claimsOf(receipt), index, ...hashes].join(" ");
  });

export function receiptTargets(corpus: Corpus): readonly Target[] {
  const { world, town, vectors, keys, provider } = corpus;
  const batches = world.batches.slice(1);
  const ofTown = batches.flatMap((batch): Seed<For>[] => {
    const placed = town.meter.statements.filter((one) => world.indexOf(one) < batch.size);
    const of = (some: typeof placed): Seed<For> => ({
      name: `${some.length} at ${batch.size}`,
      bytes: world.receipt(some, batch),
      about: { entries: some.map(({ hash }) => hash), key: world.log.key },
    });
    return [of(placed), ...placed.map((one) => of([one]))];
  });
  const ofVectors = vectors.receipts.map(({ name, bytes, hashes }): Seed<For> => ({
    name,
    bytes,
    about: { entries: hashes, key: vectors.receiptKey },
  }));
  const seeds = [...ofTown, ...ofVectors];
  const originals = hexSet(seeds.map(({ bytes }) => bytes));
  const proofs = new Set(
    seeds.flatMap(({ bytes }) => {
      try {
        return proofsOf(parseReceipt(bytes));
      } catch (error) {
        if (!isEvidenceError(error)) throw error;
        return []; // a vector that is refused
      }
    }),
  );
  const receipt: Target<For> = {
    name: "receipt",
    nature: "cbor",
    weight: 14,
    seeds,
    resign: (bytes, other, random) =>
      editCbor(bytes, other, random, (nodes) => signAnew(nodes, keys, entryFor(seeds, bytes))),
    run: (bytes, { about: { entries, key } }, anew) =>
      refusal(() => {
        const found = parseReceipt(bytes);
        const { root, indexes } = verifyReceipt(found, entries, key, provider, nodeSha256);
        must(
          indexes.length === entries.length && root.length === 32,
          "a receipt for another number of entries",
        );
        const original =
          originals.has(toHex(bytes)) || (!anew && proofsOf(found).every((one) => proofs.has(one)));
        must(original || anew, `a changed receipt was accepted: ${claimsOf(found)}`);
        return original ? "the original" : "signed anew";
      }),
    expected: [
      ..."cbor-malformed cbor-duplicate-key cbor-order cbor-depth cbor-tag cbor-trailing unknown-member".split(
        " ",
      ),
      ..."member-missing member-type member-range cose-malformed cose-algorithm receipt-malformed".split(" "),
      ..."receipt-size receipt-entry receipt-key vds-unsupported proof-length proof-index signature-invalid".split(
        " ",
      ),
      "the original",
      "signed anew",
    ],
  };
  return [receipt as Target, foreignTarget(corpus, ofTown[0]), consistencyTarget(corpus)];
}

const entryFor = (seeds: readonly Seed<For>[], bytes: Uint8Array): Uint8Array | undefined =>
  seeds.find((seed) => seed.bytes === bytes)?.about.entries[0];

/** Receipts without a size prove that an entry is included, and claim no more than the root that they lead to. */
function foreignTarget({ vectors, provider, keys }: Corpus, own: Seed<For> | undefined): Target {
  const { foreign, receiptKey: key, hardwareKey } = vectors;
  const seeds = [
    { ...foreign, about: undefined },
    ...(own === undefined ? [] : [{ ...own, about: undefined }]),
  ];
  const roots = hexSet([
    verifyForeignReceipt(parseForeignReceipt(foreign.bytes), foreign.entry, key, provider, nodeSha256),
  ]);
  return {
    name: "foreign receipt",
    nature: "cbor",
    weight: 4,
    seeds,
    resign: (bytes, other, random) =>
      editCbor(bytes, other, random, (nodes) => signAnew(nodes, keys, foreign.entry)),
    run: (bytes, _, anew, random) =>
      refusal(() => {
        const found = parseForeignReceipt(bytes);
        const named = random.chance(0.97) ? key : hardwareKey;
        const root = verifyForeignReceipt(found, foreign.entry, named, provider, nodeSha256);
        // Unsigned by design (RFC 9942): index and size, as far as the path still leads to the signed root, and unknown unprotected labels.
        must(anew || roots.has(toHex(root)), "a foreign receipt for a root that its log never signed");
        return anew ? "signed anew" : "the signed root";
      }),
    expected: [
      ..."cbor-malformed cbor-duplicate-key cose-malformed receipt-malformed vds-unsupported".split(" "),
      ..."cose-algorithm key-mismatch member-type member-missing proof-index proof-length signature-invalid".split(
        " ",
      ),
      "the signed root",
      "signed anew",
    ],
  };
}

/** Paths from one tree to a later one: numbers and hashes changed, left out, added, exchanged. */
function consistencyTarget({ world }: Corpus): Target {
  const size = world.entries.length;
  const grown = Array.from({ length: size - 2 }, (_, i) => i + 1).map((from) => ({
    name: `${from} to ${size}`,
    bytes: Uint8Array.of(...world.consistency(from, size).flatMap((hash) => [...hash])),
    about: from,
  }));
  const rootOf = new Map(world.batches.map((batch) => [batch.size, batch.root]));
  const seeds = grown.filter(({ about }) => rootOf.has(about));
  return {
    name: "consistency",
    nature: "bytes",
    weight: 3,
    seeds,
    run: (bytes, seed, _, random) => {
      const from = seed.about as number;
      const path = hashesOf(bytes);
      const [size1, size2] = random.chance(0.8)
        ? [from, size]
        : [oddNumber(random, size), oddNumber(random, size)];
      const [root1, root2] = [rootOf.get(from) ?? new Uint8Array(32), rootOf.get(size) ?? new Uint8Array(32)];
      return refusal(() => {
        verifyConsistency(size1, root1, size2, root2, path, nodeSha256);
        const original = equalBytes(bytes, seed.bytes) && size1 === from && size2 === size;
        must(original, `a proof from ${size1} to ${size2} that is none`);
        return "the original";
      });
    },
    expected: ["proof-index", "proof-length", "proof-root", "the original"],
  };
}

const hashesOf = (bytes: Uint8Array): Uint8Array[] =>
  Array.from({ length: Math.ceil(bytes.length / 32) }, (_, i) => bytes.subarray(32 * i, 32 * (i + 1)));

const oddNumber = (random: Random, near: number): number =>
  random.pick([
    0,
    1,
    -1,
    near,
    near + 1,
    2 ** 31,
    2 ** 32 + 1,
    2 ** 53 - 1,
    2 ** 53,
    0.5,
    Number.NaN,
    Infinity,
  ]);
