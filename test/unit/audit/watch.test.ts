import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  cosign,
  COSIGNATURE_ED25519,
  encodeBundle,
  encodeUtf8,
  equalBytes,
  formatNote,
  formatVkey,
  fromHex,
  openCheckpoint,
  parseNote,
  parseStatement,
  parseVkey,
  toHex,
  verifyConsistency,
  type Statement,
} from "@tallystick/evidence";
import { createNodeProvider, nodeSha256 } from "@tallystick/evidence/node";
import { afterLook, ALERTS, Findings } from "../../../audit/src/watch/alert.ts";
import { Watcher } from "../../../audit/src/watch/watcher.ts";
import { memoryPlace } from "../../support/memory-place.ts";
import { remotePlace, short, WatchRig } from "../../support/watch-rig.ts";
import { operatorOf, signerOf, World } from "../../support/world.ts";
import type { Chain, Device } from "../../support/world-device.ts";
import { serveWorld, type WorldServer } from "../../support/world-server.ts";

const ISS = "water/gw-1";
const STREAM = `${ISS}/meter/m-1`;
let world: World;
let device: Device;
let chain: Chain;
let rig: WatchRig;
const servers: WorldServer[] = [];

/** The same beginning at every run; what comes after it is the test's. */
async function founded(): Promise<{ world: World; device: Device; chain: Chain }> {
  const made = await World.create();
  const enrolled = await made.enrol(ISS);
  const opened = enrolled.chain("meter/m-1");
  await opened.open();
  await made.commit();
  return { world: made, device: enrolled, chain: opened };
}

beforeEach(async () => {
  ({ world, device, chain } = await founded());
  rig = new WatchRig(world.policy(), world.timeUnixS);
});
afterEach(async () => {
  rig.remove();
  for (const server of servers.splice(0)) await server.close();
});

async function grow(count = 1, one: Chain = chain): Promise<void> {
  for (let i = 0; i < count; i++) await one.readings(1);
  await one.device.world.commit();
  rig.now = Math.max(rig.now, one.device.world.timeUnixS);
}

const place = (of = world, name = "log") => memoryPlace(of.files(), name);

async function served(...given: Parameters<typeof serveWorld>): Promise<WorldServer> {
  const server = await serveWorld(...given);
  servers.push(server);
  return server;
}

