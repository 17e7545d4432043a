import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  fromHex,
  parseStatement,
  sealStatement,
  toHex,
  type Signer,
  type Statement,
} from "@tallystick/evidence";
import { loadSigner, nodeSha256 } from "@tallystick/evidence/node";
import { placesOf } from "../../../anchor/src/config.ts";
import { Orders } from "../../../anchor/src/erasure/orders.ts";
import { Archive } from "../../../anchor/src/storage/archive.ts";
import { readDatabase } from "../../../anchor/src/storage/database.ts";
import { Kept } from "../../../anchor/src/trail/kept.ts";
import { eventOf, openingOf, type AnchorChain, type AnchorDevice } from "../../support/anchor-log.ts";
import { OWN, OwnAnchor } from "../../support/own-anchor.ts";

const ISS = "water/gw-1";
let anchor: OwnAnchor;
let device: AnchorDevice;
let chain: AnchorChain;
let orders: Orders;

beforeEach(async () => {
  anchor = await OwnAnchor.start();
  device = await anchor.log.enrol(ISS);
  chain = device.chain();
  orders = new Orders(placesOf(anchor.config).erasures);
});
afterEach(() => anchor.remove());

async function admit(...statements: readonly Statement[]): Promise<void> {
  anchor.pipeline.receive(ISS, ...statements);
  await anchor.batch();
}

/** Orders these, and has them carried out. */
async function erase(...statements: readonly Pick<Statement, "hash">[]): Promise<void> {
  for (const { hash } of statements) await orders.give({ hash, order: "court 17/2026" });
  await anchor.erase();
}

const held = ({ hash }: Pick<Statement, "hash">) => anchor.log.opened.store.archive.byHash(hash);
const by = (statement: Pick<Statement, "hash">): Uint8Array | undefined =>
  anchor.log.opened.store.erasures.by(held(statement)?.index ?? -1);

/** Whether these bytes are in a file of the data folder. */
function isOnDisk(bytes: Uint8Array, config = anchor.config): boolean {
  const { database } = placesOf(config);
  return ["", "-wal"].some((end) => {
    const file = database + end;
    return existsSync(file) && readFileSync(file).includes(Buffer.from(bytes));
  });
}

describe("an erased statement", () => {
  test("is gone from the files, and the ledger says by whose order; its entry and its neighbours stay", async () => {
    const [opening, ...packs] = (await chain.filled(9)) as [Statement, ...Statement[]];
    await admit(opening, ...packs);
    const gone = packs[3] as Statement;
    // Parts that no other statement has.
    const parts = [
      gone.sign1.payload ?? new Uint8Array(),
      gone.sign1.signature,
      gone.bytes.subarray(60, 160),
    ];
    expect(parts.map((part) => isOnDisk(part))).toEqual([true, true, true]);
    await erase(gone);
    expect(orders.fateOf(gone.hash)).toBe("done");
    expect(held(gone)).toMatchObject({ seq: 4, bytes: null });
    expect(parts.map((part) => isOnDisk(part))).toEqual([false, false, false]);
    const said = anchor.log.opened.store.archive.byHash(by(gone) ?? new Uint8Array(32))?.bytes;
    const { claims, event } = parseStatement(said ?? new Uint8Array(), nodeSha256);
    expect(claims).toMatchObject({ iss: OWN, sub: "access" });
    expect(event).toEqual({ kind: "erased", hash: gone.hash, order: "court 17/2026" });
    expect(held(packs[2] as Statement)?.bytes).toEqual(packs[2]?.bytes);
    // The chain goes on behind it.
    await admit(...(await chain.next()));
    expect(held(chain.statements.at(-1) as Statement)?.seq).toBe(9);
  });

  test("is answered with 410 and the statement that says so", async () => {
    await admit(...(await chain.filled(3)));
    const gone = chain.statements[1] as Statement;
    await erase(gone);
    const response = await fetch(`${anchor.url}/statements/${toHex(gone.hash)}`);
    expect([response.status, await response.json()]).toEqual([
      410,
      { code: "erased", error: expect.any(String) as string, erased: toHex(by(gone) ?? new Uint8Array()) },
    ]);
  });

  test("stays erased when its device sends it again, and gets its receipt", async () => {
    await admit(...(await chain.filled(3)));
    const gone = chain.statements[1] as Statement;
    await erase(gone);
    anchor.pipeline.down(ISS);
    await admit(gone);
    expect(held(gone)?.bytes).toBeNull();
    expect(anchor.pipeline.down(ISS)).toEqual([expect.objectContaining({ kind: "receipt" })]);
  });

  test("is named once, however often it is ordered", async () => {
    await admit(...(await chain.filled(3)));
    const gone = chain.statements[1] as Statement;
    await erase(gone);
    const { size } = anchor.log;
    await erase(gone, gone);
    expect(anchor.log.size).toBe(size);
    expect(orders.fateOf(gone.hash)).toBe("done");
  });
});

