import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { decodeItem, parseStatement, toHex } from "@tallystick/evidence";
import { PlainBroker } from "../../support/plain-broker.ts";
import { checkLog } from "../../support/testlog.ts";

const MAIN = join(import.meta.dirname, "..", "..", "..", "anchor", "src", "main.ts");
let folder: string;
let data: string;
const children: ChildProcessWithoutNullStreams[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tally-anchor-cli-"));
  data = join(folder, "data");
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

type Outcome = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

function begin(...args: readonly string[]): {
  child: ChildProcessWithoutNullStreams;
  outcome: Promise<Outcome>;
} {
  const child = spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, NODE_OPTIONS: "" } });
  children.push(child);
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const outcome = new Promise<Outcome>((resolve) =>
    child.on("close", (code) => resolve({ code, stdout, stderr })),
  );
  return { child, outcome };
}

const anchor = (...args: readonly string[]): Promise<Outcome> => begin(...args).outcome;

/** What it prints first on stdout; an error with its complaint where it ends before. */
const firstWords = (child: ChildProcessWithoutNullStreams, outcome: Promise<Outcome>): Promise<string> =>
  Promise.race([
    new Promise<string>((resolve) => {
      child.stdout.once("data", (chunk: Buffer) => resolve(chunk.toString()));
    }),
    outcome.then((ended) => {
      throw new Error(complaint(ended));
    }),
  ]);

/** The last line on stderr that is for people: neither a log line nor empty. */
const complaint = ({ stderr }: Outcome): string =>
  stderr
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("{"))
    .at(-1) ?? "";

const initialise = (): Promise<Outcome> => anchor("init", "--data", data, "--origin", "tally.example/2026");

function keyFile(name: string): string {
  const path = join(folder, name);
  writeFileSync(path, generateKeyPairSync("ed25519").publicKey.export({ format: "pem", type: "spki" }));
  return path;
}

function configFile(text: string): string {
  const path = join(folder, "anchor.yaml");
  writeFileSync(path, text);
  return path;
}

describe("init", () => {
  test("makes keys that nobody else can read, entry 0, and prints a policy under which the log verifies", async () => {
    const { code, stdout } = await initialise();
    expect(code).toBe(0);
    for (const name of ["log.pem", "operator.pem"])
      expect(statSync(join(data, "keys", name)).mode & 0o777).toBe(0o600);
    const { size, origin, keys } = checkLog(join(data, "public"), stdout);
    expect([size, origin]).toEqual([1, "tally.example/2026"]);
    const [operator] = keys.policy?.operators ?? [];
    expect([operator?.iss, operator?.actsFor]).toEqual(["city/operator", "*"]);
    expect(stdout).toContain("operator * city/operator+");
  });

  test("refuses to begin twice, and names without their form", async () => {
    await initialise();
    const again = await initialise();
    expect([again.code, complaint(again)]).toEqual([1, expect.stringContaining("[storage-exists]")]);
    const wrong = await anchor("init", "--data", `${data}2`, "--origin", "two words");
    expect([wrong.code, complaint(wrong)]).toEqual([1, expect.stringContaining("[name-malformed]")]);
    const device = await anchor(
      "init",
      "--data",
      `${data}3`,
      "--origin",
      "a/2026",
      "--operator-iss",
      "city/gw-1",
    );
    expect([device.code, complaint(device)]).toEqual([1, expect.stringContaining("[name-malformed]")]);
    expect((await anchor("init", "--data", `${data}4`)).code).toBe(2);
    expect((await anchor("init", "--data", data, "--bogus")).code).toBe(2);
  });

  test("uses keys that are in their places, and begins again what was interrupted", async () => {
    await initialise();
    const before = readFileSync(join(data, "keys", "log.pem"), "utf8");
    rmSync(join(data, "public"), { recursive: true });
    rmSync(join(data, "anchor.db"));
    writeFileSync(join(data, "anchor.db.new"), "half a database");
    expect((await initialise()).code).toBe(0);
    expect(readFileSync(join(data, "keys", "log.pem"), "utf8")).toBe(before);
  });
});

