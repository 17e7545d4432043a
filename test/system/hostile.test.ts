/**
 * F9: 200,000 changed and invented inputs over every reader, and over the sockets of a running broker. `npm run hostile` runs as many as one likes.
 *
 * @module
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const MAIN = fileURLToPath(new URL("../hostile/main.ts", import.meta.url));
const CASES = 200_000;
/** It takes about a minute on two cores; a slow and busy machine may take its time. */
const LONGEST_MS = 900_000;

type Report = {
  readonly cases: number;
  readonly faults: readonly string[];
  readonly targets: readonly { name: string }[];
};

test(
  "hostile bytes: none crashes, hangs, grows memory, or is accepted",
  { timeout: LONGEST_MS },
  async () => {
    const report = await new Promise<Report>((resolve, reject) => {
      const args = [MAIN, "--cases", String(CASES), "--json"];
      execFile(process.execPath, args, { maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
        if (stdout === "") reject(new Error(`the run ended without a report: ${error?.message}\n${stderr}`));
        else resolve(JSON.parse(stdout) as Report);
      });
    });
    expect(report.faults).toEqual([]);
    expect(report.cases).toBeGreaterThan(0.999 * CASES);
    expect(report.targets.map(({ name }) => name)).toContain("mqtt");
  },
);
