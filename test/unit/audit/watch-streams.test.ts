/**
 * How silent a stream is for a watcher whose server lies: it has no key, and hands out what it likes.
 *
 * @module
 */
import type { ServerResponse } from "node:http";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  decimal,
  encodeEvent,
  encodeTransparent,
  sealStatement,
  sha256,
  toHex,
  type Statement,
} from "@tallystick/evidence";
import { later, type Newest } from "../../../audit/src/watch/streams.ts";
import { remotePlace, type WatchRig } from "../../support/watch-rig.ts";
import { STREAM, WatchScene } from "../../support/watch-scene.ts";
import { signerOf, type World } from "../../support/world.ts";
import type { Instead } from "../../support/world-server.ts";
import type { Chain, Device } from "../../support/world-device.ts";

const DAY_S = 86_400;
const SILENT = "begins stream-silent";

let scene: WatchScene;
let world: World;
let device: Device;
let chain: Chain;
let rig: WatchRig;
/** Another stream of the device, which is never silent. */
let second: Chain;

beforeEach(async () => {
  scene = await WatchScene.begin();
  ({ world, device, chain, rig } = scene);
  rig.streams = [STREAM];
  second = device.chain("meter/m-2");
  await second.open({ interval: decimal(0) });
  await scene.grow(3);
});
afterEach(async () => {
  await scene.end();
});

/** The next day: something came, but nothing of the stream. */
async function nextDay(): Promise<void> {
  world.timeUnixS = rig.now + DAY_S;
  await scene.grow(1, second);
}

/** What is told at a look now, and at one on each of the next days. */
async function overDays(days: number, instead: Instead = () => false): Promise<string[][]> {
  const { url } = await scene.served(world, instead);
  const told = [await rig.told(remotePlace(url))];
  for (let day = 0; day < days; day++) {
    await nextDay();
    told.push(await rig.told(remotePlace(url)));
  }
  return told;
}

const named = (path: string, statements: readonly Statement[]): Statement | undefined =>
  statements.find(({ hash }) => path === `statements/${toHex(hash)}`);

/** A row of the chain as the anchor lists it. */
const rowOf = ({ hash, kid, claims }: Statement, index: number) => ({
  seq: claims.seq,
  index,
  hash: toHex(hash),
  kid: toHex(kid),
  iat: 1,
  time: rig.now,
  kind: null,
});

/** Answers with those rows of a chain that were asked for. */
function list(response: ServerResponse, rows: readonly { readonly seq: number }[]): void {
  const query = new URL(response.req.url ?? "", "http://world").searchParams;
  const [from = 0, to = 0, limit = 0] = ["from", "to", "limit"].map((name) => Number(query.get(name)));
  response.end(JSON.stringify(rows.filter(({ seq }) => seq >= from && seq <= to).slice(0, limit)));
}

/** Lists these statements as the chain's, and hands each out with the newest receipt in first place. */
const handingOut =
  (statements: () => readonly Statement[], index = (one: Statement) => world.indexOf(one)): Instead =>
  (path, response) => {
    const one = named(path, chain.statements);
    if (one !== undefined) response.end(world.transparent(one, world.newest, world.newest));
    else if (path === `chains/${toHex(chain.ch)}`)
      list(
        response,
        statements().map((row) => rowOf(row, index(row))),
      );
    else return false;
    return true;
  };

