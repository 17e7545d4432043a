/**
 * The city's ledger in the hands of a hostile anchor: what it does to a case never makes anything more proven than it is, and is told.
 *
 * @module
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  encodeTransparent,
  parsePolicy,
  parseTransparent,
  toHex,
  type Statement,
} from "@tallystick/evidence";
import { createNodeProvider, nodeSha256, noProgress } from "@tallystick/evidence/node";
import { openFacts, type Facts } from "../../audit/src/facts/open.ts";
import { coverFacts } from "../../audit/src/coverage/cover.ts";
import { Zone } from "../../audit/src/zone.ts";
import { ZONE } from "../city/calendar.ts";
import { LATE_AFTER_S } from "../city/planted.ts";
import { makeCity, type MadeCity } from "../city/city.ts";
import { altered, freeze, only, type Deceit } from "../city/freeze.ts";

/** Nothing happens to these but an honest change of keys. */
const DEVICES = ["energy/gw-4", "tolls/lane-01"];

let city: MadeCity;
let made = 0;
const kept: Statement[] = [];

beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), "tally-city-"));
  city = await makeCity(folder, { seed: 11, meters: 25, lanes: 3, days: 4 });
});
afterAll(() => rmSync(city.folder, { recursive: true, force: true }));

/** The facts of a case that was frozen so. */
async function factsOf(deceit: Deceit): Promise<Facts> {
  const place = join(city.folder, `case-${++made}`);
  await freeze(city.folder, place, city.period, { devices: DEVICES, ...deceit });
  const policy = parsePolicy(readFileSync(join(city.folder, "policy.txt"), "utf8"));
  const provider = createNodeProvider();
  return openFacts(place, { policy, provider, hash: nodeSha256, progress: noProgress, cache: city.folder });
}

/** What a coverage of the period finds. */
function coverageOf({ db, files }: Facts): readonly string[] {
  const found: string[] = [];
  coverFacts(db, {
    zone: new Zone(ZONE),
    from: city.period.fromUnixS,
    to: city.period.toUnixS,
    lateAfterS: LATE_AFTER_S,
    streams: files?.manifest.streams ?? null,
    scopes: files?.manifest.chains.filter(({ sub }) => sub !== "sys") ?? [],
    write: ({ iss, sub, class: name, count }) => found.push(`${iss}/${sub}: ${name} ${count}`),
    progress: () => undefined,
  });
  return found.toSorted();
}

type Row = { readonly hash: Uint8Array; readonly standing: string; readonly code: string | null };
const rowsOf = ({ db }: Facts): readonly Row[] =>
  db.prepare("SELECT hash, standing, code FROM statements ORDER BY id").all() as Row[];
const badOf = (facts: Facts): readonly string[] =>
  rowsOf(facts).flatMap(({ standing, code }) => (standing === "good" ? [] : [`${standing} ${code}`]));

test("handed over as it is, all of it is good, and only a witness is missing", async () => {
  const facts = await factsOf({
    instead: (statement, transparent) => {
      kept.push(statement);
      return transparent;
    },
  });
  expect(facts.judgement).toMatchObject({ verdict: "restricted", restrictions: ["no-witness"] });
  expect(badOf(facts)).toEqual([]);
  expect(coverageOf(facts)).toEqual([]);
  expect(rowsOf(facts).length).toBe(kept.length);
  facts.close();
});

/** The statement in the middle of those of one kind. */
function some(what: (statement: Statement) => boolean): Statement {
  const members = kept.filter(what);
  const one = members[Math.floor(members.length / 2)];
  if (one === undefined) throw new Error("no such statement");
  return one;
}
const ofReadings = ({ content, claims }: Statement): boolean =>
  content.type === "senml" && claims.iss === "energy/gw-4";
const ofPassage = ({ event }: Statement): boolean => event?.kind === "toll-transaction";

