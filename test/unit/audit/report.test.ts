import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeBundle } from "@tallystick/evidence";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { report } from "../../../audit/src/commands/report.ts";
import { auditCommand } from "../../support/audit-command.ts";
import { commandHere } from "../../support/command-here.ts";
import { makeCase } from "../../support/world-case.ts";
import { shownWorld } from "../../support/shown-world.ts";
import { World } from "../../support/world.ts";

const folder = mkdtempSync(join(tmpdir(), "tally-report-"));
const at = (name: string): string => join(folder, name);
const EVIL = '</td><script>alert(1)</script>"\u202etxt.exe\u0007';

beforeAll(async () => {
  process.env["XDG_CACHE_HOME"] = at("cache");
  const world = await World.create();
  const device = await world.enrol("water/gw-1");
  const chain = device.chain("meter/m-1");
  await chain.open();
  await world.commit();
  for (let i = 0; i < 12; i++) await chain.readings();
  await chain.event({ kind: "stream-closed", reason: EVIL });
  await world.commit();
  const heads = await device.heads();
  await world.commit();
  const bundle = encodeBundle(world.bundle([{ chain }], [heads]));
  writeFileSync(at("good.tally"), bundle);
  const bad = Uint8Array.from(bundle);
  const place = Buffer.from(bad).indexOf("1-0:1.8.0");
  bad.set([0x32], place);
  writeFileSync(at("bad.tally"), bad);
  writeFileSync(at("policy.txt"), world.policy());
  await makeCase(world, at("case"));
  const [, , altered] = chain.statements;
  await makeCase(world, at("bad-case"), {
    instead: (one, transparent) => (one === altered ? forged(transparent) : transparent),
  });
  await makeCase(world, at("holes"), { without: chain.statements.slice(4, 7) });
  writeFileSync(at("other.txt"), (await World.create({ origin: "log.other.example/2026" })).policy());
});
afterAll(() => rmSync(folder, { recursive: true }));

/** The same statement with another bit in its signature. */
function forged(transparent: Uint8Array): Uint8Array {
  const bytes = Uint8Array.from(transparent);
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  return bytes;
}

async function page(bundle: string, output: string, ...args: readonly string[]) {
  const policy = args.includes("--policy") ? [] : ["--policy", at("policy.txt")];
  const ran = await commandHere(report, at(bundle), ...policy, ...args, "-o", at(output));
  return { ...ran, text: ran.exit === 2 ? "" : readFileSync(at(output), "latin1") };
}
/** By a process of its own. */
async function made(output: string): Promise<string> {
  await auditCommand("report", at("good.tally"), "--policy", at("policy.txt"), "-o", at(output));
  return readFileSync(at(output), "latin1");
}
const html = async (bundle: string, ...args: readonly string[]) => {
  const { exit } = await page(bundle, "page.html", ...args);
  return { exit, text: readFileSync(at("page.html"), "utf8") };
};

