import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  encodeReceipt,
  formatCheckpoint,
  hashLeaf,
  LIMITS,
  nobleSigner,
  parseReceipt,
  rootFromInclusion,
  signBatch,
  signNote,
  toHex,
  verifyReceipt,
  type DownMessage,
  type Statement,
} from "@tallystick/evidence";
import { createNodeProvider, nodeSha256 } from "@tallystick/evidence/node";
import { AnchorLog, ORIGIN, type AnchorChain } from "../../support/anchor-log.ts";
import { AnchorPipeline } from "../../support/anchor-pipeline.ts";

const ISS = "city/gw-1";
const provider = createNodeProvider();
let log: AnchorLog;
let chain: AnchorChain;
let anchor: AnchorPipeline;

beforeEach(async () => {
  log = await AnchorLog.create();
  chain = (await log.enrol(ISS)).chain();
  anchor = new AnchorPipeline(log);
});
afterEach(() => log.remove());

type Verified = {
  readonly hash: string;
  readonly index: number;
  readonly size: number;
  readonly bytes: Uint8Array;
};

/** Verifies every receipt as a device does, against the log's key and the published entries; refuses any other message. */
function receipts(messages: readonly DownMessage[]): Verified[] {
  const { entries } = log.check();
  return messages.flatMap((message) => {
    if (message.kind !== "receipt") throw new Error(`a ${message.kind} message`);
    const receipt = parseReceipt(message.receipt);
    const { indexes } = verifyReceipt(
      receipt,
      message.hashes,
      log.opened.log.signer.key,
      provider,
      nodeSha256,
    );
    return message.hashes.map((hash, i) => {
      const index = indexes[i] as number;
      expect(toHex(entries[index] as Uint8Array)).toBe(toHex(hash));
      return { hash: toHex(hash), index, size: receipt.size, bytes: message.receipt };
    });
  });
}

const hashes = (statements: readonly Statement[]): string[] => statements.map(({ hash }) => toHex(hash));

describe("receipts", () => {
  test("come as one message for all of a device's statements in a batch, under one signature", async () => {
    const other = (await log.enrol("city/gw-2")).chain();
    const [mine, theirs] = [await chain.filled(4), await other.filled(2)];
    anchor.receive(ISS, ...mine);
    anchor.receive("city/gw-2", ...theirs);
    await anchor.batch();
    const down = anchor.down(ISS);
    expect(down).toHaveLength(1);
    const got = receipts(down);
    expect(got.map(({ hash }) => hash)).toEqual(hashes(mine));
    const [first] = got;
    const [foreign] = receipts(anchor.down("city/gw-2"));
    const signature = (bytes: Uint8Array | undefined): string =>
      toHex(parseReceipt(bytes as Uint8Array).sign1.signature);
    expect(signature(first?.bytes)).toBe(signature(foreign?.bytes));
    expect(anchor.tally.of("receipt-sent")).toBe(6);
  });

  test("say what the log knows: origin, time, registry, key state", async () => {
    log.clock.now += 60;
    anchor.receive(ISS, ...(await chain.filled(2)));
    await anchor.batch();
    const [message] = anchor.down(ISS);
    const receipt = parseReceipt((message as DownMessage & { kind: "receipt" }).receipt);
    const { keys, size } = log.check();
    expect(receipt).toMatchObject({ origin: ORIGIN, timeUnixS: log.clock.now, size });
    expect(receipt.registry.count).toBe(keys.count);
    expect(toHex(receipt.registry.last)).toBe(toHex(keys.last));
    expect(toHex(receipt.keysRoot)).toBe(toHex(keys.root()));
  });

  test("of many statements are split into messages within the limit", async () => {
    const all = await chain.filled(300);
    for (let i = 0; i < all.length; i += 100) anchor.receive(ISS, ...all.slice(i, i + 100));
    await anchor.batch();
    const down = anchor.down(ISS);
    expect(down.length).toBeGreaterThan(1);
    for (const message of down)
      expect((message as { receipt: Uint8Array }).receipt.length).toBeLessThan(LIMITS.maxReceiptBytes);
    expect(receipts(down).map(({ hash }) => hash)).toEqual(hashes(all));
  });

  test("leave after the checkpoint of their tree, which is announced", async () => {
    anchor.receive(ISS, ...(await chain.filled(2)));
    await anchor.batch();
    expect(anchor.notes).toHaveLength(1);
    expect(anchor.notes[0]).toContain("\n4\n");
  });
});

describe("a statement that comes again", () => {
  test("gets the receipt it has: the same tree, the same bytes, also batches and a restart later", async () => {
    const all = await chain.filled(3);
    anchor.receive(ISS, ...all);
    await anchor.batch();
    const first = receipts(anchor.down(ISS));
    anchor.receive(ISS, ...(await chain.next(150)));
    await anchor.batch();
    anchor.down(ISS);
    for (const restart of [false, true]) {
      if (restart) {
        await log.reopen();
        anchor = new AnchorPipeline(log);
      }
      anchor.receive(ISS, ...all);
      await anchor.receipts.idle();
      expect(receipts(anchor.down(ISS))).toEqual(first);
    }
  });

  test("after a crash between publish and receipts gets the one that was never sent", async () => {
    const all = await chain.filled(3);
    anchor.online = false;
    anchor.receive(ISS, ...all);
    await anchor.batch();
    expect(anchor.tally.of("receipt-dropped")).toBe(3);
    await log.reopen();
    anchor = new AnchorPipeline(log);
    anchor.receive(ISS, ...all);
    await anchor.receipts.idle();
    expect(receipts(anchor.down(ISS)).map(({ index }) => index)).toEqual([2, 3, 4]);
  });

  test("of several batches gets one message for each of them", async () => {
    const all = await chain.filled(4);
    for (const one of all) {
      anchor.receive(ISS, one);
      await anchor.batch();
    }
    anchor.down(ISS);
    anchor.receive(ISS, ...all);
    await anchor.receipts.idle();
    expect(receipts(anchor.down(ISS)).map(({ size }) => size)).toEqual([3, 4, 5, 6]);
  });

  test("beyond the bound is dropped, and comes again", async () => {
    const config = { ...log.config, receipts: { maxRepeats: 2 } };
    anchor = new AnchorPipeline(log, config);
    const all = await chain.filled(4);
    anchor.receive(ISS, ...all);
    await anchor.batch();
    anchor.down(ISS);
    anchor.receive(ISS, ...all);
    await anchor.receipts.idle();
    expect(receipts(anchor.down(ISS))).toHaveLength(2);
    expect(anchor.tally.of("repeat-dropped")).toBe(2);
  });
});

