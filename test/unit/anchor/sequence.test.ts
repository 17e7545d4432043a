import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseStatement, toHex, type Statement } from "@tallystick/evidence";
import {
  AnchorDevice,
  AnchorLog,
  deviceSigner,
  eventOf,
  openingOf,
  type AnchorChain,
} from "../../support/anchor-log.ts";

let log: AnchorLog;
let device: AnchorDevice;
let chain: AnchorChain;

beforeEach(async () => {
  log = await AnchorLog.create();
  device = await log.enrol("city/gw-1");
  chain = device.chain();
});
afterEach(() => log.remove());

/** Sequences, publishes and re-derives everything; gives what became of each statement. */
async function batch(...statements: readonly Statement[]): Promise<string[]> {
  const done = log.sequence([], statements);
  await log.publish(done);
  return statements.map((statement) => {
    const refused = done.refused.find((one) => one.statement === statement);
    if (refused !== undefined) return refused.code;
    if (done.duplicates.some((one) => one.statement === statement)) return "duplicate";
    const placed = done.admitted.find((one) => one.statement === statement);
    return `at ${placed?.index}`;
  });
}

const at = (statements: readonly Statement[], i: number): Statement => statements[i] as Statement;

describe("a chain", () => {
  test("is admitted in its order, over several batches", async () => {
    const all = await chain.filled(5);
    expect(await batch(...all.slice(0, 2))).toEqual(["at 2", "at 3"]);
    expect(await batch(...all.slice(2))).toEqual(["at 4", "at 5", "at 6"]);
    expect(log.check().entries.slice(2).map(toHex)).toEqual(all.map(({ hash }) => toHex(hash)));
  });

  test("may arrive in any order: holes fill later", async () => {
    const all = await chain.filled(6);
    expect(await batch(at(all, 4), at(all, 2))).toEqual(["at 2", "at 3"]);
    expect(await batch(at(all, 0), at(all, 5), at(all, 1), at(all, 3))).toEqual([
      "at 4",
      "at 5",
      "at 6",
      "at 7",
    ]);
  });

  test("takes the same bytes once: again in the same batch, later, and after a restart", async () => {
    const all = await chain.filled(3);
    const again = parseStatement(at(all, 1).bytes);
    expect(await batch(at(all, 0), at(all, 1), again)).toEqual(["at 2", "at 3", "duplicate"]);
    expect(await batch(...all)).toEqual(["duplicate", "duplicate", "at 4"]);
    await log.reopen();
    const done = log.sequence([], all);
    expect(done.duplicates.map(({ index }) => index)).toEqual([2, 3, 4]);
    expect(done.batch).toBeUndefined();
    expect(log.check().size).toBe(5);
  });

  test("of another device or stream with the same id is another chain", async () => {
    const other = await log.enrol("city/gw-2");
    const mine = await chain.filled(2);
    const theirs = other.chain();
    const opened = await theirs.seal(openingOf("none"), { ch: chain.ch });
    expect(await batch(...mine, opened)).toEqual(["at 3", "at 4", "at 5"]);
  });
});

describe("a fork", () => {
  const kept = (): string[] => log.opened.store.archive.forks(100).map(({ hash }) => toHex(hash));

  test("of a number that is held is refused and kept, also within one batch and after a restart", async () => {
    const all = await chain.filled(3);
    const rival = await chain.seal(chain.pack(77), { seq: 1, prev: at(all, 0).hash });
    expect(await batch(at(all, 0), at(all, 1), rival)).toEqual(["at 2", "at 3", "fork"]);
    const another = await chain.seal(chain.pack(78), { seq: 1, prev: at(all, 0).hash });
    await log.reopen();
    expect(await batch(another, at(all, 2))).toEqual(["fork", "at 4"]);
    expect(kept().sort()).toEqual([toHex(rival.hash), toHex(another.hash)].sort());
    const [evidence] = log.opened.store.archive.forks(1);
    expect(evidence?.bytes.length).toBeGreaterThan(100);
  });

  test("of the predecessor is refused: the one before, and the one after, hold another", async () => {
    const all = await chain.filled(4);
    const wrong = await chain.seal(chain.pack(9), { seq: 1, prev: at(all, 2).hash });
    expect(await batch(at(all, 0), wrong)).toEqual(["at 2", "fork"]);
    expect(await batch(at(all, 2))).toEqual(["at 3"]);
    // Agrees with the one before; the one after names all[1].
    const between = await chain.seal(chain.pack(10), { seq: 1, prev: at(all, 0).hash });
    expect(await batch(between, at(all, 1), at(all, 3))).toEqual(["fork", "at 4", "at 5"]);
    // The number after the last held.
    const after = await chain.seal(chain.pack(11), { seq: 4, prev: at(all, 0).hash });
    expect(await batch(after)).toEqual(["fork"]);
    expect(kept()).toHaveLength(3);
  });

  test("is kept once, and no more of them than the bound", async () => {
    const small = await AnchorLog.create();
    try {
      const config = { ...small.config, refusals: { ...small.config.refusals, maxForks: 2 } };
      small.close();
      small.opened = await small.openAgain(config);
      const gw = await small.enrol("city/gw-1");
      const one = gw.chain();
      const all = await one.filled(2);
      const rivals: Statement[] = [];
      for (let i = 0; i < 4; i++)
        rivals.push(await one.seal(one.pack(100 + i), { seq: 1, prev: at(all, 0).hash }));
      const done = small.sequence([], [...all, at(rivals, 0), ...rivals]);
      expect(done.refused.map(({ code }) => code)).toEqual(["fork", "fork", "fork", "fork", "fork"]);
      expect(small.opened.store.archive.countForks()).toBe(2);
      await small.publish(done);
    } finally {
      small.remove();
    }
  });
});

