/** Which numbers of a chain belong to a period, where the numbers are an attacker's. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { Periods } from "../../../anchor/src/reads/period.ts";
import { AnchorLog, type AnchorChain } from "../../support/anchor-log.ts";

const LAST = Number.MAX_SAFE_INTEGER;
let log: AnchorLog;
let chain: AnchorChain;

beforeEach(async () => {
  log = await AnchorLog.create();
  const device = await log.enrol("city/gw-1");
  chain = device.chain();
});
afterEach(() => log.remove());

test("numbers up to the last one that there is are found, from either end", async () => {
  const opening = await chain.open();
  const prev = new Uint8Array(32).fill(7);
  const one = await chain.seal(chain.pack(1), { seq: LAST - 1, prev });
  const last = await chain.seal(chain.pack(2), { seq: LAST, prev: one.hash });
  const times: number[] = [];
  for (const statement of [opening, one, last]) {
    log.clock.now += 100;
    times.push(log.clock.now);
    await log.publish(log.sequence([], [statement]));
  }
  const { store } = log.opened;
  const periods = new Periods(store);
  const found = store.chains.find("city/gw-1", chain.sub, chain.ch);
  if (found === undefined) throw new Error("no chain");
  const listed = { ...found, iss: "city/gw-1", sub: chain.sub, ch: chain.ch };
  const extent = (from: number | undefined, to: number | undefined) =>
    periods.extent(listed, log.size, from === undefined ? 0 : periods.committedFrom(from, log.size), {
      from,
      to,
    });
  expect(extent(undefined, undefined)).toMatchObject({ first: 0, last: LAST, from: 0, to: LAST });
  expect(extent(times[1], log.clock.now + 100_000)).toMatchObject({ from: LAST - 1, to: LAST });
  expect(extent(times[2], log.clock.now + 100_000)).toMatchObject({ from: LAST, to: LAST });
  expect(extent(undefined, (times[0] ?? 0) - 100_000)).toMatchObject({ from: null, to: null });
});
