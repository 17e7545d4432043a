import {
  encodeCbor,
  encodeUtf8,
  isEvidenceError,
  sha256,
  type CborKey,
  type CborValue,
} from "@tallystick/evidence";
import { createNodeProvider } from "@tallystick/evidence/node";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeContent, encodeContent, type Certificate } from "../../../audit/src/certificate/content.ts";
import { certificateOf } from "../../../audit/src/certificate/make.ts";
import { isCertificate, openCertificate, sealCertificate } from "../../../audit/src/certificate/seal.ts";
import { CAUSES, type CoverageBody } from "../../../audit/src/coverage/body.ts";
import { noneOf } from "../../../audit/src/coverage/numbers.ts";
import type { Result } from "../../../audit/src/result.ts";
import { auditorOf, isSignedBy } from "../../../audit/src/signed.ts";
import { formatExamples } from "../../support/format-examples.ts";
import { codeOf } from "../../support/vectors.ts";
import { signerOf } from "../../support/world.ts";

const SIGNER = signerOf("audit.example/anna");
const PROVIDER = createNodeProvider();
const HASH = sha256(encodeUtf8("something"));

const causes = fc.tuple(...CAUSES.map(() => fc.nat({ max: 1000 }))).map((counts) => {
  const missing = noneOf();
  for (const [i, cause] of CAUSES.entries()) missing[cause] = counts[i] ?? 0;
  return { missing, total: counts.reduce((sum, count) => sum + count, 0) };
});
const label = fc.stringMatching(/^[a-z0-9-]{1,20}$/);
const when = fc.option(fc.constant("2026-11-01T00:00:00+01:00"), { nil: null });
const edge = fc.record({
  by: fc.constantFrom("reading" as const, "chain" as const, "heads" as const, "open" as const),
  at: when,
});
const count = fc.nat({ max: 1_000_000 });

const chain = fc
  .tuple(count, count, causes, fc.option(count, { nil: null }))
  .map(([from, held, { missing, total }, seq]) => ({
    ch: HASH.slice(0, 8),
    seqs: { from, to: from + held + total - 1 },
    held,
    missing,
    attested: seq === null ? null : { seq, at: null },
  }));
const period = fc
  .tuple(label, count, causes, fc.boolean(), count)
  .map(([name, received, { missing, total }, due, late]) => ({
    label: name,
    from: 1,
    to: 2,
    tally: { expected: due ? received + total : null, received, missing, late, repeats: late, conflicts: 0 },
  }));
const stream = fc.record({
  iss: label,
  sub: label,
  state: fc.constantFrom("complete" as const, "explained" as const, "incomplete" as const, "empty" as const),
  interval: fc.option(fc.constant("900"), { nil: null }),
  begins: edge,
  ends: edge,
  chains: fc.array(
    chain.filter(({ seqs }) => seqs.to >= seqs.from),
    { maxLength: 3 },
  ),
  periods: fc.array(period, { maxLength: 3 }),
});
const any: fc.Arbitrary<Certificate> = fc.record({
  tool: fc.constant({ name: "tally-audit", version: "0.1.0" }),
  log: fc.constant({ origin: "log.example/2026", size: 9, root: HASH }),
  evidence: fc.record({ kind: fc.constantFrom("case" as const, "bundle" as const), hash: fc.constant(HASH) }),
  policy: fc.constant(HASH),
  verdict: fc.constantFrom("verified" as const, "restricted" as const, "invalid" as const),
  restrictions: fc.array(label, { maxLength: 3 }),
  zone: fc.constant("Europe/Vienna"),
  from: fc.constant(5),
  to: fc.integer({ min: 6, max: 9_999_999 }),
  lateAfterS: count,
  findings: count,
  streams: fc
    .uniqueArray(stream, { maxLength: 3, selector: ({ iss, sub }) => `${iss} ${sub}` })
    .map((all) => all.toSorted((a, b) => (a.iss < b.iss ? -1 : a.iss > b.iss ? 1 : a.sub < b.sub ? -1 : 1))),
});

describe("the content of a certificate", () => {
  test("is read as it was written", () => {
    fc.assert(
      fc.property(any, (one) => {
        expect(decodeContent(encodeContent(one))).toEqual(one);
      }),
    );
  });

  test("with any bit changed is refused, or another content in its one form", () => {
    fc.assert(
      fc.property(any, fc.nat(), (one, at) => {
        const bytes = encodeContent(one);
        const bit = at % (bytes.length * 8);
        bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        try {
          const other = decodeContent(bytes);
          expect(encodeContent(other)).toEqual(bytes);
          expect(other).not.toEqual(one);
        } catch (error) {
          if (!isEvidenceError(error)) throw error;
        }
      }),
      { numRuns: 500 },
    );
  });
});

/** The content of the example of docs/formats.md, with one member other than it is. */
async function changed(change: (content: Certificate) => Certificate): Promise<Uint8Array> {
  const { examples } = await formatExamples();
  const { certificate } = openCertificate(examples.get("certificate") ?? new Uint8Array());
  return encodeContent(change(certificate));
}

