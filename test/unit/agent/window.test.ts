/** What is sent when: in order, bounded, again with growing pauses, and refused statements out of others' way. */
import { describe, expect, test } from "vitest";
import type { Outgoing } from "../../../agent/src/outbox/outbox.ts";
import { Window, type Supply, type WindowSettings } from "../../../agent/src/outbox/window.ts";

const SETTINGS: WindowSettings = { maxStatements: 1000, maxBytes: 1 << 20, firstMs: 5000, maxMs: 300_000 };

/** Statements 1 to `count` of `bytes` bytes; a test moves some of them among the refused. */
class FakeSupply implements Supply {
  readonly items: Outgoing[] = [];
  readonly refusedIds = new Set<number>();

  constructor(count: number, bytes = 100) {
    this.add(count, bytes);
  }

  add(count: number, bytes = 100): void {
    for (let i = 0; i < count; i++) {
      this.items.push({ id: this.items.length + 1, bytes: new Uint8Array(bytes) });
    }
  }

  next = (afterId: number, maxItems: number, maxBytes: number): readonly Outgoing[] =>
    this.#take((id) => id > afterId && !this.refusedIds.has(id), maxItems, maxBytes);

  refused = (afterId: number, maxItems: number, maxBytes: number): readonly Outgoing[] =>
    this.#take((id) => id > afterId && this.refusedIds.has(id), maxItems, maxBytes);

  read = (id: number): Outgoing | undefined => this.items.find((item) => item.id === id);

  #take(which: (id: number) => boolean, maxItems: number, maxBytes: number): readonly Outgoing[] {
    const found: Outgoing[] = [];
    let bytes = 0;
    for (const item of this.items) {
      if (!which(item.id)) continue;
      bytes += item.bytes.length;
      if (found.length === maxItems || (found.length > 0 && bytes > maxBytes)) break;
      found.push(item);
    }
    return found;
  }
}

const make = (supply: Supply, changes: Partial<WindowSettings> = {}): Window =>
  new Window({ ...SETTINGS, ...changes }, supply, () => 0.5);

/** All that is due at one moment, as ids. */
function due(window: Window, nowMs: number): number[][] {
  const messages: number[][] = [];
  for (let message = window.next(nowMs); message !== undefined; message = window.next(nowMs)) {
    messages.push(message.items.map(({ id }) => id));
  }
  return messages;
}

const upTo = (n: number, from = 1): number[] => Array.from({ length: n - from + 1 }, (_, i) => from + i);