describe("what is not erased", () => {
  test("openings, gaps, heads, registry items, the anchor's own, and what isn't there", async () => {
    const opening = await chain.open();
    const gap = await chain.seal(
      eventOf({ kind: "gap", reason: "outbox full", count: 1, seq: { first: 7, last: 7 } }),
    );
    chain.statements.push(gap);
    await admit(opening, gap);
    const token = await anchor.token("audit-office", "*");
    const body = JSON.stringify({ purpose: "p", streams: [{ iss: ISS, sub: "*" }] });
    const headers = { Authorization: `Bearer ${token}` };
    const read = await fetch(`${anchor.url}/reads`, { method: "POST", headers, body });
    const { access } = (await read.json()) as { access: string };
    const item = anchor.log.opened.store.archive.entries(0, 1)[0] as Uint8Array;
    const { size } = anchor.log;
    const stay: [Uint8Array, string][] = [
      [opening.hash, "member-range"],
      [gap.hash, "member-range"],
      [item, "member-range"],
      [fromHex(access), "member-range"],
      [new Uint8Array(32), "hole"],
    ];
    await erase(...stay.map(([hash]) => ({ hash })));
    for (const [hash, code] of stay) expect(orders.fateOf(hash)).toMatchObject({ code });
    expect(anchor.log.size).toBe(size);
    expect(held(opening)?.bytes).not.toBeNull();
    expect(held({ hash: item })?.bytes).not.toBeNull();
  });

  test("what a copy in trail says that nobody signed", async () => {
    await admit(...(await chain.filled(3)));
    const kept = chain.statements[1] as Statement;
    const { key } = loadSigner(placesOf(anchor.config).anchorKey);
    const { iat, tq, lvl } = { iat: anchor.log.clock.now, tq: 1, lvl: 1 } as const;
    const claims = { iss: OWN, sub: "access", ch: new Uint8Array(8).fill(1), iat, tq, lvl };
    const forger: Signer = { key, sign: () => Promise.resolve(new Uint8Array(64).fill(7)) };
    const opening = await sealStatement({ ...claims, seq: 0 }, openingOf("none"), forger, nodeSha256);
    const erased = eventOf({ kind: "erased", hash: kept.hash, order: "mine" });
    const lie = await sealStatement({ ...claims, seq: 1, prev: opening.hash }, erased, forger, nodeSha256);
    const store = new Kept(placesOf(anchor.config).trail);
    for (const one of [opening, lie]) await store.keep(one);
    const { size } = anchor.log;
    await anchor.own.trail.tell({ kind: "access", who: "w", what: "w", purpose: "p" });
    expect(anchor.log.size).toBe(size + 2); // its own opening, and this
    expect(held(lie)).toBeUndefined();
    expect(held(kept)?.bytes).not.toBeNull();
  });

  test("what another device says is erased", async () => {
    await admit(...(await chain.filled(3)));
    const kept = chain.statements[1] as Statement;
    const liar = device.chain("access");
    await liar.open();
    const lie = await liar.seal(eventOf({ kind: "erased", hash: kept.hash, order: "mine" }));
    await admit(liar.statements[0] as Statement, lie);
    expect(held(lie)).toBeDefined();
    expect(held(kept)?.bytes).not.toBeNull();
    expect(by(kept)).toBeUndefined();
  });
});

