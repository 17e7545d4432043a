/**
 * What a person who made a mistake sees: one clear line (what, where, what to do) and the right exit code, from the real programs.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { ed25519Key, encodeBundle, encodeUtf8, formatVkey, fromHex } from "@tallystick/evidence";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { World } from "../support/world.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const folder = mkdtempSync(join(tmpdir(), "tallystick-bad-input-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Program = "agent" | "broker" | "anchor" | "audit";

function run(program: Program, ...args: string[]): { code: number | null; out: string; lines: string[] } {
  const main = join(ROOT, program, "src", "main.ts");
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    encoding: "utf8",
    timeout: 20_000,
  });
  return { code: status, out: stdout, lines: stderr.split("\n").filter((line) => line !== "") };
}

const file = (name: string, content: string | Uint8Array): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};

/** The key of a log that nobody runs: RFC 8032 section 7.1, test 1. */
const VKEY = formatVkey(
  "log.example/2026",
  ed25519Key(fromHex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")),
);

const agentYaml = (more = ""): string => `version: 1
org: energy
device: gw-1
data: ${folder}/agent
key: ${folder}/device.key
log: ["${VKEY}"]
${more}`;

describe("configuration", () => {
  test.for([
    ["agent", agentYaml("heartbeet: 5m\n"), "agent.yaml:7: heartbeet"],
    ["broker", "version: 1\nlimits:\n  maxConections: 4\n", "broker.yaml:3: limits.maxConections"],
    ["anchor", "version: 1\nbatch: { maxItem: 5 }\n", "anchor.yaml:2: batch.maxItem"],
  ] as const)("%s: an unknown key is an error that names its line", ([program, yaml, where]) => {
    const path = file(`${program}.yaml`, yaml);
    const { code, lines } = run(program, "config", "check", "--config", path);
    expect(code).toBe(2);
    expect(lines.some((line) => line.includes(where) && line.includes("no such setting"))).toBe(true);
  });

  test.for(["agent", "broker", "anchor"] as const)("%s: a file that isn't there", (program) => {
    const { code, lines } = run(program, "run", "--config", join(folder, "nowhere.yaml"));
    expect(code).toBe(2);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain("nowhere.yaml");
    expect(lines[0]).toContain("--config");
  });

  test("something that is no YAML", () => {
    const { code, lines } = run("broker", "config", "check", "--config", file("no.yaml", "version: [1\n"));
    expect(code).toBe(2);
    expect(lines[0]).toMatch(/no\.yaml:\d+: not YAML/);
  });
});

describe("keys", () => {
  test("a key file that isn't there: which, and how to make one", () => {
    const { code, lines } = run("agent", "run", "--config", file("nokey.yaml", agentYaml()));
    expect(code).toBe(1);
    expect(lines.at(-1)).toContain("[key-file-unreadable]");
    expect(lines.at(-1)).toContain("tally-agent key make");
  });

  test("a key that others can read", () => {
    const key = join(folder, "loose.key");
    expect(run("agent", "key", "make", "--key", key).code).toBe(0);
    chmodSync(key, 0o644);
    const yaml = agentYaml().replace("device.key", "loose.key");
    const { code, lines } = run("agent", "run", "--config", file("loose.yaml", yaml));
    expect(code).toBe(1);
    expect(lines.at(-1)).toContain("chmod 600");
    expect(lines.at(-1)).toContain("[key-file-mode]");
  });

  test("a key is never overwritten", () => {
    const key = join(folder, "twice.key");
    expect(run("agent", "key", "make", "--key", key).code).toBe(0);
    const { code, lines } = run("agent", "key", "make", "--key", key);
    expect(code).toBe(1);
    expect(lines.at(-1)).toContain("[key-file-exists]");
  });
});

describe("addresses", () => {
  test.for([
    ["broker", "version: 1\nlisten: { host: 0.0.0.0, port: 0 }\n"],
    ["anchor", 'version: 1\nhttp: { listen: "0.0.0.0:0" }\n'],
  ] as const)("%s listens on loopback only", ([program, yaml]) => {
    const { code, lines } = run(program, "run", "--config", file(`${program}-open.yaml`, yaml));
    expect(code).toBe(1);
    expect(lines.at(-1)).toContain("[address-not-loopback]");
  });

  test("a port that is taken", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => other.once("listening", resolve));
    const address = other.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const broker = run(
      "broker",
      "run",
      "--config",
      file("busy.yaml", `version: 1\nlisten: { port: ${port} }\n`),
    );
    expect(broker.code).toBe(1);
    expect(broker.lines.at(-1)).toContain("[address-in-use]");
    const data = join(folder, "busy-anchor");
    expect(run("anchor", "init", "--origin", "busy.example/2026", "--data", data).code).toBe(0);
    const yaml = `version: 1\ndata: ${data}\nhttp: { listen: "127.0.0.1:${port}" }\n`;
    const anchor = run("anchor", "run", "--config", file("busy-anchor.yaml", yaml));
    other.close();
    expect(anchor.code).toBe(1);
    expect(anchor.lines.at(-1)).toContain("[address-in-use]");
    expect(anchor.lines.at(-1)).toContain(String(port));
  });
});

