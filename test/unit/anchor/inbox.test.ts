/** The operators' inbox and the orders to erase: what lies there that nobody can read, and what became of what was brought. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Statement } from "@tallystick/evidence";
import { Orders } from "../../../anchor/src/erasure/orders.ts";
import { Inbox } from "../../../anchor/src/registry/inbox.ts";
import { fateOf, put } from "../../../anchor/src/registry/submit.ts";
import { AnchorLog, deviceSigner } from "../../support/anchor-log.ts";

let folder: string;
let log: AnchorLog;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "tally-inbox-"));
  log = await AnchorLog.create();
});
afterEach(() => {
  log.remove();
  rmSync(folder, { recursive: true, force: true });
});

const enrols = (device: string): Promise<Statement> =>
  log.item({ kind: "enrol", device, key: deviceSigner(device).key, streams: ["*"], silenceS: 900 });

describe("a name that can't be read", () => {
  test("in the inbox is told of once, and stands in no item's way", async () => {
    const told: string[] = [];
    const inbox = new Inbox(folder, (file) => void told.push(file));
    symlinkSync("/nowhere", join(folder, "ITEM.cose"));
    mkdirSync(join(folder, "000000000.cose"));
    for (let n = 0; n < 1100; n++) symlinkSync("/nowhere", join(folder, `0-${n}.cose`));
    await inbox.look();
    await put(await enrols("city/gw-1"), folder);
    writeFileSync(join(folder, "not-one.cose"), "?");
    const found = await inbox.look();
    expect(found.map(({ file }) => file)).toEqual(["000000001.cose"]);
    await inbox.look();
    expect(told.toSorted()).toEqual([...new Set(told)].toSorted());
    expect(told).toEqual(expect.arrayContaining(["ITEM.cose", "000000000.cose"]));
    expect(existsSync(join(folder, "000000000.cose"))).toBe(true);
    expect(readdirSync(join(folder, "refused"))).toHaveLength(2); // what is no item, and its code
    // It is read as soon as it can be.
    rmSync(join(folder, "ITEM.cose"));
    writeFileSync(join(folder, "ITEM.cose"), (await enrols("city/gw-2")).bytes);
    expect([...(await inbox.look()), ...(await inbox.look())].map(({ file }) => file)).toEqual(["ITEM.cose"]);
  });

  test("among the orders to erase, too", async () => {
    const told: string[] = [];
    const orders = new Orders(folder, (file) => void told.push(file));
    const [link, place, large, lie] = ["0", "1", "2", "3"].map((digit) => `${digit.repeat(64)}.json`);
    symlinkSync("/nowhere", join(folder, link as string));
    mkdirSync(join(folder, place as string));
    writeFileSync(join(folder, large as string), new Uint8Array(70_000));
    writeFileSync(join(folder, lie as string), "{}");
    const hash = new Uint8Array(32).fill(0xee);
    await orders.give({ hash, order: "court 17/2026" });
    for (let n = 0; n < 2; n++) expect(await orders.look()).toEqual([{ hash, order: "court 17/2026" }]);
    expect(told).toEqual([link, place]);
    expect(readdirSync(join(folder, "refused")).toSorted()).toEqual([
      large,
      `${large}.code`,
      lie,
      `${lie}.code`,
    ]);
  });

  test("a folder that can't be read is a fault", async () => {
    const [inbox, orders] = [new Inbox(folder), new Orders(folder)];
    rmSync(folder, { recursive: true });
    await expect(inbox.look()).rejects.toThrow(/ENOENT/);
    await expect(orders.look()).rejects.toThrow(/ENOENT/);
  });
});

describe("what became of it", () => {
  test("an item that was refused stays refused when another one has taken its number", async () => {
    const inbox = new Inbox(folder);
    const [mine, other] = [await enrols("city/gw-1"), await enrols("city/gw-2")];
    const submitted = await put(mine, folder);
    if (submitted === undefined) throw new Error("not taken");
    await inbox.refuse("000000001.cose", "key-exists", "this key is in the registry already", mine.hash);
    const later = await put(other, folder);
    if (later === undefined) throw new Error("not taken");
    await inbox.done("000000001.cose");
    expect(fateOf(submitted)).toEqual({
      code: "key-exists",
      reason: "this key is in the registry already",
    });
    expect(fateOf(later)).toBe("done");
  });

  test("an order is told by its last end", async () => {
    const orders = new Orders(folder);
    const hash = new Uint8Array(32).fill(0xee);
    const give = (): Promise<void> => orders.give({ hash, order: "court 17/2026" });
    await give();
    expect(orders.fateOf(hash)).toBeUndefined();
    await orders.done(hash);
    expect(orders.fateOf(hash)).toBe("done");
    // The statement came back with an older backup.
    await give();
    await orders.refuse(hash, "log-restoring", "its statement is missing here");
    expect(orders.fateOf(hash)).toEqual({ code: "log-restoring", reason: "its statement is missing here" });
    await give();
    await orders.done(hash);
    expect(orders.fateOf(hash)).toBe("done");
  });
});
