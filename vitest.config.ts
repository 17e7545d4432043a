import { defineConfig } from "vitest/config";

/** These load the machine, watch the clock or need the whole of it: one after the other, when all else is done. */
const ALONE = [
  "attackers",
  "campaign",
  "hostile",
  "overload",
  "p1-pty",
  "packages",
  "packages-arm64",
  "shipped-agent",
  "simulation",
  "syscalls",
].map((name) => `test/system/${name}.test.ts`);

const SYSTEM = { testTimeout: 300_000, hookTimeout: 120_000 };

export default defineConfig({
  test: {
    // Of two processors vitest takes one by default; many tests wait for processes and timers of their own.
    maxWorkers: "100%",
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/system/**", "**/node_modules/**"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: "system",
          include: ["test/system/**/*.test.ts"],
          exclude: [...ALONE, "**/node_modules/**"],
          sequence: { groupOrder: 1 },
          ...SYSTEM,
        },
      },
      {
        test: {
          name: "alone",
          include: ALONE,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
          ...SYSTEM,
        },
      },
    ],
  },
});
