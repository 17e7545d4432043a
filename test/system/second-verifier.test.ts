/**
 * Two verifiers, written apart from one page, docs/formats.md: they must say the same of every case. Where they don't, one of them is wrong or
 * the page is.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import {
  encodeBundle,
  formatVkey,
  fromHex,
  isEvidenceError,
  parsePolicy,
  verify,
  type Bundle,
  type Verdict,
} from "@tallystick/evidence";
import { createNodeProvider, nodeSha256, noProgress } from "@tallystick/evidence/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { auditLog } from "../../audit/src/log/audit.ts";
import { TABLE } from "../support/attacks/table.ts";
import {
  cosigned,
  createTown,
  evidenceOf,
  WITNESS,
  type Attack,
  type Evidence,
  type Town,
} from "../support/attacks/town.ts";
import { auditCommand } from "../support/audit-command.ts";
import { seededBit } from "../support/bit-flips.ts";
import { logDirectories } from "../support/log-directories.ts";
import { memoryPlace } from "../support/memory-place.ts";
import { findPython } from "../support/python.ts";
import { need } from "../support/require.ts";
import { differences, judgeAgain, type Case, type Depth, type Judged } from "../support/second-verifier.ts";
import { sharedJson } from "../support/shared.ts";
import { vectors } from "../support/vectors.ts";

const python = findPython();
const VERIFY = join(import.meta.dirname, "..", "interop", "verify.py");
const provider = createNodeProvider();
const ROWS = TABLE.flatMap(({ rows }) => rows);

/** One row of the table, made. */
type Made = {
  readonly row: Attack;
  readonly town: Town;
  readonly made: Awaited<ReturnType<Attack["make"]>>;
} & {
  readonly evidence: Evidence;
};

const table: Made[] = [];
beforeAll(async () => {
  if (python === undefined) return;
  for (const row of ROWS) {
    const town = await createTown();
    const made = await row.make(town);
    table.push({ row, town, made, evidence: await evidenceOf(town, made) });
  }
});

/** A case and what our verifier says of it. */
type Pair = { readonly one: Case; readonly ours: Judged };

function pair(file: string, { bytes, policy, registry, items }: Evidence): Pair {
  const ours: Verdict = verify(bytes, {
    policy: parsePolicy(policy),
    provider,
    ...(registry && { registry }),
  });
  return { one: { file, policy, data: bytes, ...(items && { registry: items }) }, ours };
}

async function expectAgreement(pairs: readonly Pair[], depth: Depth): Promise<void> {
  const cases = pairs.map(({ one }) => one);
  const theirs = await judgeAgain(python ?? "", cases);
  const found = differences(
    cases,
    pairs.map(({ ours }) => ours),
    theirs,
    depth,
  );
  expect(found, JSON.stringify(found.slice(0, 5), undefined, 1)).toEqual([]);
}

