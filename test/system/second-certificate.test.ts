/**
 * Completeness certificates verified by a program that was written from the page alone.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeSign1, formatVkey, toBeSigned } from "@tallystick/evidence";
import { afterAll, describe, expect, test } from "vitest";
import { encodeContent, type Certificate } from "../../audit/src/certificate/content.ts";
import { openCertificate } from "../../audit/src/certificate/seal.ts";
import { formatExamples } from "../support/format-examples.ts";
import { findPython } from "../support/python.ts";
import { signerOf } from "../support/world.ts";

const python = findPython();
const PROGRAM = join(import.meta.dirname, "..", "interop", "certificate.py");
const ANNA = "audit.example/anna";
const vkey = formatVkey(ANNA, signerOf(ANNA).key);

describe.runIf(python !== undefined)("a second program", () => {
  const folder = mkdtempSync(join(tmpdir(), "tally-second-certificate-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  function run(bytes: Uint8Array, key = vkey): string {
    const file = join(folder, "a.cert");
    writeFileSync(file, bytes);
    const { status, stdout, stderr } = spawnSync(python ?? "", [PROGRAM, file, key], { encoding: "utf8" });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    return stdout.trim();
  }

  const example = async (): Promise<Uint8Array> =>
    (await formatExamples()).examples.get("certificate") ?? new Uint8Array();

  /** Signed by the same auditor, with a content that is other than it is; no reader of ours has looked at it. */
  async function signed(change: (content: Certificate) => Certificate): Promise<Uint8Array> {
    const { sign1, certificate } = openCertificate(await example());
    const payload = encodeContent(change(certificate));
    const signature = await signerOf(ANNA).sign(toBeSigned(sign1.protectedBytes, payload));
    return encodeSign1({ ...sign1, payload, signature });
  }

  test("reads what the example says, and checks who said it", async () => {
    expect(run(await example()).split("\n")).toEqual([
      "verified",
      expect.stringMatching(/^energy\/gw-1\/meter\/m-1 [0-9a-f]{16} 0\.\.1 held 2 named 1$/),
      "energy/gw-1/meter/m-1 2026-09 3 of 3",
    ]);
    expect(run(await example(), formatVkey(ANNA, signerOf("another").key))).toBe("key-unknown");
    const bytes = Uint8Array.from(await example());
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    expect(run(bytes)).toBe("signature-invalid");
  });

  test("refuses numbers that don't add up, as the first one does", async () => {
    const streams = (change: (one: Certificate["streams"][number]) => object) =>
      signed((content) => ({
        ...content,
        streams: content.streams.map((one) => ({ ...one, ...change(one) })),
      }));
    expect(run(await signed((content) => content)).split("\n")[0]).toBe("verified");
    const chain = await streams(({ chains }) => ({ chains: chains.map((one) => ({ ...one, held: 1 })) }));
    expect(run(chain)).toBe("member-range: chain");
    const tally = await streams(({ periods }) => ({
      periods: periods.map((one) => ({ ...one, tally: { ...one.tally, received: 2 } })),
    }));
    expect(run(tally)).toBe("member-range: tally");
    for (const bytes of [chain, tally]) expect(() => openCertificate(bytes)).toThrow(/add up|are not/);
  });
});
