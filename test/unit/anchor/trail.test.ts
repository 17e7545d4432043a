import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { equalBytes, examineStreams, parseStatement, toHex, type Statement } from "@tallystick/evidence";
import { createKeyFile, nodeSha256 } from "@tallystick/evidence/node";
import { placesOf } from "../../../anchor/src/config.ts";
import { copyKept } from "../../../anchor/src/trail/kept.ts";
import { OWN, OwnAnchor } from "../../support/own-anchor.ts";

const ACCESS = { kind: "access", who: "audit-office", what: "water/* *", purpose: "p" } as const;
const HOUR_MS = 3_600_000;
let anchor: OwnAnchor;

beforeEach(async () => {
  anchor = await OwnAnchor.start();
});
afterEach(() => anchor.remove());

/** All that the anchor's own device has in the log. */
function said(): Statement[] {
  const { archive, chains } = anchor.log.opened.store;
  return chains
    .list(OWN, 100)
    .flatMap(({ sub, ch }) => chains.find(OWN, sub, ch) ?? [])
    .flatMap(({ id }) => archive.page(id, 0, 9999, 9999))
    .map(({ bytes }) => parseStatement(bytes ?? new Uint8Array(), nodeSha256));
}

const kinds = (): (string | undefined)[] => said().map(({ claims, event }) => `${claims.sub} ${event?.kind}`);
const findings = (): unknown[] => examineStreams(said()).flatMap((one) => one.findings);
const tell = (purpose: string) => anchor.own.trail.tell({ ...ACCESS, purpose });

describe("what the anchor says", () => {
  test("is one unbroken chain, however many speak at once", async () => {
    await Promise.all(Array.from({ length: 20 }, (_, i) => tell(`${i}`)));
    await tell("last");
    expect(said().map(({ claims }) => claims.seq)).toEqual(Array.from({ length: 22 }, (_, i) => i));
    expect(findings()).toEqual([]);
    const told = said().flatMap(({ event }) => (event?.kind === "access" ? [event.purpose] : []));
    expect(told).toEqual([...Array.from({ length: 20 }, (_, i) => `${i}`), "last"]);
  });

  test("goes on after a restart", async () => {
    await tell("before");
    await anchor.restart();
    await tell("after");
    expect(said().map(({ claims }) => claims.seq)).toEqual([0, 1, 2]);
    expect(findings()).toEqual([]);
  });

  test("is attested by heads within a heartbeat, and once a day where nothing moves", async () => {
    await anchor.own.trail.look();
    expect(kinds()).toEqual(["sys stream-opened", "sys heads"]);
    await tell("one");
    await anchor.own.trail.look();
    expect(kinds()).not.toContain("access heads");
    anchor.passMs(300_000);
    await anchor.own.trail.look();
    const heads = said().findLast(({ event }) => event?.kind === "heads");
    const access = said().find(({ event }) => event?.kind === "access");
    expect(heads?.event).toMatchObject({
      all: true,
      heads: [{ sub: "access", seq: 1, hash: access?.hash }],
    });
    const { size } = anchor.log;
    for (let hour = 0; hour < 23; hour++) {
      anchor.passMs(HOUR_MS);
      await anchor.own.trail.look();
    }
    expect(anchor.log.size).toBe(size);
    anchor.passMs(HOUR_MS);
    await anchor.own.trail.look();
    expect(anchor.log.size).toBe(size + 1);
  });
});

describe("a number is spent once", () => {
  test("what was signed and not sequenced goes in first, byte for byte, after a restart", async () => {
    await tell("before");
    anchor.sequencing = false;
    const lost = tell("cut off");
    const outcome = expect(lost).rejects.toThrow(expect.objectContaining({ code: "unreachable" }));
    await expect.poll(() => anchor.pipeline.accepted.length).toBe(1);
    const [work] = anchor.pipeline.accepted.splice(0);
    await anchor.unserve();
    await outcome;
    anchor.sequencing = true;
    await anchor.restart();
    await tell("after");
    expect(said().map(({ claims }) => claims.seq)).toEqual([0, 1, 2, 3]);
    expect(said()[2]?.bytes).toEqual(work?.statement.bytes);
    expect(findings()).toEqual([]);
  });

  test("what was committed and not told of is not said again", async () => {
    await tell("before");
    anchor.sequencing = false;
    const lost = tell("cut off");
    const outcome = expect(lost).rejects.toThrow(expect.objectContaining({ code: "unreachable" }));
    await expect.poll(() => anchor.pipeline.accepted.length).toBe(1);
    const statements = anchor.pipeline.accepted.splice(0).map(({ statement }) => statement);
    anchor.log.opened.sequencer.sequence([], statements);
    await anchor.unserve();
    await outcome;
    anchor.sequencing = true;
    await anchor.restart();
    await tell("after");
    expect(said().map(({ claims }) => claims.seq)).toEqual([0, 1, 2, 3]);
    expect(findings()).toEqual([]);
  });

  test("another statement for a number that was kept is never signed", async () => {
    await tell("before");
    const { trail } = placesOf(anchor.config);
    const [, newest = ""] = readdirSync(trail).toSorted();
    // As if a second anchor with this key had said something.
    writeFileSync(join(trail, newest.replace(/\d{12}/, "000000000002")), readFileSync(join(trail, newest)));
    await expect(tell("after")).rejects.toThrow(expect.objectContaining({ code: "storage-failed" }));
    expect(said().map(({ claims }) => claims.seq)).toEqual([0, 1]);
  });

  test("damaged copies and foreign files are passed over", async () => {
    const { trail } = placesOf(anchor.config);
    mkdirSync(trail, { recursive: true });
    writeFileSync(join(trail, `${"0".repeat(16)}-000000000000.cose`), "no statement");
    writeFileSync(join(trail, "notes.txt"), "mine");
    await tell("one");
    expect(said()).toHaveLength(2);
  });
});