describe("evidence", () => {
  let bundle: Uint8Array;
  let policy: string;

  beforeAll(async () => {
    const world = await World.create();
    const device = await world.enrol("energy/gw-1");
    const chain = device.chain("meter/m-1");
    await chain.open({ source: "p1" });
    await chain.readings(2);
    await world.commit();
    bundle = encodeBundle(world.bundle([{ chain }]));
    policy = world.policy();
    file("policy.txt", policy);
  });

  const verdict = (
    name: string,
    bytes: Uint8Array,
    policyName = "policy.txt",
  ): { exit: number | null; code: unknown; verdict: unknown } => {
    const { code, out } = run(
      "audit",
      "verify",
      file(name, bytes),
      "--policy",
      join(folder, policyName),
      "--json",
    );
    const { verdict: word, code: why } = JSON.parse(out.split("\n")[0] ?? "") as Record<string, unknown>;
    return { exit: code, verdict: word, code: why };
  };

  test("a good bundle, to begin with", () => {
    expect(verdict("good.tally", bundle)).toEqual({ exit: 0, verdict: "restricted", code: undefined });
  });

  test("a truncated bundle", () => {
    expect(verdict("cut.tally", bundle.subarray(0, bundle.length - 7))).toEqual({
      exit: 1,
      verdict: "invalid",
      code: "cbor-malformed",
    });
  });

  test("a trust policy that names another log, and one with another key for this log", async () => {
    const foreign = (await World.create({ origin: "log.town.example/2026" })).policy();
    file("foreign.txt", foreign);
    expect(verdict("good.tally", bundle, "foreign.txt")).toEqual({
      exit: 3,
      verdict: "not-verifiable",
      code: "log-unknown",
    });
    file(
      "forged.txt",
      policy.replace(/^log .*$/m, `log ${VKEY.replace("log.example/2026", "log.city.example/2026")}`),
    );
    const { code, lines } = run(
      "audit",
      "verify",
      join(folder, "good.tally"),
      "--policy",
      join(folder, "forged.txt"),
    );
    expect(code).toBe(2); // the key id in a vkey covers its name: a policy that was patched by hand is refused as such
    expect(lines.join("\n")).toContain("line 1");
    const key = ed25519Key(fromHex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"));
    file("other-key.txt", policy.replace(/^log .*$/m, `log ${formatVkey("log.city.example/2026", key)}`));
    expect(verdict("good.tally", bundle, "other-key.txt")).toEqual({
      exit: 1,
      verdict: "invalid",
      code: "log-key",
    });
  });

  test("a keyword that a policy doesn't have: its line", () => {
    file("typo.txt", `${policy}wittness a b\n`);
    const { code, lines } = run(
      "audit",
      "verify",
      join(folder, "good.tally"),
      "--policy",
      join(folder, "typo.txt"),
    );
    expect(code).toBe(2);
    expect(lines.join("\n")).toMatch(/line \d+/);
  });

  test("a policy that isn't there", () => {
    const { code, lines } = run(
      "audit",
      "verify",
      join(folder, "good.tally"),
      "--policy",
      join(folder, "none.txt"),
    );
    expect(code).toBe(2);
    expect(lines).toHaveLength(1);
  });

  test.for([
    ["nested 100,000 deep", new Uint8Array(100_000).fill(0x81), "cbor-depth"],
    ["a length of 2^60", Uint8Array.of(0xd2, 0x84, 0x5b, 0x10, 0, 0, 0, 0, 0, 0, 0), "cbor-malformed"],
    [
      "a key twice",
      Uint8Array.of(0xd9, 0xd9, 0xf7, 0xa2, 0x61, 0x76, 1, 0x61, 0x76, 1),
      "cbor-duplicate-key",
    ],
    [
      "an exponent of 2^60",
      Uint8Array.of(0xd9, 0xd9, 0xf7, 0xa1, 0x61, 0x76, 0xc4, 0x82, 0x1b, 0x10, 0, 0, 0, 0, 0, 0, 0, 1),
      "cbor-decimal",
    ],
    ["nothing", new Uint8Array(), "cbor-malformed"],
    ["a text", encodeUtf8("no evidence of anything\n"), "cbor-trailing"],
  ] as const)("hostile bytes: %s", ([name, bytes, code]) => {
    expect(verdict(`${name.replaceAll(/\W/g, "-")}.bin`, bytes)).toEqual({
      exit: 1,
      verdict: "invalid",
      code,
    });
  });
});

describe("usage", () => {
  test.for([
    ["agent", ["frobnicate"]],
    ["agent", ["decode", "--kind", "abacus", "x"]],
    ["broker", ["run", "--prot", "1"]],
    ["anchor", ["enrol"]],
    ["audit", ["verify"]],
    ["audit", ["log"]],
  ] as const)("%s %j: exit 2 and what there is", ([program, args]) => {
    const { code, lines } = run(program, ...args);
    expect(code).toBe(2);
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.length).toBeLessThan(4);
  });
});