describe("a bundle as a page", () => {
  test("says its verdict first, then values, keys, times, completeness, checks, what isn't proven, and how to repeat it", async () => {
    const { exit, text } = await html("good.tally");
    expect(exit).toBe(0);
    const order = [...text.matchAll(/<section id="([^"]+)"/g)].map(([, id]) => id);
    expect(order).toEqual([
      "verdict",
      "values",
      "signers",
      "times",
      "completeness",
      "checks",
      "not-proven",
      "repeat",
    ]);
    // 36 readings: the digits of the first and the last, and their difference
    expect(text).toMatch(
      /1582\.123<\/td><td class="number">1593\.125<\/td><td class="number">11\.002<\/td><td class="number">36</,
    );
    expect(text).toContain("enrolled by item 1 of the register, place 1 in the log");
    expect(text).toContain("the operator&#39;s key is pinned for *");
    expect(text).toContain("Numbers 0 to 13 are all here.");
    expect(text).toContain("The device confirmed 13 as its last");
  });

  test("holds no script and nothing from elsewhere, and a text of the evidence is no markup", async () => {
    const { text } = await html("good.tally");
    expect(text).not.toMatch(/<script|<link|<img|<iframe|\son\w+=|\sstyle=|javascript:|https?:/i);
    expect(text).toContain("&lt;/td&gt;&lt;script&gt;alert(1)&lt;/script&gt;&quot;‹U+202E›txt.exe‹U+0007›");
    expect(text).not.toContain("\u202e");
    const policy = /Content-Security-Policy" content="([^"]+)"/.exec(text)?.[1];
    expect(policy).toMatch(/^default-src 'none'; style-src 'sha256-[A-Za-z0-9+/=]+'; base-uri 'none'/);
  });

  test("of an invalid bundle no value is shown", async () => {
    const { exit, text } = await html("bad.tally");
    expect(exit).toBe(1);
    expect(text).toContain("Nothing of this may be relied on.");
    expect(text).not.toContain('id="values"');
    expect(text).not.toContain("1593.125");
  });

  test("of what isn't verifiable everything shown is called a claim", async () => {
    const { exit, text } = await html("good.tally", "--policy", at("other.txt"));
    expect(exit).toBe(3);
    expect(text.match(/Not established: what follows is what the file claims/g)).toHaveLength(4);
  });

  test("German, with umlauts, in both forms", async () => {
    const { text } = await html("good.tally", "--lang", "de");
    expect(text).toContain('<html lang="de">');
    expect(text).toContain("Bestätigt mit Einschränkungen");
    const pdf = await page("good.tally", "de.pdf", "--lang", "de");
    expect(pdf.exit).toBe(0);
    expect(pdf.text.startsWith("%PDF-1.7")).toBe(true);
  });

  test.for(["page.html", "page.pdf"])("%s: the same bytes again, wherever it is made", async (name) => {
    const first = await made(name);
    const before = { ...process.env };
    try {
      Object.assign(process.env, { TZ: "Asia/Kathmandu", LANG: "de_DE.UTF-8", LC_ALL: "de_DE.UTF-8" });
      const second = await made(name);
      expect(second === first).toBe(true);
    } finally {
      process.env = before;
    }
  });

  test("of a case it shows what it shows of a bundle", async () => {
    const [ofCase, ofBundle] = [(await html("case")).text, (await html("good.tally")).text];
    const between = (text: string): string =>
      /<section id="values".*?(?=<section id="checks")/s.exec(text)?.[0] ?? "";
    expect(between(ofCase).length).toBeGreaterThan(4000);
    // The whole of `sys` is in the case.
    const withoutSys = (text: string): string => text.replaceAll(/^.*water\/gw-1 sys.*$/gm, "");
    expect(withoutSys(between(ofCase)).slice(0, 4000)).toBe(withoutSys(between(ofBundle)).slice(0, 4000));
  });

  test("of a case with a statement that is wrong, that one is named and no value is shown", async () => {
    const { exit, text } = await html("bad-case");
    expect(exit).toBe(1);
    expect(text).toContain('id="doubts"');
    expect(text).toMatch(
      /water\/gw-1 meter\/m-1<\/td><td class="number">2<\/td><td>wrong: The signature does not fit/,
    );
    expect(text).not.toContain('id="values"');
  });

  test("a result that somebody put into a case doesn't stand for it", async () => {
    const { results } = await shownWorld();
    cpSync(at("case"), at("planted"), { recursive: true });
    writeFileSync(at("planted/result.json"), results.get("coverage") ?? "");
    const { exit, stderr } = await auditCommand(
      "report",
      at("planted"),
      "--policy",
      at("policy.txt"),
      "-o",
      at("planted.html"),
    );
    expect(exit).toBe(1);
    expect(stderr).toContain("[case-mismatch]");
    expect(existsSync(at("planted.html"))).toBe(false);
  });

  test("a result says on its page that nothing was verified again, and a name in it is no command to a terminal", async () => {
    const { results } = await shownWorld();
    const text = results.get("coverage") ?? "";
    writeFileSync(at("coverage.json"), text);
    const { exit } = await commandHere(report, at("coverage.json"), "-o", at("coverage.html"));
    expect(exit).toBe(0);
    expect(readFileSync(at("coverage.html"), "utf8")).toContain("Nothing was verified again for it.");
    writeFileSync(at("evil.json"), text.replace('"v": 1,', '"v": 1, "\\u001b[31mred": 1,'));
    const evil = await commandHere(report, at("evil.json"), "-o", at("evil.html"));
    expect(evil.stderr).toContain("‹U+001B›[31mred");
    expect(evil.stderr).not.toContain("\u001b");
  });

  test("numbers that are missing are named, and their day is not whole", async () => {
    const { text } = await html("holes");
    expect(text).toMatch(
      /UTC: 2026-09-21 – 2026-09-21, 0 days all here, 0 with something missing that is explained, 1 with something missing that is not/,
    );
    expect(text).toContain("Of the numbers 0 to 13 these are missing: 4–6.");
  });

  test("usage: no name for the page, another form, another language, no policy", async () => {
    for (const args of [[], ["-o", at("x.doc")], ["-o", at("x.pdf"), "--lang", "fr"], ["-o", at("x.pdf")]]) {
      expect((await commandHere(report, at("good.tally"), ...args)).exit).toBe(2);
    }
  });
});
