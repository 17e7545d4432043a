/** The program itself: each command, and what it says to bad input. */
import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { parseStatement, toHex } from "@tallystick/evidence";
import { createKeyFile } from "@tallystick/evidence/node";
import { readStorage } from "../../../agent/src/storage/storage.ts";
import { FakeAnchor } from "../../support/fake-anchor.ts";

const MAIN = join(import.meta.dirname, "..", "..", "..", "agent", "src", "main.ts");

type Outcome = { readonly code: number | null; readonly out: string; readonly err: string };

type Started = {
  readonly child: ReturnType<typeof spawn>;
  readonly ended: Promise<Outcome>;
  /** What it has said on stderr so far. */
  readonly said: () => string;
};

function start(args: readonly string[], env: Record<string, string> = {}): Started {
  const child = spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, ...env } });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
  const ended = new Promise<Outcome>((resolve) => child.on("close", (code) => resolve({ code, out, err })));
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  return { child, ended, said: () => err };
}

const agent = (...args: readonly string[]): Promise<Outcome> => start(args).ended;

/** A folder with a configuration that is good, but for the changes. */
function installed(change: (yaml: string) => string = (yaml) => yaml): {
  folder: string;
  config: string;
  key: string;
} {
  const folder = mkdtempSync(join(tmpdir(), "tally-agent-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const yaml = `version: 1
org: city
device: gw-1
data: ${folder}
log: ["${new FakeAnchor().vkey}"]
broker: { url: "mqtt://127.0.0.1:1" }
clock: { trust: system }
streams:
  - { name: host/self, source: { kind: host }, every: 1, maxLossMs: 100, seal: { maxWaitMs: 200 } }
`;
  const config = join(folder, "agent.yaml");
  writeFileSync(config, change(yaml));
  return { folder, config, key: join(folder, "device.key") };
}

const oneLine = (text: string): RegExp => new RegExp(`^tally-agent [^\\n]*${text}[^\\n]*\\n$`, "s");

describe("key", () => {
  test("make makes one that only its owner reads, prints its public half, and never overwrites", async () => {
    const { config, key } = installed();
    const made = await agent("key", "make", "--config", config);
    expect(made).toMatchObject({ code: 0, err: "" });
    expect(made.out).toMatch(/^kid [0-9a-f]{64}\n-----BEGIN PUBLIC KEY-----\n/);
    expect(statSync(key).mode & 0o777).toBe(0o600);
    const before = readFileSync(key, "utf8");
    const again = await agent("key", "make", "--config", config);
    expect(again.code).toBe(1);
    expect(again.err).toMatch(oneLine("key-file-exists"));
    expect(readFileSync(key, "utf8")).toBe(before);
    expect((await agent("key", "print", "--key", key)).out).toBe(made.out);
    const json = JSON.parse((await agent("key", "print", "--key", key, "--json")).out) as Record<
      string,
      string
    >;
    expect(made.out).toBe(`kid ${json["kid"]}\n${json["pem"]}`);
  });

  test("print of a key that isn't there says so", async () => {
    const { key } = installed();
    expect((await agent("key", "print", "--key", key)).err).toMatch(oneLine("key-file-unreadable"));
  });
});

describe("config", () => {
  test("check says OK, or every fault with its line", async () => {
    const good = installed();
    expect(await agent("config", "check", "--config", good.config)).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^OK /) as string,
    });
    const bad = installed((yaml) => `${yaml.replace("gw-1", "GW 1")}bacth: 1\n`);
    const { code, err } = await agent("config", "check", "--config", bad.config);
    expect(code).toBe(2);
    expect(err.trimEnd().split("\n")).toEqual([
      expect.stringMatching(/agent\.yaml:3: device: use/),
      expect.stringMatching(/agent\.yaml:10: bacth: no such setting/),
    ]);
  });

  test("migrate has nothing to do for version 1", async () => {
    const { config } = installed();
    expect((await agent("config", "migrate", "--config", config)).out).toContain("nothing to do");
  });
});

describe("run", () => {
  test.for<[string, (files: ReturnType<typeof installed>) => void, number, string]>([
    ["no configuration", ({ config }) => rmSync(config), 2, "can't read the configuration"],
    ["no key", ({ key }) => rmSync(key), 1, "run: tally-agent key make"],
    ["a key that others can read", ({ key }) => chmodSync(key, 0o644), 1, "key-file-mode"],
    [
      "a key that is none",
      ({ key }) => writeFileSync(key, "hello", { mode: 0o600 }),
      1,
      "key-file-unreadable",
    ],
    [
      "a folder that is a file",
      ({ folder }) =>
        writeFileSync(join(folder, "agent.db"), "not a database, but long enough to be taken for one"),
      1,
      "storage-failed",
    ],
  ])("with %s says one line: what, where, what to do", async ([, spoil, code, text]) => {
    const files = installed();
    createKeyFile(files.key);
    spoil(files);
    const outcome = await agent("run", "--config", files.config);
    expect(outcome.code).toBe(code);
    expect(outcome.err).toMatch(oneLine(text));
    expect(outcome.out).toBe("");
  });

  test("without a broker it reads, keeps, and says so once; a second one on the same data is refused; it stops cleanly", async () => {
    const { config, folder, key } = installed();
    createKeyFile(key);
    const { child, ended, said } = start(["run", "--config", config]);
    await vi.waitFor(() => expect(said()).toContain("no broker"), { timeout: 20_000 });
    const second = await agent("run", "--config", config);
    expect(second).toMatchObject({ code: 1 });
    expect(second.err.trimEnd().split("\n").at(-1)).toContain("storage-in-use");
    await vi.waitFor(
      async () => {
        const { out } = await agent("status", "--config", config, "--json");
        const report = JSON.parse(out) as {
          outbox: { waiting: { count: number } };
          streams: { sub: string }[];
        };
        expect(report.streams.map(({ sub }) => sub)).toEqual(["host/self", "sys"]);
        expect(report.outbox.waiting.count).toBeGreaterThan(4);
      },
      { timeout: 20_000 },
    );
    child.kill("SIGTERM");
    const { code, out } = await ended;
    expect({ code, out }).toEqual({ code: 0, out: "" });
    expect(said().match(/no broker/g)).toHaveLength(1);
    const { out: text } = await agent("status", "--config", config);
    expect(text).toMatch(/^device {4}city\/gw-1/);
    expect(text).toContain("host/self: host, head");
    expect(existsSync(join(folder, "agent.began"))).toBe(true);
  });

  test("killed again and again, its chains go on without a hole", async () => {
    const { config, folder, key } = installed((yaml) => yaml.replace("maxWaitMs: 200", "maxWaitMs: 20"));
    createKeyFile(key);
    const countOf = (): number => {
      if (!existsSync(join(folder, "agent.db-wal"))) return 0;
      const storage = readStorage(folder);
      const count = storage.query<{ n: number }>("SELECT count(*) AS n FROM outbox").get()?.n ?? 0;
      storage.close();
      return count;
    };
    for (let i = 0, before = 0; i < 4; i++, before = countOf()) {
      const { child, ended } = start(["run", "--config", config]);
      await vi.waitFor(() => expect(countOf()).toBeGreaterThan(before + 3), {
        timeout: 20_000,
        interval: 10,
      });
      child.kill("SIGKILL");
      await ended;
    }
    const storage = readStorage(folder);
    const statements = storage
      .query<{ bytes: Uint8Array }>("SELECT bytes FROM statement ORDER BY id")
      .all()
      .map(({ bytes }) => parseStatement(bytes));
    storage.close();
    const last = new Map<string, { seq: number; hash: string }>();
    for (const { claims, hash } of statements) {
      const before = last.get(claims.sub);
      expect(claims.seq).toBe((before?.seq ?? -1) + 1);
      expect(claims.prev === undefined ? undefined : toHex(claims.prev)).toBe(before?.hash);
      last.set(claims.sub, { seq: claims.seq, hash: toHex(hash) });
    }
    expect(statements.filter(({ event }) => event?.kind === "boot")).toHaveLength(4);
  });
});

describe("status", () => {
  test("before the first run says that there is nothing yet", async () => {
    const { config } = installed();
    const { code, err } = await agent("status", "--config", config);
    expect(code).toBe(1);
    expect(err).toMatch(oneLine("storage-missing"));
  });
});

test("usage: unknown commands and options are told apart from failures", async () => {
  expect((await agent("frobnicate")).code).toBe(2);
  expect((await agent("status", "--frob")).code).toBe(2);
  expect((await agent("--version")).out).toMatch(/^tally-agent \d+\.\d+\.\d+\n$/);
  expect((await agent("run", "--help")).out).toContain("SIGTERM");
});
