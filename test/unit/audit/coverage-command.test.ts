import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { encodeBundle, isEvidenceError } from "@tallystick/evidence";
import { createNodeProvider, UsageError } from "@tallystick/evidence/node";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { openCertificate } from "../../../audit/src/certificate/seal.ts";
import { auditorOf, isSignedBy, parseAuditor } from "../../../audit/src/signed.ts";
import { coverage as coverageCommand } from "../../../audit/src/commands/coverage.ts";
import { keyMake, keyPrint } from "../../../audit/src/commands/key.ts";
import { verifyFiles } from "../../../audit/src/commands/verify.ts";
import type { CoverageBody } from "../../../audit/src/coverage/body.ts";
import type { Result } from "../../../audit/src/result.ts";
import { auditCommand } from "../../support/audit-command.ts";
import { commandHere } from "../../support/command-here.ts";
import { World } from "../../support/world.ts";
import { makeCase } from "../../support/world-case.ts";
import type { Chain, Device } from "../../support/world-device.ts";

const folder = mkdtempSync(join(tmpdir(), "tally-coverage-"));
const at = (name: string): string => join(folder, name);
let world: World;
let device: Device;
let chain: Chain;
let vkey: string;

/** A meter with readings of the 21st of September 2026 in a case, a bundle, and a case that lacks three statements. */
beforeAll(async () => {
  vi.stubEnv("XDG_CACHE_HOME", folder);
  world = await World.create();
  device = await world.enrol("water/gw-1");
  chain = device.chain("meter/m-1");
  await chain.open();
  for (let i = 1; i <= 20; i++) await chain.readings();
  await device.heads([chain]);
  await world.commit();
  await makeCase(world, at("case"));
  await makeCase(world, at("holed"), { without: chain.statements.slice(8, 11) });
  writeFileSync(at("policy.txt"), world.policy());
  writeFileSync(at("b.tally"), encodeBundle(world.bundle([{ chain }], (await device.sys()).statements)));
  const made = await commandHere(keyMake, "--key", at("auditor.pem"), "--name", "audit.example/anna");
  vkey = made.stdout.trim();
});
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

const PERIOD = ["--from", "2026-09-21", "--to", "2026-09-22", "--zone", "Europe/Vienna"];
const coverage = (name: string, ...more: string[]) =>
  commandHere(coverageCommand, at(name), "--policy", at("policy.txt"), ...PERIOD, ...more);
const resultOf = (text: string): Result<CoverageBody> => JSON.parse(text) as Result<CoverageBody>;

test("start and end of what the tests are about", () => {
  expect(new Date(world.timeUnixS * 1000).toISOString().slice(0, 10)).toBe("2026-09-21");
});

