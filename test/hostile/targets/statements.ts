/**
 * Statements, read and their signature checked with the key that they name; and single statements with receipts, judged as a stranger would.
 *
 * @module
 */
import {
  decodeEvent,
  decodeItem,
  decodePack,
  encodeEvent,
  encodeItem,
  encodeSign1,
  equalBytes,
  parsePolicy,
  parseStatement,
  parseTransparent,
  toHex,
  verify,
  verifyStatement,
  type RegistryCopy,
  type Statement,
  type Verdict,
} from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import type { Corpus } from "../corpus.ts";
import { editCbor } from "../mutate/cbor-edits.ts";
import { signAnew } from "../signing.ts";
import { hexSet, must, refusal, type Target } from "../target.ts";

/** What holds of every statement that was read, whoever signed it. */
function checkParsed(statement: Statement, bytes: Uint8Array): void {
  const { sign1, content, claims } = statement;
  must(equalBytes(statement.bytes, bytes), "a statement that is not the bytes it was read from");
  must(equalBytes(statement.hash, nodeSha256(bytes)), "a statement with another hash than its bytes");
  must(equalBytes(encodeSign1(sign1), bytes), "a statement that is written otherwise");
  if (content.type === "event") {
    must(
      equalBytes(encodeEvent(decodeEvent(content.payload)), content.payload),
      "an event written otherwise",
    );
  }
  if (content.type === "registry") {
    must(equalBytes(encodeItem(decodeItem(content.payload)), content.payload), "an item written otherwise");
  }
  if (content.type === "senml") {
    const readings = decodePack(content.payload, `${claims.iss}/${claims.sub}/`);
    must(readings.length === statement.records, "a pack with another number of records");
  }
}

export function statementTargets(corpus: Corpus): readonly Target[] {
  const { keys, provider, publicKeys, statements, vectors } = corpus;
  const signed = [...statements.map(({ bytes }) => bytes), ...vectors.goodStatements];
  // Some of the bad ones are bad for another's key only: they were signed as they are.
  const bad = vectors.badStatements.map(({ bytes }) => bytes);
  const originals = hexSet([...signed, ...bad].map((bytes) => nodeSha256(bytes)));
  const resign: Target["resign"] = (bytes, other, random) =>
    editCbor(bytes, other, random, (nodes) => signAnew(nodes, keys));

  const statement: Target = {
    name: "statement",
    nature: "cbor",
    weight: 14,
    seeds: [
      ...signed.map((bytes, i) => ({ name: `good ${i}`, bytes, about: undefined })),
      ...vectors.badStatements.map(({ name, bytes }) => ({ name, bytes, about: undefined })),
    ],
    resign,
    run: (bytes, _, anew, random) =>
      refusal(() => {
        const found = parseStatement(bytes, nodeSha256);
        checkParsed(found, bytes);
        const named = publicKeys.get(toHex(found.kid));
        const key = random.chance(0.98) ? named : random.pick([...publicKeys.values()]);
        if (key === undefined) return "read; its key is not known";
        verifyStatement(found, key, provider);
        const original = originals.has(toHex(found.hash));
        must(original || anew, "a changed statement was accepted");
        return original ? "the original" : "signed anew";
      }),
    expected: [
      ..."cbor-malformed cbor-duplicate-key cbor-order cbor-depth cbor-tag cbor-trailing cbor-decimal".split(
        " ",
      ),
      ..."unknown-member member-missing member-type member-range cose-malformed cose-algorithm".split(" "),
      ..."cose-unprotected statement-malformed statement-claims name-malformed signature-invalid".split(" "),
      ..."senml-malformed senml-unit senml-time event-malformed key-malformed".split(" "),
      "key-mismatch",
      "the original",
      "signed anew",
    ],
  };

  const { world, policyText } = corpus;
  const policy = parsePolicy(policyText);
  const registry: RegistryCopy = {
    ...world.registryCopy(),
    at: ({ size }) => world.keyState(Math.min(size, world.entries.length)),
  };
  const judge = (bytes: Uint8Array): Verdict =>
    verify(bytes, { policy, provider, hash: nodeSha256, registry });
  const honest = hexSet(world.entries);
  const transparent: Target = {
    name: "transparent",
    nature: "cbor",
    weight: 8,
    seeds: [...corpus.transparents, ...corpus.forged.transparents].map((bytes, i) => ({
      name: `statement ${i}`,
      bytes,
      about: undefined,
    })),
    resign,
    run: (bytes, _, anew) => {
      const verdict = judge(bytes);
      if (verdict.verdict === "invalid" || verdict.verdict === "not-verifiable")
        return verdict.code ?? must(false, "a refusal without a code") ?? "";
      const found = parseTransparent(bytes, nodeSha256);
      // Unsigned by design: which of its true receipts a statement carries, how often, and in which order.
      must(anew || honest.has(toHex(found.statement.hash)), "a changed or forged statement was accepted");
      must(verdict.restrictions.includes("no-witness"), "a statement alone shows no witness");
      return `${verdict.verdict}: ${verdict.restrictions.join(" ")}`;
    },
    expected: [
      ..."cbor-malformed cbor-order cose-malformed cose-unprotected unknown-member signature-invalid".split(
        " ",
      ),
      ..."receipt-missing receipt-size receipt-malformed log-unknown log-key proof-length proof-index".split(
        " ",
      ),
      ..."registry-missing key-unknown statement-claims vds-unsupported cose-algorithm receipt-index".split(
        " ",
      ),
      "restricted: no-witness",
    ],
  };
  return [statement, transparent];
}
