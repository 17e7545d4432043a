import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createPrivateKey } from "node:crypto";
import {
  concatBytes,
  decodeCbor,
  formatVkey,
  isEvidenceError,
  nobleSigner,
  sha256,
  encodeUtf8,
  splitSequence,
  toHex,
} from "@tallystick/evidence";
import { createNodeProvider, noProgress } from "@tallystick/evidence/node";
import fc from "fast-check";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { checkPapers } from "../../../audit/src/papers/check.ts";
import { papersOf } from "../../../audit/src/papers/make.ts";
import { decodeManifest, encodeManifest, isPaperName } from "../../../audit/src/papers/manifest.ts";
import { countersignPapers, parseSignatures, signPapers } from "../../../audit/src/papers/signature.ts";
import { TOOL, toolHash } from "../../../audit/src/papers/tool.ts";
import { resultText, type Result } from "../../../audit/src/result.ts";
import { parseAuditor, type Auditor } from "../../../audit/src/signed.ts";
import { countersign, sign as signCommand } from "../../../audit/src/commands/sign.ts";
import { verifyFiles } from "../../../audit/src/commands/verify.ts";
import { commandHere } from "../../support/command-here.ts";

const root = mkdtempSync(join(tmpdir(), "tally-papers-"));
const folder = join(root, "papers");
const provider = createNodeProvider();
const seedOf = (name: string): Uint8Array => sha256(encodeUtf8(`papers ${name}`));
const signerOf = (name: string) => nobleSigner(seedOf(name));
const auditorOf = (name: string, key = name): Auditor => parseAuditor(formatVkey(name, signerOf(key).key));
const claims = (name: string, role = "auditor") => ({ name, role, atUnixS: 1_790_000_000 });
const ANNA = auditorOf("audit.example/anna");
const BEN = auditorOf("audit.example/ben");

const RESULT: Result = {
  v: 1,
  kind: "reconcile",
  tool: TOOL,
  verdict: "restricted",
  findings: 2,
  log: { origin: "log.city.example/2026", size: 45, root: "7e".repeat(32) },
  inputs: [
    { role: "case", name: "september", sha256: "01".repeat(32), bytes: 700 },
    { role: "export", name: "bills.csv", sha256: "02".repeat(32), bytes: 90 },
  ],
  checks: [{ name: "signatures", result: "passed" }],
  restrictions: ["no-witness"],
  notProven: ["sensor-truth"],
  repeat: ["tally-audit reconcile bills.csv --map map.yaml"],
  body: {},
};

let file: Uint8Array;
beforeEach(async () => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, "items"), { recursive: true });
  writeFileSync(join(folder, "result.json"), resultText(RESULT));
  writeFileSync(join(folder, "billed-and-proven.csv"), "line,key\n2,a\n");
  writeFileSync(join(folder, "charged-twice.csv"), "line,key\n3,b\n");
  writeFileSync(join(folder, "items/0001.tally"), Uint8Array.of(0xd9, 0xd9, 0xf7));
  const manifest = encodeManifest(await papersOf(folder, noProgress));
  const first = await signPapers(manifest, claims(ANNA.name), signerOf(ANNA.name));
  file = await countersignPapers(first, claims(BEN.name, "head of audit"), signerOf(BEN.name));
});
afterAll(() => rmSync(root, { recursive: true }));

const check = async (bytes = file, auditors: readonly Auditor[] = [ANNA, BEN]) => {
  const { judgement } = await checkPapers(folder, bytes, { auditors, provider, progress: noProgress });
  return [judgement.verdict, judgement.code];
};