describe("a log that only grows", () => {
  test("gives no alert, over full tiles and restarts, and is derived whole", async () => {
    for (const count of [0, 1, 253, 300, 1]) {
      if (count > 0) await grow(count);
      const { changes, watcher } = await rig.look(place());
      expect(changes).toEqual([]);
      const { size, derived } = watcher.standing;
      expect([size, derived]).toEqual([world.newest.size, world.newest.size]);
    }
  });

  test("is watched from its server, with its own receipts: the commit time is the one they sign", async () => {
    const { url } = await served(world);
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
      await grow(100);
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
    await grow(3);
    await rig.look(place());
    const kept = world.newest;
    await grow(5);
    for (let i = 0; i < 20; i++) await other.chain.readings(2);
    await other.world.commit();
    const { changes } = await rig.look(place(other.world));
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

    expect(await rig.told(place(other.world))).toEqual([]);
    const { watcher } = await rig.look(place()); // behaves again
    expect(watcher.standing.open.map(({ code }) => code)).toEqual(["log-fork"]);
    expect(watcher.standing.size).toBe(world.newest.size);
  });

  test("of one size is one, too", async () => {
    const other = await founded();
    await grow(3);
    await rig.look(place());
    for (let i = 0; i < 3; i++) await other.chain.readings(2);
    await other.world.commit();
    expect(other.world.newest.size).toBe(world.newest.size);
    expect(await rig.told(place(other.world))).toEqual(["begins log-fork"]);
  });

  test("whose tiles are kept back is remembered, and told of as soon as it can be compared", async () => {
    const other = await founded();
    await grow(3);
    await rig.look(place());
    for (let i = 0; i < 9; i++) await other.chain.readings(2);
    await other.world.commit();
    const only = new Map([...other.world.files()].filter(([path]) => path === "checkpoint"));
    expect(await rig.told(memoryPlace(only, "log"))).toEqual(["begins log-invalid [tile-missing]"]);
    await grow(20); // beyond the other one
    const { changes } = await rig.look(place());
    expect(changes.map(short).toSorted()).toEqual(["begins log-fork", "ends log-invalid [tile-missing]"]);
    expect(rig.proof(changes.find(({ code }) => code === "log-fork")?.evidence)).toMatchObject({
      known: { note: other.world.newest.note },
      shown: { note: world.newest.note },
    });
    expect(await rig.told(place())).toEqual([]);
  });

  test("of one size needs no tiles to be seen", async () => {
    const other = await founded();
    await grow(3);
    await rig.look(place());
    for (let i = 0; i < 3; i++) await other.chain.readings(2);
    await other.world.commit();
    const only = new Map([...other.world.files()].filter(([path]) => path === "checkpoint"));
    expect(await rig.told(memoryPlace(only, "log"))).toEqual(["begins log-fork"]);
  });

  test("between the checkpoint and the log's own receipt is kept with that receipt", async () => {
    const other = await founded();
    await grow(3);
    for (let i = 0; i < 2; i++) await other.chain.readings(2);
    const last = chain.statements.at(-1);
    if (last === undefined) throw new Error("no statement");
    other.world.admit(last);
    await other.world.commit();
    const equivocal = other.world.receipt([last]);
    const { url } = await served(world, (path, response) => {
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
    await grow(10);
    for (const count of [3, 10, 20]) {
      const other = await founded();
      for (let i = 0; i < count; i++) await other.chain.readings(2);
      await other.world.commit();
      const fresh = new WatchRig(world.policy(), rig.now);
      fresh.copies = [place(other.world, "copy")];
      const { changes } = await fresh.look(place());
      const about = changes.map(({ code, subject }) => `${code} ${subject}`);
      // A larger one shows besides that the log itself has less than was public already.
      expect(about).toEqual([...(count === 20 ? ["log-rollback log"] : []), "log-fork copy"]);
      fresh.remove();
    }
  });

  test("an honest copy that lags is none, and one that was taken a moment before isn't either", async () => {
    const old = world.files();
    await grow(300);
    rig.copies = [memoryPlace(old, "old"), place(world, "same")];
    expect(await rig.told(place())).toEqual([]);
  });

  test("a copy that is away, or whose files are altered, is told of as itself, and hides nothing", async () => {
    await grow(10);
    const ahead = new Map(world.files());
    ahead.set("tile/0/000.p/13", new Uint8Array(13 * 32));
    const away = await served(world);
    await away.close();
    servers.pop();
    rig.copies = [remotePlace(away.url), place(world, "same")];
    const { changes, watcher } = await rig.look(place());
    expect(changes.map(({ code, subject }) => `${code} ${subject}`)).toEqual([`log-unreachable ${away.url}`]);
    expect(watcher.standing.size).toBe(13);
    rig.copies = [memoryPlace(ahead, "altered")];
    // Of the same size it has the same root, and no tile of it is needed. The other one isn't watched any more.
    expect(await rig.told(place())).toEqual(["ends log-unreachable [unreachable]"]);
  });
});

describe("a log that lost its past", () => {
  test("is told once, and stays told of when it has grown again", async () => {
    const old = world.files();
    await grow(5);
    await rig.look(place());
    const { changes } = await rig.look(memoryPlace(old, "log"));
    expect(changes.map(short)).toEqual(["begins log-rollback"]);
    expect(rig.proof(changes[0]?.evidence)).toMatchObject({
      known: { note: world.newest.note },
      shown: { note: world.batches[0]?.note },
    });
    await grow(5);
    const { watcher } = await rig.look(place());
    expect(watcher.standing.open.map(({ code }) => code)).toEqual(["log-rollback"]);
  });

  test("less than a copy had while the log was away is a rollback, too", async () => {
    const old = world.files();
    await rig.look(memoryPlace(old, "log"));
    await grow(5);
    rig.copies = [place(world, "copy")];
    expect(await rig.told(memoryPlace(new Map(), "log"))).toEqual(["begins log-unreachable [unreachable]"]);
    rig.copies = [];
    expect((await rig.told(memoryPlace(old, "log"))).toSorted()).toEqual([
      "begins log-rollback",
      "ends log-unreachable [unreachable]",
    ]);
  });

  test("a smaller checkpoint out of a cache is none, where the next answer is whole", async () => {
    await grow(5);
    await rig.look(place());
    let stale = 1;
    const old = world.batches[0]?.note ?? "";
    const { url } = await served(world, (path, response) => {
      if (path !== "checkpoint" || stale-- <= 0) return false;
      response.end(old);
      return true;
    });
    expect(await rig.told(remotePlace(url))).toEqual([]);
  });

  test("and other entries since is a fork", async () => {
    const other = await founded();
    await grow(2);
    await rig.look(place());
    await grow(1);
    for (let i = 0; i < 30; i++) await other.chain.readings(2);
    await other.world.commit();
    expect(await rig.told(place(other.world))).toEqual(["begins log-fork"]);
  });
});

describe("what is not the log's", () => {
  test("an altered file is told of as long as it is altered", async () => {
    await rig.look(place());
    await grow(300);
    const files = world.files();
    const path = "tile/entries/000";
    const bundle = (files.get(path) as Uint8Array).slice();
    bundle[40] = (bundle[40] as number) ^ 1;
    files.set(path, bundle);
    expect(await rig.told(memoryPlace(files, "log"))).toEqual(["begins log-invalid [tile-mismatch]"]);
    expect(await rig.told(memoryPlace(files, "log"))).toEqual([]);
    const { changes, watcher } = await rig.look(place());
    expect(changes.map(short)).toEqual(["ends log-invalid [tile-mismatch]"]);
    expect(watcher.standing.derived).toBe(world.newest.size);
  });

  test("another key, another log, no note", async () => {
    const stranger = await World.create({ origin: "log.other.example/2026" });
    await stranger.enrol(ISS);
    await stranger.commit();
    expect(await rig.told(place(stranger))).toEqual(["begins log-unreachable [log-unknown]"]);
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
    expect(await strict.told(place())).toEqual(["begins quorum-unmet"]);
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
    await rig.look(place());
    await device.rotate();
    await world.enrol("gas/gw-9");
    await grow(1);
    const { changes } = await rig.look(place());
    expect(changes.map(({ state, code, subject }) => `${state} ${code} ${subject}`)).toEqual([
      `once key-changed ${ISS}`,
      "once key-changed gas/gw-9",
    ]);
    expect(changes[0]?.text).toMatch(
      /^item 2 at index \d+: water\/gw-1 has named its next key [0-9a-f]{64}$/,
    );
    expect(await rig.told(place())).toEqual([]);

    const only = new WatchRig(world.policy(), rig.now);
    only.streams = [STREAM];
    only.silenceS = 1e6;
    await only.look(place());
    await world.register({ kind: "revoke", kid: device.signer.key.kid, from: 0 });
    await world.enrol("gas/gw-10");
    await world.register({ kind: "operator-added", operator: operatorOf("water/operator", "water") });
    await grow(1);
    const told = (await only.look(place())).changes.filter(({ code }) => code === "key-changed");
    expect(told.map(({ subject }) => subject)).toEqual([ISS, "water"]);
    only.remove();
  });

  test("one that is exchanged for another, or has an item that doesn't count, is told of", async () => {
    await rig.look(place());
    await grow(1);
    const stranger = operatorOf("water/operator", "*", "nobody");
    await world.register({ kind: "revoke", kid: device.signer.key.kid, from: 0 }, stranger);
    await world.commit();
    expect(await rig.told(place())).toEqual(["begins log-invalid [key-unknown]"]);
  });

  test("an item that is kept from the registry shows in what the log signs of it", async () => {
    await world.enrol("water/gw-2");
    await grow(1);
    const { url } = await served(world, (path, response) => {
      if (!path.startsWith("registry/") || path === "registry/000.p/2") return false;
      response.writeHead(404).end();
      return true;
    });
    expect(await rig.told(remotePlace(url))).toEqual(["begins log-invalid [registry-mismatch]"]);
  });

  test("an item that is published and in no tree is told of at the next tree", async () => {
    await rig.look(place());
    await world.register({ kind: "revoke", kid: device.signer.key.kid, from: 0 });
    await grow(1);
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
    const { url } = await served(world);
    expect(await rig.told(remotePlace(url))).toEqual(["begins log-invalid [key-state]"]);
  });

  test("that is another one after a restart than the one followed is told of", async () => {
    await rig.look(place());
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
    expect(await rig.told(place(strange))).toEqual(["begins log-invalid [entry-zero]"]);
  });

  test("operators that are not the pinned ones", async () => {
    const policy = world.policy({ operators: [operatorOf("city/operator", "*", "another")] });
    const strict = new WatchRig(policy, rig.now);
    expect(await strict.told(place())).toEqual(["begins log-invalid [operator-foreign]"]);
    strict.remove();
  });
});

describe("time", () => {
  test("a checkpoint that is too old begins and ends once", async () => {
    await rig.look(place());
    rig.now += 3601;
    expect(await rig.told(place())).toEqual(["begins log-stale"]);
    rig.now += 60;
    expect(await rig.told(place())).toEqual([]);
    await grow(1);
    expect(await rig.told(place())).toEqual(["ends log-stale"]);
  });

  test("a commit time of tomorrow doesn't make a log fresh for ever", async () => {
    await chain.readings(1);
    await world.commit({ timeUnixS: world.timeUnixS + 1_000_000 });
    const { url } = await served(world);
    await rig.look(remotePlace(url));
    rig.now += 3601;
    expect(await rig.told(remotePlace(url))).toEqual(["begins log-stale"]);
  });

  test("a stream that is silent beyond what its device may be, and comes back", async () => {
    const { url } = await served(world);
    rig.streams = [STREAM];
    const second = device.chain("meter/m-2");
    await second.open();
    await grow(1);
    expect(await rig.told(remotePlace(url))).toEqual([]);
    rig.now += 901;
    world.timeUnixS = rig.now;
    await second.readings(1);
    await world.commit();
    const { changes } = await rig.look(remotePlace(url));
    expect(changes.map(({ state, code, subject }) => `${state} ${code} ${subject}`)).toEqual([
      `begins stream-silent ${STREAM}`,
    ]);
    await grow(1);
    expect(await rig.told(remotePlace(url))).toEqual(["ends stream-silent"]);
  });

  test("nobody is silent in a log that takes nothing in", async () => {
    const { url } = await served(world);
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
    const { url } = await served(world, (path, response) => {
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
    const { url: other } = await served(world);
    expect(await fresh.told(remotePlace(other))).toEqual(["begins stream-unseen [signature-invalid]"]);
    fresh.remove();
  });

  test("a stream that can't be seen is told of as that", async () => {
    rig.streams = [STREAM, `${ISS}/meter/none`];
    expect(await rig.told(place())).toEqual([
      "begins stream-unseen [http-answer]",
      "begins stream-unseen [http-answer]",
    ]);
    const { url } = await served(world);
    expect((await rig.told(remotePlace(url))).toSorted()).toEqual(["ends stream-unseen [http-answer]"]);
  });
});

describe("what others hold", () => {
  const file = (name: string, bytes: Uint8Array): string => {
    const path = join(rig.folder, name);
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, bytes);
    return path;
  };

  test("honest statements, receipts and bundles fit, also those of later", async () => {
    await grow(20);
    await device.heads();
    await grow(1);
    rig.seen = [join(rig.folder, "seen")];
    const statements = chain.statements.slice(0, 3);
    file("seen/bundle.tally", encodeBundle(world.bundle([{ chain }])));
    file("seen/receipt.cose", world.receipt(statements));
    expect(await rig.told(place())).toEqual([]);
    await grow(5);
    const last = chain.statements.at(-1);
    if (last === undefined) throw new Error("no statement");
    file("seen/late.cose", world.transparent(last, world.newest));
    expect(await rig.told(place())).toEqual([]);
  });

  test("a receipt of another history is a fork, with its file as the proof", async () => {
    const other = await founded();
    const statement = await other.chain.readings(2);
    await other.world.commit();
    await grow(3);
    rig.seen = [file("theirs.cose", other.world.transparent(statement, other.world.newest))];
    const { changes } = await rig.look(place());
    expect(changes.map(short)).toEqual(["begins log-fork"]);
    const kept = rig.proof(changes[0]?.evidence) as { known: { evidence: string } };
    expect(Buffer.from(kept.known.evidence, "base64")).toEqual(readFileSync(rig.seen[0] ?? ""));
    expect(await rig.told(place())).toEqual([]);
  });

  test("a receipt of a larger tree shows a log that was taken back", async () => {
    const old = world.files();
    await grow(3);
    const last = chain.statements.at(-1);
    if (last === undefined) throw new Error("no statement");
    rig.seen = [file("newer.cose", world.transparent(last, world.newest))];
    expect(await rig.told(memoryPlace(old, "log"))).toEqual(["begins log-rollback"]);
  });

  test("what a device saw counts under its signature: through the archive, too", async () => {
    const seen = { size: 2, root: new Uint8Array(32).fill(9) };
    await chain.readings(1, { claims: { seen } });
    await grow(0);
    const { url } = await served(world);
    rig.streams = [STREAM];
    const { changes } = await rig.look(remotePlace(url));
    expect(changes.map(({ code, subject }) => `${code} ${subject}`)).toEqual([`log-fork ${STREAM}`]);
  });

  test("a file that is no evidence accuses nobody of a fork", async () => {
    rig.seen = [join(rig.folder, "seen"), join(rig.folder, "not-there")];
    const junk = file("seen/junk", new Uint8Array(100).fill(7));
    expect(await rig.told(place())).toEqual(["begins evidence-invalid [cbor-trailing]"]);
    expect(await rig.told(place())).toEqual([]);
    const watcher = await Watcher.open(rig.parts(place()));
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
      const { url } = await served(world, (path, response) => {
        if (path === "checkpoint") answer(response);
        return path === "checkpoint";
      });
      const fresh = new WatchRig(world.policy(), rig.now);
      expect(await fresh.told(remotePlace(url))).toEqual([expected]);
      fresh.remove();
    }
  });

  test("that is slow with each file is left when the time for a look is over, and nothing of it is believed", async () => {
    await grow(700);
    const { url } = await served(world, (path, response) => {
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
    await grow(2);
    await rig.look(place());
    for (let i = 0; i < 20_000; i++) world.admit({ hash: nodeSha256(Buffer.from(String(i))) } as Statement);
    await world.enrol("gas/gw-7");
    await world.commit();
    rig.now = world.timeUnixS;
    let passedMs = 0;
    rig.nowMs = () => passedMs;
    const inner = place();
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
    await rig.look(place());
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
      await expect(rig.look(place())).rejects.toThrow(expect.objectContaining({ code: "storage-failed" }));
    }
    writeFileSync(file, good);
    expect(await rig.told(place())).toEqual([]);
    const stranger = await World.create({ origin: "log.other.example/2026" });
    const elsewhere = new WatchRig(stranger.policy(), rig.now);
    writeFileSync(join(elsewhere.folder, "state.json"), good);
    await expect(elsewhere.look(place())).rejects.toThrow(expect.objectContaining({ code: "log-unknown" }));
    elsewhere.remove();
  });
});