describe("coverage", () => {
  test("of a case: result, lists, text; the same bytes again", async () => {
    const first = await coverage("case", "-o", at("one"), "--json");
    expect(first.stderr).toContain("written");
    const result = resultOf(first.stdout);
    expect(readFileSync(at("one/result.json"), "utf8")).toBe(first.stdout);
    expect(result).toMatchObject({
      v: 1,
      kind: "coverage",
      verdict: "restricted",
      restrictions: ["no-witness"],
      inputs: [
        { role: "case", name: "case" },
        { role: "policy", name: "policy.txt" },
      ],
      body: { zone: "Europe/Vienna", from: "2026-09-21T00:00:00+02:00", to: "2026-09-22T00:00:00+02:00" },
    });
    // Another process, another hour: the same bytes.
    const args = ["coverage", at("case"), "--policy", at("policy.txt"), ...PERIOD, "-o", at("two")];
    expect((await auditCommand(...args)).exit).toBe(1);
    const names = readdirSync(at("one")).toSorted();
    expect(names).toEqual(readdirSync(at("two")).toSorted());
    expect(names).toEqual(expect.arrayContaining(["result.json", "streams.csv", "days.csv"]));
    for (const name of names)
      expect(readFileSync(at(`two/${name}`))).toEqual(readFileSync(at(`one/${name}`)));
    const text = await coverage("case");
    expect(text.stdout).toContain("water/gw-1/meter/m-1");
    expect(text.stdout).toContain("complete for seq 0..20");
  });

  test("of a bundle says the same of the stream", async () => {
    const [a, b] = [await coverage("case", "--json"), await coverage("b.tally", "--json")];
    expect(resultOf(b.stdout).body.streams).toEqual(resultOf(a.stdout).body.streams);
    expect(resultOf(b.stdout).inputs[0]).toMatchObject({ role: "bundle", name: "b.tally" });
  });

  test("three statements that are in the ledger and not in the case", async () => {
    const { stdout, exit } = await coverage("holed", "-o", at("lists"), "--json");
    expect(exit).toBe(1);
    const { body } = resultOf(stdout);
    expect(body.findings.filter((one) => one.class === "missing")).toMatchObject([
      { seqs: { from: 8, to: 10 }, count: 3 },
    ]);
    expect(readFileSync(at("lists/missing.csv"), "utf8").split("\n")[1]).toMatch(
      /^water\/gw-1,meter\/m-1,[0-9a-f]{16},8,10,/,
    );
  });

  test.for([
    ["no zone", ["--from", "2026-09-21", "--to", "2026-09-22"], "--zone"],
    ["no such zone", ["--from", "2026-09-21", "--to", "2026-09-22", "--zone", "Vienna"], "IANA"],
    [
      "a time that no clock showed",
      ["--from", "2026-03-29T02:30", "--to", "2026-09-22", "--zone", "Europe/Vienna"],
      "set forward",
    ],
    [
      "a time that came twice",
      ["--from", "2026-09-21", "--to", "2026-10-25T02:30", "--zone", "Europe/Vienna"],
      "its offset",
    ],
    ["the wrong way round", ["--from", "2026-09-22", "--to", "2026-09-21", "--zone", "UTC"], "before"],
    ["no such late", [...PERIOD, "--late", "soon"], "6h"],
    ["no such stream", [...PERIOD, "--stream", "water"], "ORG/DEVICE/STREAM"],
    ["a key for nothing", [...PERIOD, "--key", "x"], "--certificate"],
  ] as const)("%s is told, and nothing is done", async ([, more, said]) => {
    const argv = ["--policy", at("policy.txt"), ...more];
    const { values } = parseArgs({ args: argv, options: coverageCommand.options, strict: true });
    const run = coverageCommand.run({ values: { ...values }, positionals: [at("case")] });
    await expect(run).rejects.toThrow(UsageError);
    await expect(run).rejects.toThrow(said);
  });

  test("a folder that is there is not touched", async () => {
    const { exit, stderr } = await coverage("case", "-o", folder);
    expect(exit).toBe(2);
    expect(stderr).toContain("is there already");
  });

  test("a stream that nothing here knows is incomplete, not absent", async () => {
    const { stdout, exit } = await coverage("case", "--stream", "water/gw-1/meter/m-9", "--json");
    expect(exit).toBe(1);
    expect(resultOf(stdout).body.streams).toMatchObject([{ sub: "meter/m-9", state: "incomplete" }]);
  });
});

describe("the auditor's key", () => {
  test("is its owner's alone, and never overwritten", async () => {
    expect(statSync(at("auditor.pem")).mode & 0o777).toBe(0o600);
    const again = await commandHere(keyMake, "--key", at("auditor.pem"), "--name", "audit.example/anna");
    expect(again.exit).toBe(1);
    expect(again.stderr).toContain("key-file-exists");
    const printed = await commandHere(keyPrint, "--key", at("auditor.pem"), "--name", "audit.example/anna");
    expect(printed.stdout.trim()).toBe(vkey);
    const named = await commandHere(keyPrint, "--key", at("auditor.pem"), "--name", "two words");
    expect(named.exit).toBe(2);
  });
});

