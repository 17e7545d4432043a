/**
 * What a watcher makes of evidence that others hold, and of a server that means harm.
 *
 * @module
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { encodeBundle, type Statement } from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import { Watcher } from "../../../audit/src/watch/watcher.ts";
import { memoryPlace } from "../../support/memory-place.ts";
import { remotePlace, short, WatchRig } from "../../support/watch-rig.ts";
import { founded, STREAM, WatchScene } from "../../support/watch-scene.ts";
import type { World } from "../../support/world.ts";
import type { Chain, Device } from "../../support/world-device.ts";

let scene: WatchScene;
let world: World;
let device: Device;
let chain: Chain;
let rig: WatchRig;

beforeEach(async () => {
  scene = await WatchScene.begin();
  ({ world, device, chain, rig } = scene);
});
afterEach(async () => {
  await scene.end();
});

describe("what others hold", () => {
  const file = (name: string, bytes: Uint8Array): string => {
    const path = join(rig.folder, name);
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, bytes);
    return path;
  };

  test("honest statements, receipts and bundles fit, also those of later", async () => {
    await scene.grow(20);
    await device.heads();
    await scene.grow(1);
    rig.seen = [join(rig.folder, "seen")];
    const statements = chain.statements.slice(0, 3);
    file("seen/bundle.tally", encodeBundle(world.bundle([{ chain }])));
    file("seen/receipt.cose", world.receipt(statements));
    expect(await rig.told(scene.place())).toEqual([]);
    await scene.grow(5);
    const last = chain.statements.at(-1);
    if (last === undefined) throw new Error("no statement");
    file("seen/late.cose", world.transparent(last, world.newest));
    expect(await rig.told(scene.place())).toEqual([]);
  });

  test("a receipt of another history is a fork, with its file as the proof", async () => {
    const other = await founded();
    const statement = await other.chain.readings(2);
    await other.world.commit();
    await scene.grow(3);
    rig.seen = [file("theirs.cose", other.world.transparent(statement, other.world.newest))];
    const { changes } = await rig.look(scene.place());
    expect(changes.map(short)).toEqual(["begins log-fork"]);
    const kept = rig.proof(changes[0]?.evidence) as { known: { evidence: string } };
    expect(Buffer.from(kept.known.evidence, "base64")).toEqual(readFileSync(rig.seen[0] ?? ""));
    expect(await rig.told(scene.place())).toEqual([]);
  });

  test("a receipt of a larger tree shows a log that was taken back", async () => {
    const old = world.files();
    await scene.grow(3);
    const last = chain.statements.at(-1);
    if (last === undefined) throw new Error("no statement");
    rig.seen = [file("newer.cose", world.transparent(last, world.newest))];
    expect(await rig.told(memoryPlace(old, "log"))).toEqual(["begins log-rollback"]);
  });

  test("what a device saw counts under its signature: through the archive, too", async () => {
    const seen = { size: 2, root: new Uint8Array(32).fill(9) };
    await chain.readings(1, { claims: { seen } });
    await scene.grow(0);
    const { url } = await scene.served(world);
    rig.streams = [STREAM];
    const { changes } = await rig.look(remotePlace(url));
    expect(changes.map(({ code, subject }) => `${code} ${subject}`)).toEqual([`log-fork ${STREAM}`]);
  });

  test("a file that is no evidence accuses nobody of a fork", async () => {
    rig.seen = [join(rig.folder, "seen"), join(rig.folder, "not-there")];
    const junk = file("seen/junk", new Uint8Array(100).fill(7));
    expect(await rig.told(scene.place())).toEqual(["begins evidence-invalid [cbor-trailing]"]);
    expect(await rig.told(scene.place())).toEqual([]);
    const watcher = await Watcher.open(rig.parts(scene.place()));
    for (let i = 0; i < 2; i++) expect(await watcher.look()).toEqual([]); // it is there, and read once
    rmSync(junk);
    expect((await watcher.look()).map(short)).toEqual(["ends evidence-invalid [cbor-trailing]"]);
  });
});

describe("a hostile server", () => {
  test("that hangs, drips, floods or points elsewhere is unreachable or invalid, within the time", async () => {
    const ways: [string, string, (response: ServerResponse) => void][] = [
      ["hangs", "begins log-unreachable [unreachable]", () => {}],
      [
        "floods",
        "begins log-invalid [too-large]",
        (response) => {
          const more = (): void => {
            if (!response.destroyed && response.write(Buffer.alloc(65_536, 97))) setImmediate(more);
          };
          response.on("drain", more);
          more();
        },
      ],
      [
        "points elsewhere",
        "begins log-unreachable [http-answer]",
        (response) => void response.writeHead(302, { location: "http://127.0.0.1:1/" }).end(),
      ],
      ["is no log", "begins log-invalid [note-malformed]", (response) => void response.end("<html>")],
    ];
    for (const [, expected, answer] of ways) {
      const { url } = await scene.served(world, (path, response) => {
        if (path === "checkpoint") answer(response);
        return path === "checkpoint";
      });
      const fresh = new WatchRig(world.policy(), rig.now);
      expect(await fresh.told(remotePlace(url))).toEqual([expected]);
      fresh.remove();
    }
  });

  test("that is slow with each file is left when the time for a look is over, and nothing of it is believed", async () => {
    await scene.grow(700);
    const { url } = await scene.served(world, (path, response) => {
      if (!path.startsWith("tile/")) return false;
      setTimeout(() => response.end(Buffer.from(world.files().get(path) ?? [])), 60);
      return true;
    });
    rig.lookMs = 30;
    const { changes, watcher } = await rig.look(remotePlace(url));
    expect(changes.map(short)).toEqual(["begins log-unreachable [unreachable]"]);
    expect(watcher.standing.derived).toBe(0);
  });

  test("what is too much for one look is derived over several, and no alert", async () => {
    await scene.grow(2);
    await rig.look(scene.place());
    for (let i = 0; i < 20_000; i++) world.admit({ hash: nodeSha256(Buffer.from(String(i))) } as Statement);
    await world.enrol("gas/gw-7");
    await world.commit();
    rig.now = world.timeUnixS;
    let passedMs = 0;
    rig.nowMs = () => passedMs;
    const inner = scene.place();
    const slow = {
      ...inner,
      read: (path: string, maxBytes: number) => {
        if (path === "tile/entries/063") passedMs += 0.6 * rig.lookMs;
        return inner.read(path, maxBytes);
      },
    };
    const first = await rig.look(slow);
    expect(first.changes.map(short)).toEqual([]);
    expect(first.watcher.standing.derived).toBe(16_640); // a step, rounded up to a bundle
    const second = await rig.look(inner);
    expect(second.changes.map(short)).toEqual(["once key-changed"]);
    expect(second.watcher.standing.derived).toBe(world.newest.size);
  });
});
