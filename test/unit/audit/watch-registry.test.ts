/**
 * What a watcher says of the registry, of time, and of what is not the log's.
 *
 * @module
 */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  cosign,
  COSIGNATURE_ED25519,
  encodeUtf8,
  formatNote,
  formatVkey,
  parseNote,
  parseStatement,
  toHex,
} from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import { Watcher } from "../../../audit/src/watch/watcher.ts";
import { memoryPlace } from "../../support/memory-place.ts";
import { remotePlace, short, WatchRig } from "../../support/watch-rig.ts";
import { founded, ISS, STREAM, WatchScene } from "../../support/watch-scene.ts";
import { operatorOf, signerOf, World } from "../../support/world.ts";
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

describe("what is not the log's", () => {
  test("an altered file is told of as long as it is altered", async () => {
    await rig.look(scene.place());
    await scene.grow(300);
    const files = world.files();
    const path = "tile/entries/000";
    const bundle = (files.get(path) as Uint8Array).slice();
    bundle[40] = (bundle[40] as number) ^ 1;
    files.set(path, bundle);
    expect(await rig.told(memoryPlace(files, "log"))).toEqual(["begins log-invalid [tile-mismatch]"]);
    expect(await rig.told(memoryPlace(files, "log"))).toEqual([]);
    const { changes, watcher } = await rig.look(scene.place());
    expect(changes.map(short)).toEqual(["ends log-invalid [tile-mismatch]"]);
    expect(watcher.standing.derived).toBe(world.newest.size);
  });

  test("another key, another log, no note", async () => {
    const stranger = await World.create({ origin: "log.other.example/2026" });
    await stranger.enrol(ISS);
    await stranger.commit();
    expect(await rig.told(scene.place(stranger))).toEqual(["begins log-unreachable [log-unknown]"]);
    const files = world.files();
    const note = Buffer.from(files.get("checkpoint") as Uint8Array);
    note[note.length - 10] = note[note.length - 10] === 65 ? 66 : 65;
    files.set("checkpoint", new Uint8Array(note));
    expect((await rig.told(memoryPlace(files, "log"))).toSorted()).toEqual([
      "begins log-invalid [note-signature]",
      "ends log-unreachable [log-unknown]",
    ]);
  });

  test("too few witnesses", async () => {
    const witness = signerOf("witness");
    const vkey = formatVkey("w.example", witness.key, COSIGNATURE_ED25519);
    const strict = new WatchRig(world.policy({ more: [`witness w ${vkey}`], quorum: "w" }), rig.now);
    expect(await strict.told(scene.place())).toEqual(["begins quorum-unmet"]);
    const files = world.files();
    const { text, signatures } = parseNote(world.newest.note);
    const cosigned = await cosign(text, "w.example", rig.now, witness);
    files.set("checkpoint", encodeUtf8(formatNote({ text, signatures: [...signatures, cosigned] })));
    expect(await strict.told(memoryPlace(files, "log"))).toEqual(["ends quorum-unmet"]);
    strict.remove();
  });
});

describe("the registry", () => {
  test("a new key of a watched device is told once; of another device, only where all are watched", async () => {
    rig.streams = [];
    await rig.look(scene.place());
    await device.rotate();
    await world.enrol("gas/gw-9");
    await scene.grow(1);
    const { changes } = await rig.look(scene.place());
    expect(changes.map(({ state, code, subject }) => `${state} ${code} ${subject}`)).toEqual([
      `once key-changed ${ISS}`,
      "once key-changed gas/gw-9",
    ]);
    expect(changes[0]?.text).toMatch(
      /^item 2 at index \d+: water\/gw-1 has named its next key [0-9a-f]{64}$/,
    );
    expect(await rig.told(scene.place())).toEqual([]);

    const only = new WatchRig(world.policy(), rig.now);
    only.streams = [STREAM];
    only.silenceS = 1e6;
    await only.look(scene.place());
    await world.register({ kind: "revoke", kid: device.signer.key.kid, from: 0 });
    await world.enrol("gas/gw-10");
    await world.register({ kind: "operator-added", operator: operatorOf("water/operator", "water") });
    await scene.grow(1);
    const told = (await only.look(scene.place())).changes.filter(({ code }) => code === "key-changed");
    expect(told.map(({ subject }) => subject)).toEqual([ISS, "water"]);
    only.remove();
  });

  test("one that is exchanged for another, or has an item that doesn't count, is told of", async () => {
    await rig.look(scene.place());
    await scene.grow(1);
    const stranger = operatorOf("water/operator", "*", "nobody");
    await world.register({ kind: "revoke", kid: device.signer.key.kid, from: 0 }, stranger);
    await world.commit();
    expect(await rig.told(scene.place())).toEqual(["begins log-invalid [key-unknown]"]);
  });

  test("an item that is kept from the registry shows in what the log signs of it", async () => {
    await world.enrol("water/gw-2");
    await scene.grow(1);
    const { url } = await scene.served(world, (path, response) => {
      if (!path.startsWith("registry/") || path === "registry/000.p/2") return false;
      response.writeHead(404).end();
      return true;
    });
    expect(await rig.told(remotePlace(url))).toEqual(["begins log-invalid [registry-mismatch]"]);
  });

  test("an item that is published and in no tree is told of at the next tree", async () => {
    await rig.look(scene.place());
    await world.register({ kind: "revoke", kid: device.signer.key.kid, from: 0 });
    await scene.grow(1);
    const ahead = world.files();
    const { world: behind, chain: other } = await founded();
    const files = behind.files();
    for (const [path, bytes] of ahead) if (path.startsWith("registry/")) files.set(path, bytes);
    const watcher = await Watcher.open(rig.parts(memoryPlace(files, "log")));
    for (let i = 0; i < 2; i++) {
      await other.readings(1);
      await behind.commit();
      for (const [path, bytes] of behind.files()) if (!path.startsWith("registry/")) files.set(path, bytes);
      const told = (await watcher.look()).map(short);
      expect(told).toEqual(i === 0 ? [] : ["begins log-invalid [registry-mismatch]"]);
    }
  });

  test("whose key state the log signs otherwise is told of", async () => {
    await chain.readings(1);
    await world.commit({ keysRoot: new Uint8Array(32).fill(1) });
    const { url } = await scene.served(world);
    expect(await rig.told(remotePlace(url))).toEqual(["begins log-invalid [key-state]"]);
  });

  test("that is another one after a restart than the one followed is told of", async () => {
    await rig.look(scene.place());
    const other = await World.create();
    await other.enrol("gas/gw-1"); // in the place of the device that was enrolled
    await other.commit();
    const files = world.files();
    const path = "registry/000.p/2";
    files.set(path, other.files().get(path) ?? new Uint8Array());
    expect(await rig.told(memoryPlace(files, "log"))).toEqual(["begins log-invalid [registry-mismatch]"]);
  });

  test("that begins with the policy of another log", async () => {
    const strange = await World.create({ says: { origin: "log.other.example/2026" } });
    await strange.enrol(ISS);
    await strange.commit();
    expect(await rig.told(scene.place(strange))).toEqual(["begins log-invalid [entry-zero]"]);
  });

  test("operators that are not the pinned ones", async () => {
    const policy = world.policy({ operators: [operatorOf("city/operator", "*", "another")] });
    const strict = new WatchRig(policy, rig.now);
    expect(await strict.told(scene.place())).toEqual(["begins log-invalid [operator-foreign]"]);
    strict.remove();
  });
});