describe("the completeness certificate", () => {
  const certify = (name: string, file: string, ...more: string[]) =>
    coverage(
      name,
      "--certificate",
      at(file),
      "--key",
      at("auditor.pem"),
      "--name",
      "audit.example/anna",
      ...more,
    );
  const check = (file: string, auditor = vkey, ...more: string[]) =>
    commandHere(verifyFiles, at(file), "--auditor", auditor, ...more);

  test("is signed, checked, and says what the coverage said; the same bytes again", async () => {
    expect((await certify("case", "a.cert")).stderr).toContain("signed as audit.example/anna+");
    await certify("case", "b.cert");
    expect(readFileSync(at("b.cert"))).toEqual(readFileSync(at("a.cert")));
    const { stdout, exit } = await check("a.cert");
    expect(exit).toBe(0);
    expect(stdout).toContain("complete for seq 0..20");
    expect(stdout).toContain("2026-09-21T00:00:00+02:00");
    const json = JSON.parse((await check("a.cert", vkey, "--json")).stdout) as object;
    expect(json).toMatchObject({
      verdict: "verified",
      certificate: {
        name: "audit.example/anna",
        at: null,
        zone: "Europe/Vienna",
        evidence: { kind: "case" },
        streams: [{ iss: "water/gw-1", sub: "meter/m-1", chains: [{ held: 21, seqs: { from: 0, to: 20 } }] }],
      },
    });
  });

  test("says when it was signed where that was asked for", async () => {
    await certify("case", "dated.cert", "--at", "2026-10-01T09:00:00Z");
    const { stdout } = await check("dated.cert");
    expect(stdout).toContain("signed at 2026-10-01T09:00:00+00:00 as the signer says");
  });

  test("names what is missing", async () => {
    expect((await certify("holed", "holed.cert")).exit).toBe(1);
    expect((await check("holed.cert")).stdout).toContain("missing 3 unexplained");
  });

  test("is not verifiable by another auditor's key, and invalid with any bit changed", async () => {
    await certify("case", "c.cert");
    const other = await commandHere(keyMake, "--key", at("other.pem"), "--name", "audit.example/anna");
    expect((await check("c.cert", other.stdout.trim())).exit).toBe(3);
    const bytes = readFileSync(at("c.cert"));
    const provider = createNodeProvider();
    const auditor = parseAuditor(vkey);
    const judge = (given: Uint8Array): string => {
      try {
        const sealed = openCertificate(given);
        if (auditorOf(sealed, [auditor]) === undefined) return "unknown";
        return isSignedBy(sealed, auditor, provider) ? "good" : "bad";
      } catch (error) {
        if (isEvidenceError(error)) return error.code;
        throw error;
      }
    };
    expect(judge(bytes)).toBe("good");
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const bad = Uint8Array.from(bytes);
      bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(judge(bad)).not.toBe("good");
    }
    bytes[40] = (bytes[40] ?? 0) ^ 1;
    writeFileSync(at("bad.cert"), bytes);
    expect([1, 3]).toContain((await check("bad.cert")).exit);
  });

  test("is not made of evidence that is invalid or not verifiable", async () => {
    const other = (await World.create({ origin: "another.example/2026" })).policy();
    writeFileSync(at("other.txt"), other);
    const args = [at("case"), "--policy", at("other.txt"), ...PERIOD];
    const { exit, stderr } = await commandHere(
      coverageCommand,
      ...args,
      "--certificate",
      at("no.cert"),
      "--key",
      at("auditor.pem"),
      "--name",
      "anna",
    );
    expect(exit).toBe(1);
    expect(stderr).toContain("no certificate is made");
    expect(readdirSync(folder)).not.toContain("no.cert");
  });

  test("is told from evidence where it is verified as such", async () => {
    await certify("case", "d.cert");
    const { exit, stdout } = await commandHere(verifyFiles, at("d.cert"), "--policy", at("policy.txt"));
    expect(exit).toBe(1);
    expect(stdout).toContain("--auditor");
  });
});