describe("statement 0", () => {
  test("is a stream-opened", async () => {
    const gap = await chain.seal(
      eventOf({ kind: "gap", reason: "unplugged", count: 1, seq: { first: 1, last: 1 } }),
      { seq: 0 },
    );
    const pack = await chain.seal(chain.pack(1), { seq: 0 });
    expect(await batch(gap, pack)).toEqual(["fork", "fork"]);
  });

  test("says none once in a stream", async () => {
    const second = device.chain("meter/m-1", "second");
    const elsewhere = device.chain("meter/m-2");
    expect(await batch(await chain.open(), await second.open(), await elsewhere.open())).toEqual([
      "at 2",
      "fork",
      "at 3",
    ]);
  });

  test("says none even where later statements of its chain arrived before it", async () => {
    const all = await chain.filled(3);
    expect(await batch(at(all, 1), at(all, 2))).toEqual(["at 2", "at 3"]);
    expect(await batch(at(all, 0))).toEqual(["at 4"]);
    expect(await batch(await device.chain("meter/m-1", "second").open())).toEqual(["fork"]);
  });

  test("may be opened after the chains that follow it", async () => {
    const [second, third] = [device.chain("meter/m-1", "second"), device.chain("meter/m-1", "third")];
    const all = await chain.filled(3);
    const opening = await second.open(chain.head());
    const [next] = await second.next();
    const end = await third.open(second.head());
    expect(await batch(at(all, 1), at(all, 2), next as Statement, end)).toEqual([
      "at 2",
      "at 3",
      "at 4",
      "at 5",
    ]);
    expect(await batch(opening, at(all, 0))).toEqual(["at 6", "at 7"]);
    expect(await batch(await device.chain("meter/m-1", "fourth").open())).toEqual(["fork"]);
    expect(await batch(await device.chain("meter/m-1", "fifth").open(second.head()))).toEqual(["fork"]);
  });

  test("may say lost at any time", async () => {
    const [second, third] = [device.chain("meter/m-1", "second"), device.chain("meter/m-1", "third")];
    const lost = { lost: "the disk failed" };
    expect(await batch(await chain.open(), await second.open(lost), await third.open(lost))).toEqual([
      "at 2",
      "at 3",
      "at 4",
    ]);
    const none = device.chain("meter/m-2", "none");
    expect(await batch(await device.chain("meter/m-2").open(lost), await none.open())).toEqual([
      "at 5",
      "fork",
    ]);
  });

  test("names the last head, which then has no other successor", async () => {
    const all = await chain.filled(3);
    const head = chain.head();
    const second = device.chain("meter/m-1", "second");
    const third = device.chain("meter/m-1", "third");
    await batch(...all);
    expect(await batch(await second.open(head), await third.open(head))).toEqual(["at 5", "fork"]);
    const [onward] = await chain.next();
    expect(await batch(onward as Statement)).toEqual(["fork"]);
    await log.reopen();
    const fourth = device.chain("meter/m-1", "fourth");
    expect(await batch(await fourth.open(head))).toEqual(["fork"]);
    const [more] = await second.next();
    expect(await batch(more as Statement)).toEqual(["at 6"]);
    const fifth = device.chain("meter/m-1", "fifth");
    expect(await batch(await fifth.open(second.head()))).toEqual(["at 7"]);
  });

  test("that names a head before the last one is a fork; one that is not held yet waits for it", async () => {
    const all = await chain.filled(3);
    await batch(at(all, 0), at(all, 1));
    const early = device.chain("meter/m-1", "early");
    const notLast = await early.open({ ch: chain.ch, seq: 0, hash: at(all, 0).hash });
    const wrongHash = await device
      .chain("meter/m-1", "wrong")
      .open({ ch: chain.ch, seq: 1, hash: at(all, 2).hash });
    const ahead = await device.chain("meter/m-1", "ahead").open(chain.head());
    const nowhere = await device
      .chain("meter/m-1", "x")
      .open({ ch: early.ch, seq: 5, hash: at(all, 0).hash });
    expect(await batch(notLast, wrongHash, ahead, nowhere)).toEqual(["fork", "fork", "hole", "hole"]);
    expect(await batch(at(all, 2), ahead)).toEqual(["at 4", "at 5"]);
    expect(log.opened.store.archive.countForks()).toBe(2);
  });

  test("that names a chain other than the one opened last is a fork", async () => {
    const all = await chain.filled(2);
    const lost = device.chain("meter/m-1", "lost");
    await batch(...all, await lost.open({ lost: "restored" }));
    const back = device.chain("meter/m-1", "back");
    expect(await batch(await back.open(chain.head()))).toEqual(["fork"]);
    const forth = device.chain("meter/m-1", "forth");
    expect(await batch(await forth.open(lost.head()))).toEqual(["at 5"]);
  });

  test("that names its own chain is refused", async () => {
    const all = await chain.filled(3);
    await batch(at(all, 2));
    const self = await chain.seal(openingOf(chain.head()), { seq: 0 });
    expect(await batch(self)).toEqual(["fork"]);
  });
});