describe("a stream that is silent", () => {
  test("is told, once", async () => {
    expect(await overDays(3)).toEqual([[], [SILENT], [], []]);
  });

  test("also where its newest statement is shown with newer and newer receipts", async () => {
    expect(
      await overDays(
        3,
        handingOut(() => chain.statements),
      ),
    ).toEqual([[], [SILENT], [], []]);
  });

  test("also where statements that were there are handed out one by one", async () => {
    await scene.grow(10);
    let shown = 0;
    const { url } = await scene.served(
      world,
      handingOut(() => chain.statements.slice(0, shown)),
    );
    const told: string[] = [];
    for (shown = 1; shown < 10; shown++) {
      told.push(...(await rig.told(remotePlace(url))));
      world.timeUnixS = rig.now + 300;
      await scene.grow(1, second);
    }
    expect(told).toEqual([SILENT]);
  });

  test("its place is the one that the receipt proves, not the one that the anchor says", async () => {
    const { url } = await scene.served(
      world,
      handingOut(
        () => chain.statements.slice(0, 2),
        ({ claims }) => (claims.seq === 0 ? 2 : 6),
      ),
    );
    const { watcher } = await rig.look(remotePlace(url));
    const [, shown] = chain.statements;
    expect(watcher.state.streams[STREAM]?.index).toBe(world.indexOf(shown ?? expect.fail()));
  });

  test("what came to the log since the last look ends it", async () => {
    const { url } = await scene.served(world);
    await rig.told(remotePlace(url));
    await nextDay();
    expect(await rig.told(remotePlace(url))).toEqual([SILENT]);
    await scene.grow(1);
    expect(await rig.told(remotePlace(url))).toEqual(["ends stream-silent"]);
  });

  test("also where a chain that was closed before is shown in place of the newest", async () => {
    const closed = await chain.event({ kind: "stream-closed", reason: "moved" });
    const last = { ch: chain.ch, seq: closed.claims.seq, hash: closed.hash };
    const next = device.chain(chain.sub);
    await next.open({ before: last });
    await scene.grow(1, next);
    let isHidden = false;
    const { url } = await scene.served(world, (path, response) => {
      if (!isHidden || !path.startsWith("chains/") || path.endsWith(toHex(chain.ch))) return false;
      response.end("[]");
      return true;
    });
    expect(await rig.told(remotePlace(url))).toEqual([]);
    isHidden = true;
    await nextDay();
    expect(await rig.told(remotePlace(url))).toEqual([SILENT]);
  });
});

describe("a stream that may be silent for longer", () => {
  /** Another statement as number 0 of a chain. */
  const openedBy =
    (opening: Statement, bytes: () => Uint8Array, of = chain): Instead =>
    (path, response) => {
      if (path === `statements/${toHex(opening.hash)}`) response.end(bytes());
      else if (path === `chains/${toHex(of.ch)}`) {
        const hashOf = (one: Statement) => (one.claims.seq === 0 ? opening.hash : one.hash);
        list(
          response,
          of.statements.map((one) => ({ ...rowOf(one, world.indexOf(one)), hash: toHex(hashOf(one)) })),
        );
      } else return false;
      return true;
    };
  const opened = {
    kind: "stream-opened",
    before: "none",
    source: "p1",
    interval: decimal(0),
    names: [],
  } as const;

  test("by its own opening: without intervals for ever, else for three of them", async () => {
    rig.streams = ["water/gw-1/meter/m-2", "water/gw-1/meter/m-3"];
    const third = device.chain("meter/m-3");
    await third.open({ interval: decimal(DAY_S / 2) });
    await world.commit();
    const { url } = await scene.served(world);
    const told = [await rig.told(remotePlace(url))];
    for (let day = 0; day < 2; day++) {
      world.timeUnixS = rig.now + DAY_S;
      await scene.grow(1);
      told.push(await rig.told(remotePlace(url)));
    }
    expect(told).toEqual([[], [], [SILENT]]);
  });

  test("is not one by an opening of somebody whose key nobody enrolled", async () => {
    const claims = { iss: "x/y", sub: "z", iat: 1, ch: new Uint8Array(8), seq: 0, tq: 2, lvl: 1 } as const;
    const content = { type: "event", payload: encodeEvent(opened) } as const;
    const forged = await sealStatement(claims, content, signerOf("nobody"));
    const bytes = encodeTransparent(forged.bytes, [new Uint8Array(10)]);
    expect(
      await overDays(
        2,
        openedBy(forged, () => bytes),
      ),
    ).toEqual([[], [SILENT], []]);
  });

  test("nor by one that its own device signed of this very chain, and that is not in the log", async () => {
    const { iss } = device;
    const claims = { iss, sub: chain.sub, iat: 1, ch: chain.ch, seq: 0, tq: 2, lvl: 1 } as const;
    const content = { type: "event", payload: encodeEvent(opened) } as const;
    const own = await sealStatement(claims, content, device.signer);
    const [first] = chain.statements;
    const bytes = () => encodeTransparent(own.bytes, [world.receipt([first ?? expect.fail()], world.newest)]);
    expect(await overDays(2, openedBy(own, bytes))).toEqual([[], [SILENT], []]);
  });

  test("nor by the one of another stream of its device", async () => {
    const [other] = second.statements;
    if (other === undefined) throw new Error("no opening");
    const bytes = () => world.transparent(other, world.firstOf(other), world.newest);
    expect(await overDays(2, openedBy(other, bytes))).toEqual([[], [SILENT], []]);
  });

  test("nor by the one of an earlier chain of its own", async () => {
    rig.streams = ["water/gw-1/meter/m-2"];
    const [opening, last] = [second.statements[0], second.head()];
    if (opening === undefined) throw new Error("no opening");
    const next = device.chain(second.sub);
    await next.open({ before: last });
    await scene.grow(1, next);
    const bytes = () => world.transparent(opening, world.firstOf(opening), world.newest);
    const { url } = await scene.served(world, openedBy(opening, bytes, next));
    expect(await rig.told(remotePlace(url))).toEqual([]);
    world.timeUnixS = rig.now + DAY_S;
    await scene.grow(1);
    expect(await rig.told(remotePlace(url))).toEqual([SILENT]);
  });

  test("stays one where its opening is kept back later", async () => {
    rig.streams = ["water/gw-1/meter/m-2"];
    const [opening] = second.statements;
    let isKeptBack = false;
    const { url } = await scene.served(world, (path, response) => {
      if (!isKeptBack || opening === undefined || named(path, [opening]) === undefined) return false;
      response.writeHead(404).end();
      return true;
    });
    await scene.grow(1, second);
    expect(await rig.told(remotePlace(url))).toEqual([]);
    isKeptBack = true;
    world.timeUnixS = rig.now + DAY_S;
    await scene.grow(1);
    expect(await rig.told(remotePlace(url))).toEqual([]);
  });
});

