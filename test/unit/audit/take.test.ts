import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parsePolicy, type Head, type Statement } from "@tallystick/evidence";
import { createNodeProvider, nodeSha256, noProgress } from "@tallystick/evidence/node";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { placesOf } from "../../../anchor/src/config.ts";
import { Orders } from "../../../anchor/src/erasure/orders.ts";
import { parseManifest, type CaseManifest } from "../../../audit/src/case/manifest.ts";
import { openFacts } from "../../../audit/src/facts/open.ts";
import { auditCommand } from "../../support/audit-command.ts";
import { eventOf, type AnchorChain, type AnchorDevice } from "../../support/anchor-log.ts";
import { OwnAnchor } from "../../support/own-anchor.ts";

const ISS = "water/gw-1";
const folder = mkdtempSync(join(tmpdir(), "tally-take-"));
const policyFile = join(folder, "policy.txt");
const tokenFile = join(folder, "token");
let anchor: OwnAnchor;
let device: AnchorDevice;
let chain: AnchorChain;
let sys: AnchorChain;
let begin: number;
let gone: Statement;

/** Twenty hours of a meter that seals once an hour, with heads every three; the anchor took each as it came. */
beforeAll(async () => {
  vi.stubEnv("XDG_CACHE_HOME", folder);
  anchor = await OwnAnchor.start();
  device = await anchor.log.enrol(ISS);
  chain = device.chain();
  sys = device.chain("sys");
  begin = anchor.log.clock.now;
  await admit(await chain.open(), await sys.open());
  for (let hour = 1; hour <= 20; hour++) {
    anchor.log.clock.now = begin + 3600 * hour;
    const { root, size } = anchor.log.opened.store.batches.last() ?? expect.fail();
    const statement = await chain.seal(chain.pack(hour), { seen: { size, root: new Uint8Array(root) } });
    chain.statements.push(statement);
    await admit(statement);
    if (hour % 3 === 0) await admit(await heads());
  }
  gone = chain.statements[9] ?? expect.fail();
  await new Orders(placesOf(anchor.config).erasures).give({ hash: gone.hash, order: "court 17/2026" });
  await anchor.erase();
  writeFileSync(policyFile, anchor.log.policy);
  writeFileSync(tokenFile, `${await anchor.token("audit-office", "water/*")}\n`);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await anchor.remove();
  rmSync(folder, { recursive: true });
});

async function admit(...statements: readonly Statement[]): Promise<void> {
  anchor.pipeline.receive(ISS, ...statements);
  await anchor.batch();
}

async function heads(): Promise<Statement> {
  const head: Head = { sub: chain.sub, ...chain.head() };
  const statement = await sys.seal(eventOf({ kind: "heads", all: true, heads: [head] }));
  sys.statements.push(statement);
  return statement;
}

const iso = (unixS: number): string => new Date(unixS * 1000).toISOString();

async function take(name: string, ...more: readonly string[]) {
  const place = join(folder, name);
  const ran = await auditCommand(
    "case",
    anchor.url,
    "--json",
    ...["--policy", policyFile, "--stream", `${ISS}/meter/m-1`, "-o", place].concat(more),
  );
  const manifest = existsSync(place)
    ? parseManifest(new Uint8Array(readFileSync(join(place, "case.json"))))
    : undefined;
  return { ...ran, place, manifest };
}

const partOf = (manifest: CaseManifest | undefined, sub: string) =>
  manifest?.chains.find((one) => one.sub === sub);
const WITH_TOKEN = (): string[] => ["--token-file", tokenFile, "--purpose", "billing audit"];

describe("tally-audit case", () => {
  test("with a token: from before the period to the next number attested after it; what is erased is listed", async () => {
    const period = ["--from", iso(begin + 6.5 * 3600), "--to", iso(begin + 13.5 * 3600)];
    const { exit, stdout, stderr, manifest, place } = await take("with-token", ...period, ...WITH_TOKEN());
    expect({ exit, stderr }).toMatchObject({ exit: 0 });
    expect(JSON.parse(stdout)).toMatchObject({ verdict: "restricted", restrictions: ["hole", "no-witness"] });
    expect(JSON.parse(stdout)).toHaveProperty("provider");
    // Sealed at 6 o'clock, wholly before; 14 is the first sealed behind it, and 15 is the next that heads name.
    expect(partOf(manifest, chain.sub)).toMatchObject({ from: 6, to: 15, count: 10, attested: { seq: 15 } });
    expect(manifest?.withheld).toMatchObject([{ sub: chain.sub, from: 9, to: 9, why: "erased" }]);
    expect(manifest?.access).not.toBeNull();
    expect(manifest?.purpose).toBe("billing audit");
    const facts = await openFacts(place, {
      policy: parsePolicy(anchor.log.policy),
      provider: createNodeProvider(),
      hash: nodeSha256,
      progress: noProgress,
      cache: folder,
    });
    const rows = facts.db
      .prepare(
        "SELECT kind, count(*) AS n FROM statements WHERE standing = 'good' GROUP BY kind ORDER BY kind",
      )
      .all();
    expect(rows).toMatchObject([
      { kind: "access", n: 1 },
      { kind: "erased", n: 1 },
      { kind: "heads" },
      { kind: "readings", n: 9 },
      { kind: "stream-opened", n: 2 },
    ]);
    expect(facts.judgement.checks.find(({ name }) => name === "seen")).toMatchObject({ result: "passed" });
    facts.close();
  });

  test("the same case again has the same evidence, but another access in the ledger", async () => {
    const all = await take("again", ...WITH_TOKEN());
    const { manifest } = all;
    expect(partOf(manifest, chain.sub)).toMatchObject({ from: 0, to: 20, attested: { seq: 18 } });
    expect(JSON.parse(all.stdout)).toMatchObject({
      restrictions: ["hole", "no-witness", "tail-not-attested"],
    });
  });

  test("without a token, on the anchor's own machine: the same numbers, and no access statement", async () => {
    const period = ["--from", iso(begin + 6.5 * 3600), "--to", iso(begin + 13.5 * 3600)];
    const { exit, manifest } = await take("open", ...period);
    expect(exit).toBe(0);
    expect(partOf(manifest, chain.sub)).toMatchObject({ from: 6, to: 15, count: 10 });
    expect(manifest?.access).toBeNull();
    expect(manifest?.withheld).toMatchObject([{ from: 9, to: 9, why: "not-handed-over" }]);
  });

  test("a token for other streams, an expired one, no purpose, a folder that is there: said, and nothing written", async () => {
    const other = join(folder, "other-token");
    writeFileSync(other, await anchor.token("energy-office", "energy/*"));
    const scope = await take("scope", "--token-file", other, "--purpose", "x");
    expect([scope.exit, scope.manifest]).toEqual([1, undefined]);
    expect(scope.stderr).toContain("[read-scope]");
    writeFileSync(other, "a".repeat(43));
    expect((await take("unknown", "--token-file", other, "--purpose", "x")).stderr).toContain(
      "[token-unknown]",
    );
    expect((await take("no-purpose", "--token-file", other)).exit).toBe(2);
    expect((await take("open")).stderr).toContain("[storage-exists]");
    for (const name of ["scope", "unknown"]) expect(existsSync(join(folder, `${name}.partial`))).toBe(false);
  });

  test("a stream that isn't there", async () => {
    const asked = ["--policy", policyFile, "--stream", `${ISS}/meter/m-2`, "-o", join(folder, "none")];
    const ran = await auditCommand("case", anchor.url, ...asked);
    expect([ran.exit, ran.stderr]).toEqual([1, expect.stringContaining("[bundle-scope]")]);
  });
});
