/** The key state of an earlier tree: the whole registry once more, and nobody waits for it. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { equalBytes, type KeyState, type Statement } from "@tallystick/evidence";
import { createSodiumProvider } from "../../../anchor/src/admission/sodium.ts";
import { KeyStates } from "../../../anchor/src/registry/registry.ts";
import type { BatchRow } from "../../../anchor/src/storage/batches.ts";
import { AnchorLog, deviceSigner } from "../../support/anchor-log.ts";

const ITEMS = 400;
let log: AnchorLog;
let states: KeyStates;
/** Rows by number of items. */
let rows: Map<number, BatchRow>;

beforeEach(async () => {
  log = await AnchorLog.create();
  const items: Statement[] = [];
  for (let n = 1; n <= ITEMS; n++) {
    const device = `city/gw-${n}`;
    const enrol = {
      kind: "enrol",
      device,
      key: deviceSigner(device).key,
      streams: ["*"],
      silenceS: 900,
    } as const;
    const prev = items.at(-1)?.hash ?? log.opened.keys.last;
    items.push(await log.item(enrol, { claims: { seq: n, prev } }));
  }
  rows = new Map();
  for (let from = 0; from < ITEMS; from += 50) {
    log.sequence(items.slice(from, from + 50), []);
    const row = log.opened.store.batches.last() as BatchRow;
    rows.set(row.registry.count, row);
  }
  const { keys, store } = log.opened;
  states = new KeyStates(keys, store.archive, createSodiumProvider());
});
afterEach(() => log.remove());

const row = (count: number): BatchRow => rows.get(count) as BatchRow;
const countOf = (keys: KeyState): number => keys.count;

test("is derived in slices, with the event loop free in between, one at a time however many are asked for", async () => {
  let derived = 0;
  const ask = (count: number): Promise<boolean> =>
    states.at(
      row(count),
      (keys) => equalBytes(keys.root(), row(count).keysRoot),
      () => derived++,
    );
  const order: string[] = [];
  const asked = [351, 301, 351].map(async (count) => {
    expect(await ask(count)).toBe(true);
    order.push(`${count}`);
  });
  let rounds = 0;
  let isDone = false;
  const count = (): void => {
    rounds++;
    if (!isDone) setImmediate(count);
  };
  setImmediate(count);
  await Promise.all(asked);
  isDone = true;
  expect(order).toEqual(["351", "351", "301"]);
  expect(derived).toBe(2);
  expect(rounds).toBeGreaterThan((351 + 301) / 64);
  expect(await ask(301)).toBe(true);
  expect(derived).toBe(2); // at hand
});

test("is not derived where it may not be; the present one is at hand", async () => {
  const refuse = (): never => {
    throw new Error("not now");
  };
  await expect(states.at(row(101), countOf, refuse)).rejects.toThrow("not now");
  expect(await states.at(row(ITEMS + 1), countOf, refuse)).toBe(ITEMS + 1);
  expect(await states.at(row(101), countOf)).toBe(101);
  expect(await states.at(row(101), countOf, refuse)).toBe(101);
});

test("of a registry that doesn't lead there is a fault each time, and in nobody else's way", async () => {
  const wrong = { ...row(151), keysRoot: new Uint8Array(32) };
  for (let n = 0; n < 2; n++)
    await expect(states.at(wrong, countOf)).rejects.toThrow(
      expect.objectContaining({ code: "storage-failed" }),
    );
  expect(await states.at(row(201), countOf)).toBe(201);
});