describe("time", () => {
  test("a checkpoint that is too old begins and ends once", async () => {
    await rig.look(scene.place());
    rig.now += 3601;
    expect(await rig.told(scene.place())).toEqual(["begins log-stale"]);
    rig.now += 60;
    expect(await rig.told(scene.place())).toEqual([]);
    await scene.grow(1);
    expect(await rig.told(scene.place())).toEqual(["ends log-stale"]);
  });

  test("a commit time of tomorrow doesn't make a log fresh for ever", async () => {
    await chain.readings(1);
    await world.commit({ timeUnixS: world.timeUnixS + 1_000_000 });
    const { url } = await scene.served(world);
    await rig.look(remotePlace(url));
    rig.now += 3601;
    expect(await rig.told(remotePlace(url))).toEqual(["begins log-stale"]);
  });

  test("a stream that is silent beyond what its device may be, and comes back", async () => {
    const { url } = await scene.served(world);
    rig.streams = [STREAM];
    const second = device.chain("meter/m-2");
    await second.open();
    await scene.grow(1);
    expect(await rig.told(remotePlace(url))).toEqual([]);
    rig.now += 901;
    world.timeUnixS = rig.now;
    await second.readings(1);
    await world.commit();
    const { changes } = await rig.look(remotePlace(url));
    expect(changes.map(({ state, code, subject }) => `${state} ${code} ${subject}`)).toEqual([
      `begins stream-silent ${STREAM}`,
    ]);
    await scene.grow(1);
    expect(await rig.told(remotePlace(url))).toEqual(["ends stream-silent"]);
  });

  test("nobody is silent in a log that takes nothing in", async () => {
    const { url } = await scene.served(world);
    rig.streams = [STREAM];
    await rig.look(remotePlace(url));
    rig.now += 100_000;
    expect(await rig.told(remotePlace(url))).toEqual(["begins log-stale"]);
  });

  test("of a stream only what its device and the log have signed counts", async () => {
    const [, second] = [chain.statements[0], await chain.readings(1)];
    await world.commit();
    const whole = world.transparent(second, world.newest, world.newest);
    const time = Buffer.alloc(4);
    time.writeUInt32BE(world.newest.claims.timeUnixS);
    const later = Buffer.from(whole);
    later[later.indexOf(time) + 3] = ((later[later.indexOf(time) + 3] ?? 0) + 1) % 256; // a commit time that the log didn't sign
    const { url } = await scene.served(world, (path, response) => {
      if (!path.startsWith(`statements/${toHex(second.hash)}`)) return false;
      response.end(later);
      return true;
    });
    rig.streams = [STREAM];
    expect(await rig.told(remotePlace(url))).toEqual(["begins stream-unseen [signature-invalid]"]);

    const forged = second.bytes.slice();
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1; // the device's name and key, and not its signature
    const statement = parseStatement(forged, nodeSha256);
    chain.statements.splice(1, 1, statement);
    world.admit(statement);
    await world.commit();
    const fresh = new WatchRig(world.policy(), world.timeUnixS);
    fresh.streams = [STREAM];
    const { url: other } = await scene.served(world);
    expect(await fresh.told(remotePlace(other))).toEqual(["begins stream-unseen [signature-invalid]"]);
    fresh.remove();
  });

  test("a stream that can't be seen is told of as that", async () => {
    rig.streams = [STREAM, `${ISS}/meter/none`];
    expect(await rig.told(scene.place())).toEqual([
      "begins stream-unseen [http-answer]",
      "begins stream-unseen [http-answer]",
    ]);
    const { url } = await scene.served(world);
    expect((await rig.told(remotePlace(url))).toSorted()).toEqual(["ends stream-unseen [http-answer]"]);
  });
});