test("copies come whole, in place of those that a power cut left damaged, and once", async () => {
  await tell("one");
  await tell("two");
  const { trail } = placesOf(anchor.config);
  const folder = mkdtempSync(join(tmpdir(), "tally-trail-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const here = join(folder, "trail");
  mkdirSync(here);
  const names = readdirSync(trail).filter((name) => name.endsWith(".cose"));
  writeFileSync(join(here, names[0] ?? ""), readFileSync(join(trail, names[0] ?? "")).subarray(0, 40));
  writeFileSync(join(trail, `${"0".repeat(16)}-000000000000.cose`), "no statement");
  expect(await copyKept([trail], here)).toEqual({ copied: names.length, empty: [] });
  expect(await copyKept([anchor.config.data], here)).toEqual({ copied: 0, empty: [] });
  expect(readdirSync(here).toSorted()).toEqual(names.toSorted());
  for (const name of names) expect(readFileSync(join(here, name))).toEqual(readFileSync(join(trail, name)));
});

describe("where the anchor can't speak", () => {
  test("it says so where nothing is sequenced", async () => {
    anchor.own.stop();
    await expect(tell("x")).rejects.toThrow(expect.objectContaining({ code: "unreachable" }));
  });

  test("a restored log that lacks its copies waits, and goes on in a new chain once it was given up", async () => {
    const backup = await anchor.log.backup();
    await tell("lost");
    const restored = await anchor.log.restored([backup, anchor.log.publicFolder]);
    const again = await OwnAnchor.start({}, restored);
    restored.opened.sequencer.recovery.heard();
    const telling = again.own.trail.tell({ ...ACCESS, purpose: "too early" });
    await expect(telling).rejects.toThrow(expect.objectContaining({ code: "log-restoring" }));
    restored.opened.store.missing.giveUp();
    await again.restart();
    const { statement } = await again.own.trail.tell({ ...ACCESS, purpose: "after all" });
    const lost = readdirSync(placesOf(anchor.config).trail).map((name) => name.slice(0, 16));
    expect(lost).not.toContain(toHex(statement.claims.ch ?? new Uint8Array()));
    const opening = again.log.opened.store.chains.newest(OWN, "access", null);
    const [first] = again.log.opened.store.archive.page(opening?.id ?? -1, 0, 0, 1);
    expect(parseStatement(first?.bytes ?? new Uint8Array(), nodeSha256).event).toMatchObject({
      before: { lost: expect.any(String) as string },
    });
    expect(equalBytes(first?.hash ?? new Uint8Array(), statement.claims.prev ?? new Uint8Array())).toBe(true);
    await again.unserve();
    restored.close();
  });
});

test("another key is taken up as soon as it is enrolled, and the one before signs nothing more", async () => {
  await tell("old key");
  const { anchorKey } = placesOf(anchor.config);
  rmSync(anchorKey);
  const key = createKeyFile(anchorKey);
  // The key in the file is not the enrolled one: the signer in memory still is.
  await tell("old key, still");
  const item = {
    kind: "re-enrol",
    device: OWN,
    key,
    streams: ["access"],
    silenceS: 259_200,
    reason: "disk replaced",
  } as const;
  await anchor.batch(); // nothing is on its way
  await anchor.log.publish(anchor.log.sequence([await anchor.log.item(item)], []));
  await tell("new key");
  const kids = said().map(({ kid }) => toHex(kid));
  expect(kids.map((kid) => kid === toHex(key.kid))).toEqual([false, false, false, true]);
  expect(findings()).toEqual([]);
  rmSync(anchorKey);
  await anchor.restart();
  await expect(tell("no key")).rejects.toThrow(expect.objectContaining({ code: "key-unknown" }));
});
