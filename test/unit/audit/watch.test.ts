/**
 * What a watcher says of a log: one that only grows, that forks, or that lost its past.
 *
 * @module
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { equalBytes, fromHex, openCheckpoint, parseVkey, verifyConsistency } from "@tallystick/evidence";
import { createNodeProvider, nodeSha256 } from "@tallystick/evidence/node";
import { afterLook, ALERTS, Findings } from "../../../audit/src/watch/alert.ts";
import { Watcher } from "../../../audit/src/watch/watcher.ts";
import { memoryPlace } from "../../support/memory-place.ts";
import { remotePlace, short, WatchRig } from "../../support/watch-rig.ts";
import { founded, STREAM, WatchScene } from "../../support/watch-scene.ts";
import { World } from "../../support/world.ts";
import type { Chain } from "../../support/world-device.ts";

let scene: WatchScene;
let world: World;
let chain: Chain;
let rig: WatchRig;

beforeEach(async () => {
  scene = await WatchScene.begin();
  ({ world, chain, rig } = scene);
});
afterEach(async () => {
  await scene.end();
});

describe("a log that only grows", () => {
  test("gives no alert, over full tiles and restarts, and is derived whole", async () => {
    for (const count of [0, 1, 253, 300, 1]) {
      if (count > 0) await scene.grow(count);
      const { changes, watcher } = await rig.look(scene.place());
      expect(changes).toEqual([]);
      const { size, derived } = watcher.standing;
      expect([size, derived]).toEqual([world.newest.size, world.newest.size]);
    }
  });

  test("is watched from its server, with its own receipts: the commit time is the one they sign", async () => {
    const { url } = await scene.served(world);
    rig.streams = [STREAM];
    rig.now += 500;
    const { changes, watcher } = await rig.look(remotePlace(url));
    expect(changes.map(short)).toEqual([]);
    expect(watcher.standing.committed).toBe(world.newest.claims.timeUnixS);
    expect(watcher.state.streams[STREAM]?.index).toBe(2);
  });

  test("one watcher over many looks says the same as one that is started anew", async () => {
    const files = world.files();
    const watcher = await Watcher.open(rig.parts(memoryPlace(files)));
    for (let i = 0; i < 4; i++) {
      expect(await watcher.look()).toEqual([]);
      await world.enrol(`water/gw-${i + 2}`);
      await scene.grow(100);
      for (const [path, bytes] of world.files()) files.set(path, bytes);
      if (i === 3) continue;
      const told = await watcher.look();
      expect(told.map(short)).toEqual(["once key-changed"]);
    }
    expect(watcher.state.items.indexes.length).toBe(5);
  });
});

describe("a fork", () => {
  test("is told once, with a proof that a stranger can check, and never taken back", async () => {
    const other = await founded();
    await scene.grow(3);
    await rig.look(scene.place());
    const kept = world.newest;
    await scene.grow(5);
    for (let i = 0; i < 20; i++) await other.chain.readings(2);
    await other.world.commit();
    const { changes } = await rig.look(scene.place(other.world));
    expect(changes.map(short)).toEqual(["begins log-fork"]);

    const { known, shown, beginning } = rig.proof(changes[0]?.evidence) as {
      known: { note: string };
      shown: { note: string };
      beginning: { size: number; root: string; path: string[] };
    };
    const vkey = parseVkey(world.vkey);
    const first = openCheckpoint(known.note, vkey, createNodeProvider());
    const second = openCheckpoint(shown.note, vkey, createNodeProvider());
    expect([first.size, second.size, beginning.size]).toEqual([
      kept.size,
      other.world.newest.size,
      kept.size,
    ]);
    const root = fromHex(beginning.root);
    verifyConsistency(
      beginning.size,
      root,
      second.size,
      second.root,
      beginning.path.map(fromHex),
      nodeSha256,
    );
    expect(equalBytes(root, first.root)).toBe(false); // what the second grew from is not what the first signs

    expect(await rig.told(scene.place(other.world))).toEqual([]);
    const { watcher } = await rig.look(scene.place()); // behaves again
    expect(watcher.standing.open.map(({ code }) => code)).toEqual(["log-fork"]);
    expect(watcher.standing.size).toBe(world.newest.size);
  });

  test("of one size is one, too", async () => {
    const other = await founded();
    await scene.grow(3);
    await rig.look(scene.place());
    for (let i = 0; i < 3; i++) await other.chain.readings(2);
    await other.world.commit();
    expect(other.world.newest.size).toBe(world.newest.size);
    expect(await rig.told(scene.place(other.world))).toEqual(["begins log-fork"]);
  });

  test("whose tiles are kept back is remembered, and told of as soon as it can be compared", async () => {
    const other = await founded();
    await scene.grow(3);
    await rig.look(scene.place());
    for (let i = 0; i < 9; i++) await other.chain.readings(2);
    await other.world.commit();
    const only = new Map([...other.world.files()].filter(([path]) => path === "checkpoint"));
    expect(await rig.told(memoryPlace(only, "log"))).toEqual(["begins log-invalid [tile-missing]"]);
    await scene.grow(20); // beyond the other one
    const { changes } = await rig.look(scene.place());
    expect(changes.map(short).toSorted()).toEqual(["begins log-fork", "ends log-invalid [tile-missing]"]);
    expect(rig.proof(changes.find(({ code }) => code === "log-fork")?.evidence)).toMatchObject({
      known: { note: other.world.newest.note },
      shown: { note: world.newest.note },
    });
    expect(await rig.told(scene.place())).toEqual([]);
  });

  test("of one size needs no tiles to be seen", async () => {
    const other = await founded();
    await scene.grow(3);
    await rig.look(scene.place());
    for (let i = 0; i < 3; i++) await other.chain.readings(2);
    await other.world.commit();
    const only = new Map([...other.world.files()].filter(([path]) => path === "checkpoint"));
    expect(await rig.told(memoryPlace(only, "log"))).toEqual(["begins log-fork"]);
  });

  test("between the checkpoint and the log's own receipt is kept with that receipt", async () => {
    const other = await founded();
    await scene.grow(3);
    for (let i = 0; i < 2; i++) await other.chain.readings(2);
    const last = chain.statements.at(-1);
    if (last === undefined) throw new Error("no statement");
    other.world.admit(last);
    await other.world.commit();
    const equivocal = other.world.receipt([last]);
    const { url } = await scene.served(world, (path, response) => {
      if (!path.startsWith("entries/")) return false;
      response.end(equivocal);
      return true;
    });
    const { changes } = await rig.look(remotePlace(url));
    expect(changes.map(short)).toEqual(["begins log-fork"]);
    const { known } = rig.proof(changes[0]?.evidence) as { known: { evidence: string } };
    expect(known.evidence).toBe(Buffer.from(equivocal).toString("base64"));
  });

  test("is seen in a copy that is larger, smaller or of the same size", async () => {
    await scene.grow(10);
    for (const count of [3, 10, 20]) {
      const other = await founded();
      for (let i = 0; i < count; i++) await other.chain.readings(2);
      await other.world.commit();
      const fresh = new WatchRig(world.policy(), rig.now);
      fresh.copies = [scene.place(other.world, "copy")];
      const { changes } = await fresh.look(scene.place());
      const about = changes.map(({ code, subject }) => `${code} ${subject}`);
      // A larger one shows besides that the log itself has less than was public already.
      expect(about).toEqual([...(count === 20 ? ["log-rollback log"] : []), "log-fork copy"]);
      fresh.remove();
    }
  });

  test("an honest copy that lags is none, and one that was taken a moment before isn't either", async () => {
    const old = world.files();
    await scene.grow(300);
    rig.copies = [memoryPlace(old, "old"), scene.place(world, "same")];
    expect(await rig.told(scene.place())).toEqual([]);
  });

  test("a copy that is away, or whose files are altered, is told of as itself, and hides nothing", async () => {
    await scene.grow(10);
    const ahead = new Map(world.files());
    ahead.set("tile/0/000.p/13", new Uint8Array(13 * 32));
    const away = await scene.served(world);
    await away.close();
    scene.servers.pop();
    rig.copies = [remotePlace(away.url), scene.place(world, "same")];
    const { changes, watcher } = await rig.look(scene.place());
    expect(changes.map(({ code, subject }) => `${code} ${subject}`)).toEqual([`log-unreachable ${away.url}`]);
    expect(watcher.standing.size).toBe(13);
    rig.copies = [memoryPlace(ahead, "altered")];
    // Of the same size it has the same root, and no tile of it is needed. The other one isn't watched any more.
    expect(await rig.told(scene.place())).toEqual(["ends log-unreachable [unreachable]"]);
  });
});

describe("a log that lost its past", () => {
  test("is told once, and stays told of when it has grown again", async () => {
    const old = world.files();
    await scene.grow(5);
    await rig.look(scene.place());
    const { changes } = await rig.look(memoryPlace(old, "log"));
    expect(changes.map(short)).toEqual(["begins log-rollback"]);
    expect(rig.proof(changes[0]?.evidence)).toMatchObject({
      known: { note: world.newest.note },
      shown: { note: world.batches[0]?.note },
    });
    await scene.grow(5);
    const { watcher } = await rig.look(scene.place());
    expect(watcher.standing.open.map(({ code }) => code)).toEqual(["log-rollback"]);
  });

  test("less than a copy had while the log was away is a rollback, too", async () => {
    const old = world.files();
    await rig.look(memoryPlace(old, "log"));
    await scene.grow(5);
    rig.copies = [scene.place(world, "copy")];
    expect(await rig.told(memoryPlace(new Map(), "log"))).toEqual(["begins log-unreachable [unreachable]"]);
    rig.copies = [];
    expect((await rig.told(memoryPlace(old, "log"))).toSorted()).toEqual([
      "begins log-rollback",
      "ends log-unreachable [unreachable]",
    ]);
  });

  test("a smaller checkpoint out of a cache is none, where the next answer is whole", async () => {
    await scene.grow(5);
    await rig.look(scene.place());
    let stale = 1;
    const old = world.batches[0]?.note ?? "";
    const { url } = await scene.served(world, (path, response) => {
      if (path !== "checkpoint" || stale-- <= 0) return false;
      response.end(old);
      return true;
    });
    expect(await rig.told(remotePlace(url))).toEqual([]);
  });

  test("and other entries since is a fork", async () => {
    const other = await founded();
    await scene.grow(2);
    await rig.look(scene.place());
    await scene.grow(1);
    for (let i = 0; i < 30; i++) await other.chain.readings(2);
    await other.world.commit();
    expect(await rig.told(scene.place(other.world))).toEqual(["begins log-fork"]);
  });
});

test("what is latched does not end, even where it was looked for and not found; what lasts does", () => {
  const first = new Findings();
  for (const code of ["log-fork", "log-rollback", "log-stale"] as const)
    first.add({ code, subject: "log", text: "" });
  const { open } = afterLook([], first, 1);
  const second = new Findings();
  for (const { code, subject } of open) second.judged(code, subject);
  const after = afterLook(open, second, 2);
  expect(after.changes.map(short)).toEqual(["ends log-stale"]);
  expect(after.open.map(({ code }) => code)).toEqual(["log-fork", "log-rollback"]);
});

test("the page on watching has every alert, and no other", () => {
  const page = readFileSync(join(import.meta.dirname, "..", "..", "..", "docs", "watch.md"), "utf8");
  const table = page.slice(page.indexOf("| code "), page.indexOf("- **A fork or a rollback"));
  const codes = Array.from(table.matchAll(/^\| `([a-z-]+)`/gm), ([, code]) => code);
  expect(new Set(codes)).toEqual(new Set(Object.keys(ALERTS)));
});

describe("the state", () => {
  test("of another log, or one that is damaged, is never begun anew by itself", async () => {
    await rig.look(scene.place());
    const file = join(rig.folder, "state.json");
    const good = readFileSync(file, "utf8");
    for (const bad of [
      "",
      "{}",
      good.slice(0, -5),
      good.replace('"v":1', '"v":2'),
      good.replace("open", "opened"),
    ]) {
      writeFileSync(file, bad);
      await expect(rig.look(scene.place())).rejects.toThrow(
        expect.objectContaining({ code: "storage-failed" }),
      );
    }
    writeFileSync(file, good);
    expect(await rig.told(scene.place())).toEqual([]);
    const stranger = await World.create({ origin: "log.other.example/2026" });
    const elsewhere = new WatchRig(stranger.policy(), rig.now);
    writeFileSync(join(elsewhere.folder, "state.json"), good);
    await expect(elsewhere.look(scene.place())).rejects.toThrow(
      expect.objectContaining({ code: "log-unknown" }),
    );
    elsewhere.remove();
  });
});
