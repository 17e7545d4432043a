import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  encodeUtf8,
  entriesPath,
  formatCheckpoint,
  registryPath,
  signNote,
  TILE_WIDTH,
  tilePath,
  type Statement,
} from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import { placesOf } from "../../../anchor/src/config.ts";
import { AnchorLog, deviceSigner, ORIGIN, type AnchorDevice } from "../../support/anchor-log.ts";

let log: AnchorLog;
let device: AnchorDevice;

beforeEach(async () => {
  log = await AnchorLog.create();
  device = await log.enrol("city/gw-1");
});
afterEach(() => log.remove());

/** Statements that are sequenced and never read again: no signature, no content, only a name and a place. */
function bare(count: number, ch = "bare"): Statement[] {
  const chain = nodeSha256(encodeUtf8(ch)).slice(0, 8);
  const template = { kid: device.signer.key.kid, bytes: encodeUtf8("not read") };
  return Array.from({ length: count }, (_, i) => {
    const hash = nodeSha256(encodeUtf8(`${ch} ${i}`));
    // Counting down, so that each fills a hole and none is a neighbour's successor to be compared with.
    const claims = {
      iss: device.iss,
      sub: "meter/m-1",
      ch: chain,
      seq: 2 * (count - i),
      tq: 2,
      lvl: 1,
      prev: hash,
    };
    return { ...template, hash, claims } as unknown as Statement;
  });
}

/** Grows the log to exactly `size` in one batch and publishes it. */
async function growTo(size: number): Promise<void> {
  const done = log.sequence([], bare(size - log.size, `to ${size}`));
  expect(done.admitted).toHaveLength(size - (done.batch?.growth.from ?? 0));
  await log.publish(done);
  expect(log.check().size).toBe(size);
}

const file = (path: string): string => join(log.publicFolder, path);

describe("the published files", () => {
  test("follow the tree at the edges of a tile, whatever the batches", async () => {
    for (const size of [255, 256, 257, 511, 512, 513, 700]) await growTo(size);
    await log.opened.publisher.tidy();
    expect(existsSync(file(`${tilePath(0, 0, TILE_WIDTH)}.p`))).toBe(false);
    expect(existsSync(file(`${entriesPath(0, TILE_WIDTH)}.p`))).toBe(false);
    expect(readdirSync(file(`${tilePath(0, 2, TILE_WIDTH)}.p`)).sort()).toEqual(["1", "188"]);
    log.check();
  });

  test("follow the tree at the edges of the second level: 65535, 65536, 65537", async () => {
    for (const size of [65_535, 65_536, 65_537]) await growTo(size);
    expect(existsSync(file(tilePath(1, 0, TILE_WIDTH)))).toBe(true);
    expect(existsSync(file(tilePath(2, 0, 1)))).toBe(true);
    await log.reopen();
    expect(log.size).toBe(65_537);
    await growTo(65_800);
  });

  test("hold every registry item, over the edge of a bundle", async () => {
    const items: Statement[] = [];
    const signer = deviceSigner("nobody yet");
    const first = await log.item({
      kind: "enrol",
      device: "city/gw-2",
      key: signer.key,
      streams: ["*"],
      silenceS: 1,
    });
    items.push(first);
    let previous = first;
    for (let seq = 3; seq < 260; seq++) {
      const claims = { seq, prev: previous.hash };
      previous = await log.item({ kind: "revoke", kid: signer.key.kid, from: 0 }, { claims });
      items.push(previous);
    }
    const done = log.sequence(items.slice(0, 100), []);
    expect(done.refused).toEqual([]);
    await log.publish(done);
    expect(existsSync(file(registryPath(0, 102)))).toBe(true);
    await log.publish(log.sequence(items.slice(100), []));
    expect(existsSync(file(registryPath(0, TILE_WIDTH)))).toBe(true);
    expect(existsSync(file(registryPath(1, 4)))).toBe(true);
    expect(log.check().keys.count).toBe(260);
    await log.reopen();
    log.check();
  });
});

describe("after a crash", () => {
  test("between commit and publish, the start publishes what was committed", async () => {
    const chain = device.chain();
    await log.publish(log.sequence([], await chain.filled(3)));
    const before = readFileSync(file("checkpoint"), "utf8");
    log.sequence([], await chain.next(300));
    expect(readFileSync(file("checkpoint"), "utf8")).toBe(before);
    await log.reopen();
    expect(log.check().size).toBe(305);
    expect(log.opened.note).toBe(readFileSync(file("checkpoint"), "utf8"));
    await log.publish(log.sequence([], await chain.next(2)));
  });

  test("between the tiles and the checkpoint, the start writes both again", async () => {
    const done = log.sequence([], await device.chain().filled(10));
    // The files of the batch are there, the checkpoint is of the tree before.
    const note = readFileSync(file("checkpoint"));
    await log.publish(done);
    writeFileSync(file("checkpoint"), note);
    rmSync(file(tilePath(0, 0, 12)));
    await log.reopen();
    expect(log.check().size).toBe(12);
  });

  test("with the public folder lost, everything is written anew, byte for byte", async () => {
    for (const size of [300, 600]) await growTo(size);
    const note = readFileSync(file("checkpoint"), "utf8");
    rmSync(log.publicFolder, { recursive: true });
    await log.reopen();
    expect(log.check().size).toBe(600);
    expect(readFileSync(file("checkpoint"), "utf8")).toBe(note);
  });

  test("nothing is written where everything is there", async () => {
    await growTo(300);
    chmodSync(file("checkpoint"), 0o444);
    rmSync(file(tilePath(0, 0, TILE_WIDTH)));
    await log.reopen();
    // Not missed: what the checkpoint covers is not read again.
    expect(existsSync(file(tilePath(0, 0, TILE_WIDTH)))).toBe(false);
  });
});

