/**
 * A case's folder in other hands: whatever was changed, added or taken away is refused, and so is a manifest that says other than what is there.
 */
import { createHash } from "node:crypto";
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isEvidenceError, parsePolicy } from "@tallystick/evidence";
import { createNodeProvider, nodeSha256, noProgress } from "@tallystick/evidence/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { encodeManifest, parseManifest, type CaseManifest } from "../../../audit/src/case/manifest.ts";
import { openFacts } from "../../../audit/src/facts/open.ts";
import type { Judgement } from "../../../audit/src/judgement.ts";
import { World } from "../../support/world.ts";
import { makeCase } from "../../support/world-case.ts";

const folder = mkdtempSync(join(tmpdir(), "tally-case-folder-"));
const means = { provider: createNodeProvider(), hash: nodeSha256, progress: noProgress, threads: 0 };
const STATEMENTS = "statements/000000.cborseq";
let world: World;
let made = 0;

beforeAll(async () => {
  world = await World.create();
  const device = await world.enrol("water/gw-1");
  const chain = device.chain("meter/m-1");
  await chain.open();
  for (let i = 0; i < 5; i++) await chain.readings();
  await world.commit();
  await device.heads();
  await world.commit();
  await makeCase(world, join(folder, "honest"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const digestOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** Writes the sums anew, as whoever changes a file would. */
function resum(place: string): void {
  const paths = readdirSync(place, { recursive: true, encoding: "utf8" }).filter(
    (path) => path !== "SHA256SUMS" && /\.|checkpoint/.test(path),
  );
  const lines = paths.toSorted().map((path) => `${digestOf(readFileSync(join(place, path)))}  ${path}\n`);
  writeFileSync(join(place, "SHA256SUMS"), lines.join(""));
}

/** What comes of a case in which something was done; facts that were made of it before don't help. */
async function after(change: (place: string) => void, { before = false } = {}): Promise<Judgement | string> {
  const place = join(folder, `case-${++made}`);
  cpSync(join(folder, "honest"), place, { recursive: true });
  const cache = join(folder, `cache-${made}`);
  const policy = parsePolicy(world.policy());
  if (before) (await openFacts(place, { ...means, policy, cache })).close();
  change(place);
  try {
    const facts = await openFacts(place, { ...means, policy, cache });
    facts.close();
    return facts.judgement;
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    return error.code;
  }
}

describe("a file of the folder", () => {
  const changes: [string, (place: string) => void, string][] = [
    ["changed", (place) => appendFileSync(join(place, STATEMENTS), "x"), "case-mismatch"],
    ["changed without its length", (place) => flip(join(place, STATEMENTS)), "case-mismatch"],
    ["another checkpoint", (place) => flip(join(place, "checkpoint")), "case-mismatch"],
    ["another policy", (place) => flip(join(place, "policy.txt")), "case-mismatch"],
    [
      "one too many",
      (place) => writeFileSync(join(place, "statements", "000001.cborseq"), ""),
      "case-mismatch",
    ],
    ["a note beside them", (place) => writeFileSync(join(place, "README"), ""), "case-mismatch"],
    ["a hidden one", (place) => writeFileSync(join(place, "registry", ".x"), ""), "case-mismatch"],
    ["a folder in a folder", (place) => mkdirSync(join(place, "statements", "more")), "case-mismatch"],
    ["gone", (place) => rmSync(join(place, STATEMENTS)), "case-mismatch"],
    ["no sums", (place) => rmSync(join(place, "SHA256SUMS")), "case-mismatch"],
    ["no manifest", (place) => rmSync(join(place, "case.json")), "case-mismatch"],
    ["a link to a file", (place) => link(place, STATEMENTS), "case-mismatch"],
    ["a link to a folder", (place) => link(place, "statements"), "case-mismatch"],
    ["sums that are a link", (place) => link(place, "SHA256SUMS"), "case-mismatch"],
  ];
  test.for(changes)("%s", async ([, change, code]) => {
    expect(await after(change)).toBe(code);
    expect(await after(change, { before: true })).toBe(code);
  });
});

function flip(file: string): void {
  const bytes = readFileSync(file);
  bytes.writeUInt8((bytes.at(-3) ?? 0) ^ 1, bytes.length - 3);
  writeFileSync(file, bytes);
}

function link(place: string, path: string): void {
  const away = join(folder, `away-${made}-${path.replaceAll("/", "-")}`);
  rmSync(away, { recursive: true, force: true });
  renameSync(join(place, path), away);
  symlinkSync(away, join(place, path));
}

describe("sums in another form", () => {
  const sums = (change: (text: string) => string) => (place: string) =>
    writeFileSync(join(place, "SHA256SUMS"), change(readFileSync(join(place, "SHA256SUMS"), "utf8")));
  test.for([
    [
      "a path that leads out",
      (text: string) => text.replace("statements/000000.cborseq", "../000000.cborseq"),
    ],
    ["an absolute path", (text: string) => text.replace("statements/000000.cborseq", "/etc/passwd")],
    ["another order", (text: string) => text.split("\n").toReversed().join("\n").trimStart() + "\n"],
    ["a line twice", (text: string) => text.replace(/^(.*checkpoint\n)/m, "$1$1")],
    ["no last line break", (text: string) => text.trimEnd()],
    ["a number left out", (text: string) => text.replace("statements/000000", "statements/000001")],
    ["capitals", (text: string) => text.toUpperCase()],
  ] as const)("%s", async ([, change]) => {
    const found = await after(sums(change));
    expect(["case-malformed", "case-mismatch"]).toContain(found);
  });
});

describe("a manifest that says another thing, with sums that fit", () => {
  const says = (change: (manifest: CaseManifest) => Partial<CaseManifest>) => (place: string) => {
    const file = join(place, "case.json");
    const manifest = parseManifest(new Uint8Array(readFileSync(file)));
    writeFileSync(file, encodeManifest({ ...manifest, ...change(manifest) }));
    resum(place);
  };
  const meter = (manifest: CaseManifest, change: Partial<CaseManifest["chains"][number]>) =>
    manifest.chains.map((chain) => (chain.sub === "sys" ? chain : { ...chain, ...change }));
  test("nothing: then it is as before", async () => {
    expect(await after(says(() => ({})))).toMatchObject({
      verdict: "restricted",
      restrictions: ["no-witness"],
    });
  });

  test.for([
    ["another size", says(({ size }) => ({ size: size + 1 })), "case-malformed"],
    ["another origin", says(() => ({ origin: "other.example/2026" })), "case-malformed"],
    ["another root", says(({ root }) => ({ root: root.toReversed() })), "case-malformed"],
    ["a chain less", says(({ chains }) => ({ chains: chains.slice(1) })), "case-malformed"],
    ["another count", says((manifest) => ({ chains: meter(manifest, { count: 5 }) })), "case-malformed"],
    ["chains in another order", says(({ chains }) => ({ chains: chains.toReversed() })), "case-malformed"],
    [
      "more entries than there are",
      says(({ entries }) => ({ entries: { ...entries, here: 100 } })),
      "case-malformed",
    ],
  ] as const)("%s", async ([, change, code]) => {
    expect(await after(change)).toMatchObject({ verdict: "invalid", code });
  });

  test.for([
    [
      "more of a chain than is here",
      says((manifest) => ({ chains: meter(manifest, { to: 9 }) })),
      ["hole", "no-witness", "tail-not-attested"],
    ],
    [
      "less of it than the device names",
      says((manifest) => ({ chains: meter(manifest, { to: 3 }) })),
      ["hole", "no-witness", "tail-not-attested"],
    ],
    [
      "an attestation that isn't there",
      says((manifest) => ({ chains: meter(manifest, { attested: { seq: 5, heads: new Uint8Array(32) } }) })),
      ["no-witness", "tail-not-attested"],
    ],
  ] as const)("%s restricts", async ([, change, restrictions]) => {
    expect(await after(change)).toMatchObject({ verdict: "restricted", restrictions });
  });

  test("a text with other blanks is none", async () => {
    const found = await after((place) => {
      const file = join(place, "case.json");
      writeFileSync(file, `${JSON.stringify(JSON.parse(readFileSync(file, "utf8")))}\n`);
      resum(place);
    });
    expect(found).toBe("case-malformed");
  });
});

describe("files of another content, with sums that fit", () => {
  test.for([
    ["statements that end within one", (bytes: Buffer) => bytes.subarray(0, -9), STATEMENTS],
    ["statements that begin within one", (bytes: Buffer) => bytes.subarray(9), STATEMENTS],
    ["no statements", () => Buffer.alloc(0), STATEMENTS],
    ["all of them twice", (bytes: Buffer) => Buffer.concat([bytes, bytes]), STATEMENTS],
    ["the registry twice", (bytes: Buffer) => Buffer.concat([bytes, bytes]), "registry/000000.cborseq"],
    [
      "half a registry",
      (bytes: Buffer) => bytes.subarray(0, Math.floor(bytes.length / 2)),
      "registry/000000.cborseq",
    ],
    ["a proof less", () => Buffer.alloc(0), "consistency/000000.cborseq"],
    ["zeros", (bytes: Buffer) => Buffer.alloc(bytes.length), STATEMENTS],
  ] as const)("%s", async ([name, change, path]) => {
    const found = await after((place) => {
      const file = join(place, path);
      writeFileSync(file, change(readFileSync(file)));
      resum(place);
    });
    // Without its proof a tree that was seen is only not compared, and said to be so.
    if (name === "a proof less") {
      expect(
        typeof found === "string" ? found : found.checks.find((row) => row.name === "seen"),
      ).toMatchObject({ result: "not-done" });
    } else
      expect(typeof found === "string" ? found : found.verdict).toMatch(
        /^(?:invalid|case-malformed|not-verifiable)$/,
      );
  });
});
