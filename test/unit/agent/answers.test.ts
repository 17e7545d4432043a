/** What the anchor says is believed as far as it proves itself, and no further. */
import { describe, expect, test, vi } from "vitest";
import {
  encodeDown,
  encodeCbor,
  encodeReceipt,
  nobleProvider,
  nobleSigner,
  parseReceipt,
  toHex,
  verifyReceipt,
  type BatchClaims,
  type DownMessage,
  type Statement,
} from "@tallystick/evidence";
import { linesOf } from "../../../agent/src/commands/status.ts";
import { FakeAnchor } from "../../support/fake-anchor.ts";
import { observation, Rig, STREAM } from "../../support/agent-rig.ts";

/** An agent whose first statements have arrived, and whose anchor keeps silent. */
async function waiting(yaml = ""): Promise<{ rig: Rig; statements: readonly Statement[] }> {
  const rig = new Rig(yaml);
  rig.connectAnchor();
  rig.anchor.judge = () => "silence";
  await rig.start();
  rig.source.push(observation(1));
  await rig.time.advance(60_500);
  return { rig, statements: rig.sealed() };
}

const hashesOf = (statements: readonly Statement[]): readonly Uint8Array[] =>
  statements.map(({ hash }) => hash);

/** Hands the agent messages as one `down` message. */
async function tell(rig: Rig, ...messages: readonly DownMessage[]): Promise<void> {
  rig.down(new Uint8Array(Buffer.concat(messages.map(encodeDown))));
  await rig.time.advance(60_000); // counters are noted once in a while
}

const counter = (rig: Rig, name: string): number => rig.report().counters[""]?.[name] ?? 0;

