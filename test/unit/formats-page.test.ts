/**
 * The byte examples of docs/formats.md are what our code makes, and our readers take them.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  decodeDown,
  decodeEvent,
  decodeItem,
  decodeLeaf,
  decodePack,
  decodeUtf8,
  ed25519Key,
  formatVkey,
  fromHex,
  openCheckpoint,
  parsePolicy,
  parseReceipt,
  parseStatement,
  toHex,
  verify,
  verifyReceipt,
  type SignatureProvider,
} from "@tallystick/evidence";
import { createNodeProvider } from "@tallystick/evidence/node";
import { beforeAll, expect, test } from "vitest";
import { openCertificate } from "../../audit/src/certificate/seal.ts";
import { auditorOf, isSignedBy } from "../../audit/src/signed.ts";
import { certificateLines } from "../../audit/src/certificate/text.ts";
import { formatExamples, type Examples } from "../support/format-examples.ts";
import { signerOf } from "../support/world.ts";

const page = readFileSync(join(import.meta.dirname, "..", "..", "docs", "formats.md"), "utf8");
const shown = new Map(
  [...page.matchAll(/^### ([a-z-]+)\n\n[^\n]*\n\n```hex\n([0-9a-f\n]+)```/gm)].map(
    ([, name = "", hex = ""]) => [name, fromHex(hex.replaceAll("\n", ""))],
  ),
);
const bytesOf = (name: string): Uint8Array => shown.get(name) ?? new Uint8Array();

let made: Examples;
let policyText: string;
let provider: SignatureProvider;
beforeAll(async () => {
  ({ examples: made, policy: policyText } = await formatExamples());
  provider = createNodeProvider();
});

test("the page shows every example but the bundle", () => {
  expect([...shown.keys(), "bundle"]).toEqual([...made.keys()]);
});

test("each example is, byte for byte, what the code makes", () => {
  for (const [name, bytes] of shown)
    expect({ name, hex: toHex(bytes) }).toEqual({ name, hex: toHex(made.get(name) ?? new Uint8Array()) });
});

test("the readings of the example are exact", () => {
  const readings = decodePack(bytesOf("readings-payload"), "energy/gw-1/meter/m-1/");
  expect(readings).toHaveLength(3);
  for (const { time } of readings) expect(time).not.toBeNull();
});

test("statement, events, items and leaf are read", () => {
  const statement = parseStatement(bytesOf("readings-statement"));
  expect(toHex(statement.hash)).toBe(toHex(bytesOf("readings-hash")));
  expect(toHex(statement.sign1.protectedBytes)).toBe(toHex(bytesOf("readings-header")));
  expect(decodeEvent(bytesOf("stream-opened-payload")).kind).toBe("stream-opened");
  expect(decodeEvent(bytesOf("heads-payload")).kind).toBe("heads");
  expect(decodeItem(bytesOf("policy-item-payload")).kind).toBe("policy");
  const item = decodeItem(bytesOf("enrol-item-payload"));
  const leaf = decodeLeaf(bytesOf("key-leaf"));
  expect(item.kind === "enrol" && toHex(item.key.kid)).toBe(toHex(leaf.kid));
});

test("receipt and checkpoint are two encodings of one tree", () => {
  const [log] = parsePolicy(policyText).logs;
  if (log === undefined) throw new Error("no log in the policy");
  const checkpoint = openCheckpoint(bytesOf("checkpoint"), log.vkey, provider);
  const receipt = parseReceipt(bytesOf("receipt"));
  const key = ed25519Key(log.vkey.publicKey);
  const { root } = verifyReceipt(receipt, [bytesOf("readings-hash")], key, provider);
  expect({ size: receipt.size, root: toHex(root) }).toEqual({
    size: checkpoint.size,
    root: toHex(checkpoint.root),
  });
  expect(decodeUtf8(bytesOf("checkpoint"))).toContain(log.vkey.name);
  const [message] = decodeDown(bytesOf("down-receipt"));
  expect(message?.kind === "receipt" && toHex(message.receipt)).toBe(toHex(bytesOf("receipt")));
});

test("the certificate is signed, and says in numbers that add up what it says in words", () => {
  const sealed = openCertificate(bytesOf("certificate"));
  const key = signerOf(sealed.name).key;
  const auditor = { name: sealed.name, key, vkey: formatVkey(sealed.name, key) };
  expect(auditorOf(sealed, [auditor])).toBe(auditor);
  expect(isSignedBy(sealed, auditor, provider)).toBe(true);
  expect(certificateLines(sealed).join("\n")).toContain("complete for seq 0..1");
});

test("the bundle of the examples verifies, and no witness is its only restriction", () => {
  const { verdict, restrictions } = verify(made.get("bundle") ?? new Uint8Array(), {
    policy: parsePolicy(policyText),
    provider,
  });
  expect({ verdict, restrictions }).toEqual({ verdict: "restricted", restrictions: ["no-witness"] });
});
