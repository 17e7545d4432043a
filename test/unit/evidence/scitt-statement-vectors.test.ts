/**
 * The statements of the public SCITT vectors (their receipts have a test of their own). They are signed under deprecated algorithms with
 * headers in no order, so our profile refuses them; by general means the signatures are as the vectors say, and our leaf rule is theirs.
 *
 * @module
 */
import {
  ALG_ED25519,
  ALG_ESP256,
  decodeCbor,
  parseSign1,
  parseStatement,
  sha256,
  Tagged,
  toBeSigned,
  toHex,
  type CborValue,
} from "@tallystick/evidence";
import { createPublicKey, verify } from "node:crypto";
import { describe, expect, test } from "vitest";
import { need } from "../../support/require.ts";
import { sharedBytes, sharedJson, sharedText } from "../../support/shared.ts";
import { codeOf } from "../../support/vectors.ts";

type Expected = {
  readonly payload_sha256: string;
  readonly leaf_entry: string;
  readonly statement_signature_valid: boolean;
  readonly protected_header: { readonly statement: { readonly alg_code: number } };
};

const haveShared = need("shared");
const MAX = 32_768;

const VECTORS = [
  "valid-eddsa",
  "valid-es256",
  "fail-bad-statement-sig",
  "fail-tampered-path",
  "fail-unsupported-vds",
  "valid-ccf-vds2",
];

describe.skipIf(!haveShared)("SCITT statements", () => {
  test.for(VECTORS)("%s", (name) => {
    const folder = `vectors/scitt-cose/v1/${name}`;
    const bytes = sharedBytes(`${folder}/statement.cose`);
    const expected = sharedJson(`${folder}/expected.json`) as Expected;

    const { protectedBytes, header, payload, signature } = parseSign1(bytes, MAX, {
      deterministicHeader: false,
    });
    const content = payload ?? new Uint8Array();
    expect(content).toEqual(sharedBytes(`${folder}/payload.bin`));
    expect(toHex(sha256(content))).toBe(expected.payload_sha256);
    expect(toHex(sha256(bytes))).toBe(expected.leaf_entry);

    const key = createPublicKey(sharedText(`${folder}/issuer-key.pub`));
    const hash = header.get(1) === -7 ? "sha256" : null;
    const good = verify(
      hash,
      toBeSigned(protectedBytes, content),
      { key, dsaEncoding: "ieee-p1363" },
      signature,
    );
    expect(good).toBe(name !== "fail-bad-statement-sig");

    expect(codeOf(() => parseSign1(bytes, MAX))).toBe("cbor-order");
    expect(codeOf(() => parseStatement(bytes))).toBe("cbor-order");
    expect([ALG_ED25519, ALG_ESP256]).not.toContain(header.get(1));
  });

  test("a statement is one tagged array, as the vectors have it", () => {
    const outer = decodeCbor(sharedBytes("vectors/scitt-cose/v1/valid-eddsa/statement.cose"), {
      maxBytes: MAX,
      tags: [18],
    });
    expect(outer).toBeInstanceOf(Tagged);
    expect((outer as Tagged).value as readonly CborValue[]).toHaveLength(4);
  });
});