test("a statement of the stream under the key of another device proves nothing", async () => {
  const other = await world.enrol("waste/bin-9");
  await chain.readings(1, { signer: other.signer });
  await scene.grow(0);
  const { url } = await scene.served(world);
  expect(await rig.told(remotePlace(url))).toEqual(["begins stream-unseen [key-issuer]"]);
});

describe("what is known after a look", () => {
  const ALLOWED_S = 900;
  const LOOK_S = 60;
  const base = { isClosed: false, intervalS: null };
  const hashAt = (index: number): string => toHex(sha256(Uint8Array.of(index & 255, index >> 8)));

  test("hides a silence for no longer than once what is allowed, whatever a server shows", () => {
    // Every entry comes 5 minutes after the one before; those behind the stream's last one are of others.
    const commitOf = (index: number): number => index * 300;
    const most = 2 * (ALLOWED_S / LOOK_S + 1);
    const steps = fc.array(fc.constantFrom(0, 0, 0, 1, 1, 4), { minLength: 30 + most, maxLength: 30 + most });
    const begin = {
      last: fc.integer({ min: 6, max: 60 }),
      first: fc.nat({ max: 60 }),
      early: fc.nat({ max: 29 }),
    };
    fc.assert(
      fc.property(fc.record({ ...begin, steps }), ({ last, first, early, steps: further }) => {
        let known: Newest | undefined;
        let index = first;
        for (const [i, step] of further.slice(0, early + most + 1).entries()) {
          const now = commitOf(last) + (i - early) * LOOK_S;
          const size = Math.floor(now / 300) + 1;
          index = Math.min(index + step, last, size - 1);
          const tree = { size, time: commitOf(size - 1) };
          known = later(known, { ...base, hash: hashAt(index), index, time: now }, tree);
          if (now - known.time > ALLOWED_S) return true; // told, in time
        }
        return false;
      }),
      { numRuns: 2000 },
    );
  });

  test("of a server that lags behind its log, a stream that goes on is heard", () => {
    let known: Newest | undefined;
    for (let now = 600; now < 20_000; now += LOOK_S) {
      const index = Math.floor((now - 2 * LOOK_S) / 100); // a statement every 100 seconds, shown two looks late
      const size = Math.floor(now / 100) + 1;
      known = later(known, { ...base, hash: hashAt(index), index, time: index * 100 }, { size, time: now });
      expect(now - known.time).toBeLessThanOrEqual(4 * LOOK_S + 100);
    }
  });
});
