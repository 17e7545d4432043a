import { generateKeyPairSync, sign } from "node:crypto";
import { afterAll, describe, expect, test } from "vitest";
import {
  ALG_ED25519,
  ed25519Key,
  esp256Key,
  fromHex,
  nobleProvider,
  type PublicKey,
} from "@tallystick/evidence";
import { createNodeProvider } from "@tallystick/evidence/node";
import {
  JOB_SIGNATURES,
  runJob,
  SignatureJob,
  verdictsOf,
} from "../../../anchor/src/admission/signature-job.ts";
import { SignatureThreads } from "../../../anchor/src/admission/signature-threads.ts";
import { createSodiumProvider } from "../../../anchor/src/admission/sodium.ts";
import { deviceSigner } from "../../support/anchor-log.ts";
import { verifyOne } from "../../support/anchor-pipeline.ts";
import { need } from "../../support/require.ts";
import { sharedJson } from "../../support/shared.ts";

const sodium = createSodiumProvider();
type Check = { readonly key: PublicKey; readonly message: Uint8Array; readonly signature: Uint8Array };

/** Runs checks in one job, on this thread. */
function inOneJob(checks: readonly Check[], job = new SignatureJob()): number[] {
  for (const { key, message, signature } of checks) job.add(key, message, signature);
  const buffer = job.take();
  runJob(buffer, verifyOne(sodium));
  return [...verdictsOf(buffer)];
}

const text = (s: string): Uint8Array => new TextEncoder().encode(s);

type Cctv = { readonly number: number; readonly key: string; readonly sig: string; readonly msg: string };

describe.skipIf(!need("shared"))("the 914 Ed25519 edge cases of C2SP/CCTV", () => {
  const cases = need("shared")
    ? (sharedJson("vectors/ed25519-edge-cases/ed25519vectors.json") as Cctv[])
    : [];
  const verdicts = need("shared")
    ? (sharedJson("vectors/ed25519-edge-cases/verdicts.json") as { accepted: Record<string, number[]> })
    : { accepted: {} };

  test("sodium accepts exactly the strict ones, on the main thread and in a job", () => {
    const checks = cases.map(({ key, sig, msg }) => {
      return { key: ed25519Key(fromHex(key)), message: text(msg), signature: fromHex(sig) };
    });
    const strict = verdicts.accepted["strict"];
    expect(strict).toHaveLength(43);
    const accepted = cases.filter((_, i) => {
      const { key, message, signature } = checks[i] as (typeof checks)[number];
      return sodium.verify(key, message, signature);
    });
    expect(accepted.map(({ number }) => number)).toEqual(strict);
    const inJobs: number[] = [];
    for (let at = 0; at < checks.length; at += JOB_SIGNATURES) {
      inJobs.push(...inOneJob(checks.slice(at, at + JOB_SIGNATURES)));
    }
    expect(cases.filter((_, i) => inJobs[i] === 1).map(({ number }) => number)).toEqual(strict);
  });
});

describe("the sodium provider", () => {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const jwk = publicKey.export({ format: "jwk" });
  const part = (value: string | undefined): Uint8Array =>
    new Uint8Array(Buffer.from(value ?? "", "base64url"));
  const key = esp256Key(part(jwk.x), part(jwk.y));
  const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

  test("takes ESP256 with low s, and refuses the same signature with high s, as the others do", () => {
    const message = text("a statement");
    const raw = new Uint8Array(sign("sha256", message, { key: privateKey, dsaEncoding: "ieee-p1363" }));
    const s = BigInt(`0x${Buffer.from(raw.subarray(32)).toString("hex")}`);
    const withS = (value: bigint): Uint8Array =>
      Uint8Array.of(...raw.subarray(0, 32), ...fromHex(value.toString(16).padStart(64, "0")));
    const low = withS(s > ORDER / 2n ? ORDER - s : s);
    const high = withS(s > ORDER / 2n ? s : ORDER - s);
    for (const provider of [sodium, nobleProvider, createNodeProvider()]) {
      expect(provider.verify(key, message, low)).toBe(true);
      expect(provider.verify(key, message, high)).toBe(false);
      expect(provider.verify(key, text("another"), low)).toBe(false);
    }
    expect(inOneJob([{ key, message, signature: low }])).toEqual([1]);
  });

  test("answers false to lengths that are not a signature's", () => {
    const x = new Uint8Array(32);
    for (const length of [0, 63, 65]) {
      expect(sodium.verify({ alg: ALG_ED25519, x, kid: x }, text("m"), new Uint8Array(length))).toBe(false);
    }
  });
});

test("a job is used again, whatever was in it, and grows for long messages", async () => {
  const signer = deviceSigner("job");
  const long = new Uint8Array(40_000).fill(7);
  const good = { key: signer.key, message: long, signature: await signer.sign(long) };
  const short = { ...good, signature: good.signature.subarray(1) };
  const job = new SignatureJob();
  expect(inOneJob([good, good, short, good], job)).toEqual([1, 1, 0, 1]);
  expect(inOneJob([short, good], new SignatureJob(job.take()))).toEqual([0, 1]);
});

describe("signature threads", () => {
  const threads = new SignatureThreads(2, (error) => {
    throw error;
  });
  afterAll(() => threads.close());

  test("hand back verdicts in the order of the jobs, whatever each takes", async () => {
    const signer = deviceSigner("threads");
    const message = text("measured");
    const good = { key: signer.key, message, signature: await signer.sign(message) };
    const bad = { ...good, message: text("measured?") };
    const short = { ...good, signature: good.signature.subarray(1) };
    const order: number[] = [];
    const seen: number[][] = [];
    // Large jobs and small ones in turn: a small one on the idle thread is ready first.
    for (let n = 0; n < 12; n++) {
      const job = threads.job();
      const checks = n % 2 === 0 ? Array.from({ length: JOB_SIGNATURES }, () => good) : [good, bad, short];
      for (const { key, message: signed, signature } of checks) job.add(key, signed, signature);
      threads.check(job, (verdicts) => {
        order.push(n);
        if (n % 2 === 1) seen.push([...verdicts]);
        else expect(verdicts.every((verdict) => verdict === 1)).toBe(true);
      });
    }
    await threads.idle();
    expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect(seen).toEqual(Array.from({ length: 6 }, () => [1, 0, 0]));
    await threads.idle();
  });
});