describe.skipIf(python === undefined)("two verifiers agree", () => {
  test("over the attack table: verdict, code, restrictions", async () => {
    const pairs = table.map(({ row, evidence }) => pair(row.name, evidence));
    expect(pairs.length).toBeGreaterThan(165);
    await expectAgreement(pairs, "all");
  });

  test("over the same evidence under other trust policies", async () => {
    const pairs = table.flatMap(({ row, town, evidence }) =>
      otherPolicies(evidence.policy, town).map(([what, policy]) =>
        pair(`${row.name}, ${what}`, { ...evidence, policy }),
      ),
    );
    await expectAgreement(pairs, "code");
  });

  test("over the bundles of the table with one part left out, twice there, or exchanged with the next", async () => {
    const pairs: Pair[] = [];
    for (const [n, { row, town, made, evidence }] of table.entries()) {
      if (made instanceof Uint8Array || "bytes" in made) continue;
      const logs = await Promise.all(
        made.logs.map(async (one) => ({
          ...one,
          checkpoint: await cosigned(one.checkpoint, WITNESS, town.witness),
        })),
      );
      for (const [what, bundle] of rearranged({ ...made, logs }, n)) {
        pairs.push(pair(`${row.name}, ${what}`, { ...evidence, bytes: encodeBundle(bundle) }));
      }
    }
    expect(pairs.length).toBeGreaterThan(850);
    await expectAgreement(pairs, "code");
  });

  test("over 2,000 single bits changed: invalid or not", async () => {
    const pairs: Pair[] = [];
    const bitOf = seededBit(20_261_120);
    for (let n = 0; pairs.length < 2000; n++) {
      const { row, evidence } = table[n % table.length] as Made;
      const [bit = 0] = bitOf(evidence.bytes.length * 8);
      const bytes = evidence.bytes.slice();
      if (bytes.length === 0) continue;
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      pairs.push(pair(`${row.name}, bit ${bit}`, { ...evidence, bytes }));
    }
    await expectAgreement(pairs, "class");
  });

  test("over the vectors: statements, bundles, trust policies", async () => {
    const { good, bad } = vectors("statements") as { good: Vector[]; bad: Vector[] };
    const { bundles } = vectors("bundle") as { bundles: (Vector & { same?: string; policy: string })[] };
    const { policy } = bundles[0] as { policy: string };
    const hexOf = ({ hex, same }: Vector & { same?: string }): string =>
      hex ?? bundles.find(({ name }) => name === same)?.hex ?? "";
    const pairs = [
      ...[...good, ...bad].map(({ name, hex = "" }) => pair(name, { bytes: fromHex(hex), policy })),
      ...bundles.map((one) => pair(one.name, { bytes: fromHex(hexOf(one)), policy: one.policy })),
    ];
    await expectAgreement(pairs, "code");
    const policies = vectors("policies") as {
      good: { name: string; text: string }[];
      refused: { name: string; text: string }[];
    };
    await expectAgreement(
      [...policies.good, ...policies.refused].map(({ name, text }) => judgedPolicy(name, text)),
      "code",
    );
  });

  test("as commands: what they print and how they end", async () => {
    const { town, evidence } = table[0] as Made;
    const folder = mkdtempSync(join(tmpdir(), "tally-second-"));
    const file = (name: string, content: string | Uint8Array): string => {
      writeFileSync(join(folder, name), content);
      return join(folder, name);
    };
    try {
      const good = file("good.tally", evidence.bytes);
      const cut = file("cut.tally", evidence.bytes.subarray(0, 1000));
      const policy = file("policy.txt", evidence.policy);
      const unwitnessed = file("unwitnessed.txt", evidence.policy.replace(/^quorum .*/m, "quorum none"));
      const stranger = file(
        "stranger.txt",
        `log ${formatVkey("other.example/2026", town.water.key)}\nquorum none\n`,
      );
      const bad = file("bad.txt", "believe everybody\n");
      const exits = [];
      for (const args of [
        [good, "--policy", policy],
        [good, cut, join(folder, "nothing-here"), "--policy", policy],
        [good, "--policy", unwitnessed, "--strict"],
        [good, "--policy", stranger],
        [good, "--policy", bad],
      ]) {
        const ours = await auditCommand("verify", ...args, "--json");
        const theirs = spawnSync(python ?? "", [VERIFY, "verify", ...args], { encoding: "utf8" });
        exits.push(theirs.status);
        expect(theirs.status).toBe(ours.exit);
        expect(judgedLines(theirs.stdout)).toEqual(judgedLines(ours.stdout));
      }
      expect(exits).toEqual([0, 1, 3, 3, 2]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test.skipIf(!need("shared"))("over the 914 signatures of C2SP/CCTV, of which 43 are good", async () => {
    const signatures = sharedJson("vectors/ed25519-edge-cases/ed25519vectors.json") as EdgeCase[];
    const { accepted } = sharedJson("vectors/ed25519-edge-cases/verdicts.json") as {
      accepted: { strict: number[] };
    };
    const cases = signatures.map(({ number, key, msg, sig }): Case => ({
      file: `${number}`,
      ed25519: [fromHex(key), new TextEncoder().encode(msg), fromHex(sig)],
    }));
    const theirs = await judgeAgain(python ?? "", cases);
    const good = signatures.filter((_, n) => theirs[n]?.verdict === "verified").map(({ number }) => number);
    expect(good).toEqual(accepted.strict);
    expect(good).toHaveLength(43);
  });
});

/** The verdicts that a command printed, one a line, without the checks' names. */
const judgedLines = (stdout: string): unknown[] =>
  stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const { file, verdict, code, restrictions } = JSON.parse(line) as Judged & { readonly file: string };
      return { file, verdict, code, restrictions };
    });

type Vector = { readonly name: string; readonly hex?: string };
type EdgeCase = { readonly number: number; readonly key: string; readonly msg: string; readonly sig: string };

function judgedPolicy(file: string, policy: string): Pair {
  const ours = { restrictions: [], checks: [] };
  try {
    parsePolicy(policy);
    return { one: { file, policy }, ours: { ...ours, verdict: "verified" } };
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    return { one: { file, policy }, ours: { ...ours, verdict: "invalid", code: error.code } };
  }
}

function otherPolicies(policy: string, { world, water }: Town): [string, string][] {
  const unwitnessed = policy.replace(/^quorum .*/m, "quorum none");
  const unpinned = policy.replaceAll(/^operator .*\n/gm, "");
  const otherLog = (origin: string): string =>
    unwitnessed.replace(/^log \S+/m, `log ${formatVkey(origin, water.key)}`);
  return [
    ["quorum none", unwitnessed],
    ["no operator pinned", unpinned],
    ["neither", unpinned.replace(/^quorum .*/m, "quorum none")],
    ["the log unknown", otherLog("other.example/2026")],
    ["another key for the log", otherLog(world.origin)],
    ["pinned for any org", policy.replaceAll(/^operator \S+ /gm, "operator * ")],
    ["pinned for another org", policy.replaceAll(/^operator \S+ /gm, "operator roads ")],
  ];
}

const LISTS = ["scope", "statements", "registry", "keys", "consistency"] as const;

/** The bundle without each third part of each list, another third for each row; the first of a list also twice, and exchanged with the next. */
function* rearranged(bundle: Bundle, row: number): Generator<[string, Bundle]> {
  for (const name of LISTS) {
    const list: readonly unknown[] = bundle[name];
    for (const [n, part] of list.entries()) {
      if (n % 3 === row % 3)
        yield [`${name} ${n} left out`, { ...bundle, [name]: list.filter((_, i) => i !== n) }];
      if (n > 0 || row % 3 > 0) continue;
      yield [`${name} ${n} twice`, { ...bundle, [name]: [...list, part] }];
      if (list.length > 1)
        yield [`${name} ${n} exchanged`, { ...bundle, [name]: [list[1], part, ...list.slice(2)] }];
    }
  }
}

describe.skipIf(python === undefined)("two verifiers agree over published logs", () => {
  const folder = mkdtempSync(join(tmpdir(), "tally-second-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  test("honest, altered, cheating: verdict, code, restrictions", async () => {
    const pairs: Pair[] = [];
    for (const [n, { name, files, policy, since }] of (await logDirectories()).entries()) {
      const log = join(folder, `${n}`);
      mkdirSync(log);
      for (const [path, bytes] of files) {
        mkdirSync(dirname(join(log, path)), { recursive: true });
        writeFileSync(join(log, path), bytes);
      }
      const { judgement } = await auditLog({
        place: memoryPlace(files),
        policy: parsePolicy(policy),
        provider,
        hash: nodeSha256,
        evidence: [],
        progress: noProgress,
        graceMs: 0,
        ...(since && { since: { name: "kept", text: since } }),
      });
      pairs.push({ one: { file: name, log, policy, ...(since && { since }) }, ours: judgement });
    }
    expect(pairs.length).toBeGreaterThan(60);
    await expectAgreement(pairs, "all");
  });
});