describe("a receipt that is sent up", () => {
  const leaf = (statement: Statement): Uint8Array => hashLeaf(statement.hash, nodeSha256);

  /** What this log's key would have signed of a tree of two entries: that of `index` and a sibling. */
  async function receiptOf(
    size: number,
    index: number,
    sibling: Uint8Array,
    statement: Statement,
    signer = log.opened.log.signer,
  ) {
    const { keys } = log.opened;
    const registry = { count: keys.count, last: keys.last };
    const claims = { origin: ORIGIN, timeUnixS: 1, size, registry, keysRoot: keys.root() };
    const path = Array.from({ length: Math.ceil(Math.log2(size)) }, () => sibling);
    const root = rootFromInclusion(leaf(statement), index, size, path, nodeSha256);
    return encodeReceipt(await signBatch(claims, root, signer), [{ index, path }]);
  }

  const codes = (): string[] => anchor.faults.map((fault) => (fault as { code: string }).code);

  test("of this very log is no news", async () => {
    const all = await chain.filled(3);
    anchor.receive(ISS, ...all);
    await anchor.batch();
    const [message] = anchor.down(ISS) as (DownMessage & { kind: "receipt" })[];
    anchor.receive(ISS, message?.receipt as Uint8Array);
    expect(anchor.faults).toEqual([]);
    expect(anchor.tally.of("receipt-sent-up")).toBe(1);
  });

  test("of a larger tree stops the anchor, the statement beside it or held here", async () => {
    const all = await chain.filled(3);
    anchor.receive(ISS, all[0] as Statement);
    await anchor.batch();
    // The entry at index 2 is held; the one at 700 is not, and comes along.
    anchor.receive(ISS, await receiptOf(1024, 2, new Uint8Array(32), all[0] as Statement));
    expect(codes()).toEqual(["checkpoint-ahead"]);
    anchor.faults.length = 0;
    anchor.receive(
      ISS,
      all[1] as Statement,
      await receiptOf(1024, 700, new Uint8Array(32), all[1] as Statement),
    );
    expect(codes()).toEqual(["checkpoint-ahead"]);
  });

  test("of another tree of a size that is here stops it", async () => {
    const all = await chain.filled(2);
    anchor.receive(ISS, ...all);
    await anchor.batch();
    anchor.receive(ISS, await receiptOf(4, 2, new Uint8Array(32), all[0] as Statement));
    expect(codes()).toEqual(["log-equivocation"]);
  });

  test("of another key, or for nothing that is known, is ignored and counted", async () => {
    const all = await chain.filled(2);
    anchor.receive(ISS, ...all);
    await anchor.batch();
    const stranger = nobleSigner(new Uint8Array(32).fill(9));
    anchor.receive(ISS, await receiptOf(1024, 2, new Uint8Array(32), all[0] as Statement, stranger));
    anchor.receive(ISS, await receiptOf(1024, 700, new Uint8Array(32), all[1] as Statement));
    expect(anchor.faults).toEqual([]);
    expect(anchor.tally.of("receipt-sent-up")).toBe(2);
    expect([...anchor.refusals(ISS).values()]).toEqual([]);
  });

  test("in a flood costs a bounded number of looks", async () => {
    const all = await chain.filled(2);
    anchor.receive(ISS, ...all);
    await anchor.batch();
    const forged = await receiptOf(
      1024,
      2,
      new Uint8Array(32),
      all[0] as Statement,
      nobleSigner(new Uint8Array(32)),
    );
    const good = await receiptOf(1024, 2, new Uint8Array(32), all[0] as Statement);
    anchor.receive(ISS, ...Array.from({ length: 50 }, () => forged), good);
    expect(anchor.faults).toEqual([]);
    expect(anchor.tally.of("receipt-sent-up")).toBe(51);
  });
});

describe("a note that turns up", () => {
  const note = (size: number, root: Uint8Array, signer = log.opened.log.signer): Promise<string> =>
    signNote(formatCheckpoint({ origin: ORIGIN, size, root }), ORIGIN, signer);
  const look = async (text: Promise<string>): Promise<string> => {
    try {
      return log.opened.history.checkNote(Buffer.from(await text), "here");
    } catch (error) {
      return (error as { code: string }).code;
    }
  };

  test("is foreign, consistent, ahead, or proof of two histories", async () => {
    anchor.receive(ISS, ...(await chain.filled(5)));
    await anchor.batch();
    const { root, size } = log.check();
    expect(await look(Promise.resolve("no note"))).toBe("foreign");
    expect(await look(note(99, root, nobleSigner(new Uint8Array(32))))).toBe("foreign");
    expect(await look(note(size, root))).toBe("consistent");
    expect(await look(Promise.resolve(log.opened.note))).toBe("consistent");
    expect(await look(note(size + 1, root))).toBe("checkpoint-ahead");
    expect(await look(note(size - 1, root))).toBe("log-equivocation");
  });
});