describe("receipts", () => {
  test("one receipt for several statements takes them all off, and its tree is seen", async () => {
    const { rig, statements } = await waiting();
    await tell(rig, await rig.anchor.receipt(hashesOf(statements)));
    const { outbox, seen, lastReceipt } = rig.report();
    expect(outbox.waiting.count).toBe(0);
    expect(outbox.receipted.count).toBe(statements.length);
    expect(seen).toMatchObject({ size: rig.anchor.size, root: toHex(rig.anchor.root) });
    expect(lastReceipt?.size).toBe(rig.anchor.size);
  });

  test("the next statement carries what was seen, and so does the one after a restart", async () => {
    const { rig, statements } = await waiting();
    await tell(rig, await rig.anchor.receipt(hashesOf(statements)));
    const { size, root } = rig.anchor;
    rig.source.push(observation(2));
    await rig.time.advance(60_500);
    expect(rig.sealed(STREAM).at(-1)?.claims.seen).toEqual({ size, root, origin: "tally.example/2026" });
    rig.crash();
    await rig.start();
    expect(rig.sealed("sys").at(-1)?.claims.seen).toEqual({ size, root, origin: "tally.example/2026" });
  });

  test.for<[string, Partial<BatchClaims> & { seed?: number }, string]>([
    ["by another key", { seed: 8 }, "receipt-key"],
    ["of a log that isn't pinned", { origin: "tally.example/1999" }, "log-unknown"],
  ])("%s changes nothing", async ([, { seed, ...claims }, code]) => {
    const { rig, statements } = await waiting();
    const signer = seed === undefined ? {} : { signer: nobleSigner(new Uint8Array(32).fill(seed)) };
    await tell(rig, await rig.anchor.receipt(hashesOf(statements), { ...claims, ...signer }));
    expect(rig.report()).toMatchObject({
      outbox: { receipted: { count: 0 } },
      seen: null,
      lastReceipt: null,
    });
    expect(counter(rig, `refused-${code}`)).toBe(1);
  });

  test("with the pinned key's name and another's signature changes nothing", async () => {
    const { rig, statements } = await waiting();
    const forger = nobleSigner(new Uint8Array(32).fill(8));
    await tell(
      rig,
      await rig.anchor.receipt(hashesOf(statements), {
        signer: { key: rig.anchor.signer.key, sign: (message) => forger.sign(message) },
      }),
    );
    expect(rig.report()).toMatchObject({ outbox: { receipted: { count: 0 } }, seen: null });
    expect(counter(rig, "refused-signature-invalid")).toBe(1);
  });

  test("for others' statements is none of our business", async () => {
    const { rig } = await waiting();
    await tell(rig, await rig.anchor.receipt([new Uint8Array(32).fill(77)]));
    expect(rig.report()).toMatchObject({ outbox: { receipted: { count: 0 } }, seen: null });
    expect(counter(rig, "refused-receipt-entry")).toBe(1);
  });

  test("claimed for other hashes than it proves changes nothing", async () => {
    const { rig, statements } = await waiting();
    const [first, second] = statements;
    if (first === undefined || second === undefined) throw new Error("two statements are needed");
    const { receipt } = await rig.anchor.receipt([first.hash]);
    await tell(rig, { kind: "receipt", hashes: [second.hash], receipt });
    expect(rig.report().outbox.receipted.count).toBe(0);
    expect(counter(rig, "refused-signature-invalid")).toBe(1);
  });

  test("a known one among strangers' counts for the known one", async () => {
    const { rig, statements } = await waiting();
    const hashes = [new Uint8Array(32).fill(77), ...hashesOf(statements.slice(0, 1))];
    await tell(rig, await rig.anchor.receipt(hashes));
    expect(rig.report().outbox.receipted.count).toBe(1);
  });

  test("twice, or the same statement twice in one, counts once", async () => {
    const { rig, statements } = await waiting();
    const [first] = hashesOf(statements);
    if (first === undefined) throw new Error("a statement is needed");
    const message = await rig.anchor.receipt([first, first]);
    await tell(rig, message, message);
    await tell(rig, message);
    const { outbox } = rig.report();
    expect(outbox.receipted.count).toBe(1);
    expect(outbox.waiting.count).toBe(statements.length - 1);
    expect(counter(rig, "statements-receipted")).toBe(1);
    expect(counter(rig, "receipts-repeated")).toBe(2);
  });

  test("an older tree does not take back what was seen", async () => {
    const { rig, statements } = await waiting();
    const early = await rig.anchor.receipt(hashesOf(statements.slice(0, 1)));
    const late = await rig.anchor.receipt(hashesOf(statements.slice(1)));
    await tell(rig, late);
    await tell(rig, early);
    expect(rig.report().outbox.waiting.count).toBe(0);
    expect(rig.report().seen?.size).toBe(rig.anchor.size);
  });

  test("two trees of one size are proof against the log: kept, shown, and counted for nothing", async () => {
    const { rig, statements } = await waiting();
    const [first, second] = hashesOf(statements);
    if (first === undefined || second === undefined) throw new Error("two statements are needed");
    await tell(rig, await rig.anchor.receipt([first]));
    const other = new FakeAnchor();
    await tell(rig, await other.receipt([second]));
    expect(other.size).toBe(rig.anchor.size);
    const { alarms, outbox, seen } = rig.report();
    expect(alarms.map(({ code }) => code)).toEqual(["log-equivocation"]);
    expect(outbox.receipted.count).toBe(1);
    expect(seen?.root).toBe(toHex(rig.anchor.root));
    await tell(rig, await other.receipt([second]));
    expect(rig.report().alarms.length, "the same proof is kept once").toBe(1);
    expect(
      rig.lines.some(({ level, about }) => level === "error" && about["code"] === "log-equivocation"),
    ).toBe(true);
  });

  test.for<[string, Partial<BatchClaims>]>([
    ["registry", { registry: { count: 2, last: new Uint8Array(32).fill(9) } }],
    ["key state", { keysRoot: new Uint8Array(32).fill(9) }],
  ])("two %s roots at one size are proof as well", async ([, claims]) => {
    const { rig, statements } = await waiting();
    const [first] = hashesOf(statements);
    if (first === undefined) throw new Error("a statement is needed");
    await tell(rig, await rig.anchor.receipt([first]));
    await tell(rig, await rig.anchor.receipt([first], claims));
    expect(rig.report().alarms.map(({ code }) => code)).toEqual(["log-equivocation"]);
  });
});