describe("the key", () => {
  test("is judged again in the batch: revoked by an item of the same batch, it counts no more", async () => {
    const all = await chain.filled(2);
    await batch(at(all, 0));
    const revoke = await log.item({ kind: "revoke", kid: device.signer.key.kid, from: 0 });
    const done = log.sequence([revoke], [at(all, 1)]);
    expect(done.refused.map(({ code }) => code)).toEqual(["key-revoked"]);
    expect(done.items.map(({ index }) => index)).toEqual([3]);
    const { keys } = await log.publish(done);
    expect(keys.get(device.signer.key.kid)?.revoked).toBe(3);
  });

  test("that nobody enrolled is unknown", async () => {
    const stranger = new AnchorDevice("city/gw-9", (await log.enrol("city/gw-8")).signer, log.clock);
    expect(await batch(await stranger.chain().open())).toEqual(["key-issuer"]);
    const sealed = await chain.seal(openingOf("none"), {}, deviceSigner("nobody"));
    expect(await batch(sealed)).toEqual(["key-unknown"]);
  });
});

describe("a registry item", () => {
  test("is refused with its code, and the batch goes on", async () => {
    const again = await log.item({
      kind: "enrol",
      device: "city/gw-1",
      key: device.signer.key,
      streams: ["*"],
      silenceS: 1,
    });
    const wrongOrder = await log.item(
      { kind: "revoke", kid: device.signer.key.kid, from: 0 },
      { claims: { seq: 7 } },
    );
    const foreign = await log.item(
      { kind: "revoke", kid: device.signer.key.kid, from: 0 },
      { signer: device.signer, iss: "city/operator" },
    );
    const done = log.sequence([again, wrongOrder, foreign], [await chain.open()]);
    expect(done.refused.map(({ code }) => code)).toEqual(["key-exists", "registry-order", "key-unknown"]);
    expect(done.admitted.map(({ index }) => index)).toEqual([2]);
    expect((await log.publish(done)).keys.count).toBe(2);
  });

  test("stands before the statements of its batch", async () => {
    const signer = deviceSigner("city/gw-3");
    const enrol = await log.item({
      kind: "enrol",
      device: "city/gw-3",
      key: signer.key,
      streams: ["meter/*"],
      silenceS: 60,
    });
    const fresh = new AnchorDevice("city/gw-3", signer, log.clock);
    const done = log.sequence([enrol], [await fresh.chain().open(), await fresh.chain("camera/1").open()]);
    expect(done.items.map(({ index }) => index)).toEqual([2]);
    expect(done.admitted.map(({ index }) => index)).toEqual([3]);
    expect(done.refused.map(({ code }) => code)).toEqual(["key-stream"]);
    await log.publish(done);
  });
});

test("what the log says of a batch is what was sequenced: time, registry, key state", async () => {
  log.clock.now = 1_790_000_500;
  await log.reopen();
  const done = log.sequence([], await chain.filled(2));
  expect(done.batch?.timeUnixS).toBe(1_790_000_500);
  expect(done.batch?.registry.count).toBe(2);
  const { keys } = await log.publish(done);
  expect(toHex(done.batch?.keysRoot ?? new Uint8Array())).toBe(toHex(keys.root()));
  expect(toHex(done.batch?.registry.last ?? new Uint8Array())).toBe(toHex(keys.last));
});