describe("numbers that don't add up", () => {
  const ofStream = (change: (stream: Certificate["streams"][number]) => object) =>
    changed((content) => ({
      ...content,
      streams: content.streams.map((one) => ({ ...one, ...change(one) })),
    }));

  test.for([
    [
      "a number too few of a chain",
      () => ofStream(({ chains }) => ({ chains: chains.map((one) => ({ ...one, held: 1 })) })),
    ],
    [
      "a chain that ends before it begins",
      () =>
        ofStream(({ chains }) => ({
          chains: chains.map((one) => ({ ...one, held: 0, seqs: { from: 3, to: 1 } })),
        })),
    ],
    [
      "a sample too many",
      () =>
        ofStream(({ periods }) => ({
          periods: periods.map((one) => ({ ...one, tally: { ...one.tally, received: 4 } })),
        })),
    ],
    [
      "a stream twice",
      () => changed((content) => ({ ...content, streams: [...content.streams, ...content.streams] })),
    ],
    ["a period that ends before it begins", () => changed((content) => ({ ...content, to: content.from }))],
    ["another state", () => ofStream(() => ({ state: "fine" }))],
    ["another verdict", () => changed((content) => ({ ...content, verdict: "fine" as "verified" }))],
  ] as const)("%s", async ([, make]) => {
    const bytes = await make();
    expect(codeOf(() => decodeContent(bytes))).toBe("member-range");
  });

  test("a member that the format doesn't have", async () => {
    const bytes = await changed((content) => content);
    const extra = new Map<CborKey, CborValue>([
      ["v", 1],
      ["x", 1],
    ]);
    expect(codeOf(() => decodeContent(encodeCbor(extra)))).toBe("member-missing");
    expect(codeOf(() => decodeContent(bytes.subarray(0, -1)))).toMatch(/^cbor-/);
  });
});

describe("the signature of a certificate", () => {
  const sealed = async (content?: Certificate) => {
    const { examples } = await formatExamples();
    const { certificate } = openCertificate(examples.get("certificate") ?? new Uint8Array());
    return sealCertificate(
      content ?? certificate,
      { name: "audit.example/anna", atUnixS: 1_800_000_000 },
      SIGNER,
    );
  };

  test("is of one key and one name", async () => {
    const one = openCertificate(await sealed());
    const auditor = { name: one.name, key: SIGNER.key, vkey: "" };
    expect(one.atUnixS).toBe(1_800_000_000);
    expect(isSignedBy(one, auditor, PROVIDER)).toBe(true);
    expect(auditorOf(one, [{ ...auditor, name: "audit.example/bert" }])).toBeUndefined();
    expect(auditorOf(one, [{ ...auditor, key: signerOf("bert").key }])).toBeUndefined();
  });

  test("a statement is no certificate, and a certificate no statement", async () => {
    const { examples } = await formatExamples();
    expect(isCertificate(examples.get("readings-statement") ?? new Uint8Array())).toBe(false);
    expect(isCertificate(new Uint8Array())).toBe(false);
    expect(isCertificate(await sealed())).toBe(true);
    expect(codeOf(() => openCertificate(examples.get("readings-statement") ?? new Uint8Array()))).toBe(
      "member-range",
    );
  });

  test("a name that no verifier key can have is not signed", async () => {
    const { examples } = await formatExamples();
    const { certificate } = openCertificate(examples.get("certificate") ?? new Uint8Array());
    await expect(sealCertificate(certificate, { name: "two words", atUnixS: null }, SIGNER)).rejects.toThrow(
      expect.objectContaining({ code: "member-range" }),
    );
  });
});

describe("a certificate out of a result", () => {
  const body: CoverageBody = {
    zone: "UTC",
    from: "2026-11-01T00:00:00+00:00",
    to: "2026-12-01T00:00:00+00:00",
    lateAfterS: 60,
    streams: [],
    devices: [],
    counts: [],
    findings: [],
  };
  const hex = Buffer.from(HASH).toString("hex");
  const result: Result<CoverageBody> = {
    v: 1,
    kind: "coverage",
    tool: { name: "tally-audit", version: "0.1.0" },
    verdict: "restricted",
    findings: 3,
    log: { origin: "log.example/2026", size: 7, root: hex },
    inputs: [
      { role: "bundle", name: "b", sha256: hex, bytes: 1 },
      { role: "policy", name: "p", sha256: hex, bytes: 1 },
    ],
    checks: [],
    restrictions: ["no-witness"],
    notProven: [],
    repeat: [],
    body,
  };

  test("of a fork: the evidence is invalid, and the certificate says so", () => {
    const forked = {
      ...result,
      verdict: "invalid",
      code: "fork",
      checks: [{ name: "chains", result: "failed", code: "fork" }],
    } as const;
    expect(certificateOf(forked, { from: 1, to: 2 })).toMatchObject({
      verdict: "invalid",
      restrictions: ["no-witness", "fork"],
      evidence: { kind: "bundle" },
      findings: 3,
    });
  });

  test.for([
    [
      "invalid",
      "signature-invalid",
      [
        { name: "chains", result: "failed", code: "fork" },
        { name: "signatures", result: "failed", code: "signature-invalid" },
      ],
    ],
    ["invalid", "log-fork", [{ name: "seen", result: "failed", code: "log-fork" }]],
    ["not-verifiable", "log-unknown", [{ name: "log", result: "not-done", code: "log-unknown" }]],
  ] as const)("not of evidence that is %s: %s", ([verdict, code, checks]) => {
    const bad = { ...result, verdict, code, checks };
    expect(codeOf(() => certificateOf(bad, { from: 1, to: 2 }))).toBe(code);
  });
});