describe("the window", () => {
  test("packs messages of at most 512 statements and 64 KiB, in order", () => {
    expect(due(make(new FakeSupply(600)), 0)).toEqual([upTo(512), upTo(600, 513)]);
    expect(due(make(new FakeSupply(5, 30_000)), 0)).toEqual([[1, 2], [3, 4], [5]]);
  });

  test("holds no more statements than it may, until some have receipts", () => {
    const window = make(new FakeSupply(30), { maxStatements: 10 });
    expect(due(window, 0)).toEqual([upTo(10)]);
    window.receipted([1, 2, 3], false, 1000);
    expect(due(window, 1000)).toEqual([[11, 12, 13]]);
    expect(window.size).toBe(10);
  });

  test("holds no more bytes than it may", () => {
    const window = make(new FakeSupply(30, 30_000), { maxBytes: 90_000 });
    expect(due(window, 0).flat()).toEqual([1, 2, 3]);
    window.receipted([2], false, 1000);
    expect(due(window, 1000).flat()).toEqual([4]);
  });

  test("sends again what has no receipt, later each time, up to the longest pause", () => {
    const window = make(new FakeSupply(1));
    const sentMs: number[] = [];
    for (let nowMs = 0; nowMs < 2_000_000; nowMs += 1000)
      if (due(window, nowMs).length > 0) sentMs.push(nowMs / 1000);
    expect(sentMs.slice(0, 9)).toEqual([0, 5, 15, 35, 75, 155, 315, 615, 915]);
  });

  test("an acknowledgement takes nothing out", () => {
    const window = make(new FakeSupply(1));
    due(window, 0);
    window.acked([1]);
    expect(due(window, 5000)).toEqual([[1]]);
  });

  test("a receipt for something sent later makes what was sent before it due soon", () => {
    const supply = new FakeSupply(1);
    const window = make(supply);
    for (const nowMs of [0, 5000, 15_000, 35_000]) due(window, nowMs);
    supply.add(1);
    expect(due(window, 40_000)).toEqual([[2]]);
    window.receipted([2], false, 41_000);
    expect(window.dueMs(41_000)).toBe(46_000);
    expect(due(window, 46_000)).toEqual([[1]]);
  });

  test("on a new connection what nobody acknowledged is due at once, the rest soon", () => {
    const supply = new FakeSupply(1);
    const window = make(supply);
    due(window, 0);
    window.acked([1]);
    supply.add(1);
    due(window, 1000);
    window.connected(2000);
    expect(due(window, 2000)).toEqual([[2]]);
    expect(due(window, 7000)).toEqual([[1]]);
  });

  test("a statement that was let go meanwhile is not sent again", () => {
    const supply = new FakeSupply(2);
    const window = make(supply);
    due(window, 0);
    supply.items.shift();
    expect(due(window, 5000)).toEqual([[2]]);
    expect(window.size).toBe(1);
  });

  test("what the log refuses leaves the window, and is tried again in ever longer pauses, at most a minute", () => {
    const supply = new FakeSupply(1);
    const window = make(supply);
    due(window, 0);
    supply.refusedIds.add(1);
    window.refused([1], 0);
    expect(window.size).toBe(0);
    const sentMs: number[] = [];
    for (let nowMs = 0; nowMs < 300_000; nowMs += 1000) {
      if (due(window, nowMs).length === 0) continue;
      sentMs.push(nowMs / 1000);
      window.refused([1], nowMs);
    }
    expect(sentMs.slice(0, 6)).toEqual([5, 15, 35, 75, 135, 195]);
  });

  test("once the log takes one of them, the others follow quickly", () => {
    const supply = new FakeSupply(100);
    const window = make(supply);
    due(window, 0);
    for (const { id } of supply.items) supply.refusedIds.add(id);
    window.refused(upTo(100), 0);
    let nowMs = 5000;
    const sizes: number[] = [];
    while (supply.refusedIds.size > 0) {
      const ids = due(window, nowMs).flat();
      sizes.push(ids.length);
      for (const id of ids) supply.refusedIds.delete(id);
      window.receipted(ids, true, nowMs);
      nowMs += 10;
      if (sizes.length > 20) break;
    }
    expect(sizes).toEqual([1, 2, 4, 8, 16, 32, 37]);
  });

  test("while all is refused, new statements go out slowly, not as fast as refusals come back", () => {
    const supply = new FakeSupply(5000);
    const window = make(supply);
    let sent = 0;
    for (let nowMs = 0; nowMs < 60_000; nowMs += 100) {
      const ids = due(window, nowMs).flat();
      sent += ids.length;
      for (const id of ids) supply.refusedIds.add(id);
      if (ids.length > 0) window.refused(ids, nowMs);
    }
    expect(sent).toBeLessThan(5000);
    expect(sent).toBeGreaterThan(1000);
  });

  test("what is asked for again goes out at a bounded rate", () => {
    const supply = new FakeSupply(2000);
    const window = make(supply);
    due(window, 0);
    window.receipted(upTo(2000), false, 0);
    due(window, 0);
    window.receipted(upTo(2000), false, 0);
    window.want(upTo(1000));
    expect(due(window, 0)).toEqual([upTo(512)]);
    expect(window.dueMs(0)).toBe(1000);
    expect(due(window, 1000)).toEqual([upTo(1000, 513)]);
    window.want(upTo(10_000));
    let asked = 0;
    for (let nowMs = 2000; nowMs < 20_000; nowMs += 1000) asked += due(window, nowMs).flat().length;
    expect(asked).toBe(2000); // of 4096 kept in mind, those that there are
  });
});