describe("one statement of a case is spoiled", () => {
  test.for([
    ["readings", ofReadings],
    ["a passage", ofPassage],
  ] as const)("%s: a bit of what it says is another one", async ([, what]) => {
    const { hash } = some(what);
    const facts = await factsOf({ instead: only(hash, altered) });
    expect(facts.judgement.verdict).toBe("invalid");
    // Its bytes have another hash: the receipts are for the honest ones.
    expect(rowsOf(facts).some((row) => toHex(row.hash) === toHex(hash))).toBe(false);
    expect(badOf(facts).length).toBeGreaterThan(0);
    expect(badOf(facts).every((one) => one.startsWith("bad "))).toBe(true);
    facts.close();
  });

  test("it carries the receipts of another one", async () => {
    const [one, other] = [some(ofReadings), some(ofPassage)];
    let receipts: Uint8Array | undefined;
    await factsOf({ instead: only(other.hash, (_, transparent) => (receipts = transparent)) });
    const { receipts: foreign } = parseTransparent(receipts ?? new Uint8Array());
    const facts = await factsOf({ instead: only(one.hash, () => encodeTransparent(one.bytes, foreign)) });
    expect(facts.judgement.verdict).toBe("invalid");
    expect(standingOf(facts, one)).toMatch(/^bad /);
    facts.close();
  });

  test("it comes with one receipt, or with the same one twice", async () => {
    const one = some(ofReadings);
    for (const take of [[0], [1], [0, 0], [1, 0]]) {
      const facts = await factsOf({
        instead: only(one.hash, ({ bytes }, transparent) => {
          const { receipts } = parseTransparent(transparent);
          return encodeTransparent(
            bytes,
            take.map((i) => receipts[i] ?? new Uint8Array()),
          );
        }),
      });
      expect({ take, verdict: facts.judgement.verdict }).not.toMatchObject({ verdict: "restricted" });
      expect(standingOf(facts, one)).not.toMatch(/^(?:good|restricted) /);
      facts.close();
    }
  });
});

describe("statements are kept back without a word", () => {
  test("one of a chain: a hole", async () => {
    const { hash } = some(ofReadings);
    const facts = await factsOf({ without: (statement) => toHex(statement.hash) === toHex(hash) });
    expect(facts.judgement).toMatchObject({ verdict: "restricted", restrictions: ["hole", "no-witness"] });
    expect(coverageOf(facts)).toEqual(["energy/gw-4/meter/m-004: missing 1"]);
    facts.close();
  });

  test("the last hours of a chain, which the device's own word names", async () => {
    const { seq } = some(ofReadings).claims;
    const facts = await factsOf({ without: (one) => ofReadings(one) && one.claims.seq >= seq });
    expect(facts.judgement.verdict).toBe("restricted");
    expect(facts.judgement.restrictions).toContain("hole");
    expect(coverageOf(facts)).toEqual([expect.stringMatching(/^energy\/gw-4\/meter\/m-004: missing \d+$/)]);
    facts.close();
  });

  test("everything from some hour on, and all that would name it: the end is not shown", async () => {
    const one = some(ofReadings);
    const facts = await factsOf({
      without: ({ claims }) => claims.iss === "energy/gw-4" && (claims.iat ?? 0) >= (one.claims.iat ?? 0),
      lies: true,
    });
    // Nothing is wrong with what came: only the period asks for more.
    expect(facts.judgement).toMatchObject({ verdict: "restricted", restrictions: ["no-witness"] });
    expect(coverageOf(facts)).toEqual([
      "energy/gw-4/meter/m-004: open-end 1",
      expect.stringMatching(/^energy\/gw-4\/sys: silence \d+$/),
    ]);
    facts.close();
  });

  test("a device's own chain: nothing names the last number of any of its streams", async () => {
    const facts = await factsOf({ without: ({ claims }) => claims.sub === "sys" });
    expect(facts.judgement.verdict).not.toBe("verified");
    expect(facts.judgement.restrictions).toContain("tail-not-attested");
    expect(coverageOf(facts).length).toBeGreaterThan(0);
    facts.close();
  });
});

test("a case of another log, under this auditor's policy", async () => {
  const folder = join(city.folder, "other");
  const other = await makeCity(folder, { seed: 12, meters: 25, lanes: 3, days: 4 });
  await freeze(folder, join(folder, "case"), other.period, { devices: DEVICES });
  const policy = parsePolicy(readFileSync(join(city.folder, "policy.txt"), "utf8"));
  const means = { policy, provider: createNodeProvider(), hash: nodeSha256, progress: noProgress };
  const facts = await openFacts(join(folder, "case"), { ...means, cache: city.folder });
  // The same name with another key: it gives itself out for the log.
  expect(facts.judgement).toMatchObject({ verdict: "invalid", code: "log-key" });
  expect(badOf(facts).length).toBe(rowsOf(facts).length);
  facts.close();
});

const standingOf = (facts: Facts, { hash }: Statement): string | undefined =>
  rowsOf(facts).flatMap((row) => (toHex(row.hash) === toHex(hash) ? [`${row.standing} ${row.code}`] : []))[0];
