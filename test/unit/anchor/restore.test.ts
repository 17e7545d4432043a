/** A log comes back from whatever is left of it, and nothing that was altered comes back with it. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  encodeEntries,
  entriesPath,
  registryPath,
  sha256,
  tilePath,
  toHex,
  type Statement,
} from "@tallystick/evidence";
import { placesOf } from "../../../anchor/src/config.ts";
import { openDatabase } from "../../../anchor/src/storage/database.ts";
import { AnchorLog, type AnchorChain, type AnchorDevice } from "../../support/anchor-log.ts";
import { checkLog } from "../../support/testlog.ts";

const ISS = "city/gw-1";
let log: AnchorLog;
let device: AnchorDevice;
let chain: AnchorChain;
const logs: AnchorLog[] = [];
const servers: Server[] = [];

beforeEach(async () => {
  log = await AnchorLog.create();
  logs.push(log);
  device = await log.enrol(ISS);
  chain = device.chain();
  await chain.open();
  await enter([...chain.statements]);
});
afterEach(() => {
  for (const one of logs.splice(0)) one.remove();
  for (const server of servers.splice(0)) server.close();
});

const refused = (code: string): unknown => expect.objectContaining({ name: "EvidenceError", code });

/** Sequenced and published as one batch, a second after the last. */
async function enter(statements: readonly Statement[]): Promise<void> {
  log.clock.now += 1;
  await log.publish(log.sequence([], statements));
}

/** Grows the log to this size, in batches of so many. */
async function grow(size: number, batch = 7): Promise<void> {
  while (log.size < size) await enter(await chain.next(Math.min(batch, size - log.size)));
}

async function restored(...from: readonly string[]): Promise<AnchorLog> {
  const again = await log.restored(from);
  logs.push(again);
  return again;
}

/** What a restore says, without opening the log. */
const attempt = (...from: readonly string[]): ReturnType<AnchorLog["restoreInto"]> =>
  log.restoreInto(log.emptyFolder(), from);

/** A copy of the public directory as it is now. */
function copy(name = "copy"): string {
  const folder = join(log.folder, name);
  rmSync(folder, { recursive: true, force: true });
  cpSync(log.publicFolder, folder, { recursive: true });
  return folder;
}

