/** One database, one writer; a newer one is refused; what was not committed was not. */
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test } from "vitest";
import { markIn } from "../../../agent/src/storage/identity.ts";
import { openStorage, readStorage, SCHEMA_VERSION } from "../../../agent/src/storage/storage.ts";

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "tally-storage-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

test("is durable by its settings, and readable by its owner alone", () => {
  const path = folder();
  const storage = openStorage(path);
  const pragma = (name: string): unknown =>
    storage.query<Record<string, unknown>>(`PRAGMA ${name}`).get()?.[name];
  expect(pragma("journal_mode")).toBe("wal");
  expect(pragma("synchronous")).toBe(2); // FULL
  expect(pragma("auto_vacuum")).toBe(2); // INCREMENTAL
  expect(pragma("user_version")).toBe(SCHEMA_VERSION);
  storage.close();
  expect(statSync(join(path, "agent.db")).mode & 0o007).toBe(0);
});

test("a newer database is refused, by writer and reader", () => {
  const path = folder();
  openStorage(path).close();
  const db = new DatabaseSync(join(path, "agent.db"));
  db.exec(`PRAGMA user_version = ${SCHEMA_VERSION + 1}`);
  db.close();
  expect(() => openStorage(path)).toThrow(expect.objectContaining({ code: "storage-newer" }));
  expect(() => readStorage(path)).toThrow(expect.objectContaining({ code: "storage-newer" }));
});

test("receipts of an older database count by what each statement has of them", () => {
  const path = folder();
  openStorage(path).close();
  const db = new DatabaseSync(join(path, "agent.db"));
  db.exec(`ALTER TABLE outbox DROP COLUMN share; PRAGMA user_version = 4;
    INSERT INTO receipt VALUES (1, 'log', 9, 0, x'', zeroblob(1000)), (2, 'log', 9, 0, x'', zeroblob(500));
    INSERT INTO outbox VALUES (1, 1, 0, x'01', 9, 0, 0, 1, 1, 0), (2, 1, 1, x'02', 9, 0, 0, 1, 1, 1), (3, 1, 2, x'03', 9, 0, 0, 1, 2, 0),
      (4, 1, 3, x'04', 9, 0, 0, 0, NULL, NULL)`);
  db.close();
  expect(() => readStorage(path)).toThrow("start tally-agent");
  readStorage(path, { anyVersion: true }).close();
  const storage = openStorage(path);
  const shares = storage.query<{ share: number }>("SELECT share FROM outbox ORDER BY id").all();
  expect(shares.map(({ share }) => share)).toEqual([500, 500, 500, 0]);
  storage.close();
});

test("a second writer is refused while the first is there; a reader is not", () => {
  const path = folder();
  const first = openStorage(path);
  expect(() => openStorage(path)).toThrow(expect.objectContaining({ code: "storage-in-use" }));
  readStorage(path).close();
  first.close();
  openStorage(path).close();
});

test("a database that isn't there is not made by reading", () => {
  const path = folder();
  expect(() => readStorage(path)).toThrow(expect.objectContaining({ code: "storage-missing" }));
});

test("something else in its place is refused", () => {
  const path = folder();
  const db = new DatabaseSync(join(path, "other.db"));
  db.close();
  const storage = (): unknown => openStorage(join(path, "other.db"));
  expect(storage).toThrow(); // a file where the folder should be
});

test("a transaction that throws leaves nothing behind", () => {
  const path = folder();
  const storage = openStorage(path);
  const insert = storage.prepare("INSERT INTO meta (name, value) VALUES (?, ?)");
  const attempt = (): void =>
    storage.transaction(() => {
      insert.run("time", 1);
      throw new Error("cut off");
    });
  expect(attempt).toThrow("cut off");
  expect(storage.query("SELECT * FROM meta").all()).toEqual([]);
  storage.transaction(() => insert.run("time", 2));
  storage.close();
  const reader = readStorage(path);
  expect(reader.query("SELECT * FROM meta").all()).toEqual([{ name: "time", value: 2 }]);
  reader.close();
});

test("a fault of the disk has its code", () => {
  const storage = openStorage(folder());
  const insert = storage.prepare("INSERT INTO meta (name, value) VALUES (?, ?)");
  const twice = (): void =>
    storage.transaction(() => {
      insert.run("time", 1);
      insert.run("time", 1);
    });
  expect(twice).toThrow(expect.objectContaining({ code: "storage-failed" }));
  storage.close();
  expect(() => storage.transaction(() => undefined)).toThrow();
});

test("so has one that the mark beside the database meets", async () => {
  const file = join(folder(), "no-folder");
  writeFileSync(file, "");
  const made = markIn(file).make("city/gw-1");
  await expect(made).rejects.toMatchObject({ code: "storage-failed" });
});