describe("after a restore", () => {
  /** Three statements, backed up; then the second one is erased. */
  async function erasedSince(): Promise<{ gone: Statement; backup: string }> {
    await admit(...(await chain.filled(3)));
    const backup = await anchor.log.backup();
    const gone = chain.statements[1] as Statement;
    await erase(gone);
    return { gone, backup };
  }

  test("from a backup made since, it is gone", async () => {
    const { gone, backup } = await erasedSince();
    const newer = await anchor.log.backup("newer.backup");
    // The older one comes first, and has the bytes.
    const restored = await anchor.log.restored([backup, newer, anchor.log.publicFolder]);
    expect(restored.opened.store.archive.byHash(gone.hash)?.bytes).toBeNull();
    expect(toHex(restored.opened.store.erasures.by(held(gone)?.index ?? -1) ?? new Uint8Array())).toBe(
      toHex(by(gone) ?? new Uint8Array(1)),
    );
    restored.close();
  });

  test("from an older backup, the copies of what the anchor said take it out again", async () => {
    const { gone, backup } = await erasedSince();
    const { trail } = placesOf(anchor.config);
    const restored = await anchor.log.restored([backup, anchor.log.publicFolder, trail]);
    expect(restored.opened.store.archive.byHash(gone.hash)?.bytes).not.toBeNull();
    expect(restored.opened.sequencer.recovery.missing).toBeGreaterThan(0);
    const again = await OwnAnchor.start({}, restored);
    restored.opened.sequencer.recovery.heard();
    await again.own.trail.look();
    expect(restored.opened.store.archive.byHash(gone.hash)?.bytes).toBeNull();
    expect(restored.opened.sequencer.recovery.missing).toBe(0);
    await again.unserve();
    restored.close();
  });

  test("from an older backup, whoever brings what the anchor said takes it out again", async () => {
    const { gone, backup } = await erasedSince();
    const { archive, chains } = anchor.log.opened.store;
    const own = chains.newest(OWN, "access", null)?.id ?? -1;
    const said = archive
      .page(own, 0, 9, 9)
      .map(({ bytes }) => parseStatement(bytes ?? new Uint8Array(), nodeSha256));
    const restored = await anchor.log.restored([backup, anchor.log.publicFolder]);
    const again = await OwnAnchor.start({}, restored);
    restored.opened.sequencer.recovery.heard();
    await again.erase(); // nothing is ordered, and nothing left over from before
    const signature = gone.sign1.signature;
    expect(isOnDisk(signature, restored.config)).toBe(true);
    // By POST /entries, where strangers may.
    for (const statement of said) again.pipeline.admission.submit(statement);
    again.pipeline.admission.flush();
    await again.batch();
    const { store, sequencer } = restored.opened;
    expect(sequencer.recovery.missing).toBe(0);
    expect(store.archive.byHash(gone.hash)).toMatchObject({ seq: 1, bytes: null });
    expect(store.erasures.by(held(gone)?.index ?? -1)).toEqual(by(gone));
    await again.erase();
    expect(isOnDisk(signature, restored.config)).toBe(false);
    await again.own.trail.look();
    expect(store.archive.byHash(gone.hash)?.bytes).toBeNull();
    await again.unserve();
    restored.close();
  });

  test("copies are taken from trail whatever lies beside them, and one without any is named", async () => {
    const { backup } = await erasedSince();
    const { trail } = placesOf(anchor.config);
    const [name = ""] = readdirSync(trail);
    // As a process or an rsync leaves them that was cut off.
    writeFileSync(join(trail, `.${name}.0b1c`), "");
    writeFileSync(join(trail, `${name}~`), "");
    for (const source of [trail, anchor.config.data]) {
      const config = anchor.log.emptyFolder();
      const restored = await anchor.log.restoreInto(config, [backup, anchor.log.publicFolder, source]);
      expect(restored).toMatchObject({ kept: readdirSync(trail).length - 2, emptyTrails: [] });
      expect(readdirSync(placesOf(config).trail)).toEqual(
        readdirSync(trail).filter((one) => /^\w+-\d+\.cose$/.test(one)),
      );
    }
    for (const one of readdirSync(trail)) if (!one.startsWith(".")) rmSync(join(trail, one));
    const without = await anchor.log.restoreInto(anchor.log.emptyFolder(), [backup, anchor.config.data]);
    expect(without).toMatchObject({ kept: 0, emptyTrails: [trail] });
  });

  test("one that was missing and erased gets its place back, and no bytes", async () => {
    const backup = await anchor.log.backup();
    await admit(...(await chain.filled(3)));
    const gone = chain.statements[1] as Statement;
    await erase(gone);
    const { trail } = placesOf(anchor.config);
    const restored = await anchor.log.restored([backup, anchor.log.publicFolder, trail]);
    const again = await OwnAnchor.start({}, restored);
    restored.opened.sequencer.recovery.heard();
    await again.own.trail.look();
    again.pipeline.receive(ISS, ...chain.statements);
    await again.batch();
    expect(restored.opened.sequencer.recovery.missing).toBe(0);
    expect(restored.opened.store.archive.byHash(gone.hash)).toMatchObject({ seq: 1, bytes: null });
    expect(
      restored.opened.store.archive.byHash(chain.statements[2]?.hash as Uint8Array)?.bytes,
    ).not.toBeNull();
    await again.unserve();
    restored.close();
  });
});

