/** A log that may have forgotten what it signed is shown its newest receipt; nothing more than that goes on the air. */
import { describe, expect, test } from "vitest";
import {
  encodeDown,
  nobleProvider,
  parseReceipt,
  parseStatement,
  toHex,
  verifyReceipt,
  type DownMessage,
} from "@tallystick/evidence";
import { observation, Rig, STREAM } from "../../support/agent-rig.ts";

/** An agent with receipts for everything it has sealed. */
async function receipted(yaml = ""): Promise<Rig> {
  const rig = new Rig(yaml);
  rig.connectAnchor();
  await rig.start();
  rig.source.push(observation(1));
  await rig.time.advance(60_500);
  expect(rig.report().outbox.waiting.count).toBe(0);
  rig.anchor.shown.length = 0;
  return rig;
}

async function tell(rig: Rig, ...messages: readonly DownMessage[]): Promise<void> {
  rig.down(new Uint8Array(Buffer.concat(messages.map(encodeDown))));
  await rig.time.advance(1000);
}

const unknown = new Uint8Array(32).fill(5);

/** Sizes of the trees that were shown, each receipt verified for the statement beside it. */
const shownSizes = (rig: Rig): readonly number[] =>
  rig.anchor.shown.map(({ receipt, statement }) => {
    const { hash } = parseStatement(statement ?? new Uint8Array());
    const parsed = parseReceipt(receipt);
    expect(parsed.proofs).toHaveLength(1);
    verifyReceipt(parsed, [hash], rig.anchor.signer.key, nobleProvider);
    return parsed.size;
  });

describe("a request", () => {
  test("for hashes that it hasn't is answered with the newest receipt alone", async () => {
    const rig = await receipted();
    const arrived = rig.anchor.arrived.length;
    await tell(rig, { kind: "wanted", hashes: [unknown] });
    expect(shownSizes(rig)).toEqual([rig.report().seen?.size]);
    expect(rig.anchor.arrived).toHaveLength(arrived);
  });

  test("for statements that it has is answered with the receipt first, then with them and no others", async () => {
    const rig = await receipted();
    const [opened] = rig.sealed(STREAM);
    const arrived = rig.anchor.arrived.length;
    await tell(rig, { kind: "wanted", hashes: [unknown, opened?.hash ?? unknown] });
    await rig.time.advance(2000);
    expect(shownSizes(rig)).toHaveLength(1);
    expect(rig.anchor.arrived.slice(arrived).map(({ hash }) => toHex(hash))).toEqual([
      toHex(opened?.hash ?? unknown),
    ]);
  });

  test("that comes again and again costs a receipt in ten seconds, and none is forgotten", async () => {
    const rig = await receipted();
    for (let i = 0; i < 15; i++) await tell(rig, { kind: "wanted", hashes: [unknown] });
    await rig.time.advance(10_000);
    expect(shownSizes(rig).length).toBe(3);
  });
});

test("a log that says it is behind is shown the receipt, and the statement is sent again later", async () => {
  const rig = new Rig();
  rig.connectAnchor();
  await rig.start();
  rig.source.push(observation(1));
  await rig.time.advance(60_500);
  rig.anchor.shown.length = 0;
  rig.anchor.judge = () => ({ reject: "log-behind" });
  rig.source.push(observation(2));
  await rig.time.advance(62_000);
  expect(shownSizes(rig).length).toBeGreaterThan(0);
  rig.anchor.judge = () => "receipt";
  await rig.time.advance(400_000);
  const { outbox, rejections } = rig.report();
  expect(outbox.waiting.count).toBe(0);
  expect(rejections).toEqual([]);
});

test("a log that signed two trees of one size is shown the first receipt", async () => {
  const rig = await receipted();
  rig.anchor.judge = () => "silence";
  rig.source.push(observation(2));
  await rig.time.advance(61_000);
  const waiting = rig.sealed(STREAM).at(-1)?.hash ?? unknown;
  const first = await rig.anchor.receipt([waiting]);
  await tell(rig, first);
  await tell(rig, await rig.anchor.receipt([waiting], { keysRoot: new Uint8Array(32).fill(9) }));
  await rig.time.advance(12_000);
  expect(rig.report().alarms.map(({ code }) => code)).toEqual(["log-equivocation"]);
  const { keysRoot } = parseReceipt(first.receipt);
  const shown = rig.anchor.shown.map(({ receipt }) => parseReceipt(receipt));
  expect(shown.map((one) => toHex(one.keysRoot))).toEqual([toHex(keysRoot)]);
});

describe("a connection", () => {
  /** Cuts the line and lets the agent find it again. */
  async function reconnect(rig: Rig): Promise<void> {
    rig.disconnect("cut by the test");
    await rig.time.advance(10_000);
  }

  test.for([
    ["", 600_000],
    ["metered: true", 21_600_000],
  ] as const)("begins with the newest receipt now and then (%s)", async ([yaml, everyMs]) => {
    const rig = await receipted(yaml);
    await reconnect(rig);
    expect(shownSizes(rig)).toHaveLength(1);
    await reconnect(rig);
    await rig.time.advance(everyMs - 60_000);
    await reconnect(rig);
    expect(shownSizes(rig)).toHaveLength(1);
    await rig.time.advance(60_000);
    await reconnect(rig);
    expect(shownSizes(rig)).toHaveLength(2);
  });

  test("of an agent without any receipt begins with statements", async () => {
    const rig = new Rig();
    rig.connectAnchor();
    rig.anchor.judge = () => "silence";
    await rig.start();
    await rig.time.advance(10_000);
    await reconnect(rig);
    expect(rig.anchor.shown).toEqual([]);
    expect(rig.anchor.arrived.length).toBeGreaterThan(0);
  });

  test("after a restart knows its newest receipt", async () => {
    const rig = await receipted();
    rig.crash();
    rig.connectAnchor();
    await rig.start();
    await rig.time.advance(2000);
    expect(shownSizes(rig)).toHaveLength(1);
  });
});
