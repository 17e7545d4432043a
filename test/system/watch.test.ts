import { execFile, spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import { placesOf } from "../../anchor/src/config.ts";
import { AnchorLog, type AnchorChain } from "../support/anchor-log.ts";
import { anchorConfig, registerAt, startAnchor, type AnchorProcess } from "../support/anchor-process.ts";
import { auditCommand } from "../support/audit-command.ts";
import { startBroker } from "../unit/broker/start.ts";

const MAIN = join(import.meta.dirname, "..", "..", "audit", "src", "main.ts");
const ANCHOR = join(import.meta.dirname, "..", "..", "anchor", "src", "main.ts");
const STREAM = "city/gw-1/meter/m-1";
let log: AnchorLog;
let chain: AnchorChain;
let policy: string;
let state: string;
const anchors: AnchorProcess[] = [];

beforeEach(async () => {
  log = await AnchorLog.create();
  log.clock.now = Math.floor(Date.now() / 1000);
  chain = (await log.enrol("city/gw-1")).chain();
  log.close();
  policy = join(log.folder, "policy.txt");
  writeFileSync(policy, log.policy);
  state = join(log.folder, "watch");
});
afterEach(async () => {
  for (const anchor of anchors.splice(0)) await anchor.end("SIGKILL");
  log.remove();
});

/** An anchor on these data, with a broker of its own: it knows nothing of another that signs with the same key. */
async function anchorOn(data: string): Promise<AnchorProcess> {
  const broker = await startBroker();
  const config = anchorConfig(join(log.folder, `anchor-${anchors.length}.yaml`), {
    data,
    broker: broker.url,
  });
  const anchor = await startAnchor(config);
  anchors.push(anchor);
  return anchor;
}

async function register(anchor: AnchorProcess, count: number): Promise<void> {
  const statements =
    chain.statements.length === 0
      ? [await chain.open(), ...(await chain.next(count - 1))]
      : await chain.next(count);
  for (const { bytes } of statements) await registerAt(anchor.url, bytes);
}

type Told = {
  readonly alerts: string[];
  readonly exit: number;
  readonly standing: { size: number; derived: number; open: { code: string }[] };
};

/** One look. */
async function look(url: string, ...more: readonly string[]): Promise<Told> {
  const { stdout, stderr, exit } = await auditCommand(
    "watch",
    url,
    "--policy",
    policy,
    "--state",
    state,
    "--once",
    "--json",
    ...more,
  );
  const lines = stdout.split("\n").filter((line) => line !== "");
  const parsed = lines.map((line) => JSON.parse(line) as Record<"state" | "code" | "subject", string>);
  const { standing } = (parsed.pop() ?? {}) as { standing?: Told["standing"] };
  if (standing === undefined) throw new Error(`${exit}: ${stderr}`);
  const alerts = parsed.map(({ state: what, code, subject }) => `${what} ${code} ${subject}`);
  return { alerts, exit, standing };
}

test(
  "a log that grows and a stream that speaks: nothing to alert to; then a new key, told once",
  { timeout: 60_000 },
  async () => {
    const anchor = await anchorOn(log.config.data);
    await register(anchor, 3);
    for (let i = 0; i < 2; i++) {
      const { alerts, exit, standing } = await look(anchor.url, "--stream", STREAM);
      expect([alerts, exit]).toEqual([[], 0]);
      expect([standing.size, standing.derived]).toEqual([5 + 4 * i, 5 + 4 * i]);
      await register(anchor, 4);
    }
    const item = await log.item({ kind: "revoke", kid: chain.device.signer.key.kid, from: 4 });
    writeFileSync(join(placesOf(log.config).inbox, "2.cose"), item.bytes);
    let told = await look(anchor.url, "--stream", STREAM);
    while (told.alerts.length === 0) told = await look(anchor.url, "--stream", STREAM);
    expect(told).toMatchObject({ alerts: ["once key-changed city/gw-1"], exit: 1 });
    expect(await look(anchor.url, "--stream", STREAM)).toMatchObject({ alerts: [], exit: 0 });
  },
);

test("with a token streams are looked at by reads, each of which stands in the ledger; so they are seldom", async () => {
  const anchor = await anchorOn(log.config.data);
  await register(anchor, 2);
  const { stdout } = await promisify(execFile)(process.execPath, [
    ANCHOR,
    "token",
    "add",
    "--config",
    join(log.folder, "anchor-0.yaml"),
    "--name",
    "auditor",
    "--stream",
    "city/*",
    "--expires",
    "1d",
  ]);
  const token = join(log.folder, "token");
  writeFileSync(token, stdout, { mode: 0o600 });
  const options = ["--stream", STREAM, "--token-file", token, "--purpose", "watching for the city"];
  let first = await look(anchor.url, ...options);
  while (first.standing.open.length > 0) {
    // Not enrolled yet, with which the anchor tells of reads; asked again only after a while.
    rmSync(state, { recursive: true });
    first = await look(anchor.url, ...options);
  }
  const reads = async (): Promise<number> => {
    const chains = (await (await fetch(`${anchor.url}/streams?iss=city/anchor`)).json()) as {
      sub: string;
      count: number;
    }[];
    return chains.find(({ sub }) => sub === "access")?.count ?? 0;
  };
  const told = await reads();
  expect(told).toBeGreaterThan(1); // its opening, and the read
  const known = JSON.parse(readFileSync(join(state, "state.json"), "utf8")) as {
    streams: Record<string, { index: number }>;
  };
  expect(known.streams[STREAM]?.index).toBe(3);
  await register(anchor, 1);
  expect((await look(anchor.url, ...options)).exit).toBe(0);
  expect(await reads()).toBe(told);
  await delay(1100);
  expect((await look(anchor.url, ...options, "--read-every", "1s")).exit).toBe(0);
  expect(await reads()).toBe(told + 1);
  await delay(1100);
  writeFileSync(token, "tally-read-nobodys-token-at-all\n");
  const refused = await look(anchor.url, ...options, "--read-every", "1s");
  expect(refused).toMatchObject({ alerts: [`begins stream-unseen ${STREAM}`], exit: 3 });
}, 60_000);

test(
  "an operator that runs two histories under one key: the forked copy is told of, with both notes",
  { timeout: 60_000 },
  async () => {
    const first = await anchorOn(log.config.data);
    await register(first, 3);
    await first.end("SIGTERM");
    const second = join(log.folder, "second");
    cpSync(log.config.data, second, { recursive: true });
    rmSync(join(second, "anchor.lock"), { force: true });
    const one = await anchorOn(log.config.data);
    const other = await anchorOn(second);
    expect(await look(one.url, "--copy", other.url)).toMatchObject({ alerts: [], exit: 0 });
    const beginning = [...chain.statements];
    await register(one, 5);
    chain.statements.splice(0, Infinity, ...beginning);
    await registerAt(other.url, (await chain.seal(chain.pack(4711))).bytes);
    const { alerts, exit, standing } = await look(one.url, "--copy", other.url);
    expect([alerts, exit]).toEqual([[`begins log-fork ${other.url}`], 1]);
    const { evidence } = standing.open[0] as { code: string; evidence?: string };
    const proof = JSON.parse(readFileSync(join(state, evidence ?? ""), "utf8")) as Record<
      string,
      { from: string }
    >;
    expect(new Set([proof["known"]?.from, proof["shown"]?.from])).toEqual(new Set([one.url, other.url]));
    // Whoever is shown the other history sees it, too.
    expect(await look(other.url)).toMatchObject({ alerts: [`begins log-rollback ${other.url}`], exit: 1 });
  },
);

test(
  "a log restored from an older state: a rollback, then a fork, and neither is taken back",
  { timeout: 60_000 },
  async () => {
    const before = await anchorOn(log.config.data);
    await register(before, 3);
    await before.end("SIGTERM");
    const old = join(log.folder, "old");
    cpSync(log.config.data, old, { recursive: true });
    const anchor = await anchorOn(log.config.data);
    await register(anchor, 3);
    expect(await look(anchor.url)).toMatchObject({ alerts: [], exit: 0 });
    await anchor.end("SIGTERM");
    const gone = await look(anchor.url);
    expect(gone).toMatchObject({ alerts: [`begins log-unreachable ${anchor.url}`], exit: 3 });

    const restored = await anchorOn(old);
    // Its address is another one, so what was open of the old one is over.
    expect(await look(restored.url)).toMatchObject({
      alerts: [`ends log-unreachable ${anchor.url}`, `begins log-rollback ${restored.url}`],
      exit: 1,
    });
    chain.statements.splice(3);
    for (let i = 0; i < 5; i++) {
      const statement = await chain.seal(chain.pack(100 + i));
      chain.statements.push(statement);
      await registerAt(restored.url, statement.bytes);
    }
    const forked = await look(restored.url);
    expect(forked).toMatchObject({ alerts: [`begins log-fork ${restored.url}`], exit: 1 });
    expect(forked.standing.open.map(({ code }) => code)).toEqual(["log-rollback", "log-fork"]);
  },
);

test(
  "alerts reach a receiver, signed, once each, also over its absence and a restart",
  { timeout: 60_000 },
  async () => {
    const secret = "0123456789abcdef0123456789abcdef";
    const secretFile = join(log.folder, "secret");
    writeFileSync(secretFile, `${secret}\n`, { mode: 0o600 });
    const got: { state: string; code: string; id: string }[] = [];
    const receiver = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on("data", (part: Buffer) => parts.push(part));
      request.on("end", () => {
        const body = Buffer.concat(parts).toString();
        const [, t, mac] =
          /^t=(\d+),hmac-sha256=([0-9a-f]{64})$/.exec(String(request.headers["tallystick-signature"])) ?? [];
        const isSigned = createHmac("sha256", secret).update(`${t}.${body}`).digest("hex") === mac;
        if (isSigned) got.push(...(JSON.parse(body) as { alerts: typeof got }).alerts);
        response.writeHead(isSigned ? 204 : 403).end();
      });
    });
    receiver.listen(0, "127.0.0.1");
    await once(receiver, "listening");
    onTestFinished(() => void receiver.close());
    const { port } = receiver.address() as AddressInfo;
    const hooked = ["--webhook", `http://127.0.0.1:${port}/alerts`, "--secret-file", secretFile];
    const metrics = join(log.folder, "watch.prom");
    const anchor = await anchorOn(log.config.data);
    await register(anchor, 2);

    const child = spawn(
      process.execPath,
      [
        MAIN,
        "watch",
        anchor.url,
        "--policy",
        policy,
        "--state",
        state,
        "--every",
        "1s",
        "--max-age",
        "1s",
        "--json",
        "--metrics",
        metrics,
        ...hooked,
      ],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    onTestFinished(() => void child.kill("SIGKILL"));
    let printed = "";
    child.stdout.on("data", (chunk: Buffer) => (printed += chunk.toString()));
    while (got.length === 0) await delay(20);
    expect(got.map(({ state: what, code }) => `${what} ${code}`)).toEqual(["begins log-stale"]);
    child.kill("SIGTERM");
    expect((await once(child, "exit"))[0]).toBe(0);
    expect(printed).toContain('"code":"log-stale"');
    expect(readFileSync(metrics, "utf8")).toContain('tally_watch_alerts{code="log-stale"} 1\n');

    // The receiver is away when it ends; what wasn't taken is sent at the next look, by another process.
    const nobody = ["--webhook", "http://127.0.0.1:1/", "--secret-file", secretFile];
    const ended = await look(anchor.url, "--max-age", "1d", ...nobody);
    expect(ended.alerts).toEqual([`ends log-stale ${anchor.url}`]);
    expect(got).toHaveLength(1);
    expect(await look(anchor.url, "--max-age", "1d", ...hooked)).toMatchObject({ alerts: [], exit: 0 });
    expect(got.map(({ state: what, code }) => `${what} ${code}`)).toEqual([
      "begins log-stale",
      "ends log-stale",
    ]);
    expect(new Set(got.map(({ id }) => id)).size).toBe(1);
  },
);

test("says what is wrong with its arguments", async () => {
  const cases: [string[], string][] = [
    [["watch", "--policy", policy], "name the log's address"],
    [["watch", "http://127.0.0.1:1/"], "--policy is missing"],
    [["watch", "http://127.0.0.1:1/", "--policy", policy, "--every", "soon"], "--every soon"],
    [["watch", "http://127.0.0.1:1/", "--policy", policy, "--stream", "a"], "--stream a"],
    [
      ["watch", "http://127.0.0.1:1/", "--policy", policy, "--webhook", "https://x.example/"],
      "--secret-file",
    ],
    [
      [
        "watch",
        "http://127.0.0.1:1/",
        "--policy",
        policy,
        "--webhook",
        "http://x.example/",
        "--secret-file",
        policy,
      ],
      "https://",
    ],
  ];
  for (const [args, words] of cases) {
    const { exit, stderr } = await auditCommand(...args);
    expect([exit, stderr]).toEqual([2, expect.stringContaining(words)]);
  }
}, 60_000);
