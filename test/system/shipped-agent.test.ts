/**
 * The agent as it is shipped: built twice the same, and the whole path once with the build in place of the sources: from a serial line and a socket to
 * receipts, and to an auditor who finds all of it.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { hash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { isBuiltin } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildAgent } from "../../agent/build/bundle.ts";
import type { Report } from "../../agent/src/commands/report.ts";
import { startState, telegram } from "../../demo/meter.ts";
import { CountingMeter } from "../support/counting-meter.ts";
import { need } from "../support/require.ts";
import { ISS, Town } from "../support/town.ts";

const haveSocat = need("socat");
/** `import … from "x"` and its like at the beginning of a line, `import("x")`, `__require("x")`. */
const IMPORTS =
  /^(?:import|export)\b[^"'\n]*["']([^"']+)["']|\bimport\(["']([^"']+)["']\)|\b__require\(["']([^"']+)["']\)/gm;
const METER = "meter/m-1";
const SERIAL = "meter/m-2";
const HOST = "host/gateway";
const RECEIPTED = "with a receipt";
/** Statements by which each stream grows. */
const LEAST = 4;

let folder = "";
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "tallystick-build-"));
  await buildAgent(join(folder, "a"));
  await buildAgent(join(folder, "b"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const filesOf = (build: string): readonly string[] =>
  readdirSync(join(folder, build), { recursive: true, encoding: "utf8" })
    .filter((name) => statSync(join(folder, build, name)).isFile())
    .toSorted()
    .map((name) => `${name} ${hash("sha256", readFileSync(join(folder, build, name)))}`);

test("the same sources give the same bytes", () => {
  const files = filesOf("a");
  expect(files).toEqual(filesOf("b"));
  expect(files.map((line) => line.split(" ")[0])).toContain("tally-agent.js");
});

test("nothing of this machine is in it, and no source of a library is left outside", () => {
  for (const file of readdirSync(join(folder, "a"), { recursive: true, encoding: "utf8" })) {
    if (!file.endsWith(".js")) continue;
    const text = readFileSync(join(folder, "a", file), "utf8");
    expect(text).not.toContain(folder);
    expect(text).not.toContain(import.meta.dirname);
    const named = Array.from(
      text.matchAll(IMPORTS),
      (groups) => groups.slice(1).find((name) => name !== undefined) ?? "",
    );
    expect(named.filter((from) => !from.startsWith(".") && !isBuiltin(from))).toEqual([]);
  }
});

test.runIf(haveSocat)("the whole path: serial line and socket, receipts, compile cache, audit", async () => {
  const meter = await CountingMeter.start(Math.floor(Date.now() / 1000), 100);
  const mains = { agent: join(folder, "a", "tally-agent.js") };
  try {
    await Town.run((town) => tell(town, meter), { mains });
  } finally {
    await meter.stop();
  }
});

async function tell(town: Town, meter: CountingMeter): Promise<void> {
  const line = await SerialMeter.plug(town.path("serial-a"), town.path("serial-b"), town);
  try {
    await town.start("broker");
    await town.start("anchor");
    await town.enrol(ISS, town.path("device.key"));
    const common = { every: 0, maxLossMs: 0, seal: { maxWaitMs: 300 } };
    town.writeAgentConfig({
      heartbeat: 2,
      clock: { trust: "system" },
      uplink: { retry: { firstMs: 300, maxMs: 3000 } },
      streams: [
        { ...common, name: METER, source: { kind: "p1", tcp: { host: "127.0.0.1", port: meter.port } } },
        { ...common, name: SERIAL, source: { kind: "p1", serial: { path: town.path("serial-b") } } },
        { ...common, name: HOST, source: { kind: "host" }, every: 1 },
      ],
    });
    // Twice: the first start has no data folder yet, so that the second is the one that begins with a cache.
    for (let starts = 0; starts < 2; starts++) {
      const before = await progressOf(town);
      await town.start("agent");
      await town.until("every stream goes on, and receipts come", async () => {
        const now = await progressOf(town);
        const grown = (name: string): number => (now.get(name) ?? 0) - (before.get(name) ?? 0);
        return [METER, SERIAL, HOST].every((sub) => grown(sub) >= LEAST) && grown(RECEIPTED) >= 3 * LEAST;
      });
      await town.stop("agent");
    }
    expect(readdirSync(town.path("agent", "compile-cache"))).toHaveLength(1);
    await town.stop("anchor");
    const audit = await town.run("audit", "log", town.publicFolder, "--policy", town.policyFile, "--json");
    expect(audit.code, audit.stdout).toBe(0);
    const log = readFileSync(town.path("log", "agent.log"), "utf8");
    expect(log).not.toMatch(/Warning|"level":50/);
  } finally {
    line.unplug();
  }
}

/** The number of each stream, and of the statements with a receipt, as the shipped agent itself says. */
async function progressOf(town: Town): Promise<ReadonlyMap<string, number>> {
  if (!existsSync(town.path("agent", "agent.db"))) return new Map();
  const { stdout } = await town.run("agent", "status", "--config", town.configFile("agent"), "--json");
  const { streams, outbox } = JSON.parse(stdout) as Report;
  return new Map([
    [RECEIPTED, outbox.receipted.count],
    ...streams.map(({ sub, seq }) => [sub, seq] as const),
  ]);
}

/** A meter on one end of a pair of pseudo-terminals. */
class SerialMeter {
  readonly #stop: () => void;

  private constructor(stop: () => void) {
    this.#stop = stop;
  }

  static async plug(meterSide: string, agentSide: string, town: Town): Promise<SerialMeter> {
    const end = (link: string): string => `pty,raw,echo=0,link=${link}`;
    const socat = spawn("socat", [end(meterSide), end(agentSide)], { stdio: "ignore" });
    await town.until("the pair of terminals is there", () => existsSync(meterSide) && existsSync(agentSide));
    const terminal = await open(meterSide, "w");
    const firstUnixS = Math.floor(Date.now() / 1000);
    const state = startState(firstUnixS);
    let second = firstUnixS;
    const timer = setInterval(() => {
      terminal.write(telegram(state, second++)).catch(() => clearInterval(timer));
    }, 200);
    return new SerialMeter(() => {
      clearInterval(timer);
      void terminal.close().catch(() => {});
      socat.kill();
    });
  }

  unplug(): void {
    this.#stop();
  }
}