describe("signed working papers", () => {
  test("hold as they are, for each auditor that is named", async () => {
    expect(await check()).toEqual(["verified", undefined]);
    expect(await check(file, [ANNA])).toEqual(["verified", undefined]);
  });

  test("the manifest names the result, its inputs, the tool, and every file in one order", async () => {
    const { manifest, first, counter } = parseSignatures(file);
    expect(manifest.files.map(({ name }) => name)).toEqual([
      "billed-and-proven.csv",
      "charged-twice.csv",
      "items/0001.tally",
      "result.json",
    ]);
    expect(manifest.inputs.map(({ role, hash }) => [role, toHex(hash)])).toEqual([
      ["case", "01".repeat(32)],
      ["export", "02".repeat(32)],
    ]);
    expect(manifest.tool.hash).toEqual(toolHash());
    expect({ name: first.name, ...first.claims }).toEqual(claims(ANNA.name));
    expect(counter.map((one) => one.claims.role)).toEqual(["head of audit"]);
  });

  const ATTACKS: readonly (readonly [string, () => void])[] = [
    ["a byte of a list", () => writeFileSync(join(folder, "charged-twice.csv"), "line,key\n3,c\n")],
    ["a file added", () => writeFileSync(join(folder, "more.csv"), "")],
    ["a hidden file added", () => writeFileSync(join(folder, ".note"), "")],
    ["a file taken away", () => unlinkSync(join(folder, "items/0001.tally"))],
    [
      "two files with their names exchanged",
      () => {
        const [a, b] = ["billed-and-proven.csv", "charged-twice.csv"].map((name) => join(folder, name));
        if (a === undefined || b === undefined) return;
        const kept = readFileSync(a);
        writeFileSync(a, readFileSync(b));
        writeFileSync(b, kept);
      },
    ],
    [
      "a link in the place of a file",
      () => {
        cpSync(join(folder, "charged-twice.csv"), join(root, "same.csv"));
        unlinkSync(join(folder, "charged-twice.csv"));
        symlinkSync(join(root, "same.csv"), join(folder, "charged-twice.csv"));
      },
    ],
    [
      "another verdict",
      () => writeFileSync(join(folder, "result.json"), resultText({ ...RESULT, verdict: "verified" })),
    ],
  ];
  test.for(ATTACKS)("%s: invalid", async ([, attack]) => {
    attack();
    expect(await check()).toEqual(["invalid", "papers-mismatch"]);
  });

  test("no single-bit change of the signatures is still verified", async () => {
    for (let at = 0; at < file.length; at++) {
      const changed = file.with(at, (file[at] ?? 0) ^ (1 << (at % 8)));
      const { judgement } = await checkPapers(folder, changed, {
        auditors: [ANNA, BEN],
        provider,
        progress: noProgress,
      });
      expect(judgement.verdict, `byte ${at}`).not.toBe("verified");
    }
  }, 60_000);

  test("another key under the name, and another name over the key, are not the auditor", async () => {
    expect(await check(file, [auditorOf(ANNA.name, "thief"), BEN])).toEqual([
      "not-verifiable",
      "key-unknown",
    ]);
    expect(await check(file, [auditorOf("audit.example/other", ANNA.name), BEN])).toEqual([
      "not-verifiable",
      "key-unknown",
    ]);
    expect(await check(file, [])).toEqual(["not-verifiable", "key-unknown"]);
  });

  test("a countersignature taken away is missed by whoever names its auditor", async () => {
    const [first] = splitSequence(file, {
      maxBytes: 1 << 20,
      maxItems: 9,
      maxItemBytes: 1 << 20,
      tags: [18],
    }).items;
    expect(await check(first)).toEqual(["not-verifiable", "auditor-missing"]);
    expect(await check(first, [ANNA])).toEqual(["verified", undefined]);
  });

  test("signatures in another order, or a countersignature of other papers, are refused", async () => {
    const items = splitSequence(file, {
      maxBytes: 1 << 20,
      maxItems: 9,
      maxItemBytes: 1 << 20,
      tags: [18],
    }).items;
    const [first, second] = items;
    if (first === undefined || second === undefined) throw new Error("two signatures");
    expect((await check(concatBytes(second, first)))[0]).toBe("invalid");
    const third = (await countersignPapers(file, claims(BEN.name), signerOf(BEN.name))).subarray(file.length);
    expect(await check(concatBytes(first, third))).toEqual(["invalid", "papers-mismatch"]);
    // what a countersigner signed does not pass for papers
    expect((await check(second))[0]).toBe("invalid");
  });

  test("a stranger may add a name, and it is said that nobody knows it", async () => {
    const more = await countersignPapers(file, claims("ministry.example/x"), signerOf("thief"));
    const { judgement } = await checkPapers(folder, more, {
      auditors: [ANNA, BEN],
      provider,
      progress: noProgress,
    });
    expect(judgement.verdict).toBe("verified");
    expect(judgement.checks.filter(({ code }) => code === "key-unknown")).toHaveLength(1);
  });
});