async function served(folder: string): Promise<string> {
  const server = createServer((request, response) => {
    const file = join(folder, request.url ?? "");
    if (existsSync(file)) response.end(readFileSync(file));
    else response.writeHead(404).end();
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

function alter(file: string, at = 40): void {
  const bytes = readFileSync(file);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(file, bytes);
}

function inDatabase(file: string, sql: string): void {
  const db = new DatabaseSync(file);
  db.exec(sql);
  db.close();
}

describe("a log comes back", () => {
  test.for([3, 4, 5, 7, 8, 9, 255, 256, 257, 300, 511, 512, 513, 600])(
    "of %i entries from a backup and a copy",
    async (size) => {
      const before = Math.floor(size / 2);
      await grow(before);
      const backup = await log.backup();
      await grow(size);
      const from = copy();
      const again = await restored(backup, from);
      const { root, entries } = again.check();
      expect(toHex(root)).toBe(toHex(log.check().root));
      expect(entries).toHaveLength(size);
      const { recovery } = again.opened.sequencer;
      expect(recovery.missing).toBe(size - Math.max(before, 3));
      expect(recovery.hearing).toBe(true);
      // Every batch that the backup knew is there as it was; what came since is one.
      const sizes = again.opened.store.db
        .prepare("SELECT size, time, signature FROM batches ORDER BY size")
        .all();
      const was = log.opened.store.db
        .prepare("SELECT size, time FROM batches WHERE size <= ? ORDER BY size")
        .all(Math.max(before, 3));
      expect(sizes.slice(0, was.length)).toMatchObject(was);
      expect(sizes).toHaveLength(was.length + (size > Math.max(before, 3) ? 1 : 0));
      expect(sizes.at(-1)).toMatchObject({ size });
    },
  );

  test("of one entry, and of two", async () => {
    const young = await AnchorLog.create();
    logs.push(young);
    for (const size of [1, 2]) {
      if (size === 2) await young.enrol(ISS);
      const backup = await young.backup(`of-${size}`);
      for (const from of [[backup], [young.publicFolder], [backup, young.publicFolder]]) {
        const again = await young.restored(from);
        logs.push(again);
        expect(again.check().size).toBe(size);
      }
    }
  });

  test("from a backup alone, as far as that goes", async () => {
    await grow(20);
    const backup = await log.backup();
    await grow(30);
    const result = await attempt(backup);
    expect(result).toMatchObject({ size: 20, signed: 20, missing: [], statements: 20, damaged: 0 });
    const again = await restored(backup);
    expect(again.check().size).toBe(20);
    const chains = (one: AnchorLog): unknown =>
      one.opened.store.chains.list(undefined, 10).map((row) => ({ ...row }));
    expect(chains(again)).toEqual(chains(await restored(backup)));
  });

  test("from a public directory alone: hashes, and the registry", async () => {
    await grow(300);
    const result = await attempt(copy());
    expect(result).toMatchObject({ size: 300, statements: 2, missing: [[2, 299]] });
    const again = await restored(copy());
    expect(again.opened.keys.current(ISS)?.streams).toEqual(["*"]);
    expect(again.check().size).toBe(300);
  });

  test("from an address", async () => {
    await grow(270);
    const backup = await log.backup();
    await grow(290);
    const url = await served(copy());
    const result = await attempt(backup, url);
    expect(result).toMatchObject({ size: 290, missing: [[270, 289]] });
    expect(result.sources.map(({ size }) => size)).toEqual([290, 270]);
  });

  test("from a data folder: the rescued database and its public directory", async () => {
    await grow(40);
    const again = await restored(log.config.data);
    expect(again.check().size).toBe(40);
    expect(again.opened.sequencer.recovery.missing).toBe(0);
  });

  test("from several backups and copies: the newest tree, and whatever bytes there are", async () => {
    await grow(30);
    const first = await log.backup("first");
    const older = copy("older");
    await grow(60);
    const second = await log.backup("second");
    // What the first has, the second has lost.
    inDatabase(second, "UPDATE statements SET bytes = x'00' WHERE idx BETWEEN 10 AND 39");
    await grow(90);
    const result = await attempt(first, older, second, copy("newest"));
    expect(result).toMatchObject({
      size: 90,
      missing: [
        [30, 39],
        [60, 89],
      ],
      damaged: 10,
    });
  });

  test("from a database that committed more than was published", async () => {
    await grow(20);
    log.sequence([], await chain.next(5));
    const backup = await log.backup();
    expect(await attempt(backup)).toMatchObject({ size: 25, signed: 20, missing: [] });
    expect(await attempt(copy(), backup)).toMatchObject({ size: 25, signed: 20 });
    // Nothing tells whether those five were ever signed: not before the devices were heard.
    const config = log.emptyFolder();
    await log.restoreInto(config, [backup]);
    const opened = await log.openAgain(config);
    const { size } = checkLog(placesOf(config).public, log.policy);
    opened.sequencer.recovery.heard();
    opened.close();
    (await log.openAgain(config)).close();
    expect([size, checkLog(placesOf(config).public, log.policy).size]).toEqual([20, 25]);
    rmSync(join(config.data, ".."), { recursive: true });
  });

  test("and a restored log can be backed up and restored again, with what it is missing", async () => {
    await grow(20);
    const backup = await log.backup();
    await grow(40);
    const again = await restored(backup, copy());
    const second = await again.backup("again");
    const third = await log.restoreInto(log.emptyFolder(), [second]).catch((error: unknown) => error);
    // The database has no bytes for what its note covers: that is known, and no fault.
    expect(third).toMatchObject({ size: 40, missing: [[20, 39]] });
  });

  test("forks that were kept as evidence come back", async () => {
    await grow(10);
    const other = await chain.seal(chain.pack(99_999), {
      seq: 3,
      prev: (chain.statements[2] as Statement).hash,
    });
    log.sequence([], [other]);
    const again = await restored(await log.backup());
    expect(again.opened.store.archive.forks(9).map(({ hash }) => toHex(hash))).toEqual([toHex(other.hash)]);
  });
});

describe("chains are as they were", () => {
  test("a chain that continues another is its successor, whichever is put in first", async () => {
    await grow(10);
    const next = device.chain("meter/m-1", "second");
    await next.open(chain.head());
    await enter([...next.statements]);
    const again = await restored(await log.backup(), copy());
    const { chains } = again.opened.store;
    const before = chains.find(ISS, "meter/m-1", chain.ch);
    const after = chains.find(ISS, "meter/m-1", next.ch);
    expect(before?.successor).toBe(after?.id);
    expect(before).toMatchObject({
      first: 0,
      last: chain.statements.length - 1,
      count: chain.statements.length,
    });
    again.opened.sequencer.recovery.heard();
    const done = again.sequence([], [...(await chain.next(1)), ...(await next.next(1))]);
    expect(done.refused.map(({ code }) => code)).toEqual(["fork"]);
    expect(done.admitted).toHaveLength(1);
  });
});

describe("what was altered is refused", () => {
  test("entries in the copy, or the tile above them", async () => {
    await grow(300);
    const backup = await log.backup();
    await grow(310);
    for (const path of [entriesPath(0, 256), tilePath(0, 0, 256), entriesPath(1, 54), tilePath(0, 1, 54)]) {
      const bad = copy();
      alter(join(bad, path));
      await expect(attempt(bad), path).rejects.toThrow(refused("tile-mismatch"));
      // A good copy beside it has the file.
      expect(await attempt(bad, log.publicFolder, backup)).toMatchObject({ size: 310 });
    }
    const bad = copy();
    alter(join(bad, entriesPath(0, 256)));
    // The backup has those entries too.
    expect(await attempt(bad, backup)).toMatchObject({ size: 310, missing: [[300, 309]] });
  });

  test("entries and tile together: the note says otherwise", async () => {
    await grow(40);
    const bad = copy();
    const other = await AnchorLog.create();
    logs.push(other);
    rmSync(join(bad, "tile"), { recursive: true });
    cpSync(join(other.publicFolder, "tile"), join(bad, "tile"), { recursive: true });
    await expect(attempt(bad)).rejects.toThrow(refused("tile-missing"));
  });

  test("files that are gone", async () => {
    await grow(300);
    const bad = copy();
    rmSync(join(bad, dirname(entriesPath(1, 44))), { recursive: true });
    await expect(attempt(bad)).rejects.toThrow(refused("tile-missing"));
    expect(await attempt(bad, await served(copy("other")))).toMatchObject({ size: 300 });
  });

  test("a note: another key, another log, a bit", async () => {
    await grow(10);
    const bad = copy();
    alter(join(bad, "checkpoint"), 90);
    await expect(attempt(bad)).rejects.toThrow(expect.objectContaining({ name: "EvidenceError" }));
    const other = await AnchorLog.create();
    logs.push(other);
    await expect(attempt(other.publicFolder)).rejects.toThrow(refused("note-signature"));
    await expect(attempt(await other.backup())).rejects.toThrow(refused("checkpoint-origin"));
    await expect(attempt(join(log.folder, "nowhere"))).rejects.toThrow(refused("storage-missing"));
    const empty = join(log.folder, "empty");
    mkdirSync(empty);
    await expect(attempt(empty)).rejects.toThrow(refused("storage-missing"));
  });

  test("registry: an item changed, the last ones gone where the backup knows better", async () => {
    await grow(10);
    await log.enrol("city/gw-2");
    const backup = await log.backup();
    const bad = copy();
    alter(join(bad, registryPath(0, 3)), 900);
    await expect(attempt(bad)).rejects.toThrow(refused("registry-mismatch"));
    await expect(attempt(bad, backup)).rejects.toThrow(refused("registry-mismatch"));
    const ahead = copy();
    const [item] = log.sequence(
      [await log.item({ kind: "revoke", kid: device.signer.key.kid, from: 5 })],
      [],
    ).items;
    const items = encodeEntries([...log.opened.store.archive.items(0, 4)].map(({ bytes }) => bytes));
    mkdirSync(join(ahead, dirname(registryPath(0, 4))), { recursive: true });
    writeFileSync(join(ahead, registryPath(0, 4)), items);
    // An item that is published before the note that covers it: as a power cut in between leaves it.
    expect(item?.index).toBe(11);
    expect(await attempt(ahead)).toMatchObject({ size: 11, statements: 3 });
    const short = copy();
    rmSync(join(short, dirname(registryPath(0, 3))), { recursive: true });
    await expect(attempt(short)).rejects.toThrow(refused("registry-missing"));
    expect(await attempt(short, backup)).toMatchObject({ size: 11, missing: [] });
  });

  test("a statement in a backup is then one that is missing", async () => {
    await grow(10);
    const backup = await log.backup();
    inDatabase(
      backup,
      "UPDATE statements SET bytes = (SELECT bytes FROM statements WHERE idx = 5) WHERE idx = 4",
    );
    expect(await attempt(backup)).toMatchObject({ size: 10, missing: [[4, 4]], damaged: 1 });
  });

  test("an entry in a backup, where nothing better is there", async () => {
    await grow(10);
    const backup = await log.backup();
    inDatabase(backup, "UPDATE statements SET hash = zeroblob(32) WHERE idx = 4");
    await expect(attempt(backup)).rejects.toThrow(refused("tile-mismatch"));
    expect(await attempt(backup, copy())).toMatchObject({ size: 10, missing: [[4, 4]] });
  });

  test("what a backup says about trees: another time or root is not believed", async () => {
    await grow(30, 5);
    const backup = await log.backup();
    inDatabase(backup, "UPDATE batches SET time = time + 1 WHERE size = 13");
    expect(await attempt(backup)).toMatchObject({ size: 30, damaged: 1 });
    inDatabase(backup, "UPDATE batches SET root = zeroblob(32), signature = NULL WHERE size = 13");
    expect(await attempt(backup)).toMatchObject({ size: 30, damaged: 1 });
    const again = await restored(backup);
    expect(again.opened.store.batches.at(13)).toBeUndefined();
    expect(again.opened.store.batches.holding(12)?.size).toBe(18);
  });

  test("statements past the newest note are checked for their signatures", async () => {
    await grow(20);
    const [forged] = await chain.next(1);
    const stolen = await chain.seal(chain.pack(7), { seq: 99 }, log.operator);
    log.sequence([], [forged as Statement]);
    const backup = await log.backup();
    const db = new DatabaseSync(backup);
    db.prepare("UPDATE statements SET hash = ?, bytes = ? WHERE idx = 20").run(stolen.hash, stolen.bytes);
    db.close();
    await expect(attempt(backup)).rejects.toThrow(refused("key-issuer"));
    // A signature that is nobody's.
    const [bent] = await chain.next(1);
    const bytes = (bent as Statement).bytes.slice();
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    const again = new DatabaseSync(backup);
    again.prepare("UPDATE statements SET hash = ?, bytes = ? WHERE idx = 20").run(sha256(bytes), bytes);
    again.close();
    await expect(attempt(backup)).rejects.toThrow(refused("signature-invalid"));
  });

  test("a backup that was cut off, or is none", async () => {
    await grow(200);
    const backup = await log.backup();
    const whole = readFileSync(backup).length;
    for (const length of [0, 50, 4096, 20_000, Math.floor(whole / 2), whole - 4096]) {
      cpSync(backup, `${backup}.cut`);
      truncateSync(`${backup}.cut`, length);
      const outcome = await attempt(`${backup}.cut`).then(
        ({ size }) => size,
        (error: unknown) => error,
      );
      expect(outcome, `${length} bytes`).toMatchObject({ code: "backup-malformed" });
    }
    writeFileSync(`${backup}.text`, "no database at all, but long enough to look at".repeat(100));
    await expect(attempt(`${backup}.text`)).rejects.toThrow(refused("backup-malformed"));
  });

  test("two histories of one log", async () => {
    await grow(20);
    const backup = await log.backup();
    await grow(30);
    const one = copy("one");
    // The backup run as if it were the log: exactly what a restore must not end in.
    const other = await restored(backup);
    other.opened.sequencer.recovery.heard();
    const another = device.chain("meter/m-2");
    await another.filled(15);
    await other.publish(other.sequence([], another.statements));
    await expect(attempt(one, other.publicFolder)).rejects.toThrow(refused("log-fork"));
    await expect(attempt(await other.backup("other"), one)).rejects.toThrow(refused("log-fork"));
  });
});

describe("nothing half", () => {
  test("a ledger that is there is not overwritten", async () => {
    await grow(10);
    const backup = await log.backup();
    log.close();
    await expect(log.restoreInto(log.config, [backup])).rejects.toThrow(refused("storage-exists"));
    await expect(log.backup()).rejects.toThrow(refused("storage-exists"));
  });

  test("what was cut off leaves nothing that would be run, and the next attempt begins anew", async () => {
    await grow(300);
    const bad = copy();
    rmSync(join(bad, dirname(entriesPath(1, 44))), { recursive: true });
    const config = log.emptyFolder();
    await expect(log.restoreInto(config, [bad])).rejects.toThrow(refused("tile-missing"));
    expect(existsSync(placesOf(config).database)).toBe(false);
    await expect(log.openAgain(config)).rejects.toThrow(refused("storage-missing"));
    // As after a power cut: half a database beside its place.
    writeFileSync(`${placesOf(config).database}.restoring`, "half");
    await expect(log.openAgain(config)).rejects.toThrow(refused("storage-missing"));
    await log.restoreInto(config, [copy("good")]);
    expect(readdirSync(config.data).toSorted()).toEqual(["anchor.db", "anchor.lock", "keys"]);
    rmSync(join(config.data, ".."), { recursive: true });
  });

  test("a backup is not run as it is", async () => {
    await grow(10);
    const backup = await log.backup();
    expect(() => openDatabase(backup)).toThrow(refused("storage-missing"));
  });

  test("without the log's key nothing is restored", async () => {
    const config = log.emptyFolder();
    rmSync(join(config.data, "keys"), { recursive: true });
    await expect(log.restoreInto(config, [log.publicFolder])).rejects.toThrow(refused("key-file-unreadable"));
    rmSync(join(config.data, ".."), { recursive: true });
  });
});

describe("a backup of a log at work", () => {
  test("is of one moment, whatever is committed meanwhile", async () => {
    await grow(600, 50);
    const made = log.backup();
    let committed = 0;
    const more = (async () => {
      for (let i = 0; i < 20; i++) {
        await enter(await chain.next(3));
        committed++;
      }
    })();
    const backup = await made;
    await more;
    expect(committed).toBe(20);
    const result = await attempt(backup);
    expect(result.damaged).toBe(0);
    expect(result.missing).toEqual([]);
    expect(result.size).toBeGreaterThanOrEqual(600);
    expect(checkLog(log.publicFolder, log.policy).size).toBe(660);
  });
});