describe("what is kept of receipts", () => {
  const stranger = (n: number): Uint8Array => new Uint8Array(32).fill(100 + n);

  /** What is kept, each receipt verified for the statements that it is kept for. */
  function kept(rig: Rig): readonly { readonly bytes: Uint8Array; readonly hashes: readonly string[] }[] {
    const rows = rig.storage.query<{ id: number; bytes: Uint8Array }>(
      "SELECT id, bytes FROM receipt ORDER BY id",
    );
    const of = rig.storage.query<{ hash: Uint8Array; place: number }>(
      "SELECT hash, place FROM outbox WHERE receipt = ? ORDER BY place",
    );
    return rows.all().map(({ id, bytes }) => {
      const held = of.all(id);
      expect(held.map(({ place }) => place)).toEqual(held.map((_, i) => i));
      const hashes = held.map(({ hash }) => hash);
      verifyReceipt(parseReceipt(bytes), hashes, rig.anchor.signer.key, nobleProvider);
      return { bytes, hashes: hashes.map(toHex) };
    });
  }

  test("its bytes as they came, where all of it is of this outbox", async () => {
    const { rig, statements } = await waiting();
    const message = await rig.anchor.receipt(hashesOf(statements));
    await tell(rig, message);
    const [one, ...others] = kept(rig);
    expect(others).toEqual([]);
    expect(one?.bytes).toEqual(message.receipt);
  });

  test("nothing of other devices, of proofs that come twice, or of statements that have theirs", async () => {
    const { rig, statements } = await waiting();
    const [a, b, c] = hashesOf(statements);
    if (a === undefined || b === undefined || c === undefined) throw new Error("three statements are needed");
    await tell(rig, await rig.anchor.receipt([stranger(1), a, stranger(2), a, stranger(3), b]));
    await tell(rig, await rig.anchor.receipt([a, c, b, c]));
    expect(kept(rig).map(({ hashes }) => hashes)).toEqual([[toHex(a), toHex(b)], [toHex(c)]]);
  });

  test("however often a broker repeats a proof, a receipt takes no more room for it", async () => {
    const { rig, statements } = await waiting();
    for (const { hash } of statements) {
      const { receipt } = await rig.anchor.receipt([hash]);
      const { sign1, size, proofs } = parseReceipt(receipt);
      const { protectedBytes, signature } = sign1;
      const many = <T>(one: T | undefined): T[] =>
        one === undefined ? [] : Array.from({ length: 300 }, () => one);
      const padded = encodeReceipt({ protectedBytes, signature, size }, many(proofs[0]));
      await tell(rig, { kind: "receipt", hashes: many(hash), receipt: padded });
    }
    expect(rig.report().outbox.receipted.count).toBe(statements.length);
    for (const { bytes } of kept(rig)) expect(bytes.length).toBeLessThan(600);
  });
});

test("a log that contradicts itself without end is kept as proof sixteen times, counted, and logged seldom", async () => {
  const { rig, statements } = await waiting();
  const [own] = hashesOf(statements);
  if (own === undefined) throw new Error("a statement is needed");
  await tell(rig, await rig.anchor.receipt([new Uint8Array(32), own]));
  const other = (n: number): Promise<DownMessage> =>
    new FakeAnchor().receipt([new Uint8Array(32).fill(100 + n), own]);
  for (let n = 0; n < 40; n++) rig.down(encodeDown(await other(n)));
  rig.down(encodeDown(await other(0)));
  await rig.time.advance(60_000);
  expect(rig.report().alarms).toHaveLength(16);
  expect(counter(rig, "log-equivocation")).toBe(41);
  const lines = linesOf(rig.report());
  expect(lines.some((line) => line.startsWith("ALARM log-equivocation  24 more receipts"))).toBe(true);
  expect(rig.lines.filter(({ level }) => level === "error")).toHaveLength(1);
});

