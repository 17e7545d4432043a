/**
 * The agent as a program, on a disk that takes no more: it ends with its code, what it had kept is whole, and the next start goes on and tells what was
 * not read. The kernel's limit on the size of files stands in for the disk; the database can't grow, whatever SQLite tries.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { expect, onTestFinished, test, vi } from "vitest";
import { coverage, toHex } from "@tallystick/evidence";
import { createKeyFile } from "@tallystick/evidence/node";
import { AgentBook } from "../support/agent-book.ts";
import { FakeAnchor } from "../support/fake-anchor.ts";
import { need } from "../support/require.ts";

const MAIN = join(import.meta.dirname, "..", "..", "agent", "src", "main.ts");
const have = need("prlimit");
const STREAMS = ["host/a", "host/b", "host/c", "host/d"];
/** Room for the tables and some dozens of transactions. */
const LIMIT_BYTES = 400_000;
/** Longer than between two samples: what is missed has to be told. */
const AWAY_MS = 2500;

type Program = {
  readonly child: ReturnType<typeof spawn>;
  readonly ended: Promise<number | null>;
  said: string;
};

function start(command: string, args: readonly string[]): Program {
  const child = spawn(command, args, { stdio: ["ignore", "ignore", "pipe"] });
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  const program = { child, ended, said: "" };
  child.stderr.on("data", (chunk: Buffer) => (program.said += chunk.toString()));
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  return program;
}

test.skipIf(!have)(
  "a file that can't grow ends the agent with a code; the next start goes on, and tells what is missing",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "tally-agent-disk-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const config = join(folder, "agent.yaml");
    createKeyFile(join(folder, "device.key"));
    const lines = STREAMS.map(
      (name) =>
        `  - { name: ${name}, source: { kind: host }, every: 0, maxLossMs: 0, seal: { maxWaitMs: 20 } }`,
    );
    const common = ["version: 1", "org: city", "device: gw-1", `data: ${folder}`, "clock: { trust: system }"];
    const anchor = [`log: ["${new FakeAnchor().vkey}"]`, `broker: { url: "mqtt://127.0.0.1:1" }`];
    writeFileSync(config, [...common, ...anchor, "streams:", ...lines].join("\n"));
    const run = [MAIN, "run", "--config", config];

    const full = start("prlimit", [`--fsize=${LIMIT_BYTES}`, process.execPath, ...run]);
    expect(await full.ended).toBe(1);
    expect(full.said).toMatch(/\[storage-failed\]\n$/); // EFBIG: SQLite calls only ENOSPC full
    expect(full.said.match(/\[storage-failed\]/g), "one fault, said once").toHaveLength(1);
    const book = new AgentBook(folder, "city/gw-1");
    const before = new Set(book.entries().map(({ statement }) => toHex(statement.hash)));
    expect(before.size).toBeGreaterThan(STREAMS.length);

    await delay(AWAY_MS); // it is the outage itself, not a wait for something
    const again = start(process.execPath, run);
    const statements = (): ReturnType<typeof coverage> =>
      coverage(book.entries().map(({ statement }) => statement));
    await vi.waitFor(
      () => {
        const found = statements().filter(({ sub }) => STREAMS.includes(sub));
        expect(
          found.every(({ missing }) => missing.some(({ kind }) => kind === "told")),
          again.said,
        ).toBe(true);
      },
      { timeout: 30_000, interval: 200 },
    );
    again.child.kill("SIGTERM");
    expect(await again.ended).toBe(0);
    const after = book.entries().map(({ statement }) => toHex(statement.hash));
    expect(
      [...before].filter((hash) => !after.includes(hash)),
      "what was kept stays",
    ).toEqual([]);
    for (const { sub, chains, findings, missing } of statements()) {
      expect(findings, sub).toEqual([]);
      expect(
        chains.flatMap((chain) => chain.missing),
        sub,
      ).toEqual([]);
      for (const { gaps } of missing.filter(({ kind }) => kind === "told"))
        expect(gaps).toMatchObject([{ reason: "agent-stopped" }]);
    }
  },
  90_000,
);
