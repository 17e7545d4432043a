/** A restored log: who is asked for what, what may come in while something is missing, and when it stops before anything is signed. */
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  encodeReceipt,
  inclusionPath,
  parseReceipt,
  toHex,
  verifyReceipt,
  type DownMessage,
  type Statement,
} from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import { signedBatch } from "../../../anchor/src/publish/sign.ts";
import { Lookups } from "../../../anchor/src/http/lookups.ts";
import { handleBatch } from "../../../anchor/src/ledger.ts";
import { KeyStates } from "../../../anchor/src/registry/registry.ts";
import { Restoring } from "../../../anchor/src/restore/restoring.ts";
import { createSodiumProvider } from "../../../anchor/src/admission/sodium.ts";
import { AnchorLog, eventOf, type AnchorChain, type AnchorDevice } from "../../support/anchor-log.ts";
import { AnchorPipeline } from "../../support/anchor-pipeline.ts";
import { FakeTime } from "../../support/fake-time.ts";

const ISS = "city/gw-1";
const OTHER = "city/gw-2";
const provider = createSodiumProvider();
let log: AnchorLog;
let device: AnchorDevice;
let other: AnchorDevice;
let chain: AnchorChain;
let otherChain: AnchorChain;
let backup: string;
const logs: AnchorLog[] = [];

/** Two devices with five statements each; the backup; and four more of each, of which then only the hashes are left. */
beforeEach(async () => {
  log = await AnchorLog.create();
  logs.push(log);
  device = await log.enrol(ISS);
  other = await log.enrol(OTHER);
  chain = device.chain();
  otherChain = other.chain();
  await enter([...(await chain.filled(5)), ...(await otherChain.filled(5))]);
  backup = await log.backup();
  for (let i = 0; i < 4; i++) await enter([...(await chain.next(1)), ...(await otherChain.next(1))]);
});
afterEach(() => {
  for (const one of logs.splice(0)) one.remove();
});

async function enter(statements: readonly Statement[]): Promise<void> {
  log.clock.now += 1;
  await log.publish(log.sequence([], statements));
}

async function restored(...from: readonly string[]): Promise<AnchorPipeline> {
  const again = await log.restored(from);
  logs.push(again);
  return new AnchorPipeline(again);
}

/** Restored from the backup and the public directory, and the devices were heard. */
async function heard(): Promise<AnchorPipeline> {
  const anchor = await restored(backup, log.publicFolder);
  anchor.log.opened.sequencer.recovery.heard();
  return anchor;
}

/** The receipt of `log` for a statement, as a device keeps it. */
async function receiptOf({ hash }: Statement): Promise<Uint8Array> {
  const { store, log: identity } = log.opened;
  const index = store.archive.byHash(hash)?.index ?? -1;
  const row = store.batches.holding(index);
  if (row === undefined) throw new Error("not in the log");
  const path = inclusionPath(index, row.size, (level, n) => store.tiles.node(level, n), nodeSha256);
  return encodeReceipt(await signedBatch(identity, row), [{ index, path }]);
}

const wantedIn = (messages: readonly DownMessage[]): string[] =>
  messages.flatMap((one) => (one.kind === "wanted" ? one.hashes.map(toHex) : []));
const receiptedIn = (messages: readonly DownMessage[]): string[] =>
  messages.flatMap((one) => (one.kind === "receipt" ? one.hashes.map(toHex) : []));
const refusedIn = (messages: readonly DownMessage[]): string[] =>
  messages.flatMap((one) => (one.kind === "rejected" ? [one.code] : []));
const hex = (statements: readonly Statement[]): string[] => statements.map(({ hash }) => toHex(hash));
const missing = ({ log: one }: AnchorPipeline): number => one.opened.sequencer.recovery.missing;

/** Answers every request as an agent does, until nothing more is asked for. */
async function answer(
  anchor: AnchorPipeline,
  of: AnchorChain,
  first: readonly DownMessage[],
): Promise<number> {
  const held = new Map(of.statements.map((one) => [toHex(one.hash), one]));
  let rounds = 0;
  for (let messages = first; ; messages = anchor.down(of.device.iss)) {
    const sent = [...new Set(wantedIn(messages))].flatMap((hash) => held.get(hash) ?? []);
    if (sent.length === 0) return rounds;
    rounds++;
    anchor.receive(of.device.iss, ...sent);
    await anchor.batch();
  }
}