describe("advice and requests", () => {
  test("a rejection is kept and shown with its code; the statement stays, and is tried again", async () => {
    const { rig, statements } = await waiting();
    const [statement] = statements;
    if (statement === undefined) throw new Error("a statement is needed");
    await tell(rig, { kind: "rejected", hash: statement.hash, code: "key-unknown", text: "who are you?" });
    const { rejections, outbox } = rig.report();
    expect(rejections).toMatchObject([
      { sub: "sys", seq: 0, code: "key-unknown", text: "who are you?", hash: toHex(statement.hash) },
    ]);
    expect(outbox).toMatchObject({ waiting: { count: statements.length }, refused: 1 });
    const before = rig.anchor.arrived.filter(({ claims }) => claims.sub === "sys" && claims.seq === 0).length;
    await rig.time.advance(120_000);
    const after = rig.anchor.arrived.filter(({ claims }) => claims.sub === "sys" && claims.seq === 0).length;
    expect(after).toBeGreaterThan(before);
    await tell(rig, await rig.anchor.receipt(hashesOf(statements)));
    expect(rig.report()).toMatchObject({ rejections: [], outbox: { refused: 0 } });
  });

  test("an enrolment that comes late is noticed, and all follows", async () => {
    const rig = new Rig();
    rig.connectAnchor();
    rig.anchor.judge = () => ({ reject: "key-unknown" });
    await rig.start();
    for (let minute = 0; minute < 30; minute++) {
      rig.source.push(observation(minute + 1));
      await rig.time.advance(60_000);
    }
    expect(rig.report().outbox.receipted.count).toBe(0);
    rig.anchor.judge = () => "receipt";
    await rig.time.advance(75_000);
    expect(rig.report().outbox).toMatchObject({ waiting: { count: 0 }, refused: 0 });
  });

  test("'not now' doesn't set a statement aside", async () => {
    const { rig, statements } = await waiting();
    const [statement] = statements;
    if (statement === undefined) throw new Error("a statement is needed");
    await tell(rig, { kind: "rejected", hash: statement.hash, code: "pool-full", text: "" });
    expect(rig.report().outbox.refused).toBe(0);
    expect(rig.report().rejections.map(({ code }) => code)).toEqual(["pool-full"]);
  });

  test("a rejection of what has a receipt is talk", async () => {
    const { rig, statements } = await waiting();
    await tell(rig, await rig.anchor.receipt(hashesOf(statements)));
    await tell(
      rig,
      ...hashesOf(statements).map((hash): DownMessage => ({
        kind: "rejected",
        hash,
        code: "fork",
        text: "",
      })),
    );
    expect(rig.report()).toMatchObject({
      rejections: [],
      outbox: { receipted: { count: statements.length }, refused: 0 },
    });
    expect(counter(rig, "rejected-fork")).toBe(statements.length);
  });

  test("a flood of rejections of what isn't here is counted, and nothing is written", async () => {
    const { rig } = await waiting();
    const writes = vi.spyOn(rig.storage, "transaction");
    for (let i = 0; i < 30; i++) {
      const messages = Array.from({ length: 100 }, (_, j): DownMessage => {
        const hash = new Uint8Array(32);
        hash.set([i, j]);
        return { kind: "rejected", hash, code: "cbor-malformed", text: "" };
      });
      rig.down(new Uint8Array(Buffer.concat(messages.map(encodeDown))));
    }
    expect(writes).not.toHaveBeenCalled();
    await rig.time.advance(60_000);
    expect(rig.report().rejections).toEqual([]);
    expect(counter(rig, "rejections-unknown")).toBe(3000);
    expect(counter(rig, "rejected-cbor-malformed")).toBe(3000);
    expect(rig.lines.filter(({ about }) => about["code"] === "cbor-malformed")).toHaveLength(1);
  });

  test("a code that the wire made up is logged as seldom as any other", async () => {
    const { rig, statements } = await waiting();
    const [hash] = hashesOf(statements);
    if (hash === undefined) throw new Error("a statement is needed");
    const before = rig.lines.length;
    for (let n = 0; n < 100; n++)
      rig.down(encodeDown({ kind: "rejected", hash, code: `made-up-${n}`, text: "" }));
    expect(rig.lines.length - before).toBe(1);
  });

  test("rejections that come one by one are written together, and all of them step aside", async () => {
    const { rig, statements } = await waiting();
    const writes = vi.spyOn(rig.storage, "transaction");
    for (const { hash } of statements)
      rig.down(encodeDown({ kind: "rejected", hash, code: "key-unknown", text: "" }));
    expect(writes).toHaveBeenCalledTimes(1);
    expect(rig.report().outbox.refused).toBe(1);
    await rig.time.advance(2000);
    expect(rig.report().outbox.refused).toBe(statements.length);
    rig.anchor.judge = () => "receipt";
    await rig.time.advance(120_000);
    expect(rig.report()).toMatchObject({ outbox: { waiting: { count: 0 } }, rejections: [] });
  });

  test("what has its receipt before a rejection of it is written has no rejection", async () => {
    const { rig, statements } = await waiting();
    for (const { hash } of statements)
      rig.down(encodeDown({ kind: "rejected", hash, code: "key-unknown", text: "" }));
    await tell(rig, await rig.anchor.receipt(hashesOf(statements)));
    expect(rig.report()).toMatchObject({ outbox: { waiting: { count: 0 }, refused: 0 }, rejections: [] });
  });

  test("of one statement a rejection is written again after ten minutes, whatever is said of it", async () => {
    const { rig, statements } = await waiting();
    const [hash] = hashesOf(statements);
    if (hash === undefined) throw new Error("a statement is needed");
    const say = async (times: number): Promise<void> => {
      for (let n = 0; n < times; n++) {
        rig.down(
          encodeDown({ kind: "rejected", hash, code: n % 2 === 0 ? "fork" : "key-unknown", text: "" }),
        );
        await rig.time.advance(2500);
      }
    };
    await say(20);
    expect(rig.report().rejections).toMatchObject([{ code: "fork", count: 1 }]);
    await rig.time.advance(600_000);
    await say(2);
    expect(rig.report().rejections).toMatchObject([{ count: 2 }]);
  });

  test("'not now' doesn't keep a rejection that comes after it from setting the statement aside", async () => {
    const { rig, statements } = await waiting();
    const [hash] = hashesOf(statements);
    if (hash === undefined) throw new Error("a statement is needed");
    await tell(rig, { kind: "rejected", hash, code: "pool-full", text: "" });
    await tell(rig, { kind: "rejected", hash, code: "fork", text: "" });
    expect(rig.report()).toMatchObject({ outbox: { refused: 1 }, rejections: [{ code: "fork" }] });
  });

  test("statements asked for again are sent again, receipted or not; strangers' are not known", async () => {
    const { rig, statements } = await waiting();
    await tell(rig, await rig.anchor.receipt(hashesOf(statements)));
    const before = rig.anchor.arrived.length;
    await tell(rig, { kind: "wanted", hashes: [...hashesOf(statements), new Uint8Array(32)] });
    expect(rig.anchor.arrived.slice(before).map(({ hash }) => toHex(hash))).toEqual(
      hashesOf(statements).map(toHex),
    );
    expect(rig.report().outbox.waiting.count).toBe(0);
  });

  test.for<[string, Uint8Array, string]>([
    ["noise", Uint8Array.of(0xff, 0xff), "cbor-malformed"],
    ["another shape", encodeCbor([9, "hello"]), "unknown-member"],
    ["too much", new Uint8Array(65_537), "too-large"],
    ["a receipt that is none", encodeCbor([1, [new Uint8Array(32)], new Uint8Array(3)]), "receipt-entry"],
  ])("a message of %s is counted and ignored", async ([, payload, code]) => {
    const { rig, statements } = await waiting();
    rig.down(payload);
    await rig.time.advance(60_000);
    expect(counter(rig, `refused-${code}`)).toBe(1);
    expect(rig.report().outbox.waiting.count).toBe(statements.length);
  });
});
