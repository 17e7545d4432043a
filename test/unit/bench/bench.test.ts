/**
 * The measuring instruments: what they read, count and say has to be right before any figure is.
 *
 * @module
 */
import { describe, expect, test } from "vitest";
import { isMet, median, percentile, type Figure } from "../../../bench/figures.ts";
import {
  connectPacket,
  PACKET,
  PacketReader,
  publishHead,
  readPublish,
} from "../../../bench/load/packets.ts";
import { presign } from "../../../bench/load/presign.ts";
import { textReport } from "../../../bench/report.ts";
import { VirtualTime } from "../../../bench/day/virtual-time.ts";
import { Ledger } from "../../../bench/day/ledger.ts";
import { telegramAt } from "../../../bench/meter.ts";
import { P1Framer } from "../../../agent/src/sources/p1/frame.ts";
import { readTelegram } from "../../../agent/src/sources/p1/telegram.ts";
import {
  decodeDown,
  parseReceipt,
  parseStatement,
  splitUp,
  verifyReceipt,
  verifyStatement,
} from "@tallystick/evidence";
import { createNodeProvider, nodeSha256 } from "@tallystick/evidence/node";
import { signerOf } from "../../../bench/load/keys.ts";

const publishOf = (topic: string, id: number, payload: Uint8Array): Buffer =>
  Buffer.concat([publishHead(topic, id, payload.length), payload]);

describe("packets", () => {
  const payloads = [0, 1, 100, 16_300, 65_536].map((length) => Buffer.alloc(length, length & 255));
  const stream = Buffer.concat([
    Buffer.of(PACKET.puback << 4, 2, 1, 2),
    ...payloads.map((payload, i) => publishOf("tally/v1/city/gw-1/down", 300 + i, payload)),
  ]);

  test.for([1, 2, 3, 1000, 65_536, stream.length])(
    "are found whole however they are cut (%d bytes)",
    (size) => {
      const seen: { type: number; body: Buffer }[] = [];
      const reader = new PacketReader((type, body) => seen.push({ type, body: Buffer.from(body) }));
      for (let at = 0; at < stream.length; at += size) reader.take(stream.subarray(at, at + size));
      expect(seen.map(({ type }) => type)).toEqual([PACKET.puback, ...payloads.map(() => PACKET.publish)]);
      const read = seen.slice(1).map(({ body }) => readPublish(body));
      expect(read.map(({ id }) => id)).toEqual([300, 301, 302, 303, 304]);
      expect(
        read.map(({ payload }) =>
          payload.equals(payloads[read.findIndex((one) => one.payload === payload)] ?? stream),
        ),
      ).toEqual(payloads.map(() => true));
    },
  );

  test("CONNECT is MQTT 3.1.1 with a clean session", () => {
    expect(connectPacket("a/b", 60).toString("hex")).toBe("100f00044d5154540402003c0003612f62");
  });
});

test("statements are signed as devices sign them, and laid out in messages", async () => {
  const seen = { size: 5, root: "11".repeat(32) };
  const { packets, offsets, firsts, hashes } = await presign({
    device: 3,
    count: 7,
    stream: "meter/x",
    readings: 2,
    perMessage: 3,
    seen,
  });
  expect([...firsts]).toEqual([0, 3, 6, 7]);
  const statements = Array.from({ length: 3 }, (_, i) => {
    const body = Buffer.from(packets.slice(offsets[i], offsets[i + 1]));
    let payload: Uint8Array = new Uint8Array();
    new PacketReader((_type, packet) => {
      ({ payload } = readPublish(packet));
    }).take(body);
    return splitUp(new Uint8Array(payload)).items.map(({ bytes }) => parseStatement(bytes, nodeSha256));
  }).flat();
  expect(statements.map(({ claims }) => claims.seq)).toEqual([0, 1, 2, 3, 4, 5, 6]);
  expect(Buffer.concat(statements.map(({ hash }) => hash)).equals(hashes)).toBe(true);
  for (const statement of statements) verifyStatement(statement, signerOf(3).key, createNodeProvider());
});