describe("what is missing is asked for", () => {
  test("of the device that names it: each statement names the one before", async () => {
    const anchor = await heard();
    const [news] = await chain.next(1);
    anchor.receive(ISS, news as Statement);
    const first = anchor.down(ISS);
    expect(refusedIn(first)).toEqual(["log-restoring"]);
    expect(wantedIn(first).slice(0, 1)).toEqual(hex(chain.statements.slice(8, 9)));
    await answer(anchor, chain, first);
    // All of this device's, and none of the other's.
    expect(missing(anchor)).toBe(4);
  });

  test("of every device that turns up, in pieces and with pauses, where nobody names it", async () => {
    const anchor = await heard();
    // An old statement, sent again: it names nothing that is missing.
    anchor.receive(OTHER, otherChain.statements[1] as Statement);
    const first = anchor.down(OTHER);
    expect(new Set(wantedIn(first))).toEqual(
      new Set([...hex(chain.statements.slice(5)), ...hex(otherChain.statements.slice(5))]),
    );
    anchor.receive(OTHER, otherChain.statements[1] as Statement);
    expect(wantedIn(anchor.down(OTHER))).toEqual([]);
    anchor.passMs(2001);
    anchor.receive(OTHER, otherChain.statements[1] as Statement);
    expect(wantedIn(anchor.down(OTHER))).toHaveLength(8);
    anchor.passMs(2001);
    anchor.receive(OTHER, otherChain.statements[1] as Statement);
    expect(wantedIn(anchor.down(OTHER))).toEqual([]);
  });

  test("of nobody who has no key here", async () => {
    const anchor = await heard();
    const elsewhere = await AnchorLog.create();
    logs.push(elsewhere);
    const stranger = await elsewhere.enrol("city/gw-9");
    anchor.receive("city/gw-9", await stranger.chain().open());
    expect(wantedIn(anchor.down("city/gw-9"))).toEqual([]);
  });

  test("by the heads that a device attests", async () => {
    const anchor = await heard();
    const sys = device.chain("sys");
    await sys.open();
    const head = chain.head();
    const heads = await sys.seal(
      eventOf({
        kind: "heads",
        all: true,
        heads: [{ sub: chain.sub, ch: chain.ch, seq: head.seq, hash: head.hash }],
      }),
    );
    anchor.receive(ISS, heads);
    expect(wantedIn(anchor.down(ISS))[0]).toBe(toHex(head.hash));
  });
});

