/**
 * What travels: `up` messages as the ledger takes them in, `down` messages as the agent does.
 *
 * @module
 */
import {
  concatBytes,
  decodeDown,
  encodeDown,
  equalBytes,
  parseReceipt,
  parseStatement,
  splitUp,
  toHex,
  verifyReceipt,
  verifyStatement,
  type DownMessage,
  type EvidenceCode,
  type Statement,
} from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import type { Corpus } from "../corpus.ts";
import { hexSet, must, refusal, type Seed, type Target } from "../target.ts";

const CBOR = "cbor-malformed cbor-duplicate-key cbor-order cbor-depth cbor-tag cbor-trailing".split(" ");

export const wireTargets = (corpus: Corpus): readonly Target[] => [upTarget(corpus), downTarget(corpus)];

/** Never throws: whole items, each read in turn, and the rest with one code. */
function upTarget({ town, world, vectors, statements, provider, publicKeys }: Corpus): Target {
  const { meter } = town;
  const sequences = [
    meter.statements.map(({ bytes }) => bytes),
    [world.receipt(meter.statements), ...meter.statements.slice(0, 2).map(({ bytes }) => bytes)],
    vectors.goodStatements.slice(0, 5),
    [meter.statements[1]?.bytes ?? new Uint8Array()],
    vectors.badStatements.slice(0, 20).map(({ bytes }) => bytes),
  ];
  const originals = hexSet([
    ...statements.map(({ hash }) => hash),
    ...vectors.goodStatements.map((one) => nodeSha256(one)),
    // What is wrong with some is what stands behind a good one.
    ...vectors.badStatements.flatMap(({ bytes }) =>
      splitUp(bytes).items.flatMap((item) =>
        item.bytes.length < bytes.length ? [nodeSha256(item.bytes)] : [],
      ),
    ),
  ]);
  return {
    name: "up",
    nature: "cbor",
    weight: 8,
    seeds: sequences.map((all, i): Seed => ({
      name: `up ${i}`,
      bytes: concatBytes(...all),
      about: undefined,
    })),
    run: (bytes) => {
      const { items, rest } = splitUp(bytes);
      const again = concatBytes(...items.map((one) => one.bytes), rest?.bytes ?? new Uint8Array());
      must(equalBytes(again, bytes), "items and rest are not the message");
      must(items.length <= 512, "more items than a message has");
      for (const item of items) {
        const outcome = refusal(() => {
          if (item.kind === "receipt") return `receipt ${parseReceipt(item.bytes).proofs.length}`;
          return accepted(parseStatement(item.bytes, nodeSha256));
        });
        if (outcome !== "the original" && !outcome.startsWith("receipt ")) return `item: ${outcome}`;
      }
      return rest === undefined ? "all of it" : `rest: ${rest.error.code}`;
    },
    expected: [
      ...CBOR.filter((code) => code !== "cbor-trailing").map((code) => `rest: ${code}`),
      "rest: cose-malformed",
      "item: signature-invalid",
      "item: statement-claims",
      "item: unknown-member",
      "item: cbor-malformed",
      "all of it",
    ],
  };

  function accepted(statement: Statement): string {
    const key = publicKeys.get(toHex(statement.kid));
    if (key === undefined) return "key-unknown";
    verifyStatement(statement, key, provider);
    must(originals.has(toHex(statement.hash)), "a changed statement was accepted");
    return "the original";
  }
}

/**
 * A message is read whole or not at all, and a receipt in it is believed for what is true of this log. Unsigned by design: which of its proofs a
 * receipt brings, and in which order, as long as the hashes go with them.
 */
function downTarget({ town, world, provider }: Corpus): Target {
  const { meter } = town;
  const hashes = meter.statements.map(({ hash }) => hash);
  const [hash = new Uint8Array(32)] = hashes;
  const receipt = world.receipt(meter.statements);
  const code: EvidenceCode = "fork";
  const messages: readonly (readonly DownMessage[])[] = [
    [{ kind: "receipt", hashes, receipt }],
    [{ kind: "rejected", hash, code, text: "another statement has this number" }],
    [{ kind: "wanted", hashes }],
    [
      { kind: "receipt", hashes: [hash], receipt: world.receipt(meter.statements.slice(0, 1)) },
      { kind: "wanted", hashes: [hash] },
      { kind: "rejected", hash, code: "rate-limited", text: "" },
    ],
  ];
  const places = new Map(world.entries.map((entry, index) => [toHex(entry), index]));
  return {
    name: "down",
    nature: "cbor",
    weight: 8,
    seeds: messages.map((all, i): Seed => ({
      name: `down ${i}`,
      bytes: concatBytes(...all.map(encodeDown)),
      about: undefined,
    })),
    run: (bytes) =>
      refusal(() => {
        const read = decodeDown(bytes);
        must(equalBytes(concatBytes(...read.map(encodeDown)), bytes), "a message that is written otherwise");
        const receipts = read.filter((one) => one.kind === "receipt");
        const outcomes = receipts.map((one) => refusal(() => believed(one)));
        return outcomes.find((one) => one !== "believed") ?? (outcomes.length > 0 ? "believed" : "advice");
      }),
    expected: [
      ...CBOR.filter(
        (one) => one !== "cbor-trailing" && one !== "cbor-duplicate-key" && one !== "cbor-order",
      ),
      ..."unknown-member member-type member-range cose-malformed signature-invalid receipt-entry receipt-size".split(
        " ",
      ),
      "believed",
      "advice",
    ],
  };

  function believed(message: Extract<DownMessage, { kind: "receipt" }>): string {
    const found = parseReceipt(message.receipt);
    const { root, indexes } = verifyReceipt(found, message.hashes, world.log.key, provider, nodeSha256);
    const batch = world.batches.find(({ size }) => size === found.size);
    must(batch !== undefined && equalBytes(batch.root, root), "a tree that the log never signed");
    must(found.timeUnixS === batch?.claims.timeUnixS, "a commit time that the log never signed");
    for (const [i, index] of indexes.entries())
      must(places.get(toHex(message.hashes[i] ?? new Uint8Array())) === index, "an entry at another place");
    return "believed";
  }
}