test("a log of the version before is brought up to this one, and read before as it is", async () => {
  await admit(...(await chain.filled(3)));
  anchor.log.opened.store.db.exec("DROP TABLE erased; DROP TABLE falls; PRAGMA user_version = 2");
  await anchor.unserve();
  anchor.log.close();
  const db = readDatabase(placesOf(anchor.config).database);
  expect([...new Archive(db).items(0, 9)]).toHaveLength(3);
  db.close();
  anchor.log.opened = await anchor.log.openAgain();
  await anchor.restart();
  const gone = chain.statements[1] as Statement;
  await erase(gone);
  expect(held(gone)?.bytes).toBeNull();
});

test("an order that waits is carried out after a restart, and the ledger has one statement for it", async () => {
  await admit(...(await chain.filled(3)));
  const gone = chain.statements[1] as Statement;
  await orders.give({ hash: gone.hash, order: "court 17/2026" });
  // Signed and kept, and the process ends before it is sequenced.
  anchor.sequencing = false;
  const cut = anchor.erase();
  await expect.poll(() => anchor.pipeline.accepted.length).toBeGreaterThan(0);
  anchor.pipeline.accepted.length = 0;
  await anchor.unserve();
  await cut;
  const files = readdirSync(placesOf(anchor.config).trail);
  expect(held(gone)?.bytes).not.toBeNull();
  anchor.sequencing = true;
  await anchor.restart();
  await anchor.own.trail.look();
  expect(held(gone)?.bytes).toBeNull();
  await anchor.erase();
  expect(orders.fateOf(gone.hash)).toBe("done");
  expect(readdirSync(placesOf(anchor.config).trail)).toEqual(expect.arrayContaining(files));
  const { store } = anchor.log.opened;
  const own = store.chains.newest(OWN, "access", null);
  expect(store.archive.page(own?.id ?? -1, 0, 99, 99).map(({ seq }) => seq)).toEqual([0, 1]);
});