describe("what comes back", () => {
  test("fills the archive at its index, and is answered with its receipt; nothing new is sequenced", async () => {
    const anchor = await heard();
    const { size } = anchor.log;
    const root = toHex(anchor.log.check().root);
    const back = chain.statements.slice(5);
    anchor.receive(ISS, ...back);
    await anchor.batch();
    expect(anchor.log.size).toBe(size);
    expect(toHex(anchor.log.check().root)).toBe(root);
    const messages = anchor.down(ISS);
    expect(receiptedIn(messages).toSorted()).toEqual(hex(back).toSorted());
    for (const one of messages) {
      if (one.kind !== "receipt") continue;
      const { indexes } = verifyReceipt(
        parseReceipt(one.receipt),
        one.hashes,
        log.opened.log.signer.key,
        provider,
        nodeSha256,
      );
      for (const [i, hash] of one.hashes.entries()) {
        expect(log.opened.store.archive.byHash(hash)?.index).toBe(indexes[i]);
      }
    }
    const held = anchor.log.opened.store.chains.find(ISS, chain.sub, chain.ch);
    expect(held).toMatchObject({ first: 0, last: 8, count: 9 });
    expect(toHex(held?.lastHash ?? new Uint8Array())).toBe(toHex(chain.head().hash));
  });

  test.for([
    ["in order", (all: Statement[]) => all],
    ["backwards", (all: Statement[]) => all.toReversed()],
    [
      "inside out",
      (all: Statement[]) => all.toSorted((a, b) => Math.abs(a.claims.seq - 7) - Math.abs(b.claims.seq - 7)),
    ],
  ] as const)("%s: the chains are the same", async ([, order]) => {
    const anchor = await heard();
    for (const one of order([...chain.statements.slice(5), ...otherChain.statements.slice(5)])) {
      anchor.receive(one.claims.iss, one);
      await anchor.batch();
    }
    expect(missing(anchor)).toBe(0);
    const rows = ({ opened }: AnchorLog): unknown =>
      opened.store.db
        .prepare(
          "SELECT iss, sub, ch, first, last, count, opened, successor FROM chains ORDER BY iss, sub, ch",
        )
        .all();
    expect(rows(anchor.log)).toEqual(rows(log));
    const statements = ({ opened }: AnchorLog): unknown =>
      opened.store.db.prepare("SELECT idx, hash, seq, bytes FROM statements ORDER BY idx").all();
    expect(statements(anchor.log)).toEqual(statements(log));
  });

  test("is judged as any statement: its signature, its key at that index", async () => {
    // The key was revoked after the lost statements were entered: they counted then.
    await log.publish(
      log.sequence([await log.item({ kind: "revoke", kid: device.signer.key.kid, from: 12 })], []),
    );
    const anchor = await heard();
    const bent = (chain.statements[5] as Statement).bytes.slice();
    bent[bent.length - 1] = (bent.at(-1) ?? 0) ^ 1;
    anchor.receive(ISS, bent);
    await anchor.batch();
    expect(missing(anchor)).toBe(8);
    anchor.down(ISS);
    // Another device can't send it either.
    anchor.receive(OTHER, chain.statements[5] as Statement);
    expect(refusedIn(anchor.down(OTHER))).toEqual(["topic-owner"]);
    anchor.receive(ISS, ...chain.statements.slice(5));
    await anchor.batch();
    expect(missing(anchor)).toBe(4);
    anchor.receive(ISS, ...(await chain.next(1)));
    expect(refusedIn(anchor.down(ISS))).toEqual(["key-revoked"]);
  });

  test("survives the end of the process, as far as it had come", async () => {
    const anchor = await heard();
    anchor.receive(ISS, ...chain.statements.slice(6, 8));
    await anchor.batch();
    await anchor.log.reopen();
    const after = new AnchorPipeline(anchor.log);
    expect(missing(after)).toBe(6);
    expect(after.log.opened.sequencer.recovery.hearing).toBe(false);
    after.receive(ISS, chain.statements[5] as Statement, chain.statements[8] as Statement);
    after.receive(OTHER, ...otherChain.statements.slice(5));
    await after.batch();
    expect(missing(after)).toBe(0);
    after.receive(ISS, ...(await chain.next(1)));
    await after.batch();
    expect(after.log.size).toBe(log.size + 1);
  });
});

describe("before the devices were heard nothing is signed", () => {
  test("neither for who asks over HTTP, nor for a statement that comes twice", async () => {
    const anchor = await restored(backup, log.publicFolder);
    const { opened } = anchor.log;
    const lookups = new Lookups(opened, new KeyStates(opened.keys, opened.store.archive, provider));
    const [here, back] = [chain.statements[1], chain.statements[5]] as [Statement, Statement];
    expect(await lookups.receipt(here.hash)).toBe("pending");
    await expect(lookups.statement(here.hash, undefined)).rejects.toThrow(
      expect.objectContaining({ code: "log-restoring" }),
    );
    expect(() => anchor.admission.submit(here)).toThrow(expect.objectContaining({ code: "log-restoring" }));
    // The second one finds the first in its place already.
    anchor.receive(ISS, here, back);
    anchor.receive(ISS, here, back);
    await anchor.batch();
    expect(receiptedIn(anchor.down(ISS))).toEqual([]);
    expect(missing(anchor)).toBe(7);

    opened.sequencer.recovery.heard();
    expect(await lookups.receipt(here.hash)).toBeInstanceOf(Uint8Array);
    expect(await lookups.statement(here.hash, undefined)).toBeInstanceOf(Uint8Array);
    anchor.receive(ISS, here, back);
    await anchor.batch();
    expect(receiptedIn(anchor.down(ISS)).toSorted()).toEqual(hex([here, back]).toSorted());
  });

  test("nor once the process must end: what the hearing would have led to isn't done", async () => {
    const anchor = await restored(backup, log.publicFolder);
    const { opened } = anchor.log;
    const time = new FakeTime();
    let halted = false;
    const restoring = new Restoring({
      ...opened,
      downlink: { send: () => true },
      tally: anchor.tally,
      logger: pino({ level: "silent" }),
      onPublished: (note) => anchor.notes.push(note),
      onFault: (error) => anchor.faults.push(error),
      config: { broker: { ...anchor.log.config.broker, settleMs: 10 }, restored: { hearMs: 1000 } },
      time: { after: (ms, run) => time.after(ms, run), nowMs: time.monotonicMs, soon: setImmediate },
      halted: () => halted,
    });
    restoring.begin();
    halted = true;
    await time.advance(2000);
    await restoring.heard;
    expect(opened.sequencer.recovery.hearing).toBe(true);
  });

  test("a batch that is on its way when the process must end gets no note and no receipts", async () => {
    const anchor = new AnchorPipeline(log);
    const { signer } = log.opened.log;
    let halted = false;
    const sign = async (message: Uint8Array): Promise<Uint8Array> => {
      halted = true; // by a device's receipt, say, that came meanwhile
      return signer.sign(message);
    };
    anchor.receive(ISS, ...(await chain.next(1)));
    await handleBatch(anchor.accepted.splice(0), {
      ...anchor.parts,
      log: { ...log.opened.log, signer: { ...signer, sign } },
      halted: () => halted,
    });
    await anchor.receipts.idle();
    expect(anchor.notes).toEqual([]);
    expect(receiptedIn(anchor.down(ISS))).toEqual([]);
    expect(log.opened.publisher.size).toBe(log.size - 1);
  });
});

