/** What waits while publishes of all devices fill their bound: nobody's CONNECT, and any number of devices. */
import { expect, test } from "vitest";
import { Underway, type Inflow } from "../../../broker/src/connections/inflow.ts";

test("however many wait, waking them takes no more stack than waking one", () => {
  const all = new Underway({ maxUnderway: 1, maxUnderwayBytes: 1000 });
  all.add(10);
  let woken = 0;
  const waiting = Array.from({ length: 50_000 }, () => {
    const one = {
      // As with a publish at QoS 0: it is dealt with before this returns.
      wake: (): void => {
        woken++;
        all.add(10);
        all.remove(10);
      },
    };
    return one as unknown as Inflow;
  });
  for (const one of waiting) expect(all.hasRoomFor(one)).toBe(false);
  all.remove(10);
  expect(woken).toBe(waiting.length);
  expect(all.count).toBe(0);
});

test("who is woken and fills the bound leaves the others waiting, in their order", () => {
  const all = new Underway({ maxUnderway: 2, maxUnderwayBytes: 1000 });
  const woken: number[] = [];
  for (let i = 0; i < 2; i++) all.add(1);
  for (let i = 0; i < 4; i++) {
    const one = { wake: () => (woken.push(i), all.add(1)) };
    all.hasRoomFor(one as unknown as Inflow);
  }
  all.remove(1);
  expect(woken).toEqual([0]);
  all.remove(1);
  all.remove(1);
  expect(woken).toEqual([0, 1, 2]);
});