describe("enrol", () => {
  const item = (path: string) => {
    const statement = parseStatement(new Uint8Array(readFileSync(path)));
    if (statement.content.type !== "registry") throw new Error("not a registry item");
    return { ...statement.claims, item: decodeItem(statement.content.payload), hash: toHex(statement.hash) };
  };
  const inbox = (): string[] => readdirSync(join(data, "inbox")).filter((name) => name.endsWith(".cose"));

  test("writes items into the inbox, each after the one before, also when several are made at once", async () => {
    await initialise();
    const enrol = (n: number): Promise<Outcome> =>
      anchor(
        "enrol",
        "--data",
        data,
        "--device",
        `city/gw-${n}`,
        "--key",
        keyFile(`gw-${n}.pem`),
        "--silence",
        "2h",
        "--streams",
        "meter/*,sys",
      );
    expect((await Promise.all([enrol(1), enrol(2), enrol(3)])).map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(inbox()).toEqual(["000000001.cose", "000000002.cose", "000000003.cose"]);
    const items = inbox().map((name) => item(join(data, "inbox", name)));
    expect(items.map(({ seq }) => seq)).toEqual([1, 2, 3]);
    expect(items.slice(1).map(({ prev }) => prev && toHex(prev))).toEqual(
      items.slice(0, 2).map(({ hash }) => hash),
    );
    expect(items[0]?.item).toMatchObject({ kind: "enrol", silenceS: 7200, streams: ["meter/*", "sys"] });
  });

  test("works offline from a copy of the public folder, or from the last item alone", async () => {
    await initialise();
    const [out, next] = [join(folder, "item.cose"), join(folder, "next.cose")];
    const common = [
      "enrol",
      "--data",
      join(folder, "nowhere"),
      "--operator",
      join(data, "keys", "operator.pem"),
    ];
    const first = ["--device", "city/gw-1", "--key", keyFile("a.pem")];
    expect((await anchor(...common, ...first, "--registry", join(data, "public"), "-o", out)).code).toBe(0);
    expect(item(out)).toMatchObject({ seq: 1, iss: "city/operator" });
    const policy = join(folder, "policy.cose");
    writeFileSync(policy, readFileSync(join(data, "public", "registry", "000.p", "1")).subarray(2));
    expect((await anchor(...common, ...first, "--registry", policy, "-o", next)).code).toBe(0);
    expect(item(next)).toMatchObject({ seq: 1, iss: "city/operator" });
  });

  test("says at once what the anchor would refuse", async () => {
    await initialise();
    const enrol = (...more: readonly string[]): Promise<Outcome> => anchor("enrol", "--data", data, ...more);
    const key = keyFile("gw.pem");
    await enrol("--device", "city/gw-1", "--key", key);
    const cases = [
      [["--device", "city/gw-1", "--key", keyFile("other.pem")], 1, "[key-exists]"],
      [["--device", "city/gw-2", "--key", key], 1, "[key-exists]"],
      [["--device", "CITY/gw-2", "--key", keyFile("third.pem")], 1, "[name-malformed]"],
      [["--device", "city/gw-2", "--key", join(folder, "none.pem")], 1, "[key-file-unreadable]"],
      [
        ["--device", "city/gw-2", "--key", keyFile("fourth.pem"), "--streams", "Bad Name"],
        1,
        "[name-malformed]",
      ],
      [
        ["--device", "city/gw-2", "--key", keyFile("fifth.pem"), "--operator", join(data, "keys", "log.pem")],
        1,
        "[key-unknown]",
      ],
      [["--device", "city/gw-2"], 2, "--key"],
      [["--device", "city/gw-2", "--key", key, "--silence", "long"], 2, "--silence"],
    ] as const;
    const outcomes = await Promise.all(cases.map(([more]) => enrol(...more)));
    for (const [i, outcome] of outcomes.entries()) {
      const [, code, what] = cases[i] ?? [];
      expect([outcome.code, complaint(outcome)]).toEqual([code, expect.stringContaining(what as string)]);
    }
    expect(inbox()).toEqual(["000000001.cose"]);
  });
});

describe("run", () => {
  test("prints one line when it serves, takes an enrolment, and stops clean on SIGTERM", async () => {
    await initialise();
    const broker = await PlainBroker.start();
    try {
      const config = configFile(
        `version: 1\ndata: ${data}\nhttp: { listen: "127.0.0.1:0" }\nbroker: { url: "${broker.url}", settleMs: 50 }\n`,
      );
      const { child, outcome } = begin("run", "--config", config);
      const [line = ""] = (await firstWords(child, outcome)).split("\n");
      expect(line).toMatch(
        /^serving http:\/\/127\.0\.0\.1:\d+, broker mqtt:\/\/127\.0\.0\.1:\d+, log tally\.example\/2026 at size 1$/,
      );
      const enrolled = await anchor(
        "enrol",
        "--config",
        config,
        "--device",
        "city/gw-1",
        "--key",
        keyFile("gw.pem"),
        "--wait",
      );
      expect(enrolled.code).toBe(0);
      expect(existsSync(join(data, "inbox", "done", "000000001.cose"))).toBe(true);
      const url = line.split(" ")[1]?.replace(",", "") ?? "";
      expect(((await (await fetch(`${url}/healthz`)).json()) as { size: number }).size).toBe(2);
      const second = await anchor("run", "--config", config);
      expect([second.code, complaint(second)]).toEqual([1, expect.stringContaining("[storage-in-use]")]);
      child.kill("SIGTERM");
      expect((await outcome).code).toBe(0);
    } finally {
      await broker.stop();
    }
  });

  test("says what is missing", async () => {
    const nothing = await anchor("run", "--data", data);
    expect([nothing.code, complaint(nothing)]).toEqual([1, expect.stringContaining("[storage-missing]")]);
    expect(existsSync(data)).toBe(false);
    const open = configFile(`version: 1\ndata: ${data}\nhttp: { listen: "0.0.0.0:80" }\n`);
    await initialise();
    const refused = await anchor("run", "--config", open);
    expect([refused.code, complaint(refused)]).toEqual([
      1,
      expect.stringContaining("[address-not-loopback]"),
    ]);
  });
});

describe("backup and restore", () => {
  test("a backup with its keys apart, restored elsewhere with a copy of the public folder", async () => {
    await initialise();
    const [backups, keys, elsewhere] = [join(folder, "backups"), join(folder, "keys"), join(folder, "again")];
    const made = await anchor("backup", "--data", data, "-o", `${backups}/`, "--keys", keys, "--json");
    expect(made.code).toBe(0);
    const said = JSON.parse(made.stdout) as { file: string; size: number; keys: string[] };
    expect(said).toMatchObject({ file: join(backups, "tally.example_2026-1.backup"), size: 1, missing: 0 });
    for (const file of [said.file, ...said.keys]) expect(statSync(file).mode & 0o777).toBe(0o600);
    for (const place of [backups, keys]) expect(statSync(place).mode & 0o777).toBe(0o700);
    expect(said.keys).toHaveLength(2);

    mkdirSync(elsewhere);
    renameSync(keys, join(elsewhere, "keys"));
    const from = ["--from", said.file, "--from", join(data, "public")];
    const restored = await anchor("restore", "--data", elsewhere, ...from);
    expect([restored.code, restored.stdout]).toEqual([0, expect.stringContaining("no statement is missing")]);
    const twice = await anchor("restore", "--data", elsewhere, ...from);
    expect([twice.code, complaint(twice)]).toEqual([1, expect.stringContaining("[storage-exists]")]);
    const missing = await anchor("missing", "--data", elsewhere);
    expect([missing.code, missing.stdout]).toEqual([0, "0 statements missing\n"]);
    expect((await anchor("missing", "--data", elsewhere, "--give-up")).code).toBe(0);
  });

  test("says what is wrong, and what to do", async () => {
    await initialise();
    const other = join(folder, "other");
    const cases = [
      [["backup", "--data", data], 2, "-o is missing"],
      [["backup", "--data", other, "-o", join(folder, "b")], 1, "[storage-missing]"],
      [["restore", "--data", other], 2, "--from is missing"],
      [["restore", "--data", other, "--from", data], 1, "[key-file-unreadable]"],
      [["restore", "--data", data, "--from", join(folder, "none")], 1, "[storage-exists]"],
      [["missing", "--data", other], 1, "[storage-missing]"],
      [["missing", "--data", other, "--give-up"], 1, "[storage-missing]"],
      [["successor", "--data", data], 2, "--log is missing"],
      [["successor", "--data", data, "--log", "none"], 1, "[vkey-malformed]"],
    ] as const;
    for (const [args, code, what] of cases) {
      const outcome = await anchor(...args);
      expect([outcome.code, complaint(outcome)]).toEqual([code, expect.stringContaining(what)]);
    }
    expect(existsSync(join(other, "anchor.lock"))).toBe(false);
  });
});

describe("successor", () => {
  test("ends a running log: nothing is taken in after it", async () => {
    await initialise();
    const next = await anchor("init", "--data", join(folder, "next"), "--origin", "tally.example/2027");
    const vkey = /^log (\S+)$/m.exec(next.stdout)?.[1] ?? "";
    const broker = await PlainBroker.start();
    try {
      const config = configFile(
        `version: 1\ndata: ${data}\nhttp: { listen: "127.0.0.1:0" }\nbroker: { url: "${broker.url}", settleMs: 50 }\n`,
      );
      const { child, outcome } = begin("run", "--config", config);
      await firstWords(child, outcome);
      expect((await anchor("successor", "--config", config, "--log", vkey, "--wait")).code).toBe(0);
      const device = ["--device", "city/gw-1", "--key", keyFile("gw.pem")];
      const late = await anchor("enrol", "--config", config, ...device, "--wait");
      expect([late.code, complaint(late)]).toEqual([1, expect.stringContaining("[log-ended]")]);
      child.kill("SIGTERM");
      expect((await outcome).code).toBe(0);
    } finally {
      await broker.stop();
    }
  });
});

test("config check names each fault with its line", async () => {
  const good = await anchor("config", "check", configFile("version: 1\n"));
  expect([good.code, good.stdout]).toEqual([0, expect.stringContaining("good")]);
  const file = configFile("version: 1\nbatch:\n  maxItems: 0\n  maxWait: 3\nbroker: { url: http://x }\n");
  const bad = await anchor("config", "check", file);
  expect(bad.code).toBe(2);
  for (const part of [
    `${file}:3: batch.maxItems:`,
    `${file}:4: batch.maxWait: no such setting`,
    `${file}:5: broker.url:`,
  ]) {
    expect(bad.stderr).toContain(part);
  }
});
