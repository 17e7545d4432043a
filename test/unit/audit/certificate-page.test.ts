import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeBundle, formatVkey } from "@tallystick/evidence";
import { loadSigner } from "@tallystick/evidence/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { coverage } from "../../../audit/src/commands/coverage.ts";
import { keyMake } from "../../../audit/src/commands/key.ts";
import { report } from "../../../audit/src/commands/report.ts";
import { commandHere } from "../../support/command-here.ts";
import { World } from "../../support/world.ts";

const NAME = "audit.example/anna";
const folder = mkdtempSync(join(tmpdir(), "tally-certificate-"));
const at = (name: string): string => join(folder, name);
const page = (name: string): string => readFileSync(at(name), "utf8");

/** A page of the certificate, believed if `auditor` is its signer. */
const show = (certificate: string, output: string, ...args: readonly string[]) =>
  commandHere(report, at(certificate), "-o", at(output), ...args);

let vkey = "";

beforeAll(async () => {
  process.env["XDG_CACHE_HOME"] = at("cache");
  const world = await World.create();
  const device = await world.enrol("water/gw-1");
  const chain = device.chain("meter/m-1");
  await chain.open();
  await world.commit();
  for (let i = 0; i < 3; i++) await chain.readings();
  await world.commit();
  const heads = await device.heads();
  await world.commit();
  writeFileSync(at("good.tally"), encodeBundle(world.bundle([{ chain }], [heads])));
  writeFileSync(at("policy.txt"), world.policy());
  await commandHere(keyMake, "--key", at("auditor.pem"), "--name", NAME);
  vkey = formatVkey(NAME, loadSigner(at("auditor.pem")).key);
  const period = ["--from", "2026-01-01", "--to", "2027-01-01", "--zone", "Europe/Vienna"];
  const sign = ["--certificate", at("year.cert"), "--key", at("auditor.pem"), "--name", NAME];
  await commandHere(coverage, at("good.tally"), "--policy", at("policy.txt"), ...period, ...sign);
  const bytes = readFileSync(at("year.cert"));
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  writeFileSync(at("altered.cert"), bytes);
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("a completeness certificate as a page", () => {
  test("says who signed it, for what, and of each stream what is here; and is no greener than what it certifies", async () => {
    const { exit, stdout } = await show("year.cert", "year.html", "--auditor", vkey);
    expect(exit).toBe(0);
    expect(stdout).toContain(`Signed by ${NAME}; `);
    const text = page("year.html");
    for (const part of [
      "Of 1 streams 0 are complete.",
      "water/gw-1 meter/m-1",
      "Europe/Vienna",
      "no-witness",
    ])
      expect(text).toContain(part);
    expect(text).toContain('class="verdict limited"');
    expect(text).not.toContain('class="verdict good"');
  });

  test("is the same twice, and speaks German", async () => {
    await show("year.cert", "once.html", "--auditor", vkey, "--lang", "de");
    await show("year.cert", "twice.html", "--auditor", vkey, "--lang", "de");
    expect(page("once.html")).toBe(page("twice.html"));
    expect(page("once.html")).toContain("Vollständigkeitsnachweis");
    expect((await show("year.cert", "year.pdf", "--auditor", vkey)).exit).toBe(0);
    expect(page("year.pdf").slice(0, 5)).toBe("%PDF-");
  });

  test("of a signature that isn't good nothing is shown but that", async () => {
    const { exit } = await show("altered.cert", "altered.html", "--auditor", vkey);
    expect(exit).toBe(1);
    expect(page("altered.html")).toContain("signature-invalid");
    expect(page("altered.html")).not.toContain("meter/m-1");
  });

  test("of an auditor that nobody named it is not verifiable", async () => {
    await commandHere(keyMake, "--key", at("other.pem"), "--name", NAME);
    const other = formatVkey(NAME, loadSigner(at("other.pem")).key);
    const { exit } = await show("year.cert", "other.html", "--auditor", other);
    expect(exit).toBe(3);
    expect(page("other.html")).toContain("Not verifiable");
    expect(page("other.html")).not.toContain(`Signed by ${NAME}`);
  });

  test("without a name of any auditor none is made", async () => {
    const { exit, stderr } = await show("year.cert", "none.html");
    expect(exit).toBe(2);
    expect(stderr).toContain("give --auditor VKEY");
  });
});