describe("nothing goes into a hole that the ledger has an entry for", () => {
  test("a device that may have written what is missing waits, and goes on when all of it is back", async () => {
    const anchor = await heard();
    const size = anchor.log.size;
    // The key's thief, with another statement for number 5, right after what the archive still holds.
    const fork = await chain.seal(chain.pack(666), { seq: 5, prev: (chain.statements[4] as Statement).hash });
    anchor.receive(ISS, fork);
    await anchor.batch();
    expect(refusedIn(anchor.down(ISS))).toEqual(["log-restoring"]);
    // It has sent everything of its own but that number: still nothing new.
    anchor.receive(ISS, ...chain.statements.slice(6));
    anchor.receive(OTHER, ...otherChain.statements.slice(5));
    await anchor.batch();
    anchor.down(ISS);
    anchor.receive(ISS, fork);
    await anchor.batch();
    expect(refusedIn(anchor.down(ISS))).toEqual(["log-restoring"]);
    anchor.receive(ISS, chain.statements[5] as Statement);
    await anchor.batch();
    expect(missing(anchor)).toBe(0);
    anchor.down(ISS);
    anchor.receive(ISS, fork);
    await anchor.batch();
    expect(refusedIn(anchor.down(ISS))).toEqual(["fork"]);
    expect(anchor.log.size).toBe(size);
    anchor.receive(ISS, ...(await chain.next(2)));
    await anchor.batch();
    expect(anchor.log.size).toBe(size + 2);
  });

  test("not by a race within one batch either", async () => {
    const anchor = await heard();
    const fork = await chain.seal(chain.pack(666), { seq: 5, prev: (chain.statements[4] as Statement).hash });
    const { sequencer } = anchor.log.opened;
    const done = sequencer.sequence(
      [],
      [fork, ...chain.statements.slice(5), ...otherChain.statements.slice(5), fork],
    );
    expect(done.filled).toHaveLength(8);
    expect(done.refused.map(({ code }) => code)).toEqual(["log-restoring", "fork"]);
    expect(done.batch).toBeUndefined();
  });

  test("whoever was enrolled after the newest missing entry doesn't wait", async () => {
    const anchor = await heard();
    const late = await anchor.log.enrol("city/gw-3");
    anchor.receive("city/gw-3", await late.chain().open());
    await anchor.batch();
    expect(receiptedIn(anchor.down("city/gw-3"))).toHaveLength(1);
    // Nor does whoever was enrolled after what is missing now.
    anchor.receive(OTHER, ...otherChain.statements.slice(5));
    anchor.receive(ISS, ...chain.statements.slice(5, 8));
    await anchor.batch();
    expect(missing(anchor)).toBe(1);
    anchor.receive(OTHER, ...(await otherChain.next(1)));
    expect(refusedIn(anchor.down(OTHER))).toEqual(["log-restoring"]);
  });

  test("a new key doesn't free a device from what its old one may have written", async () => {
    const anchor = await heard();
    const { deviceSigner } = await import("../../support/anchor-log.ts");
    const key = deviceSigner("a new key");
    const item = await anchor.log.item({
      kind: "re-enrol",
      device: ISS,
      key: key.key,
      streams: ["*"],
      silenceS: 900,
      reason: "restored",
    });
    await anchor.log.publish(anchor.log.sequence([item], []));
    const fork = await chain.seal(
      chain.pack(666),
      { seq: 5, prev: (chain.statements[4] as Statement).hash },
      key,
    );
    anchor.receive(ISS, fork);
    expect(refusedIn(anchor.down(ISS))).toEqual(["log-restoring"]);
  });

  test("the operator may go on without what never comes back; it fills its place if it does come, and is a fork if that is taken", async () => {
    const anchor = await heard();
    anchor.receive(OTHER, ...otherChain.statements.slice(5));
    await anchor.batch();
    anchor.log.opened.store.missing.giveUp();
    await anchor.log.reopen();
    const after = new AnchorPipeline(anchor.log);
    after.receive(OTHER, ...(await otherChain.next(1)));
    const [next] = await chain.next(1);
    after.receive(ISS, next as Statement);
    await after.batch();
    expect(after.log.size).toBe(log.size + 2);
    expect(missing(after)).toBe(4);
    expect(wantedIn(after.down(ISS))).toContain(toHex((next as Statement).claims.prev ?? new Uint8Array()));
    const fork = await chain.seal(chain.pack(666), { seq: 5, prev: (chain.statements[4] as Statement).hash });
    after.receive(ISS, fork);
    await after.batch();
    after.receive(ISS, ...chain.statements.slice(5, 9));
    await after.batch();
    // Number 5 is taken, and 6 disagrees with it; both are kept as evidence.
    expect(missing(after)).toBe(2);
    const forks = after.log.opened.store.archive.forks(9).map(({ hash }) => toHex(hash));
    expect(forks.toSorted()).toEqual(hex(chain.statements.slice(5, 7)).toSorted());
  });
});