describe("a start is refused", () => {
  const failing = (code: string) => expect.objectContaining({ code });
  const note = (size: number, root: Uint8Array): Promise<string> =>
    signNote(formatCheckpoint({ origin: ORIGIN, size, root }), ORIGIN, log.opened.log.signer);

  test("where the public folder shows a larger tree of this log: checkpoint-ahead", async () => {
    writeFileSync(file("checkpoint"), await note(50, new Uint8Array(32)));
    log.close();
    await expect(log.openAgain()).rejects.toThrow(failing("checkpoint-ahead"));
  });

  test("where it shows another tree of a size that the database has: log-equivocation", async () => {
    await growTo(10);
    for (const size of [10, 7]) {
      writeFileSync(file("checkpoint"), await note(size, new Uint8Array(32)));
      log.close();
      await expect(log.openAgain()).rejects.toThrow(failing("log-equivocation"));
      log.opened = { ...log.opened, close: () => undefined };
    }
  });

  test("where the folder is another log's, or its checkpoint no note: it is not overwritten", async () => {
    const stranger = deviceSigner("another log");
    const foreign = await signNote(
      formatCheckpoint({ origin: ORIGIN, size: 2, root: new Uint8Array(32) }),
      ORIGIN,
      stranger,
    );
    log.close();
    for (const text of [foreign, "broken"]) {
      writeFileSync(file("checkpoint"), text);
      await expect(log.openAgain()).rejects.toThrow(failing("checkpoint-origin"));
      expect(readFileSync(file("checkpoint"), "utf8")).toBe(text);
    }
  });

  test("while another process has the data", async () => {
    await expect(log.openAgain()).rejects.toThrow(failing("storage-in-use"));
  });

  test("where the disk refuses the lock, which is another thing than a second anchor", async () => {
    log.close();
    const { lock } = placesOf(log.config);
    rmSync(lock, { force: true });
    mkdirSync(lock);
    await expect(log.openAgain()).rejects.toThrow(failing("storage-failed"));
  });

  test("for a database of a newer version, of another program, or none at all", async () => {
    log.close();
    const { database } = placesOf(log.config);
    const change = (sql: string): void => {
      const db = new DatabaseSync(database);
      db.exec(sql);
      db.close();
    };
    change("PRAGMA user_version = 99");
    await expect(log.openAgain()).rejects.toThrow(failing("storage-newer"));
    change("PRAGMA user_version = 0");
    await expect(log.openAgain()).rejects.toThrow(failing("storage-failed"));
    rmSync(database);
    await expect(log.openAgain()).rejects.toThrow(failing("storage-missing"));
    writeFileSync(database, "no database at all, but a text of some length");
    await expect(log.openAgain()).rejects.toThrow(failing("storage-failed"));
  });

  test("for a damaged tree or registry", async () => {
    await growTo(20);
    log.close();
    const db = new DatabaseSync(placesOf(log.config).database);
    db.exec("UPDATE tiles SET hashes = zeroblob(640) WHERE level = 0");
    await expect(log.openAgain()).rejects.toThrow(failing("storage-failed"));
    db.exec("UPDATE registry SET idx = 2 WHERE number = 1");
    await expect(log.openAgain()).rejects.toThrow();
    db.close();
  });

  test("for another key, a key that others can read, a missing key, another origin", async () => {
    log.close();
    const { logKey, operatorKey } = placesOf(log.config);
    const { config } = log;
    await expect(log.openAgain({ ...config, keys: { ...config.keys, log: operatorKey } })).rejects.toThrow(
      failing("key-mismatch"),
    );
    await expect(log.openAgain({ ...config, origin: "other.example/2026" })).rejects.toThrow(
      failing("checkpoint-origin"),
    );
    await expect(
      log.openAgain({ ...config, keys: { ...config.keys, log: "keys/none.pem" } }),
    ).rejects.toThrow(failing("key-file-unreadable"));
    chmodSync(logKey, 0o644);
    await expect(log.openAgain()).rejects.toThrow(failing("key-file-mode"));
  });
});

test("a batch whose files can't be written ends with storage-failed, and the next start publishes it", async () => {
  const done = log.sequence([], await device.chain().filled(2));
  rmSync(file("tile"), { recursive: true });
  writeFileSync(file("tile"), "in the way");
  await expect(log.publish(done)).rejects.toThrow(expect.objectContaining({ code: "storage-failed" }));
  rmSync(file("tile"));
  mkdirSync(file("tile"));
  rmSync(file("checkpoint"));
  await log.reopen();
  expect(log.check().size).toBe(4);
});
