/**
 * The receipts of the public SCITT vectors: of other log software, without a signed size, their headers in no order. Their signatures are
 * checked by node:crypto directly where s is in the upper half, which our own profile refuses.
 *
 * @module
 */
import { createPublicKey, verify } from "node:crypto";
import {
  isForeignReceipt,
  nobleProvider,
  parseForeignReceipt,
  parseReceipt,
  sha256,
  toHex,
  verifyForeignReceipt,
  type SignatureProvider,
} from "@tallystick/evidence";
import { createNodeProvider, parsePublicKeyPem } from "@tallystick/evidence/node";
import { describe, expect, test } from "vitest";
import { need } from "../../support/require.ts";
import { sharedBytes, sharedJson, sharedText } from "../../support/shared.ts";
import { codeOf } from "../../support/vectors.ts";

type Expected = {
  readonly leaf_entry: string;
  readonly leaf_index: number;
  readonly tree_size: number;
  readonly reconstructed_root: string;
};

const haveShared = need("shared");
const file = (vector: string, name: string): string => `vectors/scitt-cose/v1/${vector}/${name}`;
const receiptOf = (vector: string): Uint8Array => sharedBytes(file(vector, "receipt.cose"));
const entryOf = (vector: string): Uint8Array => sha256(sharedBytes(file(vector, "statement.cose")));
const pemOf = (vector: string): string => sharedText(file(vector, "log-key.pub"));
const expectedOf = (vector: string): Expected => sharedJson(file(vector, "expected.json")) as Expected;

/** As ours, but s may be in either half: other logs don't promise the lower. */
const lenient = (vector: string): SignatureProvider => ({
  name: "lenient",
  verify: (_key, message, signature) => {
    const key = createPublicKey(pemOf(vector));
    return key.asymmetricKeyType === "ed25519"
      ? verify(null, message, key, signature)
      : verify("sha256", message, { key, dsaEncoding: "ieee-p1363" }, signature);
  },
});

const judge = (vector: string, provider = lenient(vector)): string => {
  const key = parsePublicKeyPem(pemOf(vector), vector);
  return toHex(verifyForeignReceipt(parseForeignReceipt(receiptOf(vector)), entryOf(vector), key, provider));
};

describe.skipIf(!haveShared)("receipts of scitt-cose", () => {
  test.for(["valid-eddsa", "valid-es256", "fail-bad-statement-sig"])("%s: the receipt is good", (vector) => {
    const { leaf_entry, leaf_index, tree_size, reconstructed_root } = expectedOf(vector);
    expect(toHex(entryOf(vector))).toBe(leaf_entry);
    const { proof } = parseForeignReceipt(receiptOf(vector));
    expect({ index: proof.index, size: proof.size }).toEqual({ index: leaf_index, size: tree_size });
    expect(judge(vector)).toBe(reconstructed_root);
  });

  test("Ed25519 receipts are good under our own providers", () => {
    const { reconstructed_root } = expectedOf("valid-eddsa");
    for (const provider of [nobleProvider, createNodeProvider()]) {
      expect(judge("valid-eddsa", provider)).toBe(reconstructed_root);
    }
  });

  test("s in the upper half is refused by our own profile, and for that alone", () => {
    for (const provider of [nobleProvider, createNodeProvider()]) {
      expect(codeOf(() => judge("valid-es256", provider))).toBe("signature-invalid");
    }
  });

  test("fail-tampered-path leads to another root", () => {
    expect(codeOf(() => judge("fail-tampered-path"))).toBe("signature-invalid");
  });

  test.for(["fail-unsupported-vds", "valid-ccf-vds2"])("%s is of another data structure", (vector) => {
    expect(codeOf(() => parseForeignReceipt(receiptOf(vector)))).toBe("vds-unsupported");
  });

  test.for(["valid-eddsa", "valid-es256", "fail-tampered-path", "fail-bad-statement-sig"])(
    "%s: the header is in no deterministic order, and refused where that is asked for",
    (vector) => {
      const bytes = receiptOf(vector);
      expect(codeOf(() => parseForeignReceipt(bytes, { deterministicHeader: true }))).toBe("cbor-order");
      expect(isForeignReceipt(bytes)).toBe(true);
      expect(codeOf(() => parseReceipt(bytes))).toBe("cbor-order");
    },
  );

  test("valid-ccf-vds2 is in order: refused for its data structure even then", () => {
    const bytes = receiptOf("valid-ccf-vds2");
    expect(codeOf(() => parseForeignReceipt(bytes, { deterministicHeader: true }))).toBe("vds-unsupported");
  });
});