describe("nothing is signed before the devices were heard", () => {
  test("no statement, no receipt again; what comes back is kept and answered later", async () => {
    const anchor = await restored(backup, log.publicFolder);
    const notes = anchor.notes.length;
    anchor.receive(
      ISS,
      chain.statements[1] as Statement,
      chain.statements[6] as Statement,
      ...(await chain.next(1)),
    );
    await anchor.batch();
    const messages = anchor.down(ISS);
    expect(receiptedIn(messages)).toEqual([]);
    expect(refusedIn(messages)).toEqual(["log-restoring"]);
    expect(missing(anchor)).toBe(7);
    expect(anchor.notes).toHaveLength(notes);
    // Somebody enrolled later waits, too.
    anchor.log.opened.sequencer.recovery.heard();
    anchor.receive(ISS, chain.statements[1] as Statement, chain.statements[6] as Statement);
    await anchor.batch();
    expect(receiptedIn(anchor.down(ISS)).toSorted()).toEqual(
      hex([chain.statements[1] as Statement, chain.statements[6] as Statement]).toSorted(),
    );
  });

  test("each device that turns up is asked for something, so that it shows its newest receipt", async () => {
    const anchor = await restored(backup);
    expect(missing(anchor)).toBe(0);
    anchor.receive(ISS, chain.statements[1] as Statement);
    expect(wantedIn(anchor.down(ISS))).toHaveLength(1);
  });

  test("a newer receipt stops an older state", async () => {
    const anchor = await restored(backup);
    const newest = chain.statements[8] as Statement;
    anchor.receive(ISS, await receiptOf(newest), newest);
    expect(anchor.faults).toMatchObject([{ code: "checkpoint-ahead" }]);
    expect(anchor.accepted).toEqual([]);
  });

  test("a receipt that names more registry items than were restored stops it: the registry of the copy was not whole", async () => {
    await log.enrol("city/gw-3");
    await enter(await chain.next(1));
    const short = join(log.folder, "short");
    cpSync(log.publicFolder, short, { recursive: true });
    rmSync(join(short, "registry", "000.p", "4"));
    const anchor = await restored(backup, short);
    expect(anchor.log.opened.keys.count).toBe(3);
    const newest = chain.statements.at(-1) as Statement;
    anchor.receive(ISS, await receiptOf(newest), newest);
    expect(anchor.faults).toMatchObject([{ code: "log-equivocation" }]);
  });

  test("a receipt that fits is no reason to stop, and whoever shows it was heard", async () => {
    const anchor = await restored(backup, log.publicFolder);
    const newest = chain.statements[8] as Statement;
    anchor.receive(ISS, await receiptOf(newest), newest);
    expect(anchor.faults).toEqual([]);
    expect(anchor.heard).toEqual([ISS]);
  });
});

