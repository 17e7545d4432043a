import { execFileSync } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { describe, expect, test } from "vitest";

const MODULE = join(import.meta.dirname, "..", "..", "..", "evidence", "src", "node", "heap.ts");
const MIB = 2 ** 20;

/** What `program` prints, a number, in a process of its own. */
function printed(program: string): number {
  const head = `
    import { getHeapSpaceStatistics } from "node:v8";
    import { boundHeap } from ${JSON.stringify(MODULE)};
    const sizeOf = (name, kind) => getHeapSpaceStatistics().find(({ space_name }) => space_name === name)[kind] / ${MIB};`;
  const args = ["--input-type=module", "-e", head + program];
  return Number(execFileSync(process.execPath, args, { encoding: "utf8" }));
}

describe("the young generation", () => {
  /** MiB of it after a lot was put there. */
  const youngMiB = (bound: string): number =>
    printed(`
      ${bound}
      let kept = [];
      for (let round = 0; round < 60; round++) {
        for (let i = 0; i < 20_000; i++) kept.push({ i, list: new Array(8).fill(i) });
        if (round % 4 === 3) kept = [];
        await new Promise(setImmediate);
      }
      console.log(sizeOf("new_space", "space_size"));`);

  test("stops growing at its bound, give or take a doubling", () => {
    expect(youngMiB(`boundHeap({ youngBytes: ${4 * MIB}, oldGrowthPercent: 100 });`)).toBeLessThanOrEqual(16);
    expect(youngMiB("")).toBeGreaterThan(16);
  });

  test("does so also while the old one, which changes much, is being marked", () => {
    const most = printed(`
      boundHeap({ youngBytes: ${MIB}, oldGrowthPercent: 100 });
      const alive = Array.from({ length: 300_000 }, (_, i) => ({ i, next: { i } }));
      let most = 0;
      for (let round = 0; round < 3000; round++) {
        for (let i = 0; i < 1000; i++) alive[0] = { i, list: new Array(8).fill(i) };
        for (let i = 0; i < 300; i++)
          alive[(round * 7919 + i * 13) % alive.length] = { i, next: { i, list: new Array(4).fill(i) } };
        most = Math.max(most, sizeOf("new_space", "space_size"));
        if (round % 50 === 0) await new Promise(setImmediate);
      }
      console.log(most);`);
    expect(most).toBeLessThanOrEqual(4);
  });
});