test("a manifest has one form: whatever is changed in it is refused, or is another manifest", () => {
  const { sign1 } = parseSignatures(file).first;
  const bytes = sign1.payload ?? new Uint8Array();
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const changed = bytes.with(at, (bytes[at] ?? 0) ^ change);
      try {
        expect(encodeManifest(decodeManifest(changed))).toEqual(changed);
      } catch (error) {
        if (!isEvidenceError(error)) throw error;
      }
    }),
    { numRuns: 500 },
  );
  expect(decodeCbor(bytes, { maxBytes: bytes.length })).toBeInstanceOf(Map);
});

test.for([
  ["result.json", true],
  ["items/0001.tally", true],
  ["../result.json", false],
  ["/etc/passwd", false],
  ["a//b", false],
  [".hidden", false],
  ["a/.hidden", false],
  ["a\\b", false],
  ["ä.csv", false],
  ["", false],
] as const)("%s as a name: %s", ([name, isGood]) => expect(isPaperName(name)).toBe(isGood));

describe("the commands", () => {
  const key = (name: string): string => {
    const path = join(root, `${name}.pem`);
    // PKCS#8 of an Ed25519 seed, RFC 8410
    const der = Buffer.concat([
      Buffer.from("302e020100300506032b657004220420", "hex"),
      seedOf(`audit.example/${name}`),
    ]);
    const pem = createPrivateKey({ key: der, format: "der", type: "pkcs8" }).export({
      format: "pem",
      type: "pkcs8",
    });
    writeFileSync(path, pem, { mode: 0o600 });
    return path;
  };
  const sign = (at = "2026-12-01T09:00:00Z") =>
    commandHere(signCommand, folder, "--key", key("anna"), "--name", ANNA.name, "--at", at);

  test("sign, countersign, verify; the same bytes again; nothing is signed over what was changed", async () => {
    const sig = `${folder}.sig`;
    rmSync(sig, { force: true });
    expect((await sign()).exit).toBe(0);
    const bytes = readFileSync(sig);
    expect((await sign()).stderr).toContain("[storage-exists]");
    rmSync(sig);
    await sign();
    expect(readFileSync(sig).equals(bytes)).toBe(true);
    const counter = ["--key", key("ben"), "--name", BEN.name, "--at", "2026-12-02T09:00:00Z"];
    expect((await commandHere(countersign, sig, ...counter)).exit).toBe(2);
    expect((await commandHere(countersign, sig, "--auditor", BEN.vkey, ...counter)).exit).toBe(3);
    expect(readFileSync(sig).equals(bytes)).toBe(true);
    expect((await commandHere(countersign, sig, "--auditor", ANNA.vkey, ...counter)).exit).toBe(0);
    const vkeyFile = join(root, "anna.vkey");
    writeFileSync(vkeyFile, `${ANNA.vkey}\n`);
    const good = await commandHere(verifyFiles, folder, "--auditor", vkeyFile, "--auditor", BEN.vkey);
    expect(good.stdout).toContain(": verified\n");
    expect(good.stdout).toContain(
      "reviewer: audit.example/ben, at 2026-12-02T09:00:00.000Z as the signer says",
    );
    expect(good.exit).toBe(0);
    writeFileSync(join(folder, "more.csv"), "");
    expect((await commandHere(countersign, sig, "--auditor", ANNA.vkey, ...counter)).exit).toBe(1);
    const bad = await commandHere(verifyFiles, folder, "--auditor", ANNA.vkey, "--json");
    expect(JSON.parse(bad.stdout)).toMatchObject({ verdict: "invalid", code: "papers-mismatch" });
    expect(bad.exit).toBe(1);
  });

  test("a result of another version is not signed", async () => {
    writeFileSync(
      join(folder, "result.json"),
      resultText({ ...RESULT, tool: { ...TOOL, version: "0.0.9" } }),
    );
    rmSync(`${folder}.sig`, { force: true });
    const { exit, stderr } = await sign();
    expect(exit).toBe(2);
    expect(stderr).toContain("make the result again");
  });
});