describe("a log that is behind what a device has seen", () => {
  test("takes nothing of it before it was shown the receipt", async () => {
    const anchor = new AnchorPipeline(log);
    const seen = { size: log.size + 5, root: new Uint8Array(32).fill(7) };
    const ahead = await chain.seal(chain.pack(1), { seen });
    anchor.receive(ISS, ahead);
    expect(refusedIn(anchor.down(ISS))).toEqual(["log-behind"]);
    expect(anchor.accepted).toEqual([]);
    // It shows what it has, and that is no newer tree of this log's: then it is no matter.
    anchor.receive(ISS, await receiptOf(chain.statements[8] as Statement));
    anchor.receive(ISS, ahead);
    await anchor.batch();
    expect(receiptedIn(anchor.down(ISS))).toEqual([toHex(ahead.hash)]);
  });

  test("takes what names a larger tree of another log, and not what names one of its own", async () => {
    const anchor = new AnchorPipeline(log);
    const seen = { size: log.size + 5, root: new Uint8Array(32).fill(7) };
    const { origin } = log.opened.log;
    const before = await chain.seal(chain.pack(1), { seen: { ...seen, origin: "tally.example/1999" } });
    const own = await chain.seal(chain.pack(1), { seen: { ...seen, origin } });
    anchor.receive(ISS, before, own);
    await anchor.batch();
    const down = anchor.down(ISS);
    expect(refusedIn(down)).toEqual(["log-behind"]);
    expect(receiptedIn(down)).toEqual([toHex(before.hash)]);
  });

  test("doesn't shut a device out for ever that has no receipt to show", async () => {
    const anchor = new AnchorPipeline(log);
    const seen = { size: log.size + 5, root: new Uint8Array(32).fill(7) };
    const ahead = await chain.seal(chain.pack(1), { seen });
    for (const minute of [0, 5, 9]) {
      anchor.receive(ISS, ahead);
      expect(refusedIn(anchor.down(ISS)), `${minute}`).toEqual(["log-behind"]);
      anchor.passMs((minute === 0 ? 5 : minute === 5 ? 4 : 1) * 60_000);
    }
    anchor.receive(ISS, ahead);
    await anchor.batch();
    expect(receiptedIn(anchor.down(ISS))).toEqual([toHex(ahead.hash)]);
  });
});

describe("a log that has ended", () => {
  test("takes nothing after its successor's name, and still answers for what it has", async () => {
    const anchor = new AnchorPipeline(log);
    const successor = await AnchorLog.create();
    logs.push(successor);
    const item = await log.item({
      kind: "successor",
      origin: "tally.example/2027",
      log: successor.opened.log.signer.key,
    });
    const [before, after] = await chain.next(2);
    // In one batch, the item is the last entry: no statement comes after it.
    const done = log.sequence([item], [before as Statement]);
    expect(done.refused.map(({ code }) => code)).toEqual(["log-ended"]);
    await log.publish(done);
    const { size } = log;
    anchor.receive(ISS, before as Statement, after as Statement, chain.statements[2] as Statement);
    await anchor.batch();
    const messages = anchor.down(ISS);
    expect(refusedIn(messages)).toEqual(["log-ended", "log-ended"]);
    expect(receiptedIn(messages)).toEqual([toHex((chain.statements[2] as Statement).hash)]);
    const more = log.sequence([await log.item({ kind: "revoke", kid: device.signer.key.kid, from: 1 })], []);
    expect(more.refused.map(({ code }) => code)).toEqual(["log-ended"]);
    await log.reopen();
    const again = log.sequence([], [after as Statement]);
    expect(again.refused.map(({ code }) => code)).toEqual(["log-ended"]);
    expect(log.size).toBe(size);
  });
});
