/**
 * The two halves of the tally laid together: what the agent kept, and what the ledger holds.
 *
 * @module
 */
import {
  equalBytes,
  parseReceipt,
  parseTransparent,
  toHex,
  verifyReceipt,
  type PublicKey,
  type SignatureProvider,
} from "@tallystick/evidence";
import { expect } from "vitest";
import type { BookEntry } from "./agent-book.ts";
import type { ChainCopy } from "./ledger-copy.ts";

/**
 * Expects one chain for each of these streams, without a hole, each statement naming the one before; and one boot event for each start of the agent.
 */
export function expectWholeChains(
  chains: readonly ChainCopy[],
  { subs, starts }: { readonly subs: readonly string[]; readonly starts: number },
): void {
  expect(chains.map(({ sub }) => sub).toSorted()).toEqual(subs.toSorted());
  for (const { sub, first, last, count, statements } of chains) {
    expect({ sub, first, count }).toEqual({ sub, first: 0, count: last + 1 });
    expect(statements.map(({ statement }) => statement.claims.seq)).toEqual([...Array(count).keys()]);
    for (const [seq, { statement }] of statements.entries()) {
      const before = statements[seq - 1]?.statement;
      expect(statement.claims.prev && toHex(statement.claims.prev)).toBe(before && toHex(before.hash));
    }
    expect(statements[0]?.statement.event).toMatchObject({ kind: "stream-opened", before: "none" });
  }
  const events = chains.flatMap(({ statements }) => statements.map(({ statement }) => statement.event));
  const boots = events.flatMap((event) => (event?.kind === "boot" ? [toHex(event.boot)] : []));
  expect(new Set(boots).size).toBe(boots.length);
  expect(boots).toHaveLength(starts);
  expect(events.filter((event) => event?.kind === "gap" || event?.kind === "stream-closed")).toEqual([]);
}

/** Expects the same statements on both sides, each at one place in the log, and for each a good receipt in the agent's hands for that very place. */
export function expectHalvesToFit(
  entries: readonly BookEntry[],
  chains: readonly ChainCopy[],
  logKey: PublicKey,
  provider: SignatureProvider,
): void {
  const held = chains.flatMap(({ statements }) => statements);
  const hashes = (some: readonly { readonly statement: { readonly hash: Uint8Array } }[]): string[] =>
    some.map(({ statement }) => toHex(statement.hash)).toSorted();
  expect(hashes(entries)).toEqual(hashes(held));
  expect(new Set(held.map(({ index }) => index)).size).toBe(held.length);
  for (const { statement, isReceipted, transparent } of entries) {
    expect(isReceipted).toBe(true);
    const [receipt] = parseTransparent(transparent ?? statement.bytes).receipts;
    const parsed = parseReceipt(receipt ?? new Uint8Array());
    const { indexes } = verifyReceipt(parsed, [statement.hash], logKey, provider);
    const there = held.find((one) => equalBytes(one.statement.hash, statement.hash));
    expect(indexes).toEqual([there?.index]);
  }
}