describe("figures", () => {
  test("percentiles are the nearest rank", () => {
    const sorted = Float64Array.from({ length: 100 }, (_, i) => i + 1);
    expect([0, 0.5, 0.99, 0.999, 1].map((p) => percentile(sorted, p))).toEqual([1, 50, 99, 100, 100]);
    expect(median([3, 1, 2])).toBe(2);
  });

  test("what has no budget, or no value, is neither met nor missed", () => {
    const figure: Figure = { what: "x", value: 5, unit: "ms" };
    expect(isMet(figure)).toBe(null);
    expect(isMet({ ...figure, budget: { atMost: 5 } })).toBe(true);
    expect(isMet({ ...figure, budget: { atMost: 4.9 } })).toBe(false);
    expect(isMet({ ...figure, budget: { atLeast: 6 } })).toBe(false);
    expect(isMet({ ...figure, value: null, budget: { atLeast: 6 } })).toBe(null);
  });

  test("a row that failed says so in the table", () => {
    const machine = {
      cpu: "c",
      cores: 2,
      memoryGiB: 1,
      system: "s",
      node: "v24",
      date: "d",
      load: [0],
      fileSystem: "ext4",
      command: "x",
    };
    const figures: Figure[] = [
      { what: "rate", value: 11_000, unit: "/s", budget: { atLeast: 12_000 }, notes: ["why"] },
    ];
    const text = textReport({
      machine,
      quick: false,
      loadAfter: [1],
      profiles: [],
      results: [
        { row: "a", figures },
        { row: "b", figures: [], error: "broken" },
      ],
    });
    expect(text).toMatch(/^a +rate +11,000 \/s +>= 12,000 \/s +NO\n +why$/m);
    expect(text).toMatch(/^b: not measured: broken$/m);
  });
});

test("virtual time fires timers in their order, and jumps", async () => {
  const time = new VirtualTime();
  const seen: [string, number][] = [];
  const note = (name: string) => (): void => void seen.push([name, time.monotonicMs()]);
  time.after(50, note("b"));
  time.after(10, note("a"));
  time.after(50, note("c"));
  time.after(20, note("never"))();
  time.after(40, () => void time.after(5, note("nested")));
  time.after(1000, note("later"));
  await time.passUntil(100);
  expect(seen).toEqual([
    ["a", 10],
    ["nested", 45],
    ["b", 50],
    ["c", 50],
  ]);
  expect(time.monotonicMs()).toBe(100);
});

test("the day's log gives receipts of a log of a million entries that verify", async () => {
  const ledger = new Ledger();
  const { packets } = await presign({
    device: 1,
    count: 3,
    stream: "meter/y",
    readings: 1,
    perMessage: 3,
    seen: { size: 2, root: "00".repeat(32) },
  });
  let payload: Uint8Array = new Uint8Array();
  new PacketReader((_type, packet) => {
    ({ payload } = readPublish(packet));
  }).take(Buffer.from(packets));
  for (const first of [400_000, 400_003]) {
    const [message] = decodeDown(await ledger.answer(new Uint8Array(payload), 1_790_000_000));
    if (message?.kind !== "receipt") throw new Error("no receipt");
    const receipt = parseReceipt(message.receipt);
    const { indexes } = verifyReceipt(
      receipt,
      message.hashes,
      ledger.signer.key,
      createNodeProvider(),
      nodeSha256,
    );
    expect(indexes).toEqual([first, first + 1, first + 2]);
    expect(receipt.proofs.map(({ path }) => path.length)).toEqual([20, 20, 20]);
  }
});

test("the bench's meter is read as any other", () => {
  const [found] = [...new P1Framer().push(telegramAt(1_790_000_000))];
  if (found === undefined || "error" in found) throw new Error("no telegram");
  expect(readTelegram(found.frame).values).toHaveLength(11);
});
