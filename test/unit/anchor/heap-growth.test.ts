import { execFileSync } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { expect, test } from "vitest";

const MODULE = join(import.meta.dirname, "..", "..", "..", "anchor", "src", "heap-growth.ts");
const MIB = 2 ** 20;

/** MiB of the young generation of a process after a lot of it was filled; its limit is set to `maxMiB` first. */
function youngMiB(maxMiB: number): number {
  const program = `
    import { getHeapSpaceStatistics } from "node:v8";
    import { limitYoungGeneration } from ${JSON.stringify(MODULE)};
    limitYoungGeneration(${maxMiB * MIB});
    let kept = [];
    for (let round = 0; round < 60; round++) {
      for (let i = 0; i < 20_000; i++) kept.push({ i, list: new Array(8).fill(i) });
      if (round % 4 === 3) kept = [];
      await new Promise(setImmediate);
    }
    const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space");
    console.log(young.space_size);`;
  return (
    Number(execFileSync(process.execPath, ["--input-type=module", "-e", program], { encoding: "utf8" })) / MIB
  );
}

test("the young generation stops growing at its limit, give or take a doubling", () => {
  expect(youngMiB(4)).toBeLessThanOrEqual(16);
  expect(youngMiB(4096)).toBeGreaterThan(16);
});
